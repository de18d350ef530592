//! The peer of one browser: signalling until the two are connected, then a task for each data channel.
//!
//! What a channel is for is said by its protocol: `chat` and `ping` (text), `control` (JSON), `file` (a header in JSON,
//! the bytes, the hash in JSON; the label is the file's name) and `speed` (as many bytes as possible).

mod channels;
mod control;
mod speed;
mod transfer;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use visavis::{ChannelOptions, Config, ConnectionEvent, Error, PeerConnection, PeerConnectionState};

use crate::serve::Shared;
use crate::signal::{FromPage, ToPage, tell};

/// One browser's connection, and what all share.
#[derive(Clone)]
struct Peer {
    connection: PeerConnection,
    shared: Arc<Shared>,
}

/// How long a browser has from opening its WebSocket to an open connection.
const TIME_TO_CONNECT: Duration = Duration::from_secs(30);

/// Serves one browser until its WebSocket or the connection ends.
pub(crate) async fn run(mut socket: WebSocket, shared: Arc<Shared>) {
    // Page and peer may share a machine without a network, so loopback is offered as well.
    let config = Config { include_loopback: true, ice_servers: shared.stun_servers.clone(), ..Config::default() };
    let connection = match PeerConnection::new(config) {
        Ok(connection) => connection,
        Err(error) => {
            tell(&mut socket, &ToPage::Problem { problem: error.to_string() }).await;
            return;
        }
    };
    let peer = Peer { connection, shared };
    if let Err(error) = serve(&mut socket, &peer).await {
        tell(&mut socket, &ToPage::Problem { problem: error.to_string() }).await;
    }
    // The browser may be gone without a word; then there is nothing to deliver.
    if let Err(error) = peer.connection.close().await {
        tracing::debug!(%error, "closed");
    }
}

async fn serve(socket: &mut WebSocket, peer: &Peer) -> Result<(), Error> {
    let mut events = peer.connection.events();
    let mut is_connected = false;
    let deadline = tokio::time::sleep(TIME_TO_CONNECT);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) => hear(socket, peer, &text).await?,
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_))) => {}
            },
            event = events.next() => match event {
                Some(ConnectionEvent::DataChannel(channel)) => channels::serve(channel, peer.clone()),
                Some(ConnectionEvent::ConnectionStateChange(state)) => {
                    is_connected |= state == PeerConnectionState::Connected;
                    println!("A browser is {state}.");
                    tell(socket, &ToPage::State { state: state.to_string() }).await;
                    match state {
                        PeerConnectionState::Closed => return Ok(()),
                        // The page makes a new connection rather than restart this one.
                        PeerConnectionState::Failed => return Err(Error::ConnectionFailed),
                        PeerConnectionState::New
                        | PeerConnectionState::Connecting
                        | PeerConnectionState::Connected
                        | PeerConnectionState::Disconnected => {}
                    }
                }
                Some(_) => {}
                None => return Ok(()),
            },
            () = &mut deadline, if !is_connected => return Err(Error::ConnectionFailed),
        }
    }
}

async fn hear(socket: &mut WebSocket, peer: &Peer, text: &str) -> Result<(), Error> {
    let connection = &peer.connection;
    let heard: FromPage = match serde_json::from_str(text) {
        Ok(heard) => heard,
        Err(error) => {
            tell(socket, &ToPage::Problem { problem: format!("this signalling message makes no sense: {error}") })
                .await;
            return Ok(());
        }
    };
    match heard {
        FromPage::OfferWanted => {
            for (label, options) in own_channels() {
                channels::serve(connection.create_data_channel(label, options)?, peer.clone());
            }
            let offer = connection.create_offer(visavis::OfferOptions::default()).await?;
            connection.set_local_description(offer).await?;
            let description = connection.gathered().await?;
            tell(socket, &ToPage::Description { description }).await;
        }
        FromPage::Description { description } => {
            let is_offer = description.kind == visavis::SdpType::Offer;
            connection.set_remote_description(description).await?;
            if is_offer {
                let answer = connection.create_answer().await?;
                connection.set_local_description(answer).await?;
                let description = connection.gathered().await?;
                tell(socket, &ToPage::Description { description }).await;
            }
        }
        FromPage::Candidate { candidate } => {
            // One that is of no use leaves the others.
            if let Err(error) = connection.add_ice_candidate(candidate).await {
                tracing::debug!(%error, "a candidate of the browser");
            }
        }
        // That is for the call, which has a connection of its own.
        FromPage::Loss { .. } => {}
    }
    Ok(())
}

/// The channels that the initiator makes, here as on the page.
fn own_channels() -> [(&'static str, ChannelOptions); 3] {
    let protocol = |protocol: &str| ChannelOptions { protocol: protocol.into(), ..ChannelOptions::default() };
    let unreliable = ChannelOptions { ordered: false, max_retransmits: Some(0), ..protocol("ping") };
    [("chat", protocol("chat")), ("control", protocol("control")), ("ping", unreliable)]
}
