//! A chat between two terminals, by copy and paste.
//!
//! Run `cargo run --example chat` in both, on one machine or on two. In the first press Enter: an offer is printed,
//! one line long. Paste it into the second, paste the answer that this prints into the first, and talk. The line
//! `/quit`, or the end of the input, ends the chat on both sides. A STUN server given as an argument
//! (`stun:stun.example.org:3478`) helps through most NATs.

use std::error::Error;
use std::io::BufRead;

use tokio::sync::mpsc;
use visavis::{Config, DataChannel, Initiator, PeerConnection, Receiver, SessionDescription};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config =
        Config { ice_servers: std::env::args().skip(1).collect(), include_loopback: true, ..Config::default() };
    let mut input = lines();

    println!("Paste the offer of the other side, or press Enter to make one:");
    let first = input.recv().await.ok_or("nothing was entered")?;
    let (connection, channel) = if first.trim().is_empty() {
        initiate(config, &mut input).await?
    } else {
        receive(config, serde_json::from_str(&first)?).await?
    };

    println!("Connected. What you type is sent; /quit ends.");
    chat(&channel, &mut input).await?;
    // Waits until the other side has everything.
    connection.close().await?;
    Ok(())
}

/// Makes an offer and takes the answer.
async fn initiate(
    config: Config,
    input: &mut mpsc::Receiver<String>,
) -> Result<(PeerConnection, DataChannel), Box<dyn Error>> {
    let initiator = Initiator::new(config)?;
    let offer = initiator.create_data_channel_offer("chat").await?;
    println!("{}\n\nThat is the offer. Paste the answer to it:", serde_json::to_string(&offer)?);
    loop {
        let line = input.recv().await.ok_or("no answer was entered")?;
        if line.trim().is_empty() {
            continue;
        }
        // What was pasted badly can be pasted again.
        let Err(problem) = process_answer(&initiator, &line).await else { break };
        println!("That was no answer: {problem}\nOnce more:");
    }
    let connection = initiator.peer_connection().clone();
    let channel = connection.data_channel("chat").ok_or("the channel was closed")?;
    channel.opened().await?;
    Ok((connection, channel))
}

async fn process_answer(initiator: &Initiator, line: &str) -> Result<(), Box<dyn Error>> {
    let answer: SessionDescription = serde_json::from_str(line)?;
    Ok(initiator.process_answer(answer).await?)
}

/// Takes an offer and makes the answer.
async fn receive(config: Config, offer: SessionDescription) -> Result<(PeerConnection, DataChannel), Box<dyn Error>> {
    let receiver = Receiver::new(config)?;
    let answer = receiver.process_offer(offer).await?;
    println!("{}\n\nThat is the answer. Paste it on the other side.", serde_json::to_string(&answer)?);
    let connection = receiver.peer_connection().clone();
    let channel = connection.accept_data_channel().await?;
    Ok((connection, channel))
}

/// Sends what is typed and prints what comes, until either side ends.
async fn chat(channel: &DataChannel, input: &mut mpsc::Receiver<String>) -> Result<(), visavis::Error> {
    loop {
        tokio::select! {
            message = channel.recv() => match message {
                Some(message) => println!("> {}", message.as_text().unwrap_or("(bytes)")),
                None => {
                    println!("The other side has left.");
                    return Ok(());
                }
            },
            line = input.recv() => match line.as_deref() {
                Some("/quit") | None => return Ok(()),
                Some(line) => channel.send(line).await?,
            },
        }
    }
}

/// The lines of standard input. A thread of its own reads them, which the end of the program need not wait for.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
