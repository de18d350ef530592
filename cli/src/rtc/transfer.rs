//! Files on data channels: a header, the bytes, and the hash of the sender, which the receiver compares with its own.

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use visavis::{DataChannel, Error};

use crate::demo::hex;
use crate::files::{Outgoing, Store};

/// Bytes in each message: every browser accepts as much.
const CHUNK: usize = 64 << 10;
/// How often the sender is told how much has arrived, in bytes.
const REPORT: u64 = 1 << 20;
/// How long a browser may neither say nor take anything in the middle of a transfer.
const PATIENCE: Duration = Duration::from_secs(60);

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
    Received {
        bytes: u64,
    },
    /// The hashes are the same. `name` is what the file is called here.
    Done {
        name: String,
        sha256: String,
    },
    Problem {
        problem: String,
    },
}

/// Sends a file, and closes the channel once the browser has all of it.
pub(super) async fn send(channel: DataChannel, name: &str, outgoing: Outgoing) -> Result<(), Error> {
    if let Err(problem) = send_file(&channel, name, outgoing, PATIENCE).await {
        println!("{name} was not sent to a browser: {problem}.");
    }
    // Where the browser has not closed it, this tells that no more comes.
    channel.close().await
}

async fn send_file(
    channel: &DataChannel,
    name: &str,
    mut outgoing: Outgoing,
    patience: Duration,
) -> Result<(), String> {
    within(patience, channel.opened()).await?.map_err(text)?;
    let header = json(&Header { name: name.to_owned(), size: outgoing.size });
    within(patience, channel.send(header)).await?.map_err(text)?;
    let mut left = outgoing.size;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let room = chunk.len().min(usize::try_from(left).unwrap_or(CHUNK));
        let part = chunk.get_mut(..room).unwrap_or_default();
        let count = outgoing.read(part).await.map_err(text)?;
        if count == 0 {
            return Err("it became shorter".into());
        }
        left -= count as u64;
        within(patience, channel.send(part.get(..count).unwrap_or_default())).await?.map_err(text)?;
    }
    let sha256 = hex(&outgoing.hash());
    within(patience, channel.send(json(&Trailer { sha256: sha256.clone() }))).await?.map_err(text)?;
    delivered(channel, patience).await?;
    println!("Sent {name} to a browser, SHA-256 {sha256}.");
    Ok(())
}

/// The browser closes the channel when it has compared the hashes. As long as it takes what was sent, it is waited for.
async fn delivered(channel: &DataChannel, patience: Duration) -> Result<(), String> {
    loop {
        let before = channel.buffered_amount();
        match within(patience, channel.closed()).await {
            Ok(()) => return Ok(()),
            Err(_) if channel.buffered_amount() < before => {}
            Err(problem) => return Err(problem),
        }
    }
}

/// Receives a file into the folder.
pub(super) async fn receive(channel: DataChannel, store: &Store) -> Result<(), Error> {
    receive_with(channel, store, PATIENCE).await
}

async fn receive_with(channel: DataChannel, store: &Store, patience: Duration) -> Result<(), Error> {
    if let Err(problem) = receive_file(&channel, store, patience).await {
        println!("A file from a browser was not received: {problem}.");
        // A channel that is gone already has nobody to tell.
        if let Err(error) = channel.try_send(json(&Told::Problem { problem })) {
            tracing::debug!(%error, "the browser was not told");
        }
    }
    channel.close().await
}

async fn receive_file(channel: &DataChannel, store: &Store, patience: Duration) -> Result<(), String> {
    let next =
        async || within(patience, channel.recv()).await?.ok_or_else(|| "the browser closed the channel".to_owned());
    let header: Header =
        serde_json::from_slice(next().await?.as_bytes()).map_err(|error| format!("bad header: {error}"))?;
    let mut incoming = store.receive(&header.name, header.size).await.map_err(text)?;
    let mut reported = 0;
    while !incoming.is_complete() {
        incoming.write(next().await?.as_bytes()).await.map_err(text)?;
        if incoming.received() - reported >= REPORT {
            reported = incoming.received();
            within(patience, channel.send(json(&Told::Received { bytes: reported }))).await?.map_err(text)?;
        }
    }
    let trailer: Trailer =
        serde_json::from_slice(next().await?.as_bytes()).map_err(|error| format!("bad hash: {error}"))?;
    let name = incoming.finish(&trailer.sha256).await.map_err(text)?;
    println!("Received {name}, SHA-256 {}, which matches.", trailer.sha256);
    within(patience, channel.send(json(&Told::Done { name, sha256: trailer.sha256 }))).await?.map_err(text)
}

/// What takes longer than a browser that is still there takes.
async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Result<T, String> {
    let problem = |_| format!("the browser was silent for {} seconds", patience.as_secs_f64());
    tokio::time::timeout(patience, future).await.map_err(problem)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn json(value: &impl Serialize) -> String {
    // These types have no map with keys that are no strings, which is all that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use visavis::{ChannelOptions, Config, DataChannel, Initiator, Receiver};

    use super::{receive_with, send_file};
    use crate::files::Store;

    /// Longer than anything here takes that is to happen.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// Shorter, for what is not to happen.
    const IMPATIENCE: Duration = Duration::from_millis(200);

    /// Two peers that stay as long as these, and both ends of a channel.
    async fn connected() -> (Initiator, Receiver, DataChannel, DataChannel) {
        let config = Config { bind_addresses: vec!["127.0.0.1".parse().unwrap()], ..Config::default() };
        let browser = Initiator::new(config.clone()).unwrap();
        let program = Receiver::new(config).unwrap();
        let options = ChannelOptions { protocol: "file".into(), ..ChannelOptions::default() };
        let there = browser.peer_connection().create_data_channel("file", options).unwrap();
        let offer = browser.create_data_channel_offer("first").await.unwrap();
        browser.process_answer(program.process_offer(offer).await.unwrap()).await.unwrap();
        there.opened().await.unwrap();
        loop {
            let here = program.peer_connection().accept_data_channel().await.unwrap();
            if here.protocol() == "file" {
                return (browser, program, there, here);
            }
        }
    }

    async fn told(channel: &DataChannel) -> Value {
        let message = tokio::time::timeout(PATIENCE, channel.recv()).await.expect("in time").expect("before the end");
        serde_json::from_slice(message.as_bytes()).unwrap()
    }

    async fn receive(channel: DataChannel, store: Store, patience: Duration) -> Store {
        tokio::time::timeout(PATIENCE, receive_with(channel, &store, patience)).await.expect("it ends").unwrap();
        store
    }

    #[tokio::test]
    async fn a_browser_that_falls_silent_while_it_sends_is_given_up() {
        let (_browser, _program, there, here) = connected().await;
        let store = Store::open(None, 1000, 1000).unwrap();
        let receiving = tokio::spawn(receive(here, store, IMPATIENCE));
        there.send(json!({ "name": "half.txt", "size": 10 }).to_string()).await.unwrap();
        there.send(&b"12345"[..]).await.unwrap();
        let said = told(&there).await;
        assert!(said["problem"].as_str().unwrap().contains("silent"), "{said}");
        tokio::time::timeout(PATIENCE, there.closed()).await.expect("the channel is closed");
        let store = receiving.await.unwrap();
        assert_eq!(std::fs::read_dir(store.directory()).unwrap().count(), 0, "nothing is left of it");
        std::fs::remove_dir_all(store.directory()).unwrap();
    }

    #[tokio::test]
    async fn a_file_whose_hash_differs_is_a_problem_and_not_kept() {
        let (_browser, _program, there, here) = connected().await;
        let store = Store::open(None, 1000, 1000).unwrap();
        let receiving = tokio::spawn(receive(here, store, PATIENCE));
        there.send(json!({ "name": "differs.txt", "size": 5 }).to_string()).await.unwrap();
        there.send(&b"12345"[..]).await.unwrap();
        there.send(json!({ "sha256": "0".repeat(64) }).to_string()).await.unwrap();
        let said = told(&there).await;
        assert!(said["problem"].as_str().unwrap().contains("not kept"), "{said}");
        let store = receiving.await.unwrap();
        assert_eq!(std::fs::read_dir(store.directory()).unwrap().count(), 0, "nothing is left of it");
        std::fs::remove_dir_all(store.directory()).unwrap();
    }

    #[tokio::test]
    async fn a_browser_that_does_not_end_a_fetch_is_given_up() {
        let (_browser, _program, _there, here) = connected().await;
        let store = Store::open(None, 1000, 1000).unwrap();
        std::fs::write(store.directory().join("small.txt"), "small").unwrap();
        let outgoing = store.fetch("small.txt").await.unwrap();
        let sending = send_file(&here, "small.txt", outgoing, IMPATIENCE);
        let problem = tokio::time::timeout(PATIENCE, sending).await.expect("it ends").unwrap_err();
        assert!(problem.contains("silent"), "{problem}");
        std::fs::remove_dir_all(store.directory()).unwrap();
    }
}
