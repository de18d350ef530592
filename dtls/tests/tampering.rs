//! Every byte of every datagram of a handshake, and of a data record, changed once.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{SIDES, calm, config_with, connect, default_pair, exported, identity, pair, seal};
use sim::Side;
use visavis_dtls::message::{FragmentHeader, HandshakeType};
use visavis_dtls::{Error, Event, KeyAlgorithm, Role};

/// Where a byte of a datagram stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a record header, in a protected record, or in a ChangeCipherSpec.
    Record,
    /// In the header of a piece of a handshake message in clear.
    Header(HandshakeType, usize),
    /// In the body of a handshake message in clear.
    Body(HandshakeType, usize),
}

impl Place {
    fn of(datagram: &[u8], at: usize) -> Self {
        let mut start = 0;
        while let Some(&[kind, _, _, epoch_high, epoch_low, .., high, low]) = datagram.get(start..start + 13) {
            let end = start + 13 + usize::from(u16::from_be_bytes([high, low]));
            if (start + 13..end).contains(&at) && [kind, epoch_high, epoch_low] == [22, 0, 0] {
                return Self::in_pieces(&datagram[start + 13..end], at - start - 13);
            }
            start = end;
        }
        Self::Record
    }

    fn in_pieces(mut content: &[u8], mut at: usize) -> Self {
        loop {
            let (header, piece) = FragmentHeader::decode(&mut wire::Reader::new(content)).expect("not changed yet");
            let length = FragmentHeader::SIZE + piece.len();
            match at.checked_sub(FragmentHeader::SIZE) {
                None => return Self::Header(header.kind, at),
                Some(at) if at < piece.len() => return Self::Body(header.kind, header.offset as usize + at),
                Some(_) => (content, at) = (&content[length..], at - length),
            }
        }
    }

    /// The first or the last bit, in turns from the start of what the byte belongs to.
    const fn bit(self) -> u8 {
        match self {
            Self::Header(_, at) | Self::Body(_, at) if at % 2 == 1 => 0x80,
            Self::Record | Self::Header(..) | Self::Body(..) => 0x01,
        }
    }

    /// Whether a change here may look like a message the peer could have sent: nothing but the signatures over the
    /// handshake and Finished can tell then, and they do not tell which message it was. Everything else is checked.
    const fn is_believed(self) -> bool {
        matches!(
            self,
            Self::Body(
                HandshakeType::CLIENT_HELLO | HandshakeType::SERVER_HELLO | HandshakeType::CERTIFICATE_REQUEST,
                _
            ) | Self::Body(HandshakeType::CLIENT_KEY_EXCHANGE, 1..)
        )
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// It arrives changed, and the original never.
    Changed,
    /// A changed copy arrives before it, twice.
    Forged,
}

/// What a handshake goes through.
#[derive(Clone, Copy, Debug)]
struct Trial {
    harm: Harm,
    key: KeyAlgorithm,
    mtu: usize,
    cookie: bool,
}

const PLAIN: Trial = Trial { harm: Harm::Changed, key: KeyAlgorithm::EcdsaP256, mtu: 1200, cookie: false };

/// A handshake with a byte of the `number`th datagram from `side` changed by `flip`. None if there are fewer.
fn tampered(
    Trial { harm, key, mtu, cookie }: Trial,
    (side, number, at): (Side, usize, usize),
    flip: impl Fn(Place) -> u8 + Send + 'static,
) -> Option<(common::Peers, Place)> {
    let (mut client, mut server) = (config_with(Role::Client, key, key), config_with(Role::Server, key, key));
    (client.mtu, server.mtu) = (mtu, mtu);
    server.require_cookie = cookie;
    let mut pair = pair(1, calm(), client, server);
    let (sender, places) = std::sync::mpsc::channel();
    let mut count = 0;
    let receiver = if side == Side::A { &mut pair.b } else { &mut pair.a };
    receiver.disturb = Some(Box::new(move |datagram| {
        let original = datagram.to_vec();
        count += 1;
        if count != number + 1 || at >= original.len() {
            return vec![original];
        }
        let place = Place::of(datagram, at);
        let mut copy = original.clone();
        copy[at] ^= flip(place);
        sender.send(place).expect("the test listens");
        if harm == Harm::Changed { vec![copy] } else { vec![copy.clone(), copy, original] }
    }));
    pair.expect("both settled", common::LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
    let place = places.try_iter().next()?;
    Some((pair, place))
}

/// Whether both sides are connected. If not, the byte was one that may be believed, and both know soon.
fn check(pair: &common::Peers, key: KeyAlgorithm, place: Place, what: &str) -> bool {
    let connected = [&pair.a, &pair.b].map(|peer| peer.events == [Event::Connected]) == [true, true];
    if connected {
        assert_eq!(exported(&pair.a), exported(&pair.b), "{what}");
        assert!(pair.elapsed() < Duration::from_millis(500), "{what}: repaired after {:?}", pair.elapsed());
    } else {
        assert!(place.is_believed(), "{what}: {:?} {:?}", pair.a.events, pair.b.events);
        assert!(pair.elapsed() < Duration::from_secs(4), "{what}: ended after {:?}", pair.elapsed());
        let errors = [&pair.a.events[..], &pair.b.events[..]];
        let told = errors.iter().any(|events| matches!(events, [Event::Closed(Error::Alert(_))]));
        let noticed = errors.iter().any(|events| matches!(events, [Event::Closed(error)] if !is_vague(error)));
        assert!(told && noticed, "{what}: {errors:?}");
    }
    // Whatever was changed: nobody is connected with anybody else.
    for (peer, other) in [(&pair.a, Role::Server), (&pair.b, Role::Client)] {
        let expected = identity(other, key);
        assert!(peer.connection.peer_certificate().is_none_or(|found| found == expected.certificate_der()), "{what}");
        assert!(peer.received.is_empty(), "{what}");
    }
    connected
}

/// Errors that do not say what this side saw.
const fn is_vague(error: &Error) -> bool {
    matches!(error, Error::HandshakeTimeout | Error::Alert(_))
}

/// Changes every byte once, and tells which bytes of which messages could not be repaired.
fn every_byte(trial: Trial) -> BTreeMap<String, BTreeSet<usize>> {
    let (mut repaired, mut ended) = (0, BTreeMap::<String, BTreeSet<usize>>::new());
    for side in SIDES {
        for number in 0.. {
            for at in 0.. {
                let what = format!("{trial:?}, byte {at} of datagram {number} from {side}");
                let Some((pair, place)) = tampered(trial, (side, number, at), Place::bit) else { break };
                match place {
                    _ if check(&pair, trial.key, place, &what) => repaired += 1,
                    Place::Body(kind, at) => _ = ended.entry(kind.to_string()).or_default().insert(at),
                    Place::Record | Place::Header(..) => unreachable!("{what}: checked"),
                }
            }
            if tampered(trial, (side, number, 0), Place::bit).is_none() {
                assert!(number >= 2, "{side} sent two flights");
                break;
            }
        }
    }
    assert!(repaired > 900, "{trial:?}: {repaired} repaired");
    ended
}

#[test]
fn a_changed_byte_is_repaired_unless_only_signatures_and_finished_can_tell() {
    // With Ed25519 every signature has the same length, so that each byte is met exactly once.
    for (key, mtu) in [(KeyAlgorithm::Ed25519, 1200), (KeyAlgorithm::EcdsaP256, 300)] {
        for harm in [Harm::Changed, Harm::Forged] {
            let trial = Trial { harm, key, mtu, ..PLAIN };
            let mut ended = every_byte(trial);
            let mut take = |kind: HandshakeType| ended.remove(&kind.to_string()).unwrap_or_default();
            // Version, random and lists that the server chooses from; all of the random, whatever the rest.
            let hello = take(HandshakeType::CLIENT_HELLO);
            assert!((2..34).all(|at| hello.contains(&at)) && hello.len() == 77, "{trial:?}: {hello:?}");
            // The random, and extensions that say little: one without content, the limit of a record.
            let answer = take(HandshakeType::SERVER_HELLO);
            assert!((2..34).all(|at| answer.contains(&at)) && answer.len() == 35, "{trial:?}: {answer:?}");
            // What the client may choose from.
            let request = take(HandshakeType::CERTIFICATE_REQUEST);
            let expected = if key == KeyAlgorithm::Ed25519 { 20..=20 } else { 1..=25 };
            assert!(expected.contains(&request.len()), "{trial:?}: {request:?}");
            // Any 32 bytes are a key of X25519.
            assert_eq!(take(HandshakeType::CLIENT_KEY_EXCHANGE), (1..33).collect(), "{trial:?}");
            assert_eq!(ended, BTreeMap::new(), "{trial:?}");
        }
    }
}

#[test]
fn a_cookie_tells_a_changed_hello() {
    for harm in [Harm::Changed, Harm::Forged] {
        let ended = every_byte(Trial { harm, cookie: true, ..PLAIN });
        assert!(!ended.contains_key(&HandshakeType::CLIENT_HELLO.to_string()), "{harm:?}: {ended:?}");
    }
}

#[test]
fn every_bit_of_record_headers_and_of_finished() {
    for side in SIDES {
        // The client's second datagram and the server's second one carry ChangeCipherSpec and Finished at their ends.
        for bit in 0..8 {
            for at in (0..13).chain(460..560) {
                let Some((pair, place)) = tampered(PLAIN, (side, 1, at), move |_| 1 << bit) else {
                    continue;
                };
                check(&pair, PLAIN.key, place, &format!("bit {bit} of byte {at} from {side}"));
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
