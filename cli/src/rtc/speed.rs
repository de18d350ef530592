//! As many bytes as possible, for a time that the browser names.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use visavis::{DataChannel, Error};

/// Bytes in each message.
const CHUNK: usize = 64 << 10;
/// The longest test, in seconds.
const LONGEST: f64 = 30.0;

/// The first message of the channel. What the browser sends beyond it is only counted.
#[derive(Debug, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Asked {
    Download { seconds: f64 },
    Upload,
}

pub(super) async fn serve(channel: DataChannel) -> Result<(), Error> {
    let Some(message) = channel.recv().await else { return Ok(()) };
    match serde_json::from_slice(message.as_bytes()) {
        Ok(Asked::Download { seconds }) => download(&channel, seconds).await?,
        Ok(Asked::Upload) => while channel.recv().await.is_some() {},
        Err(error) => tracing::debug!(%error, "a request that makes no sense"),
    }
    channel.close().await
}

async fn download(channel: &DataChannel, seconds: f64) -> Result<(), Error> {
    let started = Instant::now();
    let time = Duration::from_secs_f64(seconds.clamp(0.1, LONGEST));
    let chunk = Bytes::from(vec![0x5a; CHUNK]);
    while started.elapsed() < time {
        channel.send(chunk.clone()).await?;
    }
    Ok(())
}
