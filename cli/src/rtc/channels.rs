//! Finds out what a channel is for, and does that.

use tokio::sync::broadcast::error::RecvError;
use visavis::{DataChannel, Error};

use crate::serve::Shared;

use super::{Peer, control, speed, transfer};

/// Serves a channel in a task of its own, which ends with it.
pub(super) fn serve(channel: DataChannel, peer: Peer) {
    tokio::spawn(async move {
        let (label, protocol) = (channel.label().to_owned(), channel.protocol().to_owned());
        let result = match protocol.as_str() {
            "chat" => chat(channel, &peer.shared).await,
            "ping" => ping(channel).await,
            "control" => control::serve(channel, &peer).await,
            "file" => transfer::receive(channel, &peer.shared.store).await,
            "speed" => speed::serve(channel).await,
            _ => {
                tracing::debug!(label, protocol, "a channel for nothing that is known here");
                channel.close().await
            }
        };
        if let Err(error) = result {
            tracing::debug!(label, %error, "channel ended");
        }
    });
}

/// Prints what the browser says, answers it, and passes on what is typed into the terminal.
async fn chat(channel: DataChannel, shared: &Shared) -> Result<(), Error> {
    let mut terminal = shared.terminal.subscribe();
    channel.opened().await?;
    channel.send("Hello from Rust. What you write is printed in the terminal, and echoed here.").await?;
    loop {
        tokio::select! {
            message = channel.recv() => {
                let Some(message) = message else { return Ok(()) };
                let Some(text) = message.as_text() else { continue };
                println!("browser: {}", text.escape_debug());
                channel.send(format!("You said: {text}")).await?;
            }
            line = terminal.recv() => match line {
                Ok(line) => channel.send(line).await?,
                // Lines that were missed are gone.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Sends back whatever comes, so that the browser can measure the round trip.
async fn ping(channel: DataChannel) -> Result<(), Error> {
    channel.opened().await?;
    while let Some(message) = channel.recv().await {
        channel.send(message).await?;
    }
    Ok(())
}
