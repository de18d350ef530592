//! Retransmission (RFC 4588) and padding.

mod sending_common;

use rand::RngExt;
use rtp::SequenceNumber;
use rtp::send::{Config, Kind, OutgoingPacket, Rtx};
use sending_common::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use visavis_rtp as rtp;

#[test]
fn what_was_lost_goes_again_by_rtx_with_numbers_of_its_own() {
    let (mut sender, now) = sender(video());
    let packets = sent(&mut sender, now, 10);
    sender.handle_nack(now, numbers(&[65_533, 2, 0]));
    let again = drain(&mut sender, now);
    assert_eq!(originals(&again), [65_533, 2, 0]);
    assert_eq!(again[1].sequence(), again[0].sequence() + 1);
    assert_eq!(again[2].sequence(), again[0].sequence() + 2);
    for packet in &again {
        let original = packets.iter().find(|sent| Some(sent.sequence()) == packet.original).unwrap();
        assert_eq!((packet.header.ssrc, packet.header.payload_type), (RTX.ssrc, RTX.payload_type));
        assert_eq!(packet.header.timestamp, original.header.timestamp);
        assert_eq!((packet.kind, packet.header.marker), (Kind::Retransmission, original.header.marker));
        let expected = [&original.sequence().to_be_bytes()[..], &original.payload].concat();
        assert_eq!(packet.payload, expected);
    }
}

#[test]
fn without_rtx_the_very_packet_goes_again() {
    let (mut sender, now) = sender(Config { rtx: None, ..video() });
    let packets = sent(&mut sender, now, 3);
    sender.handle_nack(now, [packets[1].header.sequence]);
    let again = drain(&mut sender, now);
    assert_eq!(again, [Packet { kind: Kind::Retransmission, ..packets[1].clone() }]);

    let (mut sender, now) = sending_common::sender(Config { rtx: None, resends_without_rtx: false, ..video() });
    let packets = sent(&mut sender, now, 3);
    sender.handle_nack(now, [packets[1].header.sequence]);
    assert_eq!(drain(&mut sender, now), []);
}

#[test]
fn a_packet_goes_again_once_in_a_round_trip() {
    let (mut sender, now) = sender(video());
    let lost = sent(&mut sender, now, 1)[0].header.sequence;
    // Repeated before it has gone, at once after, and shortly before the round trip has passed.
    sender.handle_nack(now, [lost, lost]);
    sender.handle_nack(now, [lost]);
    assert_eq!(drain(&mut sender, now).len(), 1);
    sender.handle_nack(now, [lost]);
    sender.handle_nack(now + 99 * MS, [lost]);
    assert_eq!(drain(&mut sender, now + 99 * MS), []);
    sender.handle_nack(now + 100 * MS, [lost]);
    assert_eq!(drain(&mut sender, now + 100 * MS).len(), 1);
    assert_eq!((sender.stats().repeated_nacks, sender.stats().nack_count), (4, 5));

    sender.set_rtt(30 * MS);
    sender.handle_nack(now + 129 * MS, [lost]);
    assert_eq!(drain(&mut sender, now + 129 * MS), []);
    sender.handle_nack(now + 130 * MS, [lost]);
    assert_eq!(drain(&mut sender, now + 130 * MS).len(), 1);

    // A receiver that claims hours of delay is served all the same.
    sender.set_rtt(Duration::from_secs(10_000));
    sender.handle_nack(now + 1130 * MS, [lost]);
    assert_eq!(drain(&mut sender, now + 1130 * MS).len(), 1);
}

#[test]
fn a_repair_goes_before_what_waits() {
    let (mut sender, now) = sender(video());
    let packets = sent(&mut sender, now, 2);
    sender.send_packet(now, packet(9, true, 100, 0)).unwrap();
    sender.handle_nack(now, [packets[0].header.sequence]);
    assert_eq!((sender.next_kind(), sender.queued_bytes()), (Some(Kind::Retransmission), 200));
    assert_eq!(sender.waiting_since(), Some(now));
    let kinds = drain(&mut sender, now).iter().map(|packet| packet.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Retransmission, Kind::Media]);
    assert_eq!((sender.next_kind(), sender.queued_bytes(), sender.waiting_since()), (None, 0, None));
}

#[test]
fn history_is_bounded_by_packets_by_bytes_and_by_age() {
    let asked = |config: Config, after| {
        let (mut sender, now) = sender(config);
        let packets = sent(&mut sender, now, 6);
        sender.handle_nack(now + after, packets.iter().map(|packet| packet.header.sequence));
        let again = drain(&mut sender, now + after).len() as u64;
        assert_eq!(again + sender.stats().unknown_nacks, 6);
        again
    };
    assert_eq!(asked(video(), MS), 6);
    assert_eq!(asked(Config { history_packets: 2, ..video() }, MS), 2);
    assert_eq!(asked(Config { history_packets: 0, ..video() }, MS), 0);
    assert_eq!(asked(Config { history_bytes: 399, ..video() }, MS), 3);
    assert_eq!(asked(Config { history_age: 50 * MS, ..video() }, 50 * MS), 6);
    assert_eq!(asked(Config { history_age: 50 * MS, ..video() }, 51 * MS), 0);
}

#[test]
fn what_grows_too_old_while_it_waits_is_not_sent() {
    let (mut sender, now) = sender(Config { history_age: 50 * MS, ..video() });
    let old = sent(&mut sender, now, 1)[0].header.sequence;
    let young = sent(&mut sender, now + 40 * MS, 1)[0].header.sequence;
    sender.handle_nack(now + 50 * MS, [old, young]);
    assert_eq!((sender.stats().retransmission_packets, sender.stats().retransmission_bytes), (2, 200));
    sender.handle_nack(now + 60 * MS, []);
    assert_eq!((sender.stats().retransmission_packets, sender.stats().retransmission_bytes), (1, 100));
    assert_eq!(originals(&drain(&mut sender, now + 60 * MS)), [young.0]);
}

#[test]
fn numbers_that_never_were_are_counted() {
    let (mut sender, now) = sender(video());
    sender.handle_nack(now, numbers(&[0, 1]));
    sent(&mut sender, now, 2);
    sender.handle_nack(now, numbers(&[65_532, 65_529, 30_000]));
    assert_eq!((sender.stats().unknown_nacks, drain(&mut sender, now).len()), (5, 0));
}

#[test]
fn too_many_repairs_at_once_are_refused() {
    let (mut sender, now) = sender(Config { retransmission_bytes: 250, ..video() });
    let packets = sent(&mut sender, now, 4);
    sender.handle_nack(now, packets.iter().map(|packet| packet.header.sequence));
    assert_eq!(sender.stats().retransmission_bytes, 200);
    assert_eq!(drain(&mut sender, now).len(), 2);
    assert_eq!(sender.stats().refused_nacks, 2);
}

#[test]
fn a_payload_type_without_rtx_is_not_repaired_by_another_s() {
    let (mut sender, now) = sender(video());
    let other = packet(0, true, 100, 0);
    let header = rtp::Header { payload_type: 100, ..other.header };
    sender.send_packet(now, OutgoingPacket { header, ..other }).unwrap();
    let first = poll(&mut sender, now).unwrap().header.sequence;
    sender.handle_nack(now, [first]);
    assert_eq!(drain(&mut sender, now), []);
    sender.set_format(None, 100, 90_000);
    sender.set_rtx(Some(Rtx { payload_type: 101, ..RTX }));
    sender.handle_nack(now, [first]);
    assert_eq!(poll(&mut sender, now).unwrap().header.payload_type, 101);
}

/// Frames over a path that loses, and a receiver that asks again and again: what is kept long enough arrives whole.
#[test]
fn a_lossy_path_is_repaired_until_all_has_arrived() {
    const FRAMES: u32 = 600;
    const DELAY: u32 = 2;
    for seed in sim::seeds(20) {
        let mut rng = sim::rng(seed, 0);
        let (mut sender, start) = sender(video());
        sender.set_rtt(40 * MS);
        // In ticks of 10 ms: packets on the way there, NACKs on the way back.
        let mut there: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
        let mut back: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
        let mut arrived: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        let (mut given, mut rtx_numbers): (BTreeMap<u16, Vec<u8>>, BTreeSet<u16>) = Default::default();
        for tick in 0..FRAMES + 200 {
            let now = start + 10 * MS * tick;
            if tick < FRAMES {
                for (part, marker) in [(0, false), (1, false), (2, true)] {
                    let (length, fill) = (rng.random_range(1..1000), rng.random());
                    sender.send_packet(now, packet(tick * 900 + part, marker, length, fill)).unwrap();
                }
            }
            if let Some(lost) = back.remove(&tick) {
                sender.handle_nack(now, numbers(&lost));
            }
            for packet in drain(&mut sender, now) {
                match packet.original {
                    None => assert!(given.insert(packet.sequence(), packet.payload.clone()).is_none()),
                    Some(_) => assert!(rtx_numbers.insert(packet.sequence()), "an RTX number twice"),
                }
                if rng.random_bool(0.8) {
                    there.entry(tick + DELAY).or_default().push(packet);
                }
            }
            for packet in there.remove(&tick).unwrap_or_default() {
                match packet.original {
                    None => arrived.insert(packet.sequence(), packet.payload),
                    Some(original) => arrived.insert(original, packet.payload[2..].to_vec()),
                };
            }
            // The receiver asks for all that should have come; some of that is lost, too.
            let due = (tick + 1).saturating_sub(DELAY).min(FRAMES) * 3;
            let missing = (0..due).map(|index| SequenceNumber(65_530).plus(index as u16).0);
            let missing = missing.filter(|number| !arrived.contains_key(number)).collect::<Vec<_>>();
            if rng.random_bool(0.8) {
                back.insert(tick + DELAY, missing);
            }
        }
        let stats = sender.stats();
        assert!(stats.retransmitted_packets_sent > 300, "{stats:?}");
        assert_eq!(stats.unknown_nacks, 0, "all that was asked for was still there");
        assert_eq!((given.len(), &given), (FRAMES as usize * 3, &arrived));
    }
}

#[test]
fn padding_repeats_packets_from_the_newest_back() {
    let (mut sender, now) = sender(video());
    assert_eq!(sender.padding(now, 1000), 0, "nothing has begun");
    let packets = sent(&mut sender, now, 3);
    assert_eq!(sender.padding(now, 500), 500);
    let filler = drain(&mut sender, now);
    // Of 12 + 2 + 100 bytes each, so that five are as many as it takes.
    assert_eq!(originals(&filler), [2, 1, 0, 2, 1].map(|index| packets[index].sequence()));
    assert!(filler.iter().all(|packet| packet.kind == Kind::Padding && packet.header.ssrc == RTX.ssrc));
    assert!(filler.windows(2).all(|two| two[0].header.sequence.next() == two[1].header.sequence));
    assert_eq!(sender.stats().padding_packets_sent, 5);
    assert_eq!(sender.stats().retransmitted_packets_sent, 0);
    // A loss of what has just been repeated is no reason to send it a third time.
    sender.handle_nack(now, [packets[2].header.sequence]);
    assert_eq!(drain(&mut sender, now), []);
}

#[test]
fn without_a_packet_to_repeat_there_is_nothing_but_padding() {
    let (mut sender, now) = sender(Config { history_packets: 0, ..video() });
    let media = sent(&mut sender, now, 1);
    sender.padding(now, 600);
    let filler = drain(&mut sender, now);
    assert_eq!(filler.iter().map(|packet| packet.padding).collect::<Vec<_>>(), [252, 252, 60]);
    for packet in &filler {
        assert_eq!((packet.original, packet.payload.last()), (None, Some(&packet.padding)));
        assert_eq!(packet.header.timestamp, media[0].header.timestamp);
        assert_eq!((packet.header.payload_type, packet.header.marker), (RTX.payload_type, false));
    }
    let stats = sender.stats();
    assert_eq!((stats.packets_sent, stats.bytes_sent, stats.header_bytes_sent), (4, 100, 4 * 12 + 564));
}

#[test]
fn padding_waits_for_media_and_needs_rtx() {
    let (mut sender, now) = sender(video());
    sent(&mut sender, now, 1);
    sender.padding(now, 100);
    sender.send_packet(now, packet(9, true, 100, 0)).unwrap();
    let kinds = drain(&mut sender, now).iter().map(|packet| packet.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Media, Kind::Padding]);
    let (mut plain, now) = sending_common::sender(Config { rtx: None, ..video() });
    sent(&mut plain, now, 1);
    assert_eq!((plain.padding(now, 1000), drain(&mut plain, now)), (0, vec![]));
}
