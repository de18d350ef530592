use std::collections::BTreeMap;

use crate::message::{FragmentHeader, HandshakeType};

/// A whole handshake message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: HandshakeType,
    pub(crate) sequence: u16,
    /// The epoch whose records carried it.
    pub(crate) epoch: u16,
    pub(crate) body: Vec<u8>,
}

/// Puts the pieces of the peer's handshake messages together, whatever order they come in, and hands the messages out
/// in the order of their numbers (RFC 6347, sections 4.2.2 and 4.2.3). The same for every version.
pub(crate) struct Reassembly {
    /// The number of the message to hand out next.
    next: u16,
    partial: BTreeMap<u16, Partial>,
    /// Bytes that `partial` takes, whole messages counted from their first piece on.
    bytes: usize,
    limits: Limits,
}

/// How much is held for a peer that has proved nothing yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes in one message.
    pub(crate) message: usize,
    /// Bytes in all messages that are not complete, or wait for one before them.
    pub(crate) total: usize,
}

/// Messages this far ahead are kept. The longest flight has six.
const AHEAD: u16 = 8;

struct Partial {
    kind: HandshakeType,
    epoch: u16,
    body: Vec<u8>,
    /// Which bytes of `body` have arrived, and how many have not.
    arrived: Vec<bool>,
    missing: usize,
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It was used.
    Stored,
    /// It is the end of the message handed out last: the peer repeats itself, and did not get what it waits for.
    Repeated,
    /// It brought nothing.
    Dropped,
}

impl Reassembly {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { next: 0, partial: BTreeMap::new(), bytes: 0, limits }
    }

    /// Takes one piece. Later pieces win over earlier ones that say otherwise, so that one forged or damaged piece is
    /// repaired by the peer's next repetition.
    pub(crate) fn push(&mut self, epoch: u16, header: &FragmentHeader, piece: &[u8]) -> Pushed {
        let ahead = header.sequence.wrapping_sub(self.next);
        if ahead == u16::MAX && header.offset + header.fragment_length == header.length {
            return Pushed::Repeated;
        }
        let length = header.length as usize;
        // An empty piece of a message that is not empty would cost work and bring nothing.
        if ahead >= AHEAD || length > self.limits.message || (piece.is_empty() && length > 0) {
            return Pushed::Dropped;
        }
        if let Some(partial) = self.partial.get(&header.sequence) {
            if partial.epoch > epoch {
                return Pushed::Dropped;
            }
            let same = (partial.kind, partial.body.len(), partial.epoch) == (header.kind, length, epoch);
            if same && partial.missing == 0 {
                return Pushed::Dropped;
            }
            if !same {
                self.remove(header.sequence);
            }
        }
        if !self.partial.contains_key(&header.sequence) {
            self.make_room(length, ahead);
            if self.bytes + length > self.limits.total {
                return Pushed::Dropped;
            }
            self.bytes += length;
            self.partial.insert(header.sequence, Partial::new(epoch, header));
        }
        match self.partial.get_mut(&header.sequence) {
            Some(partial) => partial.fill(header.offset as usize, piece),
            None => Pushed::Dropped,
        }
    }

    /// The next message in order, once it is whole.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.partial.get(&self.next).filter(|partial| partial.missing == 0)?;
        let sequence = self.next;
        let Partial { kind, epoch, body, .. } = self.remove(sequence)?;
        self.next = sequence.wrapping_add(1);
        Some(Message { kind, sequence, epoch, body })
    }

    /// Takes back what was handed out last: it was damaged, and its repetition is awaited.
    pub(crate) const fn refuse(&mut self, message: &Message) {
        self.next = message.sequence;
    }

    /// Gives up messages that come later than the one `ahead` of the next, for as long as they leave no room for it:
    /// what will be needed first must not wait for what may not even be real.
    fn make_room(&mut self, length: usize, ahead: u16) {
        for later in (ahead.saturating_add(1)..AHEAD).rev() {
            if self.bytes + length <= self.limits.total {
                break;
            }
            self.remove(self.next.wrapping_add(later));
        }
    }

    /// Forgets all that is not handed out.
    pub(crate) fn clear(&mut self) {
        self.partial.clear();
        self.bytes = 0;
    }

    fn remove(&mut self, sequence: u16) -> Option<Partial> {
        let partial = self.partial.remove(&sequence)?;
        self.bytes = self.bytes.saturating_sub(partial.body.len());
        Some(partial)
    }
}

impl Partial {
    fn new(epoch: u16, header: &FragmentHeader) -> Self {
        let length = header.length as usize;
        Self { kind: header.kind, epoch, body: vec![0; length], arrived: vec![false; length], missing: length }
    }

    /// Pieces may overlap (RFC 6347, section 4.2.3).
    fn fill(&mut self, offset: usize, piece: &[u8]) -> Pushed {
        let places = self.body.iter_mut().zip(&mut self.arrived).skip(offset);
        for ((place, arrived), byte) in places.zip(piece) {
            *place = *byte;
            self.missing -= usize::from(!std::mem::replace(arrived, true));
        }
        Pushed::Stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { message: 1000, total: 3000 };

    fn header(sequence: u16, length: usize, offset: usize, fragment_length: usize) -> FragmentHeader {
        FragmentHeader {
            kind: HandshakeType(7),
            length: length as u32,
            sequence,
            offset: offset as u32,
            fragment_length: fragment_length as u32,
        }
    }

    #[test]
    fn messages_come_out_in_order() {
        let mut reassembly = Reassembly::new(LIMITS);
        assert_eq!(reassembly.push(0, &header(1, 0, 0, 0), &[]), Pushed::Stored);
        assert_eq!(reassembly.pop(), None);
        assert_eq!(reassembly.push(0, &header(0, 3, 1, 2), b"bc"), Pushed::Stored);
        assert_eq!(reassembly.pop(), None);
        assert_eq!(reassembly.push(0, &header(0, 3, 0, 2), b"ab"), Pushed::Stored);
        assert_eq!(reassembly.pop().map(|message| message.body), Some(b"abc".to_vec()));
        assert_eq!(reassembly.pop().map(|message| message.body), Some(vec![]));
        assert_eq!(reassembly.pop(), None);
    }

    #[test]
    fn the_end_of_the_last_message_tells_a_repetition() {
        let mut reassembly = Reassembly::new(LIMITS);
        for sequence in 0..2 {
            reassembly.push(0, &header(sequence, 2, 0, 2), b"ab");
            reassembly.pop().unwrap();
        }
        assert_eq!(reassembly.push(0, &header(0, 2, 0, 2), b"ab"), Pushed::Dropped);
        assert_eq!(reassembly.push(0, &header(1, 2, 0, 1), b"a"), Pushed::Dropped);
        assert_eq!(reassembly.push(0, &header(1, 2, 1, 1), b"b"), Pushed::Repeated);
    }

    #[test]
    fn empty_pieces_of_full_messages_are_dropped() {
        let mut reassembly = Reassembly::new(LIMITS);
        for offset in 0..10 {
            assert_eq!(reassembly.push(0, &header(0, 10, offset, 0), &[]), Pushed::Dropped);
        }
        assert!(reassembly.partial.is_empty());
    }

    #[test]
    fn what_is_held_has_a_bound() {
        let mut reassembly = Reassembly::new(LIMITS);
        assert_eq!(reassembly.push(0, &header(0, 1001, 0, 1), b"a"), Pushed::Dropped, "too long");
        assert_eq!(reassembly.push(0, &header(8, 1, 0, 1), b"a"), Pushed::Dropped, "too far ahead");
        for sequence in 0..8 {
            let expected = if sequence < 3 { Pushed::Stored } else { Pushed::Dropped };
            assert_eq!(reassembly.push(0, &header(sequence, 1000, 0, 1), b"a"), expected, "too many");
        }
        assert_eq!(reassembly.bytes, 3000);
        assert_eq!(reassembly.push(0, &header(0, 1000, 0, 1000), &[1; 1000]), Pushed::Stored);
        assert!(reassembly.pop().is_some());
        assert_eq!(reassembly.bytes, 2000);
    }

    #[test]
    fn the_message_that_is_due_finds_room() {
        let mut reassembly = Reassembly::new(LIMITS);
        for sequence in 5..8 {
            assert_eq!(reassembly.push(0, &header(sequence, 1000, 0, 1), b"a"), Pushed::Stored);
        }
        assert_eq!(reassembly.push(0, &header(7, 900, 0, 1), b"a"), Pushed::Stored);
        assert_eq!(reassembly.push(0, &header(6, 10, 0, 1), b"a"), Pushed::Stored);
        assert_eq!(reassembly.push(0, &header(0, 1000, 0, 1), b"a"), Pushed::Stored);
        assert_eq!(reassembly.push(0, &header(1, 1000, 0, 1), b"a"), Pushed::Stored);
        assert!(reassembly.bytes <= LIMITS.total);
        assert_eq!(reassembly.partial.keys().copied().collect::<Vec<_>>(), [0, 1, 5], "the last ones have gone");
    }

    #[test]
    fn a_message_that_is_refused_may_come_again() {
        let mut reassembly = Reassembly::new(LIMITS);
        reassembly.push(0, &header(0, 2, 0, 2), b"xx");
        reassembly.push(0, &header(1, 1, 0, 1), b"c");
        let damaged = reassembly.pop().unwrap();
        reassembly.refuse(&damaged);
        assert_eq!(reassembly.pop(), None);
        assert_eq!(reassembly.push(0, &header(0, 2, 0, 2), b"ab"), Pushed::Stored);
        let bodies: Vec<_> = std::iter::from_fn(|| reassembly.pop()).map(|message| message.body).collect();
        assert_eq!(bodies, [b"ab".to_vec(), b"c".to_vec()], "what came meanwhile is still there");
    }

    #[test]
    fn contradictions_are_settled_by_the_newest_piece() {
        let mut reassembly = Reassembly::new(LIMITS);
        reassembly.push(0, &header(0, 900, 0, 1), b"x");
        reassembly.push(0, &header(0, 2, 0, 1), b"a");
        reassembly.push(0, &header(0, 2, 0, 1), b"b");
        reassembly.push(0, &header(0, 2, 1, 1), b"c");
        assert_eq!(reassembly.pop().map(|message| message.body), Some(b"bc".to_vec()));
        assert_eq!(reassembly.bytes, 0);
    }

    #[test]
    fn a_protected_message_is_not_replaced_by_one_in_clear() {
        let mut reassembly = Reassembly::new(LIMITS);
        reassembly.push(0, &header(0, 4, 0, 4), b"fake");
        reassembly.push(1, &header(0, 4, 0, 4), b"real");
        assert_eq!(reassembly.push(0, &header(0, 4, 0, 4), b"fake"), Pushed::Dropped);
        assert_eq!(reassembly.pop().map(|message| (message.epoch, message.body)), Some((1, b"real".to_vec())));
    }

    proptest! {
        /// Messages cut anywhere, pieces repeated, overlapping and in any order, come out whole.
        #[test]
        fn any_cut_and_order_will_do(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1usize..200), 0..40),
            shuffle in any::<u64>(),
        ) {
            let mut pieces = Vec::new();
            for (sequence, body) in bodies.iter().enumerate() {
                // A cover of the whole body, then any other pieces of it.
                for offset in (0..body.len().max(1)).step_by(97) {
                    pieces.push((sequence, offset, (body.len() - offset).min(97)));
                }
            }
            for (message, at, length) in cuts {
                let sequence = message.index(bodies.len());
                let whole = bodies[sequence].len();
                if whole > 0 {
                    let offset = at.index(whole);
                    pieces.push((sequence, offset, length.min(whole - offset)));
                }
            }
            let key = |piece: &(usize, usize, usize)| (piece.0 * 7919 + piece.1 * 31 + piece.2) as u64 ^ shuffle;
            pieces.sort_by_key(|piece| key(piece).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut reassembly = Reassembly::new(LIMITS);
            let mut out = Vec::new();
            for (sequence, offset, length) in pieces {
                let body = &bodies[sequence];
                let header = header(sequence as u16, body.len(), offset, length);
                reassembly.push(0, &header, &body[offset..offset + length]);
                while let Some(message) = reassembly.pop() {
                    out.push(message.body);
                }
            }
            prop_assert_eq!(out, bodies);
            prop_assert_eq!(reassembly.bytes, 0);
        }
    }
}
