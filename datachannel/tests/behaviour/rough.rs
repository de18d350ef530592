//! Whole lives of channels over hundreds of bad links: what is delivered is what was sent.

use crate::common::{Peer, connecting};
use rand::RngExt;
use sim::{Link, Pair};
use std::collections::BTreeMap;
use std::time::Duration;
use visavis_datachannel::{Config, Event, Message, Options, Reliability, sctp};

/// What one side sends: by label, whether delivery is certain, whether it is ordered, and the messages.
type Sent = BTreeMap<String, (bool, bool, Vec<Message>)>;

/// Opens some channels of all kinds on one side and sends on them.
fn act(peer: &mut Peer, name: &str, rng: &mut impl rand::Rng) -> Sent {
    let mut sent = Sent::new();
    for channel in 0..rng.random_range(1..5) {
        let reliability = match rng.random_range(0..4) {
            0 => Reliability::MaxRetransmits(rng.random_range(0..3)),
            1 => Reliability::MaxLifetime(Duration::from_millis(rng.random_range(0..500))),
            _ => Reliability::Reliable,
        };
        let ordered = rng.random_bool(0.5);
        let label = format!("{name}{channel}");
        let id = peer.open(Options { ordered, reliability, ..Options::new(&label) });
        let mut messages = Vec::new();
        for n in 0..rng.random_range(0..20_u8) {
            let length = if rng.random_bool(0.1) { rng.random_range(0..20_000) } else { rng.random_range(0..200) };
            let message = if rng.random_bool(0.5) {
                Message::text(char::from(b'a' + n).to_string().repeat(length))
            } else {
                Message::binary(vec![n; length])
            };
            peer.send(id, message.clone());
            messages.push(message);
        }
        // With the channel closed at once, all must arrive just the same.
        if rng.random_bool(0.3) {
            peer.close(id);
        }
        sent.insert(label, (reliability == Reliability::Reliable, ordered, messages));
    }
    sent
}

/// Everything that `peer` received on channels that the other side opened, by label.
fn received(peer: &Peer) -> BTreeMap<String, Vec<Message>> {
    peer.labels.iter().map(|(id, label)| (label.clone(), peer.received(*id).to_vec())).collect()
}

fn is_complete(sent: &Sent, received: &BTreeMap<String, Vec<Message>>) -> bool {
    sent.iter().all(|(label, (certain, _, messages))| {
        received.get(label).is_some_and(|received| !certain || received.len() == messages.len())
    })
}

fn compare(seed: u64, sent: &Sent, received: &BTreeMap<String, Vec<Message>>) {
    for (label, (certain, ordered, messages)) in sent {
        let arrived = received.get(label).expect("the channel arrived");
        // Every message that arrived takes one away from those that were sent.
        let mut left: Vec<Option<&Message>> = messages.iter().map(Some).collect();
        let mut last = 0;
        for message in arrived {
            let at = left.iter().position(|sent| *sent == Some(message));
            let at = at.unwrap_or_else(|| panic!("seed {seed}: {label} received {message:?}, not sent or twice"));
            left.get_mut(at).expect("a position in it").take();
            // Equal messages cannot be told apart, so only the first of several may stand for the order.
            assert!(
                !ordered || *certain || at >= last || message.payload.is_empty(),
                "seed {seed}: {label} out of order"
            );
            last = at;
        }
        assert!(!certain || arrived.len() == messages.len(), "seed {seed}: {label} lost messages");
        assert!(!(*certain && *ordered) || arrived == messages, "seed {seed}: {label} out of order");
    }
}

#[test]
fn three_hundred_bad_links() {
    for seed in sim::seeds(300) {
        let mut rng = sim::rng(seed, 77);
        let mut pair: Pair<Peer> = connecting(seed, Link::rough(seed), Config::default(), Config::default());
        pair.wake_early(if seed % 2 == 0 { 0.2 } else { 0.0 });
        let sent_by_a = act(&mut pair.a, "a", &mut rng);
        let sent_by_b = act(&mut pair.b, "b", &mut rng);
        pair.expect("the delivery of all messages", Duration::from_secs(300), |pair| {
            is_complete(&sent_by_a, &received(&pair.b)) && is_complete(&sent_by_b, &received(&pair.a))
        });
        pair.run_for(Duration::from_secs(30));
        pair.a.channels.shutdown(pair.now());
        let over = Event::Disconnected(sctp::Closed::Shutdown);
        pair.expect("the end", Duration::from_secs(120), |pair| pair.a.has(&over) && pair.b.has(&over));
        compare(seed, &sent_by_a, &received(&pair.b));
        compare(seed, &sent_by_b, &received(&pair.a));
        let stats = [pair.a.channels.stats(), pair.b.channels.stats()];
        assert!(
            stats.iter().all(|s| s.refused == 0 && s.malformed == 0 && s.unexpected == 0),
            "seed {seed}: {stats:?}"
        );
        pair.run_for(Duration::from_secs(5));
        pair.expect_quiet(Duration::from_secs(300));
        assert_eq!(pair.a.channels.ids().count() + pair.b.channels.ids().count(), 0);
    }
}
