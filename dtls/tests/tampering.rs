//! Every byte of every datagram of a handshake, and of a data record, changed once.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::time::Duration;

use common::{SIDES, calm, connect, default_pair, exported, identity, seal};
use sim::{Side, Verdict};
use visavis_dtls::{Event, KeyAlgorithm, Role};

/// What a changed byte may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The record is dropped, and what it carried is repeated: the handshake must complete.
    Repaired,
    /// Handshake messages are in clear and are believed until Finished covers them: the handshake may end, with an
    /// alert or because the two sides do not get the same keys.
    Believed,
}

/// Where a byte of a datagram stands: in a record header, in a protected record, or in a handshake message in clear.
fn place(datagram: &[u8], at: usize) -> Place {
    let mut start = 0;
    while let Some(&[.., epoch_high, epoch_low, _, _, _, _, _, _, high, low]) = datagram.get(start..start + 13) {
        let end = start + 13 + usize::from(u16::from_be_bytes([high, low]));
        if at < end {
            let is_clear_handshake = datagram[start] == 22 && [epoch_high, epoch_low] == [0, 0];
            return if at < start + 13 || !is_clear_handshake { Place::Repaired } else { Place::Believed };
        }
        start = end;
    }
    unreachable!("{at} is in the datagram");
}

/// A handshake with one byte of the `number`th datagram from `side` changed. None if there are fewer.
fn tampered(side: Side, number: usize, at: usize, flip: u8) -> Option<(common::Peers, Place)> {
    let mut pair = default_pair(1, calm());
    let (sender, places) = std::sync::mpsc::channel();
    let mut count = 0;
    pair.intercept(move |_, from, datagram| {
        if from == side {
            if count == number && at < datagram.len() {
                sender.send(place(datagram, at)).expect("the test listens");
                datagram[at] ^= flip;
            }
            count += 1;
        }
        Verdict::Pass
    });
    pair.expect("both settled", common::LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
    let place = places.try_iter().next()?;
    Some((pair, place))
}

fn check(pair: &common::Peers, place: Place, what: &str) -> bool {
    let connected = [&pair.a, &pair.b].map(|peer| peer.events == [Event::Connected]);
    if place == Place::Repaired {
        assert_eq!(connected, [true, true], "{what}: {:?} {:?}", pair.a.events, pair.b.events);
    }
    if connected == [true, true] {
        assert_eq!(exported(&pair.a), exported(&pair.b), "{what}");
    }
    // Whatever was changed: nobody is connected with anybody else.
    for (peer, other) in [(&pair.a, Role::Server), (&pair.b, Role::Client)] {
        let expected = identity(other, KeyAlgorithm::EcdsaP256);
        assert!(peer.connection.peer_certificate().is_none_or(|found| found == expected.certificate_der()), "{what}");
        assert!(peer.received.is_empty(), "{what}");
    }
    connected == [true, true]
}

#[test]
fn every_byte_of_the_handshake() {
    for side in SIDES {
        let (mut completed, mut ended) = (0, 0);
        for number in 0..2 {
            for at in 0.. {
                let what = format!("byte {at} of datagram {number} from {side}");
                let Some((pair, place)) = tampered(side, number, at, if at % 2 == 0 { 0x01 } else { 0x80 }) else {
                    assert!(at > 70, "{what}: all bytes but no more");
                    break;
                };
                if check(&pair, place, &what) {
                    completed += 1;
                } else {
                    ended += 1;
                }
            }
        }
        // Both happen: record headers and protected records are repaired, most of the rest is noticed.
        assert!(completed > 70 && ended > 300, "{side}: {completed} completed, {ended} ended");
    }
}

#[test]
fn every_bit_of_record_headers_and_of_finished() {
    for side in SIDES {
        // The client's second datagram and the server's second one carry ChangeCipherSpec and Finished at their ends.
        for bit in 0..8 {
            for at in (0..13).chain(460..560) {
                let Some((pair, place)) = tampered(side, 1, at, 1 << bit) else { continue };
                if place == Place::Repaired {
                    check(&pair, place, &format!("bit {bit} of byte {at} from {side}"));
                }
            }
        }
    }
}

#[test]
fn every_byte_of_a_data_record() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    let record = seal(&mut pair.a, b"genuine");
    for at in 0..record.len() {
        for bit in 0..8 {
            let mut changed = record.clone();
            changed[at] ^= 1 << bit;
            pair.inject(Side::B, &changed);
        }
    }
    pair.run_for(Duration::from_millis(1));
    assert!(pair.b.received.is_empty(), "{:?}", pair.b.received);
    assert_eq!(pair.b.events, [Event::Connected]);
    let stats = pair.b.connection.stats();
    let counted = stats.forged + stats.malformed + stats.dropped + stats.unprotected + stats.replayed;
    assert!(counted >= 8 * record.len() as u64, "{stats:?}");
    // Nothing forged has moved the window.
    pair.inject(Side::B, &record);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.received, [b"genuine"]);
}
