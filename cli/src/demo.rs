//! Two peers in this process, over real sockets: offer, answer, text, data and goodbye, step by step.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use visavis::{Config, DataChannel, Error, Initiator, Message, Receiver};

/// Bytes in each message of the bulk transfer.
const CHUNK: usize = 64 << 10;
/// How long anything may take that depends on the other peer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tells one step as it is done.
struct Steps {
    started: Instant,
}

impl Steps {
    fn done(&self, what: &str, detail: &str) {
        println!("{:>9.1} ms  {what:<26} {detail}", self.started.elapsed().as_secs_f64() * 1e3);
    }
}

/// Connects an initiator and a receiver, exchanges text, then `size` bytes whose hash must arrive unchanged.
pub(crate) async fn run(size: u64) -> Result<(), Box<dyn std::error::Error>> {
    println!("Two peers on this machine:");
    let steps = Steps { started: Instant::now() };
    // Loopback too, so that this works on a machine without any network.
    let config = Config { include_loopback: true, ..Config::default() };
    let initiator = Initiator::new(config.clone())?;
    let receiver = Receiver::new(config)?;

    let offer = initiator.create_data_channel_offer("text-channel-1").await?;
    steps.done("initiator: offer", &format!("{} bytes, {}", offer.sdp.len(), candidates(&offer.sdp)));
    let answer = receiver.process_offer(offer).await?;
    steps.done("receiver: answer", &format!("{} bytes, {}", answer.sdp.len(), candidates(&answer.sdp)));
    initiator.process_answer(answer).await?;

    let here = initiator.peer_connection().data_channel("text-channel-1").ok_or("the channel is gone")?;
    within("open the channel", here.opened()).await??;
    steps.done("channel open", &format!("\"{}\", stream {}", here.label(), here.id().unwrap_or_default()));
    let there = within("see the channel", receiver.peer_connection().accept_data_channel()).await??;

    exchange_text(&here, &there, &steps).await?;
    exchange_data(&here, &there, &steps, size).await?;

    within("close", initiator.peer_connection().close()).await??;
    within("close", receiver.peer_connection().closed()).await?;
    steps.done("closed", "both sides, nothing lost");
    Ok(())
}

async fn exchange_text(
    here: &DataChannel,
    there: &DataChannel,
    steps: &Steps,
) -> Result<(), Box<dyn std::error::Error>> {
    here.send("Hello from the initiator").await?;
    let heard = within("receive text", there.recv()).await?.ok_or("the channel closed")?;
    steps.done("receiver heard", &format!("{:?}", heard.as_text().unwrap_or("(bytes)")));
    there.send("Hello from the receiver").await?;
    let heard = within("receive text", here.recv()).await?.ok_or("the channel closed")?;
    steps.done("initiator heard", &format!("{:?}", heard.as_text().unwrap_or("(bytes)")));
    Ok(())
}

async fn exchange_data(
    here: &DataChannel,
    there: &DataChannel,
    steps: &Steps,
    size: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let sender = here.clone();
    let started = Instant::now();
    let sending = tokio::spawn(async move { send_pattern(&sender, size).await });
    let mut hash = Sha256::new();
    let (mut received, mut shown) = (0_u64, Instant::now());
    // A line that is written over is for people who watch.
    let is_terminal = std::io::stdout().is_terminal();
    while received < size {
        let message = within("receive data", there.recv()).await?.ok_or("the channel closed in mid-transfer")?;
        hash.update(message.as_bytes());
        received += message.len() as u64;
        if is_terminal && shown.elapsed() > Duration::from_millis(200) {
            shown = Instant::now();
            print!(
                "\r{:>9.1} ms  {:>3} % received",
                steps.started.elapsed().as_secs_f64() * 1e3,
                received * 100 / size
            );
            std::io::stdout().flush()?;
        }
    }
    let (elapsed, sent) = (started.elapsed(), sending.await??);
    let got: [u8; 32] = hash.finalize().into();
    if got != sent {
        return Err("what arrived is not what was sent".into());
    }
    if is_terminal {
        print!("\r{:60}\r", "");
    }
    let rate = size as f64 / elapsed.as_secs_f64() / 1e6;
    steps.done(
        &format!("{} MiB received", size >> 20),
        &format!("{rate:.0} MB/s, SHA-256 {}… matches", &hex(&got)[..16]),
    );
    Ok(())
}

/// Sends `size` bytes of a pattern that no block of it repeats, and returns their hash.
async fn send_pattern(channel: &DataChannel, size: u64) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    let mut left = size;
    let mut block = vec![0_u8; CHUNK];
    for (place, byte) in block.iter_mut().enumerate() {
        *byte = (place * 31 % 251) as u8;
    }
    while left > 0 {
        for (byte, count) in block.iter_mut().zip(left.to_be_bytes()) {
            *byte = count;
        }
        let length = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let part = block.get(..length).unwrap_or_default();
        hash.update(part);
        channel.send(Message::from(part)).await?;
        left -= length as u64;
    }
    Ok(hash.finalize().into())
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, String> {
    let seconds = PATIENCE.as_secs();
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| format!("could not {what} within {seconds} seconds"))
}

fn candidates(sdp: &str) -> String {
    match sdp.matches("a=candidate:").count() {
        1 => "1 candidate".into(),
        count => format!("{count} candidates"),
    }
}

/// Lower-case hexadecimal, as `sha256sum` prints it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
