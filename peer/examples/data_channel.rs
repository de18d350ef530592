//! An initiator and a receiver in one process: negotiation, a data channel by its label, and event listeners.
//!
//! `cargo run --example data_channel`

use tokio::sync::mpsc;
use visavis::{Config, Error, Initiator, Receiver, event};

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Both peers are on this machine, which may be offline.
    let config = Config { include_loopback: true, ..Config::default() };

    // The initiator creates an offer, which reaches the receiver in any way at all: here, as a variable.
    let initiator = Initiator::new(config.clone())?;
    let offer = initiator.create_data_channel_offer("text-channel-1").await?;

    // The initiator knows its channel by the label. Any number of listeners may be added.
    let channel = initiator.peer_connection().data_channel("text-channel-1").expect("it was offered");
    channel.add_event_listener(event::OPEN, |()| println!("the channel is open"));
    channel.add_event_listener(event::MESSAGE, |message| println!("message from text-channel-1: {message:?}"));
    let (answered, mut answers) = mpsc::unbounded_channel();
    channel.add_event_listener(event::MESSAGE, move |message| {
        let _ = answered.send(message.clone());
    });

    // The receiver cannot know a channel by its label before it is there, so it listens for `datachannel` first.
    let receiver = Receiver::new(config)?;
    let (received, mut messages) = mpsc::unbounded_channel();
    receiver.peer_connection().add_event_listener(event::DATA_CHANNEL, move |channel| {
        println!("the receiver was given the channel {:?}", channel.label());
        let (label, received) = (channel.label().to_owned(), received.clone());
        channel.add_event_listener(event::MESSAGE, move |message| {
            println!("message from {label}: {message:?}");
            let _ = received.send(message.clone());
        });
    });

    // The receiver parses the offer and creates an answer, and with that answer the initiator can connect.
    let answer = receiver.process_offer(offer).await?;
    initiator.process_answer(answer).await?;
    channel.send("Hello from the initiator").await?;
    let hello = messages.recv().await.expect("the receiver listens");

    // The receiver finds the channel by its label too, now that it is open.
    let back = receiver.peer_connection().data_channel("text-channel-1").expect("it is open");
    back.send(format!("{} bytes came", hello.len())).await?;
    answers.recv().await.expect("the initiator listens");

    // What was accepted is delivered before the connection closes.
    initiator.peer_connection().close().await?;
    println!("closed");
    Ok(())
}
