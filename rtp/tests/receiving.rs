//! The receiving side of audio, in virtual time: order, loss, repair, hostile numbers.

use std::time::{Duration, Instant};
use visavis_rtp::payload::Format;
use visavis_rtp::receive::{Config, Feedback, Frame, Receiver};
use visavis_rtp::{Header, SequenceNumber};

/// Ticks of 20 ms.
const STEP: u32 = 960;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A receiver of Opus, and the time.
struct Listener {
    now: Instant,
    receiver: Receiver,
}

impl Listener {
    fn new() -> Self {
        Self::with(Config::new(Format::Opus, 48_000))
    }

    fn with(config: Config) -> Self {
        let now = sim::start();
        Self { now, receiver: Receiver::new(config, 7, now) }
    }

    /// The packet with this number arrives; its payload says which it is.
    fn take(&mut self, number: u16) {
        let header = Self::header(number);
        self.receiver.handle_packet(self.now, &header, &number.to_be_bytes());
    }

    fn header(number: u16) -> Header {
        let timestamp = u32::MAX.wrapping_add(u32::from(number).wrapping_mul(STEP));
        Header { marker: false, payload_type: 111, sequence: SequenceNumber(number), timestamp, ssrc: 7 }
    }

    fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.receiver.read(self.now)).collect()
    }

    /// The numbers of the frames that can be read.
    fn read(&mut self) -> Vec<u16> {
        let number = |frame: Frame| u16::from_be_bytes(frame.data[..].try_into().expect("two bytes"));
        self.frames().into_iter().map(number).collect()
    }

    /// The numbers that are asked for now.
    fn asked(&mut self) -> Vec<u16> {
        let mut asked = Vec::new();
        while let Some(feedback) = self.receiver.poll_feedback(self.now) {
            let Feedback::Nack(numbers) = feedback else { panic!("audio has no key frames") };
            asked.extend(numbers.iter().map(|number| number.0));
        }
        asked
    }

    /// Goes to the next moment at which something is due.
    fn wake(&mut self) -> Duration {
        let due = self.receiver.poll_timeout().expect("something is due");
        let waited = due.saturating_duration_since(self.now);
        self.now = self.now.max(due);
        self.receiver.handle_timeout(self.now);
        waited
    }
}

#[test]
fn each_packet_is_a_frame_at_once_whatever_its_marker() {
    let mut listener = Listener::new();
    for number in 65_530..=65_535_u16 {
        listener.take(number);
        let frames = listener.frames();
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(frame.data[..], number.to_be_bytes());
        assert_eq!((frame.first_sequence, frame.last_sequence), ((1 << 16) + u64::from(number), frame.first_sequence));
        assert!(frame.is_keyframe && !frame.discontinuity && !frame.marker && frame.received == listener.now);
        assert_eq!((listener.asked(), listener.receiver.poll_timeout()), (vec![], None));
    }
    // Many of one timestamp, as a redundant or broken sender may have it.
    for number in 0..3 {
        let header = Header { timestamp: 5, marker: true, ..Listener::header(number) };
        listener.receiver.handle_packet(listener.now, &header, &number.to_be_bytes());
    }
    assert_eq!(listener.read(), [0, 1, 2]);
}

#[test]
fn sequence_and_timestamp_wrap_without_a_seam() {
    let mut listener = Listener::new();
    let mut last: Option<Frame> = None;
    for number in 0..200_000_u32 {
        let header = Header {
            sequence: SequenceNumber(number as u16),
            timestamp: 0xfff0_0000_u32.wrapping_add(number.wrapping_mul(STEP * 100)),
            ..Header::default()
        };
        listener.receiver.handle_packet(listener.now, &header, b"opus");
        let frame = listener.frames().pop().expect("a frame");
        if let Some(last) = last.replace(frame.clone()) {
            assert_eq!(frame.first_sequence, last.last_sequence + 1);
            assert_eq!(frame.extended_timestamp, last.extended_timestamp + u64::from(STEP * 100));
            assert_eq!(frame.extended_timestamp as u32, frame.timestamp);
        }
    }
    let block = listener.receiver.report(listener.now);
    assert_eq!((block.extended_highest_sequence, block.cumulative_lost), (199_999, 0));
}

#[test]
fn late_packets_are_put_in_order_and_duplicates_dropped() {
    let mut listener = Listener::new();
    for number in [1, 3, 5, 5, 4, 2, 2, 6, 1] {
        listener.take(number);
    }
    assert_eq!(listener.read(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(listener.asked(), [], "nothing is missing any more");
    let stats = listener.receiver.stats();
    assert_eq!((stats.duplicates, stats.packets_discarded, stats.packets_lost), (3, 0, -3));
    assert_eq!((stats.bytes_received, stats.header_bytes_received), (18, 9 * 12));
}

#[test]
fn a_lost_packet_that_is_sent_again_is_in_its_place() {
    let mut listener = Listener::new();
    listener.take(1);
    listener.take(3);
    assert_eq!((listener.read(), listener.asked()), (vec![1], vec![2]));
    assert_eq!((listener.wake(), listener.asked()), (ms(100), vec![2]));
    let now = listener.now;
    listener.receiver.handle_recovered(now, &Listener::header(2), &2_u16.to_be_bytes());
    let frames = listener.frames();
    assert!(frames.iter().all(|frame| !frame.discontinuity) && frames.len() == 2);
    assert_eq!(listener.receiver.poll_timeout(), None);
}

#[test]
fn a_loss_holds_audio_up_no_longer_than_configured() {
    let mut listener = Listener::new();
    for number in [1, 4, 5] {
        listener.take(number);
    }
    assert_eq!((listener.read(), listener.asked()), (vec![1], vec![2, 3]));
    listener.now += ms(60);
    // Another gap, that is noticed later, is waited for longer.
    listener.take(7);
    assert_eq!((listener.wake(), listener.asked()), (ms(0), vec![6]));
    assert_eq!((listener.wake(), listener.asked()), (ms(40), vec![2, 3]));
    assert_eq!((listener.wake(), listener.asked()), (ms(60), vec![6]));
    assert_eq!(listener.read(), []);
    listener.wake();
    let frames = listener.frames();
    assert_eq!(frames.iter().map(|frame| frame.discontinuity).collect::<Vec<_>>(), [true, false]);
    assert_eq!(listener.now, sim::start() + ms(200));
    listener.take(2);
    assert_eq!(listener.read(), [], "too late");
    assert_eq!(listener.receiver.stats().packets_discarded, 1);
    while listener.receiver.poll_timeout().is_some() {
        listener.wake();
        listener.asked();
    }
    assert_eq!((listener.read(), listener.now), (vec![7], sim::start() + ms(260)));
}

#[test]
fn early_and_repeated_calls_do_nothing() {
    let mut listener = Listener::new();
    listener.take(1);
    listener.take(3);
    assert_eq!((listener.read(), listener.asked()), (vec![1], vec![2]));
    let due = listener.receiver.poll_timeout();
    for _ in 0..50 {
        listener.now += ms(1);
        listener.receiver.handle_timeout(listener.now);
        assert_eq!((listener.read(), listener.asked()), (vec![], vec![]));
        assert_eq!(listener.receiver.poll_timeout(), due);
    }
}

#[test]
fn what_is_not_for_the_decoder_leaves_no_gap() {
    let mut listener = Listener::new();
    for number in 1..=10_000_u16 {
        if number % 3 == 0 {
            listener.take(number);
        } else {
            listener.receiver.handle_packet(listener.now, &Listener::header(number), &[]);
        }
    }
    let read = listener.read();
    assert!(read.iter().copied().eq((1..=10_000).filter(|number| number % 3 == 0).take(read.len())));
    assert_eq!(read.len(), 256, "as many as may wait to be read");
    assert_eq!((listener.asked(), listener.receiver.poll_timeout()), (vec![], None));
}

#[test]
fn a_source_that_was_away_for_long_is_followed_again() {
    let mut listener = Listener::new();
    listener.take(1);
    for number in [10_001, 10_002, 10_003] {
        listener.take(number);
    }
    let frames = listener.frames();
    assert_eq!(frames.iter().map(|frame| frame.discontinuity).collect::<Vec<_>>(), [false, true, false, false]);
    assert!(frames.is_sorted_by(|a, b| a.first_sequence < b.first_sequence));
    assert_eq!(listener.asked(), []);
    assert_eq!(listener.receiver.stats().restarts, 1);
}

#[test]
fn a_gap_that_is_too_long_to_repair_is_not_waited_for() {
    let mut listener = Listener::new();
    listener.take(1);
    listener.take(3);
    listener.take(300);
    assert_eq!((listener.read(), listener.asked()), (vec![1, 3, 300], vec![]));
    assert_eq!(listener.receiver.poll_timeout(), None);
}

#[test]
fn random_numbers_move_nothing() {
    let mut listener = Listener::new();
    listener.take(1);
    let mut random = 1_u32;
    let (mut next, mut read) = (2_u16, vec![1]);
    listener.read();
    for _ in 0..5_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Far from what is expected, and never two in a row.
        let stray = next.wrapping_add(8_000 + (random >> 17) as u16) & !1;
        listener.take(stray);
        listener.take(next);
        read.extend(listener.read());
        next += 1;
    }
    assert!(read.iter().copied().eq(1..next));
    assert_eq!(listener.receiver.stats().packets_discarded, 4_999, "the last one is still a suspect");
}
