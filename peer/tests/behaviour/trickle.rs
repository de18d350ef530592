//! Candidates that follow their description.

use visavis::{Config, ConnectionEvent, Events, IceCandidate, Initiator, PeerConnection, Receiver};

use crate::support::{config, recv, within};

/// Carries every candidate of one side to the other, the end included.
async fn carry(mut events: Events<ConnectionEvent>, to: PeerConnection) -> Vec<IceCandidate> {
    let mut carried = Vec::new();
    while let Some(event) = events.next().await {
        let ConnectionEvent::IceCandidate(candidate) = event else { continue };
        let is_end = candidate.is_none();
        let candidate = candidate.unwrap_or_default();
        carried.push(candidate.clone());
        to.add_ice_candidate(candidate).await.unwrap();
        if is_end {
            break;
        }
    }
    carried
}

#[tokio::test]
async fn peers_connect_by_candidates_that_trickle() {
    let trickling = Config { trickle: true, ..config() };
    let initiator = Initiator::new(trickling.clone()).unwrap();
    let receiver = Receiver::new(trickling).unwrap();
    let (left, right) = (initiator.peer_connection().clone(), receiver.peer_connection().clone());
    let to_right = tokio::spawn(carry(left.events(), right.clone()));
    let to_left = tokio::spawn(carry(right.events(), left.clone()));

    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    assert!(!offer.sdp.contains("a=candidate"), "{}", offer.sdp);
    assert!(offer.sdp.contains("trickle"), "{}", offer.sdp);
    let answer = within(receiver.process_offer(offer)).await.unwrap();
    assert!(!answer.sdp.contains("a=candidate"), "{}", answer.sdp);
    within(initiator.process_answer(answer)).await.unwrap();

    let channel = left.data_channel("channel").unwrap();
    within(channel.send("through")).await.unwrap();
    let there = within(right.accept_data_channel()).await.unwrap();
    assert_eq!(recv(&there).await.as_text(), Some("through"));
    for carried in [within(to_right).await.unwrap(), within(to_left).await.unwrap()] {
        let (end, candidates) = carried.split_last().unwrap();
        assert!(end.candidate.is_empty());
        assert_eq!(candidates.len(), 1, "one for the one socket");
        assert!(candidates[0].candidate.contains("127.0.0.1"), "{candidates:?}");
        assert!(candidates[0].sdp_mid.is_some() && candidates[0].username_fragment.is_some(), "{candidates:?}");
    }
}

#[tokio::test]
async fn by_default_descriptions_are_complete() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let answer = within(receiver.process_offer(offer.clone())).await.unwrap();
    for sdp in [&offer.sdp, &answer.sdp] {
        assert_eq!(sdp.matches("a=candidate:").count(), 1, "{sdp}");
        assert!(sdp.contains("a=end-of-candidates"), "{sdp}");
    }
    let connection = initiator.peer_connection();
    assert_eq!(connection.local_description().await, Some(offer));
    within(initiator.process_answer(answer.clone())).await.unwrap();
    assert_eq!(connection.remote_description().await, Some(answer));
}
