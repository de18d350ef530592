//! Tones, from sender to receiver, over a network that loses, repeats and reorders.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use visavis_rtp::payload::telephone_event::{Event, Receiver, Report, TelephoneEvent, Tone, event_of_key, key};

const RATE: u32 = 8_000;

fn tone(key: char, millis: u64, timestamp: u32) -> Tone {
    let event = event_of_key(key).expect("a key");
    Tone { event, volume: 10, duration: Duration::from_millis(millis), clock_rate: RATE, timestamp }
}

fn payload(event: TelephoneEvent) -> Vec<u8> {
    let mut payload = Vec::new();
    event.encode(&mut payload);
    payload
}

/// What is told of the reports, each of which comes when it is sent.
struct Listener {
    receiver: Receiver,
    start: Instant,
    told: Vec<Event>,
}

impl Listener {
    fn new() -> Self {
        Self { receiver: Receiver::new(RATE), start: sim::start(), told: Vec::new() }
    }

    fn hear(&mut self, report: Report) {
        self.hear_payload(report.at, report.timestamp, &payload(report.event));
    }

    fn hear_payload(&mut self, at: Duration, timestamp: u32, payload: &[u8]) {
        let told = &mut self.told;
        let taken = self.receiver.handle_payload(self.start + at, timestamp, payload, |event| told.push(event));
        assert_eq!(taken, Ok(()));
    }

    fn wait(&mut self, until: Duration) {
        self.receiver.handle_timeout(self.start + until, |event| self.told.push(event));
    }

    /// The keys and the milliseconds they were held.
    fn keys(&self) -> Vec<(char, u128)> {
        let ended = |event: &Event| match event {
            Event::Started { .. } => None,
            Event::Ended { event, duration } => Some((key(*event).expect("a key"), duration.as_millis())),
        };
        let keys = self.told.iter().filter_map(ended).collect::<Vec<_>>();
        let starts = self.told.iter().filter(|event| matches!(event, Event::Started { .. })).count();
        assert!(starts - keys.len() <= 1, "{:?}", self.told);
        keys
    }
}

#[test]
fn a_number_is_dialled() {
    // RFC 4733, section 5: the digits of 911, where the second and the third are the same.
    let mut listener = Listener::new();
    for (tone, begin) in [(tone('9', 200, 0), 0), (tone('1', 250, 7_040), 880), (tone('1', 220, 11_200), 1_400)] {
        for report in tone.reports() {
            listener.hear(Report { at: Duration::from_millis(begin) + report.at, ..report });
        }
    }
    assert_eq!(listener.told[0], Event::Started { event: 9, volume: 10 });
    assert_eq!(listener.keys(), [('9', 200), ('1', 250), ('1', 220)]);
    assert_eq!(listener.told.len(), 6);
    assert_eq!(listener.receiver.poll_timeout(), None);
}

#[test]
fn a_tone_whose_ends_are_lost_ends_with_the_next_one() {
    let mut listener = Listener::new();
    tone('5', 200, 0).reports().filter(|report| !report.event.is_end).for_each(|report| listener.hear(report));
    assert_eq!(listener.keys(), []);
    tone('5', 100, 4_000).reports().for_each(|report| listener.hear(report));
    assert_eq!(listener.keys(), [('5', 150), ('5', 100)]);
}

#[test]
fn a_tone_whose_ends_are_lost_does_not_last_for_ever() {
    let mut listener = Listener::new();
    let (ends, updates): (Vec<_>, Vec<_>) = tone('5', 200, 0).reports().partition(|report| report.event.is_end);
    updates.into_iter().for_each(|report| listener.hear(report));
    let deadline = listener.receiver.poll_timeout().expect("it is not over") - listener.start;
    assert_eq!(deadline, Duration::from_millis(150 + 300));
    listener.wait(deadline - Duration::from_millis(1));
    assert_eq!(listener.keys(), []);
    listener.wait(deadline);
    listener.wait(deadline);
    assert_eq!(listener.keys(), [('5', 150)]);
    // What comes after all does not start it again.
    ends.into_iter().for_each(|report| listener.hear(report));
    assert_eq!(listener.told.len(), 2);
    assert_eq!(listener.receiver.poll_timeout(), None);
}

#[test]
fn a_report_that_comes_late_does_not_shorten_the_tone() {
    let mut listener = Listener::new();
    let reports = tone('5', 200, 0).reports().take(3).collect::<Vec<_>>();
    [0, 2, 1].into_iter().for_each(|index| listener.hear(reports[index]));
    listener.wait(Duration::from_secs(1));
    assert_eq!(listener.keys(), [('5', 150)]);
}

#[test]
fn a_long_tone_is_one_tone() {
    let mut listener = Listener::new();
    tone('#', 20_000, u32::MAX - 70_000).reports().for_each(|report| listener.hear(report));
    assert_eq!(listener.keys(), [('#', 20_000)]);
    assert_eq!(listener.told.len(), 2);
    // Also where all of its second segment is lost.
    let mut listener = Listener::new();
    tone('#', 20_000, 0).reports().filter(|report| report.timestamp != 65_535).for_each(|report| listener.hear(report));
    assert_eq!(listener.keys(), [('#', 20_000)]);
}

#[test]
fn events_that_share_a_packet_are_told_apart() {
    let mut listener = Listener::new();
    let both = [(1, true, 400), (2, true, 800), (3, false, 80)];
    let payload = both.map(|(event, is_end, duration)| payload(TelephoneEvent { event, is_end, volume: 0, duration }));
    listener.hear_payload(Duration::ZERO, 0, &payload.concat());
    listener.hear_payload(Duration::ZERO, 0, &payload.concat());
    assert_eq!(listener.keys(), [('1', 50), ('2', 100)]);
    assert_eq!(listener.told.last(), Some(&Event::Started { event: 3, volume: 0 }));
    assert_eq!(listener.told.len(), 5);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_the_keys() {
    let mut listener = Listener::new();
    tone('1', 100, 1_000_000).reports().for_each(|report| listener.hear(report));
    // Up to the length of two segments behind, it would be a packet that comes late.
    tone('2', 100, 1_000_000 - 131_070).reports().for_each(|report| listener.hear(report));
    tone('3', 100, 1_000_000 - 131_071).reports().for_each(|report| listener.hear(report));
    assert_eq!(listener.keys(), [('1', 100), ('3', 100)]);
}

#[test]
fn payloads_that_are_no_events_are_refused_whole() {
    let mut listener = Listener::new();
    for payload in [&[][..], &[1], &[1, 0, 0], &[1, 0, 0, 80, 2], &[1, 0, 0, 80, 2, 0, 0]] {
        let taken = listener.receiver.handle_payload(listener.start, 0, payload, |event| listener.told.push(event));
        assert!(taken.is_err());
    }
    // A tone cannot last for ever.
    listener.hear_payload(Duration::ZERO, 0, &[1, 0, 0, 0]);
    assert_eq!(listener.told, []);
}

proptest! {
    #[test]
    fn each_key_is_told_once_over_a_bad_network(
        keys in prop::collection::vec((prop::sample::select(&['0', '5', '*', 'D'][..]), 40_u64..400), 1..6),
        fates in prop::collection::vec(0_u8..4, 256),
        timestamp: u32,
    ) {
        let mut listener = Listener::new();
        let mut fates = fates.into_iter().cycle();
        let mut begin = 0;
        let mut expected = Vec::new();
        for (key, millis) in keys {
            let tone = tone(key, millis, timestamp.wrapping_add(begin as u32 * 8));
            let mut ended = false;
            let mut late = None;
            for report in tone.reports() {
                let report = Report { at: Duration::from_millis(begin) + report.at, ..report };
                match fates.next().unwrap_or_default() {
                    0 => continue,
                    1 => {
                        listener.hear(report);
                        listener.hear(report);
                    }
                    2 if late.is_none() && !report.event.is_end => {
                        late = Some(report);
                        continue;
                    }
                    _ => listener.hear(report),
                }
                ended |= report.event.is_end;
            }
            late.into_iter().for_each(|report| listener.hear(report));
            // The next key is not pressed before all is quiet.
            begin += millis + 600;
            listener.wait(Duration::from_millis(begin));
            if ended {
                expected.push((key, u128::from(millis)));
            } else {
                // Only as much is known as was heard, or nothing.
                let told = listener.keys();
                prop_assert!(told.len() - expected.len() <= 1);
                expected = told;
            }
        }
        prop_assert_eq!(listener.keys(), expected);
    }

    #[test]
    fn any_packets_keep_starts_and_ends_in_turn(
        packets in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..24), 0_u64..500), 0..32),
    ) {
        let mut listener = Listener::new();
        let mut now = listener.start;
        let mut told = Vec::new();
        for (timestamp, payload, millis) in packets {
            now += Duration::from_millis(millis);
            listener.receiver.handle_timeout(now, |event| told.push(event));
            let _ = listener.receiver.handle_payload(now, timestamp, &payload, |event| told.push(event));
        }
        for pair in told.chunks(2) {
            let Some(Event::Started { event: started, .. }) = pair.first() else { panic!("an end without a start") };
            if let Some(second) = pair.get(1) {
                let is_end = matches!(second, Event::Ended { event, .. } if event == started);
                prop_assert!(is_end, "{second:?} after the start of {started}");
            }
        }
    }
}
