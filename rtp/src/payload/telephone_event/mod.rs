//! Telephone events (RFC 4733, section 2): keys of a telephone as packets among those of speech, with the same clock,
//! source and sequence numbers.
//!
//! Left out: events that are states rather than tones, which modems and fax machines have.

mod receiver;
mod tone;

pub use receiver::{Event, Receiver};
pub use tone::{Report, Reports, Tone};

use wire::{Malformed, Put, Reader};

/// The bit that says that the event is over.
const END: u8 = 0x80;
/// The bits of the volume.
const VOLUME: u8 = 0x3f;
/// The length of one event on the wire.
const LENGTH: usize = 4;

/// The keys in the order of their numbers (RFC 4733, section 3.2, table 3).
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// How an event stands (RFC 4733, section 2.3). A payload has one of these, or several that follow each other without
/// a gap.
///
/// ```text
/// +-------+-+-+--------+----------+
/// | event |E|R| volume | duration |   8, 1, 1, 6 and 16 bits
/// +-------+-+-+--------+----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TelephoneEvent {
    /// Which it is; 0 to 15 are keys ([`key`]).
    pub event: u8,
    /// Whether it is over.
    pub is_end: bool,
    /// How quiet it is: dBm0 with the sign dropped, 0 to 63.
    pub volume: u8,
    /// How long it, or this segment of it, has lasted so far, in ticks of the timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads one event.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [event, flags, high, low] = reader.array::<LENGTH>("telephone event")?;
        let duration = u16::from_be_bytes([high, low]);
        Ok(Self { event, is_end: flags & END != 0, volume: flags & VOLUME, duration })
    }

    /// Appends the event.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u8(self.event);
        buf.put_u8(if self.is_end { END } else { 0 } | self.volume.min(VOLUME));
        buf.put_u16(self.duration);
    }
}

/// The key of an event: a digit, `*`, `#`, or `A` to `D`. `None` for other events.
pub fn key(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).copied()
}

/// The event of a key; letters in either case.
pub fn event_of_key(key: char) -> Option<u8> {
    let position = KEYS.iter().position(|known| *known == key.to_ascii_uppercase())?;
    u8::try_from(position).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_where_the_rfc_has_them() {
        let payload = [11, 0x80 | 0x40 | 10, 0x06, 0x40];
        let event = TelephoneEvent { event: 11, is_end: true, volume: 10, duration: 1600 };
        assert_eq!(TelephoneEvent::decode(&mut Reader::new(&payload)), Ok(event));
        let mut buf = Vec::new();
        event.encode(&mut buf);
        // The reserved bit is ignored, and written as zero.
        assert_eq!(buf, [11, 0x80 | 10, 0x06, 0x40]);
        assert!(TelephoneEvent::decode(&mut Reader::new(&payload[..3])).is_err());
    }

    #[test]
    fn keys_have_their_numbers() {
        assert_eq!(
            "0189*#AD".chars().map(event_of_key).collect::<Option<Vec<_>>>().unwrap(),
            [0, 1, 8, 9, 10, 11, 12, 15]
        );
        assert_eq!([event_of_key('d'), event_of_key('E'), event_of_key(',')], [Some(15), None, None]);
        assert_eq!([key(0), key(10), key(15), key(16), key(255)], [Some('0'), Some('*'), Some('D'), None, None]);
    }

    proptest! {
        #[test]
        fn events_are_read_back(event: u8, is_end: bool, volume in 0_u8..64, duration: u16) {
            let event = TelephoneEvent { event, is_end, volume, duration };
            let mut buf = Vec::new();
            event.encode(&mut buf);
            prop_assert_eq!(buf.len(), LENGTH);
            prop_assert_eq!(TelephoneEvent::decode(&mut Reader::new(&buf)), Ok(event));
        }
    }
}
