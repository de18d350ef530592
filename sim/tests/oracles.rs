//! What fails a run by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use visavis_sim::{self as sim, Budget, Endpoint, Fate, Link, Pair, Side, Verdict};

/// An endpoint that misbehaves in one way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    StuckTimer,
    WakeUpStorm,
    EndlessTransmit,
    SaysYesAppendsNothing,
    SaysNoAppendsSomething,
    ClearsTheBuffer,
    SecondThoughts,
}

struct Faulty {
    fault: Fault,
    due: Instant,
    polls: u32,
    received: u32,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { fault, due: sim::start(), polls: 0, received: 0 }
    }
}

impl Endpoint for Faulty {
    fn handle_datagram(&mut self, _: Instant, _: &mut [u8]) {
        self.received += 1;
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.fault == Fault::WakeUpStorm {
            self.due = now + Duration::from_micros(10);
        }
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut Vec<u8>) -> bool {
        self.polls += 1;
        match self.fault {
            Fault::None | Fault::StuckTimer | Fault::WakeUpStorm => false,
            Fault::EndlessTransmit => {
                buf.push(1);
                true
            }
            Fault::SaysYesAppendsNothing => true,
            Fault::SaysNoAppendsSomething => {
                buf.push(1);
                false
            }
            Fault::ClearsTheBuffer => {
                buf.clear();
                buf.push(1);
                true
            }
            Fault::SecondThoughts => {
                let says = self.polls.is_multiple_of(2);
                buf.extend(says.then_some(1));
                says
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        matches!(self.fault, Fault::StuckTimer | Fault::WakeUpStorm).then_some(self.due)
    }
}

/// The message of the panic that the fault leads to, or nothing.
fn complaint(fault: Fault) -> Option<String> {
    let run = || {
        let mut pair = Pair::new(1, Link::default(), Faulty::new(Fault::None), Faulty::new(fault));
        pair.set_budget(Budget { datagrams: 1000, ..Budget::default() });
        pair.run_for(Duration::from_secs(2));
    };
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(ToString::to_string))
}

#[test]
fn each_fault_is_told_by_its_name() {
    assert_eq!(complaint(Fault::None), None);
    for (fault, words) in [
        (Fault::StuckTimer, "B: poll_timeout stays in the past"),
        (Fault::WakeUpStorm, "B: a storm of wake-ups"),
        (Fault::EndlessTransmit, "B: a storm of datagrams"),
        (Fault::SaysYesAppendsNothing, "B: poll_transmit announced a datagram and appended nothing"),
        (Fault::SaysNoAppendsSomething, "B: poll_transmit appended 1 bytes and announced nothing"),
        (Fault::ClearsTheBuffer, "B: poll_transmit changed what was in the buffer before"),
        (Fault::SecondThoughts, "B: poll_transmit had nothing, then something"),
    ] {
        let told = complaint(fault).unwrap_or_default();
        assert!(told.contains(words), "{fault:?} led to {told:?}");
    }
}

/// Sends one datagram a second for as long as it is open.
struct Ticker(Option<Instant>, bool);

impl Endpoint for Ticker {
    fn handle_datagram(&mut self, _: Instant, _: &mut [u8]) {}
    fn handle_timeout(&mut self, now: Instant) {
        if self.0.is_some_and(|due| due <= now) {
            self.0 = Some(now + Duration::from_secs(1));
            self.1 = true;
        }
    }
    fn poll_transmit(&mut self, _: Instant, buf: &mut Vec<u8>) -> bool {
        let ready = std::mem::take(&mut self.1);
        buf.extend(ready.then_some(7));
        ready
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.0
    }
}

#[test]
fn quiet_is_quiet_and_a_ticker_is_not() {
    let pair = || Pair::new(1, Link::default(), Ticker(Some(sim::start()), false), Ticker(None, false));
    let mut closed = pair();
    closed.run_for(Duration::from_secs(5));
    closed.a.0 = None;
    closed.expect_quiet(Duration::from_secs(60));
    assert_eq!(closed.elapsed(), Duration::from_secs(65));
    assert!(catch_unwind(AssertUnwindSafe(|| pair().expect_quiet(Duration::from_secs(5)))).is_err());
}

#[test]
fn a_hook_sees_changes_and_drops_datagrams_and_the_trace_tells() {
    let mut pair = Pair::new(1, Link::default(), Ticker(Some(sim::start()), false), Faulty::new(Fault::None));
    let mut count = 0;
    pair.intercept(move |_, from, datagram| {
        assert_eq!((from, &datagram[..]), (Side::A, &[7][..]));
        datagram.push(8);
        count += 1;
        if count == 2 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.run_for(Duration::from_millis(2500));
    pair.inject(Side::B, &[9]);
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.b.received, 3);
    let fates: Vec<Fate> = pair.trace().map(|entry| entry.fate).collect();
    assert_eq!(fates, [Fate::Sent, Fate::Intercepted, Fate::Sent, Fate::Injected]);
    assert_eq!(pair.trace().next().unwrap().to_string(), "    0.000000 A to B     2 B Sent 07 08");
}

#[test]
fn waiting_ends_at_the_limit_or_as_soon_as_it_is_done() {
    let mut pair = Pair::new(1, Link::default(), Ticker(Some(sim::start()), false), Faulty::new(Fault::None));
    assert!(!pair.run_until(Duration::from_millis(1500), |pair| pair.b.received == 5));
    assert_eq!(pair.elapsed(), Duration::from_millis(1500));
    assert!(pair.run_until(Duration::from_secs(10), |pair| pair.b.received == 5));
    assert_eq!(pair.elapsed(), Duration::from_secs(4));
}

/// Counts how often it is woken, and how often that was too early.
#[derive(Default)]
struct Sleeper {
    due: Option<Instant>,
    woken: u32,
    woken_early: u32,
}

impl Endpoint for Sleeper {
    fn handle_datagram(&mut self, _: Instant, _: &mut [u8]) {}
    fn handle_timeout(&mut self, now: Instant) {
        match self.due.filter(|due| *due <= now) {
            Some(_) => {
                self.woken += 1;
                self.due = Some(now + Duration::from_secs(1));
            }
            None => self.woken_early += 1,
        }
    }
    fn poll_transmit(&mut self, _: Instant, _: &mut Vec<u8>) -> bool {
        false
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[test]
fn early_calls_come_only_when_asked_for() {
    for (probability, expected) in [(0.0, 0..1), (0.5, 20..80)] {
        let first = Sleeper { due: Some(sim::start()), ..Sleeper::default() };
        let mut pair = Pair::new(1, Link::default(), first, Sleeper::default());
        pair.wake_early(probability);
        pair.run_for(Duration::from_secs(100));
        assert_eq!((pair.a.woken, pair.a.woken_early, pair.b.woken), (101, 0, 0));
        assert!(expected.contains(&pair.b.woken_early), "{}", pair.b.woken_early);
    }
}
