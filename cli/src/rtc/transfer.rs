//! Files on data channels: a header, the bytes, and the hash of the sender, which the receiver compares with its own.

use serde::{Deserialize, Serialize};
use visavis::{DataChannel, Error};

use crate::demo::hex;
use crate::files::{Incoming, Outgoing};
use crate::serve::Shared;

/// Bytes in each message: every browser accepts as much.
const CHUNK: usize = 64 << 10;
/// How often the sender is told how much has arrived, in bytes.
const REPORT: u64 = 1 << 20;

/// What comes before the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    name: String,
    size: u64,
}

/// What comes after them.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    sha256: String,
}

/// What the receiver tells the sender.
#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Told {
    Received { bytes: u64 },
    Done { name: String, sha256: String, matches: bool },
    Problem { problem: String },
}

/// Sends a file, and closes the channel once the browser has all of it.
pub(super) async fn send(channel: DataChannel, name: &str, mut outgoing: Outgoing) -> Result<(), Error> {
    channel.opened().await?;
    channel.send(json(&Header { name: name.to_owned(), size: outgoing.size })).await?;
    let mut left = outgoing.size;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let room = chunk.len().min(usize::try_from(left).unwrap_or(CHUNK));
        let part = chunk.get_mut(..room).unwrap_or_default();
        let count = match outgoing.read(part).await {
            Ok(count) if count > 0 => count,
            // The file shrank, or cannot be read: closing early tells the browser.
            Ok(_) => return channel.close().await,
            Err(error) => {
                tracing::warn!(name, %error, "cannot read");
                return channel.close().await;
            }
        };
        left -= count as u64;
        channel.send(part.get(..count).unwrap_or_default()).await?;
    }
    let sha256 = hex(&outgoing.hash());
    println!("Sent {name} to a browser, SHA-256 {sha256}.");
    channel.send(json(&Trailer { sha256 })).await?;
    // The browser closes the channel when it has compared the hashes.
    channel.closed().await;
    Ok(())
}

/// Receives a file into the folder.
pub(super) async fn receive(channel: DataChannel, shared: &Shared) -> Result<(), Error> {
    match receive_file(&channel, shared).await {
        Ok(()) => {}
        Err(problem) => {
            println!("A file from a browser was not received: {problem}.");
            channel.send(json(&Told::Problem { problem })).await?;
        }
    }
    channel.close().await
}

async fn receive_file(channel: &DataChannel, shared: &Shared) -> Result<(), String> {
    let gone = || "the browser closed the channel".to_owned();
    let header = channel.recv().await.ok_or_else(gone)?;
    let header: Header = serde_json::from_slice(header.as_bytes()).map_err(|error| format!("bad header: {error}"))?;
    let mut incoming = shared.store.receive(&header.name, header.size).await.map_err(|error| error.to_string())?;
    let mut reported = 0;
    while !incoming.is_complete() {
        let message = channel.recv().await.ok_or_else(gone)?;
        incoming.write(message.as_bytes()).await.map_err(|error| error.to_string())?;
        if incoming.received() - reported >= REPORT {
            reported = incoming.received();
            channel.send(json(&Told::Received { bytes: reported })).await.map_err(|error| error.to_string())?;
        }
    }
    let trailer = channel.recv().await.ok_or_else(gone)?;
    let trailer: Trailer = serde_json::from_slice(trailer.as_bytes()).map_err(|error| format!("bad hash: {error}"))?;
    finish(channel, incoming, &trailer.sha256).await
}

async fn finish(channel: &DataChannel, incoming: Incoming, expected: &str) -> Result<(), String> {
    let (name, hash) = incoming.finish().await.map_err(|error| error.to_string())?;
    let sha256 = hex(&hash);
    let matches = sha256.eq_ignore_ascii_case(expected);
    println!("Received {name}, SHA-256 {sha256}{}.", if matches { ", which matches" } else { " IS NOT what was sent" });
    channel.send(json(&Told::Done { name, sha256, matches })).await.map_err(|error| error.to_string())
}

fn json(value: &impl Serialize) -> String {
    // These types have no map with keys that are no strings, which is all that could fail.
    serde_json::to_string(value).unwrap_or_default()
}
