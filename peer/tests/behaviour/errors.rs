//! Errors say what to do.

use visavis::{ChannelOptions, Config, Error, Initiator, Receiver, SessionDescription};

use crate::support::{Pair, config, within};

fn assert_says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{text}` does not say `{word}`");
    }
}

#[test]
fn a_connection_needs_a_runtime() {
    let error = Initiator::new(config()).unwrap_err();
    assert!(matches!(error, Error::NoRuntime));
    assert_says(&error, &["tokio", "#[tokio::main]"]);
}

#[tokio::test]
async fn an_answer_needs_an_offer_and_is_taken_once() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let early = initiator.process_answer(SessionDescription::answer("v=0\r\n")).await.unwrap_err();
    assert_says(&early, &["no offer", "create_data_channel_offer"]);

    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let answer = within(receiver.process_offer(offer)).await.unwrap();
    assert_eq!(receiver.answer().as_ref(), Some(&answer));
    within(initiator.process_answer(answer.clone())).await.unwrap();
    let twice = initiator.process_answer(answer).await.unwrap_err();
    assert!(matches!(twice, Error::AnswerTwice));
    assert_says(&twice, &["already processed", "new offer"]);
}

#[tokio::test]
async fn descriptions_of_the_wrong_kind_are_refused_with_advice() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let error = initiator.process_answer(offer.clone()).await.unwrap_err();
    assert_says(&error, &["takes an answer", "given an offer", "`Receiver`"]);
    let error = receiver.process_offer(SessionDescription::answer(offer.sdp.clone())).await.unwrap_err();
    assert_says(&error, &["takes an offer", "given an answer", "`Initiator`"]);
    // Neither mistake spoils anything.
    let answer = within(receiver.process_offer(offer)).await.unwrap();
    within(initiator.process_answer(answer)).await.unwrap();
}

#[tokio::test]
async fn a_malformed_description_is_refused_with_its_line() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let mut lines: Vec<_> = offer.sdp.lines().collect();
    assert!(lines.len() > 5, "{}", offer.sdp);
    lines[3] = "this is no line of a description";
    let broken = SessionDescription::offer(lines.join("\r\n"));
    let error = receiver.process_offer(broken).await.unwrap_err();
    assert_says(&error, &["offer", "line 4", "this is no line"]);
    // The description that was meant is still welcome.
    within(receiver.process_offer(offer)).await.unwrap();
}

#[tokio::test]
async fn a_description_without_a_fingerprint_is_refused() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let mut offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    offer.sdp =
        offer.sdp.lines().filter(|line| !line.starts_with("a=fingerprint")).map(|line| format!("{line}\r\n")).collect();
    let error = receiver.process_offer(offer).await.unwrap_err();
    assert_says(&error, &["fingerprint"]);
}

#[tokio::test]
async fn answers_need_an_offer_and_local_descriptions_their_maker() {
    let receiver = Receiver::new(config()).unwrap();
    let connection = receiver.peer_connection();
    assert_says(&connection.create_answer().await.unwrap_err(), &["stable"]);
    let foreign = SessionDescription::offer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    assert!(matches!(connection.set_local_description(foreign).await, Err(Error::Negotiation(_))));
    assert!(matches!(connection.gathered().await, Err(Error::NoLocalDescription)));
    assert!(connection.local_description().await.is_none());
    assert!(connection.remote_description().await.is_none());
}

#[tokio::test]
async fn sending_on_a_channel_that_is_not_open_says_where_it_stands() {
    let initiator = Initiator::new(config()).unwrap();
    let channel = initiator.peer_connection().create_data_channel("early", ChannelOptions::default()).unwrap();
    assert_says(&channel.try_send("x").unwrap_err(), &["\"early\"", "connecting", "opened"]);

    let pair = Pair::new().await;
    within(pair.here.close()).await.unwrap();
    for error in [pair.here.try_send("x").unwrap_err(), within(pair.here.send("x")).await.unwrap_err()] {
        assert_says(&error, &["\"channel\"", "closed", "create a new channel"]);
    }
}

#[tokio::test]
async fn contradictory_channels_are_refused() {
    let pair = Pair::with(Config { max_channels: 3, ..config() }).await;
    let [connection, _] = pair.connections();
    let create = |options| connection.create_data_channel("label", options);
    let both = ChannelOptions {
        max_retransmits: Some(1),
        max_packet_life_time: Some(std::time::Duration::from_secs(1)),
        ..ChannelOptions::default()
    };
    assert_says(&create(both).unwrap_err(), &["not both"]);
    let id = ChannelOptions { negotiated: Some(65_535), ..ChannelOptions::default() };
    assert_says(&create(id).unwrap_err(), &["65534"]);
    let protocol = ChannelOptions { protocol: "x".repeat(65_536), ..ChannelOptions::default() };
    assert_says(&create(protocol).unwrap_err(), &["65535 bytes"]);
    let long =
        ChannelOptions { max_packet_life_time: Some(std::time::Duration::from_secs(66)), ..ChannelOptions::default() };
    assert_says(&create(long).unwrap_err(), &["65535 ms"]);
    let seven = ChannelOptions { negotiated: Some(7), ..ChannelOptions::default() };
    let _seven = create(seven.clone()).unwrap();
    assert_says(&create(seven).unwrap_err(), &["id 7", "in use"]);
    let _third = create(ChannelOptions::default()).unwrap();
    assert_says(&create(ChannelOptions::default()).unwrap_err(), &["3 channels", "max_channels"]);
}

#[tokio::test]
async fn a_closed_connection_says_so_to_every_call() {
    let pair = Pair::new().await;
    let [connection, other] = pair.connections();
    within(other.close()).await.unwrap();
    within(connection.closed()).await;
    let errors = [
        connection.create_offer(Default::default()).await.unwrap_err(),
        connection.create_answer().await.unwrap_err(),
        connection.set_remote_description(SessionDescription::offer("")).await.unwrap_err(),
        connection.set_local_description(SessionDescription::offer("")).await.unwrap_err(),
        connection.add_ice_candidate(Default::default()).await.unwrap_err(),
        connection.create_data_channel("late", ChannelOptions::default()).unwrap_err(),
        connection.accept_data_channel().await.unwrap_err(),
        connection.restart_ice().await.unwrap_err(),
        connection.stats().await.unwrap_err(),
        connection.connected().await.unwrap_err(),
        connection.gathered().await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::ConnectionClosed { .. }), "{error:?}");
        assert_says(&error, &["closed", "make a new one"]);
    }
}

#[tokio::test]
async fn bad_candidates_are_refused_with_their_text() {
    let pair = Pair::new().await;
    let [connection, _] = pair.connections();
    let candidate = visavis::IceCandidate {
        candidate: "candidate:nonsense".into(),
        sdp_mid: Some("0".into()),
        ..visavis::IceCandidate::default()
    };
    assert_says(&connection.add_ice_candidate(candidate).await.unwrap_err(), &["candidate:nonsense"]);
}

#[tokio::test]
async fn a_wrong_fingerprint_never_yields_an_open_channel() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let mut answer = within(receiver.process_offer(offer)).await.unwrap();
    let forged = |line: &str| match line.split_once("sha-256 ") {
        Some((before, digits)) if digits.starts_with('A') => format!("{before}sha-256 B{}\r\n", &digits[1..]),
        Some((before, digits)) => format!("{before}sha-256 A{}\r\n", &digits[1..]),
        None => format!("{line}\r\n"),
    };
    answer.sdp = answer.sdp.lines().map(forged).collect();
    within(initiator.process_answer(answer)).await.unwrap();
    let channel = initiator.peer_connection().data_channel("channel").unwrap();
    assert!(within(channel.opened()).await.is_err());
    assert!(within(initiator.peer_connection().connected()).await.is_err());
}
