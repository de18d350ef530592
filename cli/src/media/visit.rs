//! One browser at a page with media: the offer, its answer and what follows, until either side has enough.

use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use visavis::{
    Config, ConnectionEvent, Error, OfferOptions, PeerConnection, PeerConnectionState, RemoteTrack, SessionDescription,
};

use super::relays::{Relays, without_candidates};
use crate::signal::{FromPage, ToPage, tell};

/// How long a browser has from opening its WebSocket to an open connection.
const TIME_TO_CONNECT: Duration = Duration::from_secs(30);

/// What a page is for.
pub(crate) trait Part: Send {
    /// What the visitor does, for the terminal: "A viewer", "A caller".
    const VISITOR: &'static str;
    /// Whether all goes through relays that can lose datagrams.
    const HAS_RELAYS: bool = false;

    /// Adds what is to be sent and received, before the offer is made.
    fn prepare(&mut self, connection: &PeerConnection) -> impl Future<Output = Result<(), Error>> + Send;

    /// Both sides have agreed. Returns what people should know about that.
    fn agreed(&mut self, _connection: &PeerConnection) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// The connection is made.
    fn connected(&mut self) {}

    /// The browser sends a track.
    fn track(&mut self, _track: RemoteTrack) {}

    /// Waits until there is no more to do.
    fn ended(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// The connection is over.
    fn finish(self) -> impl Future<Output = ()> + Send;
}

/// Serves one browser until its WebSocket or the connection ends, or the part is over.
pub(crate) async fn run<P: Part>(mut socket: WebSocket, stun_servers: Vec<String>, mut part: P) {
    // Page and peer may share a machine without a network, so loopback is offered as well.
    let config = Config { include_loopback: true, ice_servers: stun_servers, ..Config::default() };
    let connection = match PeerConnection::new(config) {
        Ok(connection) => connection,
        Err(error) => {
            tell(&mut socket, &ToPage::Problem { problem: error.to_string() }).await;
            return;
        }
    };
    let result = serve(&mut socket, &connection, &mut part).await;
    match &result {
        Ok(Reason::Ended) => tell(&mut socket, &ToPage::Ended).await,
        Ok(Reason::Left) => {}
        Err(problem) => {
            println!("{}: {problem}", P::VISITOR);
            tell(&mut socket, &ToPage::Problem { problem: problem.clone() }).await;
        }
    }
    // The browser may be gone without a word; then there is nothing to deliver.
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closed");
    }
    part.finish().await;
    println!("{} has left.", P::VISITOR);
}

/// Why a visit is over.
enum Reason {
    /// There is no more to do.
    Ended,
    /// The visitor had enough.
    Left,
}

async fn serve<P: Part>(socket: &mut WebSocket, connection: &PeerConnection, part: &mut P) -> Result<Reason, String> {
    let mut events = connection.events();
    part.prepare(connection).await.map_err(text)?;
    let (relays, offer) = offer(connection, P::HAS_RELAYS).await?;
    tell(socket, &ToPage::Description { description: offer }).await;
    let mut is_connected = false;
    let deadline = tokio::time::sleep(TIME_TO_CONNECT);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    for notice in hear(connection, part, relays.as_ref(), &text).await? {
                        println!("{}: {notice}", P::VISITOR);
                        tell(socket, &ToPage::Problem { problem: notice }).await;
                    }
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return Ok(Reason::Left),
                Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_))) => {}
            },
            event = events.next() => match event {
                Some(ConnectionEvent::Track(event)) => part.track(event.track),
                Some(ConnectionEvent::ConnectionStateChange(state)) => {
                    tell(socket, &ToPage::State { state: state.to_string() }).await;
                    match state {
                        PeerConnectionState::Connected => {
                            if !std::mem::replace(&mut is_connected, true) {
                                println!("{} is connected.", P::VISITOR);
                                part.connected();
                            }
                        }
                        PeerConnectionState::Closed => return Ok(Reason::Left),
                        PeerConnectionState::Failed => return Err(text(Error::ConnectionFailed)),
                        PeerConnectionState::New
                        | PeerConnectionState::Connecting
                        | PeerConnectionState::Disconnected => {}
                    }
                }
                Some(_) => {}
                None => return Ok(Reason::Left),
            },
            () = part.ended() => return Ok(Reason::Ended),
            () = &mut deadline, if !is_connected => return Err(text(Error::ConnectionFailed)),
        }
    }
}

/// Makes a complete offer; through relays if it is to be so.
async fn offer(connection: &PeerConnection, has_relays: bool) -> Result<(Option<Relays>, SessionDescription), String> {
    let offer = connection.create_offer(OfferOptions::default()).await.map_err(text)?;
    connection.set_local_description(offer).await.map_err(text)?;
    let description = connection.gathered().await.map_err(text)?;
    if !has_relays {
        return Ok((None, description));
    }
    let (relays, description) =
        Relays::start(description).map_err(|error| format!("cannot start the relays of the call: {error}"))?;
    Ok((Some(relays), description))
}

/// What the page says; the result is for it and the terminal.
async fn hear<P: Part>(
    connection: &PeerConnection,
    part: &mut P,
    relays: Option<&Relays>,
    text_of_page: &str,
) -> Result<Vec<String>, String> {
    let heard: FromPage = match serde_json::from_str(text_of_page) {
        Ok(heard) => heard,
        Err(error) => return Ok(vec![format!("this signalling message makes no sense: {error}")]),
    };
    match heard {
        FromPage::Description { description } => {
            // Who would know the browser's addresses would find a way around the relays.
            let description = if relays.is_some() { without_candidates(description) } else { description };
            connection.set_remote_description(description).await.map_err(text)?;
            return part.agreed(connection).await.map_err(text);
        }
        FromPage::Candidate { candidate } if relays.is_none() => {
            // One that is of no use leaves the others.
            if let Err(error) = connection.add_ice_candidate(candidate).await {
                tracing::debug!(%error, "a candidate of the browser");
            }
        }
        FromPage::Loss { percent } => {
            if let Some(relays) = relays {
                relays.set_loss(percent);
            }
        }
        FromPage::Candidate { .. } | FromPage::OfferWanted => {}
    }
    Ok(Vec::new())
}

#[allow(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn text(error: Error) -> String {
    error.to_string()
}
