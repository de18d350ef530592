use std::time::{Duration, Instant};

use crate::message::{FragmentHeader, HandshakeType};
use crate::protection::Records;
use crate::record::ContentType;

/// The messages that this side sends until the peer answers: cut to fit datagrams, packed as many to a record and as
/// many records to a datagram as fit, and repeated (RFC 6347, sections 4.2.3 and 4.2.4). The same for every version.
pub(crate) struct Flight {
    items: Vec<Item>,
    /// What goes out next: an item, and how much of its body is out.
    item: usize,
    offset: usize,
    next_sequence: u16,
    repeats: Repeats,
    timing: Timing,
    /// How long to wait for the peer this time.
    interval: Duration,
    expires: Option<Instant>,
    expirations: u32,
    /// When the last piece went out.
    sent: Option<Instant>,
}

/// When a flight repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// When the peer keeps silent, or repeats itself.
    OnTimeout,
    /// Only when the peer repeats itself: nothing is to come after the last flight.
    OnDemand,
}

/// The bounds of the timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) round_trip: Option<Duration>,
    pub(crate) longest: Duration,
}

enum Item {
    Message { epoch: u16, kind: HandshakeType, sequence: u16, body: Vec<u8> },
    ChangeCipherSpec { epoch: u16 },
}

/// The timer's first interval if nobody measured the path (RFC 6347, section 4.2.4.1).
const UNMEASURED: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST_FIRST: Duration = Duration::from_secs(3);
/// From this repetition on datagrams are small, in case large ones get lost always (RFC 6347, section 4.1.1.1).
const SUSPICIOUS: u32 = 3;
/// What every IPv4 path carries (RFC 791: 576), less IP and UDP headers.
const SMALL_DATAGRAM: usize = 548;

impl Flight {
    pub(crate) fn new(timing: Timing) -> Self {
        let mut flight = Self {
            items: Vec::new(),
            item: 0,
            offset: 0,
            next_sequence: 0,
            repeats: Repeats::OnDemand,
            timing,
            interval: UNMEASURED,
            expires: None,
            expirations: 0,
            sent: None,
        };
        flight.interval = flight.first_interval();
        flight
    }

    /// Twice the round-trip time, so that one lost datagram costs a few of them and never a second.
    pub(crate) fn first_interval(&self) -> Duration {
        let first = self.timing.round_trip.map_or(UNMEASURED, |rtt| (rtt * 2).clamp(SHORTEST, LONGEST_FIRST));
        first.min(self.timing.longest)
    }

    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.timing.round_trip = Some(round_trip);
        // A timer that has begun to back off knows better than an old measurement.
        if self.expirations == 0 {
            self.interval = self.first_interval();
            if let (Some(sent), Some(expires)) = (self.sent, &mut self.expires) {
                *expires = sent + self.interval;
            }
        }
    }

    /// Starts a new flight: the peer has answered the one before, which is forgotten.
    pub(crate) fn begin(&mut self, repeats: Repeats) {
        self.stop();
        self.repeats = repeats;
        self.interval = self.first_interval();
        self.expirations = 0;
    }

    /// Forgets the flight: there is nothing to repeat any more.
    pub(crate) fn stop(&mut self) {
        self.items.clear();
        (self.item, self.offset, self.expires, self.sent) = (0, 0, None, None);
    }

    /// The number of the message that is added next.
    pub(crate) const fn next_sequence(&self) -> u16 {
        self.next_sequence
    }

    /// Adds a message to the flight.
    pub(crate) fn push(&mut self, epoch: u16, kind: HandshakeType, body: Vec<u8>) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.items.push(Item::Message { epoch, kind, sequence, body });
    }

    /// Adds a ChangeCipherSpec to the flight, which is no handshake message (RFC 5246, section 7.1).
    pub(crate) fn push_change_cipher_spec(&mut self, epoch: u16) {
        self.items.push(Item::ChangeCipherSpec { epoch });
    }

    /// The peer sent again what this flight answers, so it did not get it. Asked more often than is useful (the
    /// network duplicates, or somebody wants to see many bytes for few) it does nothing.
    pub(crate) fn peer_repeats(&mut self, now: Instant) -> bool {
        let gap = self.first_interval() / 2;
        let due = self.sent.is_some_and(|sent| now.saturating_duration_since(sent) >= gap);
        if due {
            self.rewind();
        }
        due
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.expires.is_some_and(|expires| expires <= now);
        if due {
            self.expirations = self.expirations.saturating_add(1);
            self.interval = (self.interval * 2).min(self.timing.longest);
            self.rewind();
        }
        due
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.expires
    }

    fn rewind(&mut self) {
        (self.item, self.offset, self.expires, self.sent) = (0, 0, None, None);
    }

    /// Appends the next datagram of at most `size` bytes, if there is one.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        records: &mut Records,
        size: usize,
        buf: &mut Vec<u8>,
    ) -> bool {
        let size = if self.expirations < SUSPICIOUS { size } else { size.min(SMALL_DATAGRAM) };
        let start = buf.len();
        while self.append_record(records, size.saturating_sub(buf.len().saturating_sub(start)), buf) {}
        let appended = buf.len() > start;
        if appended && self.item >= self.items.len() {
            self.sent = Some(now);
            self.expires = (self.repeats == Repeats::OnTimeout).then(|| now + self.interval);
        }
        appended
    }

    /// Appends one record of at most `room` bytes. False if nothing is left or nothing fits.
    fn append_record(&mut self, records: &mut Records, room: usize, buf: &mut Vec<u8>) -> bool {
        let Some(item) = self.items.get(self.item) else { return false };
        let (Item::Message { epoch, .. } | Item::ChangeCipherSpec { epoch }) = *item;
        let Some(room) = room.checked_sub(records.overhead(epoch)).filter(|room| *room > 0) else { return false };
        match item {
            Item::ChangeCipherSpec { .. } => {
                self.item += 1;
                records.seal(epoch, ContentType::CHANGE_CIPHER_SPEC, buf, |buf| {
                    buf.push(1);
                    true
                })
            }
            Item::Message { .. } => records.seal(epoch, ContentType::HANDSHAKE, buf, |buf| self.fill(epoch, room, buf)),
        }
    }

    /// Appends pieces of messages of one epoch, `room` bytes at most. False if not even one fits.
    fn fill(&mut self, wanted: u16, mut room: usize, buf: &mut Vec<u8>) -> bool {
        let before = buf.len();
        while let Some(Item::Message { epoch, kind, sequence, body }) = self.items.get(self.item) {
            let left = body.get(self.offset..).unwrap_or_default();
            let length = room.saturating_sub(FragmentHeader::SIZE).min(left.len());
            if *epoch != wanted || room < FragmentHeader::SIZE || (length == 0 && !left.is_empty()) {
                break;
            }
            let header = FragmentHeader {
                kind: *kind,
                length: body.len() as u32,
                sequence: *sequence,
                offset: self.offset as u32,
                fragment_length: length as u32,
            };
            header.encode(buf);
            buf.extend(left.iter().take(length));
            room = room.saturating_sub(FragmentHeader::SIZE + length);
            self.offset += length;
            if self.offset >= body.len() {
                (self.item, self.offset) = (self.item + 1, 0);
            }
        }
        buf.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reassembly::{Limits, Reassembly};
    use crate::record::RecordHeader;
    use proptest::prelude::*;
    use wire::Reader;

    const TIMING: Timing = Timing { round_trip: Some(Duration::from_millis(40)), longest: Duration::from_secs(3) };

    #[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to get one")]
    fn start() -> Instant {
        Instant::now()
    }

    fn datagrams(flight: &mut Flight, now: Instant, size: usize) -> Vec<Vec<u8>> {
        let mut records = Records::new();
        let mut out = Vec::new();
        loop {
            let mut buf = Vec::new();
            if !flight.poll_transmit(now, &mut records, size, &mut buf) {
                return out;
            }
            assert!(buf.len() <= size, "{} > {size}", buf.len());
            out.push(buf);
        }
    }

    #[test]
    fn the_timer_starts_from_the_round_trip_and_doubles() {
        let mut now = start();
        let mut flight = Flight::new(TIMING);
        flight.begin(Repeats::OnTimeout);
        flight.push(0, HandshakeType(1), vec![0; 10]);
        assert_eq!(flight.poll_timeout(), None, "nothing is out yet");
        for expected in [80, 160, 320, 640, 1280, 2560, 3000, 3000] {
            assert_eq!(datagrams(&mut flight, now, 1200).len(), 1);
            let expires = flight.poll_timeout().unwrap();
            assert_eq!(expires - now, Duration::from_millis(expected));
            assert!(!flight.handle_timeout(expires - Duration::from_millis(1)));
            assert!(flight.handle_timeout(expires));
            now = expires;
        }
    }

    #[test]
    fn extreme_round_trips_are_bounded() {
        for (measured, expected) in [(Some(0), 50), (Some(1_000), 2_000), (Some(60_000), 3_000), (None, 1_000)] {
            let round_trip = measured.map(Duration::from_millis);
            let flight = Flight::new(Timing { round_trip, ..TIMING });
            assert_eq!(flight.first_interval(), Duration::from_millis(expected), "{measured:?}");
        }
    }

    #[test]
    fn repeated_questions_are_answered_once_in_a_while() {
        let now = start();
        let mut flight = Flight::new(TIMING);
        flight.begin(Repeats::OnDemand);
        flight.push(0, HandshakeType(1), vec![0; 10]);
        assert!(!flight.peer_repeats(now), "it was not sent yet");
        datagrams(&mut flight, now, 1200);
        assert_eq!(flight.poll_timeout(), None);
        assert!(!flight.peer_repeats(now + Duration::from_millis(39)));
        assert!(flight.peer_repeats(now + Duration::from_millis(40)));
        assert_eq!(datagrams(&mut flight, now, 1200).len(), 1);
    }

    #[test]
    fn datagrams_shrink_when_nothing_comes_back() {
        let mut now = start();
        let mut flight = Flight::new(TIMING);
        flight.begin(Repeats::OnTimeout);
        flight.push(0, HandshakeType(1), vec![0; 1000]);
        for expected in [1, 1, 1, 2, 2] {
            assert_eq!(datagrams(&mut flight, now, 1200).len(), expected);
            now = flight.poll_timeout().unwrap();
            flight.handle_timeout(now);
        }
    }

    proptest! {
        /// Whatever the messages and the datagrams' size, the other end gets the messages back.
        #[test]
        fn what_is_cut_is_put_together(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..6),
            size in 26usize..1500,
        ) {
            let mut flight = Flight::new(TIMING);
            flight.begin(Repeats::OnTimeout);
            for body in &bodies {
                flight.push(0, HandshakeType(9), body.clone());
            }
            let mut reassembly = Reassembly::new(Limits { message: 1000, total: 10_000 });
            for mut datagram in datagrams(&mut flight, start(), size) {
                let mut rest = &mut datagram[..];
                while let Ok((_, content, behind)) = RecordHeader::split(rest) {
                    let mut reader = Reader::new(content);
                    while !reader.is_empty() {
                        let (header, piece) = FragmentHeader::decode(&mut reader).unwrap();
                        reassembly.push(0, &header, piece);
                    }
                    rest = behind;
                }
            }
            let out: Vec<_> = std::iter::from_fn(|| reassembly.pop()).map(|message| message.body).collect();
            prop_assert_eq!(out, bodies);
        }
    }
}
