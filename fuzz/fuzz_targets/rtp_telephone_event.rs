#![no_main]
//! Telephone events (RFC 4733), whatever comes and when: each event begins once and ends once, no event begins within
//! another, none goes on in silence; and a tone that arrives whole is heard for as long as it was pressed.
//!
//! The first byte says how fast the clock is. Then follow steps: a byte for what to do, and what it takes.

use libfuzzer_sys::fuzz_target;
use rtp::Malformed;
use rtp::payload::telephone_event::{Event, Receiver, TelephoneEvent, Tone, event_of_key, key};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wire::Reader;

const RATES: [u32; 6] = [8_000, 48_000, 16_000, 44_100, 0, u32::MAX];

/// What was told so far.
#[derive(Default)]
struct Told {
    /// The event that goes on.
    current: Option<u8>,
    /// How long the last one lasted that ended.
    lasted: Option<Duration>,
    started: usize,
    ended: usize,
}

impl Told {
    fn take(&mut self, event: Event) {
        match event {
            Event::Started { event, volume } => {
                assert!(volume < 64);
                assert_eq!(self.current.replace(event), None, "an event within another");
                self.started += 1;
            }
            Event::Ended { event, duration } => {
                assert_eq!(self.current.take(), Some(event), "the end of what did not begin");
                self.lasted = Some(duration);
                self.ended += 1;
            }
        }
    }
}

struct World {
    now: Instant,
    receiver: Receiver,
    rate: u32,
    told: Told,
    /// The timestamp of the last packet.
    timestamp: u32,
}

impl World {
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("step")? % 6 {
            // One event near the last packet; any bytes anywhere.
            0 | 1 => {
                let ahead = reader.u16("ticks")?.cast_signed();
                self.timestamp = self.timestamp.wrapping_add_signed(i32::from(ahead));
                let payload: [u8; 4] = reader.array("event")?;
                self.packet(&payload);
            }
            2 => {
                self.timestamp = reader.u32("timestamp")?;
                let mut payload = reader.sub_u8("payload")?;
                self.packet(payload.rest());
            }
            3 => self.now += Duration::from_millis(u64::from(reader.u8("milliseconds")?)),
            4 => self.wake(),
            _ => tone(self.now, self.rate, reader)?,
        }
        Ok(())
    }

    fn packet(&mut self, payload: &[u8]) {
        let told = &mut self.told;
        let (started, ended) = (told.started, told.ended);
        let taken = self.receiver.handle_payload(self.now, self.timestamp, payload, |event| told.take(event));
        if taken.is_err() {
            assert_eq!((told.started, told.ended), (started, ended), "half of a packet was taken");
            assert!(payload.is_empty() || !payload.len().is_multiple_of(4));
        }
        assert!(told.started - started <= payload.len() / 4, "more events than were told of");
        // What was read is written as it was, but for the bit that means nothing.
        let mut events = Reader::new(payload);
        while let Ok(event) = TelephoneEvent::decode(&mut events) {
            let mut again = Vec::new();
            event.encode(&mut again);
            assert_eq!(TelephoneEvent::decode(&mut Reader::new(&again)), Ok(event));
            assert_eq!(key(event.event).and_then(event_of_key), key(event.event).map(|_| event.event));
        }
        self.check();
    }

    /// Somebody waits for the end of what goes on, and for nothing else.
    fn check(&self) {
        assert_eq!(self.receiver.poll_timeout().is_some(), self.told.current.is_some());
    }

    fn wake(&mut self) {
        let Some(due) = self.receiver.poll_timeout() else { return };
        self.now = self.now.max(due);
        let told = &mut self.told;
        self.receiver.handle_timeout(self.now, |event| told.take(event));
        assert_eq!(self.told.current, None, "an event goes on in silence");
        self.check();
    }
}

/// A tone as it is sent, of which some packets are lost: those whose bits are set.
fn tone(now: Instant, rate: u32, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let [event, volume] = reader.array("tone")?;
    let duration = Duration::from_millis(u64::from(reader.u16("milliseconds")? % 20_000));
    let (timestamp, lost) = (reader.u32("timestamp")?, reader.u32("lost packets")?);
    let clock_rate = rate.clamp(8_000, 48_000);
    let (mut receiver, mut told) = (Receiver::new(clock_rate), Told::default());
    let (mut arrived, mut total) = (0_usize, 0_u64);
    for (index, report) in (Tone { event, volume: volume & 63, duration, clock_rate, timestamp }).reports().enumerate()
    {
        let elapsed = u64::from(report.timestamp.wrapping_sub(timestamp)) + u64::from(report.event.duration);
        total = total.max(elapsed);
        if lost >> (index % 32) & 1 != 0 {
            continue;
        }
        let mut payload = Vec::new();
        report.event.encode(&mut payload);
        let now = now + report.at;
        // Where the packets in between are lost, the event is over, and those behind them are another one.
        receiver.handle_timeout(now, |event| told.take(event));
        receiver.handle_payload(now, report.timestamp, &payload, |event| told.take(event)).expect("a report");
        arrived += 1;
    }
    receiver.handle_timeout(now + Duration::from_secs(60), |event| told.take(event));
    assert_eq!((told.started > 0, told.current), (arrived > 0, None));
    assert_eq!(told.started, told.ended);
    let length = Duration::from_nanos(total * 1_000_000_000 / u64::from(clock_rate));
    assert!(told.lasted.is_none_or(|lasted| lasted <= length), "longer than it was pressed");
    if lost == 0 {
        assert_eq!((told.started, told.lasted), (1, Some(length)));
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = *START.get_or_init(Instant::now);
    let [rate, rest @ ..] = data else { return };
    let rate = RATES[usize::from(*rate) % RATES.len()];
    let (receiver, told) = (Receiver::new(rate), Told::default());
    let mut world = World { now, receiver, rate, told, timestamp: 0 };
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        if world.step(&mut reader).is_err() {
            break;
        }
    }
    world.wake();
    assert_eq!(world.told.started, world.told.ended);
});
