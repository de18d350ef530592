//! What the browser asks for: which files there are, and to have one of them. Files travel on channels of their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use visavis::{ChannelOptions, DataChannel, Error};

use super::{Peer, transfer};
use crate::files::Offered;

/// How often the folder is looked at for files that were put there.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Asked {
    /// `number` tells requests apart: it becomes the label of the channel on which the file comes.
    Fetch { name: String, number: u32 },
}

#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Told<'a> {
    Files { files: &'a [Offered], largest: u64 },
    Problem { number: u32, problem: String },
}

pub(super) async fn serve(channel: DataChannel, peer: &Peer) -> Result<(), Error> {
    channel.opened().await?;
    let mut listed = Vec::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            message = channel.recv() => {
                let Some(message) = message else { return Ok(()) };
                match serde_json::from_slice(message.as_bytes()) {
                    Ok(Asked::Fetch { name, number }) => fetch(&channel, peer, &name, number).await?,
                    Err(error) => tracing::debug!(%error, "a request that makes no sense"),
                }
            }
            _ = look.tick() => {
                let files = peer.shared.store.list().await;
                if files != listed {
                    tell(&channel, &Told::Files { files: &files, largest: peer.shared.store.largest() }).await?;
                    listed = files;
                }
            }
        }
    }
}

async fn fetch(channel: &DataChannel, peer: &Peer, name: &str, number: u32) -> Result<(), Error> {
    let outgoing = match peer.shared.store.fetch(name).await {
        Ok(outgoing) => outgoing,
        Err(error) => return tell(channel, &Told::Problem { number, problem: error.to_string() }).await,
    };
    let options = ChannelOptions { protocol: "file".into(), ..ChannelOptions::default() };
    match peer.connection.create_data_channel(format!("fetch {number}"), options) {
        Ok(carrier) => {
            let name = name.to_owned();
            tokio::spawn(async move {
                if let Err(error) = transfer::send(carrier, &name, outgoing).await {
                    tracing::debug!(name, %error, "a file was not sent");
                }
            });
            Ok(())
        }
        Err(error) => tell(channel, &Told::Problem { number, problem: error.to_string() }).await,
    }
}

async fn tell(channel: &DataChannel, what: &Told<'_>) -> Result<(), Error> {
    match serde_json::to_string(what) {
        Ok(text) => channel.send(text).await,
        Err(error) => {
            tracing::warn!(%error, "cannot tell the page");
            Ok(())
        }
    }
}
