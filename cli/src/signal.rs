//! What the pages and the program say to each other over their WebSockets.

use axum::extract::ws::{Message as Frame, WebSocket};
use serde::{Deserialize, Serialize};
use visavis::{IceCandidate, SessionDescription};

/// What the page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum FromPage {
    /// The browser is the receiver; it wants an offer.
    OfferWanted,
    /// The browser's offer, or its answer to ours.
    Description {
        description: SessionDescription,
    },
    Candidate {
        candidate: IceCandidate,
    },
    /// Of a hundred datagrams so many are to be lost from now on.
    Loss {
        percent: f64,
    },
}

/// What the page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum ToPage {
    Description {
        description: SessionDescription,
    },
    State {
        state: String,
    },
    Problem {
        problem: String,
    },
    /// All was played.
    Ended,
}

pub(crate) async fn tell(socket: &mut WebSocket, what: &ToPage) {
    match serde_json::to_string(what) {
        // A socket that is gone is noticed where it is read.
        Ok(text) => drop(socket.send(Frame::Text(text.into())).await),
        Err(error) => tracing::warn!(%error, "cannot tell the page"),
    }
}
