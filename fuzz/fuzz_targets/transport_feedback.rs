#![no_main]
//! Transport-wide feedback: what is read is written as the same again, and whatever a receiver claims of packets that
//! were sent, the estimate stays within its bounds, timers move on, and probes and history stay few.
//!
//! Steps: a byte for what to do, and what it takes. Feedback has a length of two bytes; half of it is read as the body
//! behind a valid header, so that what is in it is looked at.

use libfuzzer_sys::fuzz_target;
use rtp::SequenceNumber;
use rtp::bandwidth::{Arrivals, ArrivalsConfig, Bitrate, Config, Estimator, Pacer, PacerConfig};
use rtp::rtcp::TransportFeedback;
use std::time::{Duration, Instant};
use wire::{Malformed, Reader};

const STEPS: usize = 300;
const HISTORY: usize = 200;

struct World {
    now: Instant,
    estimator: Estimator,
    pacer: Pacer,
    arrivals: Arrivals,
}

/// Reads bytes as feedback; what can be read is written and read as the same.
fn decode(bytes: &[u8], is_body: bool) -> Result<TransportFeedback<'_>, Malformed> {
    let feedback = if is_body { TransportFeedback::decode_body(bytes) } else { TransportFeedback::decode(bytes) }?;
    assert_eq!(feedback.statuses().count(), usize::from(feedback.status_count()));
    let mut again = Vec::new();
    feedback.encode(&mut again);
    assert_eq!(TransportFeedback::decode(&again), Ok(feedback), "written otherwise than read");
    let mut anew = Vec::new();
    let times: Vec<_> = feedback.statuses().map(|status| status.arrival).collect();
    let count = TransportFeedback::write(feedback.header, times.iter().copied(), usize::MAX / 2, &mut anew);
    if count > 0 {
        let anew = TransportFeedback::decode(&anew).expect("what is written can be read");
        let written = anew.statuses().map(|status| status.arrival);
        assert!(written.eq(times.into_iter().take(usize::from(count))), "written otherwise than said");
    }
    Ok(feedback)
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let estimator = Estimator::new(Config { history: HISTORY, ..Config::default() }, now);
        let pacer = Pacer::new(PacerConfig::default(), estimator.target());
        let arrivals = Arrivals::new(ArrivalsConfig { capacity: 50, ..ArrivalsConfig::default() }, now);
        Self { now, estimator, pacer, arrivals }
    }

    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("step")? % 7 {
            0 => self.now += Duration::from_micros(u64::from(reader.u24("time")?)),
            1 => {
                let count = reader.u8("packets")?;
                for _ in 0..count {
                    self.estimator.on_sent(self.now, 1200, self.pacer.cluster());
                    self.pacer.on_sent(self.now, 1200);
                }
                self.estimator.on_sent_beside(self.now, usize::from(count) << 10);
            }
            kind @ (2 | 3) => {
                let bytes = reader.sub_u16("feedback")?.rest();
                if let Ok(feedback) = decode(bytes, kind == 2) {
                    self.estimator.handle_feedback(self.now, &feedback);
                }
            }
            4 => self.estimator.handle_loss(self.now, reader.u8("loss")?),
            5 => self.estimator.handle_remb(self.now, Bitrate(reader.u64("rate")?)),
            _ => self.arrivals.record(self.now, SequenceNumber(reader.u16("number")?), 1200),
        }
        Ok(())
    }

    fn check(&mut self) {
        self.estimator.handle_timeout(self.now);
        assert!(self.estimator.poll_timeout().is_none_or(|due| due > self.now), "a timer stays in the past");
        let config = Config::default();
        let target = self.estimator.target();
        assert!(target >= config.min && target <= config.max);
        assert!(self.estimator.in_flight() <= HISTORY * 1200);
        let mut probes = 0;
        while let Some(probe) = self.estimator.poll_probe(self.now) {
            assert!(probe.rate <= config.max && probe.bytes <= config.max.bytes_in(Duration::from_millis(100)));
            self.pacer.start_probe(self.now, probe);
            probes += 1;
        }
        assert!(probes <= 2);
        while self.estimator.poll_event().is_some() {
            self.pacer.set_target(self.now, target);
        }
        let mut buf = Vec::new();
        let mut packets = 0;
        while self.arrivals.poll_feedback(self.now, 1, 2, &mut buf) {
            decode(&buf, false).expect("what is written can be read");
            buf.clear();
            packets += 1;
        }
        assert!(packets <= 10 && self.arrivals.poll_timeout().is_none_or(|due| due > self.now));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes, false);
    let mut world = World::new();
    let mut reader = Reader::new(bytes);
    for _ in 0..STEPS {
        if world.step(&mut reader).is_err() {
            break;
        }
        world.check();
    }
});
