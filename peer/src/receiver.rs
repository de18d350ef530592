//! The peer that answers.

use std::sync::{Arc, Mutex};

use crate::config::Config;
use crate::connection::PeerConnection;
use crate::description::{SdpType, SessionDescription, expect_kind};
use crate::error::Error;
use crate::initiator::complete;
use crate::sync::lock;

/// The peer that processes an offer and answers it; its channels come as
/// [`crate::event::DATA_CHANNEL`] or from [`PeerConnection::accept_data_channel`].
#[derive(Clone, Debug)]
pub struct Receiver {
    connection: PeerConnection,
    answer: Arc<Mutex<Option<SessionDescription>>>,
}

impl Receiver {
    /// A receiver with a new peer connection.
    ///
    /// # Errors
    ///
    /// Those of [`PeerConnection::new`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { connection: PeerConnection::new(config)?, answer: Arc::default() })
    }

    /// Processes the initiator's offer and returns the answer, to be sent back. It is complete, candidates inside,
    /// unless [`Config::trickle`] is set. A later offer renegotiates.
    ///
    /// # Errors
    ///
    /// [`Error::WrongKind`] when this is an answer; [`Error::Negotiation`] names what cannot be understood or used.
    pub async fn process_offer(&self, offer: SessionDescription) -> Result<SessionDescription, Error> {
        expect_kind(&offer, SdpType::Offer, "a receiver makes answers itself; give this one to the `Initiator`")?;
        self.connection.set_remote_description(offer).await?;
        let answer = self.connection.create_answer().await?;
        let answer = complete(&self.connection, answer).await?;
        *lock(&self.answer) = Some(answer.clone());
        Ok(answer)
    }

    /// The latest answer, once an offer was processed.
    pub fn answer(&self) -> Option<SessionDescription> {
        lock(&self.answer).clone()
    }

    /// The connection beneath, with all that can be done with it.
    pub const fn peer_connection(&self) -> &PeerConnection {
        &self.connection
    }
}
