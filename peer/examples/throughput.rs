//! How fast two processes exchange messages over loopback.
//!
//! `cargo run --release --example throughput [MESSAGE_BYTES] [SECONDS]` starts the other process itself, and prints
//! bulk throughput with the processor time it costs at each end, and then the round-trip time of 64 bytes.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use visavis::{Config, DataChannel, Initiator, Message, Receiver};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn config() -> Config {
    Config { bind_addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()], ..Config::default() }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "receive") {
        return receive().await;
    }
    let argument = |place: usize, default| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (len, seconds) = (argument(0, 65_536)?, argument(1, 5)?);
    send(len, Duration::from_secs(seconds as u64)).await
}

/// The first process: makes the offer, sends, and measures.
async fn send(len: usize, time: Duration) -> Outcome<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("receive")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (mut input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
    let mut lines = BufReader::new(output).lines();

    let initiator = Initiator::new(config())?;
    let begun = Instant::now();
    let offer = initiator.create_data_channel_offer("bulk").await?;
    input.write_all(format!("{}\n", serde_json::to_string(&offer)?).as_bytes()).await?;
    let answer = lines.next_line().await?.ok_or("no answer")?;
    initiator.process_answer(serde_json::from_str(&answer)?).await?;
    let channel = initiator.peer_connection().data_channel("bulk").ok_or("no channel")?;
    channel.opened().await?;
    println!("open after {:?}", begun.elapsed());

    bulk(&channel, len, time).await?;
    round_trips(&channel, time / 4).await?;
    let stats = initiator.peer_connection().stats().await?;
    println!("{:#?}", stats.sockets);
    initiator.peer_connection().close().await?;
    child.wait().await?;
    Ok(())
}

async fn bulk(channel: &DataChannel, len: usize, time: Duration) -> Outcome<()> {
    let payload = bytes::Bytes::from(vec![7_u8; len]);
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let mut messages = 0_u64;
    while begun.elapsed() < time {
        channel.send(payload.clone()).await?;
        messages += 1;
    }
    // The other process answers with its processor time once it has everything.
    channel.send("done").await?;
    let theirs = channel.recv().await.ok_or("closed too early")?;
    let elapsed = begun.elapsed().as_secs_f64();
    let gigabytes = messages as f64 * len as f64 / 1e9;
    println!(
        "{len} B: {:.0} MB/s, {:.0} messages/s; {:.2} + {:.2} s of processor time per GB",
        gigabytes * 1e3 / elapsed,
        messages as f64 / elapsed,
        (cpu_seconds() - cpu) / gigabytes,
        theirs.as_text().ok_or("not a number")?.parse::<f64>()? / gigabytes,
    );
    Ok(())
}

async fn round_trips(channel: &DataChannel, time: Duration) -> Outcome<()> {
    let payload = bytes::Bytes::from_static(&[7; 64]);
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < time {
        let sent = Instant::now();
        channel.send(payload.clone()).await?;
        channel.recv().await.ok_or("closed too early")?;
        times.push(sent.elapsed());
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("64 B round trips: p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(())
}

/// The second process: takes everything, says when it is done, then echoes.
async fn receive() -> Outcome<()> {
    let mut offer = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut offer).await?;
    let receiver = Receiver::new(config())?;
    let answer = receiver.process_offer(serde_json::from_str(&offer)?).await?;
    println!("{}", serde_json::to_string(&answer)?);
    let channel = receiver.peer_connection().accept_data_channel().await?;
    let cpu = cpu_seconds();
    let mut is_echo = false;
    while let Some(message) = channel.recv().await {
        match message {
            Message::Text(_) => {
                channel.send((cpu_seconds() - cpu).to_string()).await?;
                is_echo = true;
            }
            Message::Binary(bytes) if is_echo => channel.send(bytes).await?,
            Message::Binary(_) => {}
        }
    }
    Ok(())
}

/// Processor time of this process so far, in seconds; 0 where there is no /proc. Its ticks are hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
