//! A request's timer under any schedule, called on time, early and late: it sends as often as it should and no oftener,
//! fails once and for good, and nothing but a response to the request answers it.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stun::{Action, Builder, Class, Message, Method, RoundTrip, Schedule, Transaction, TransactionId};

#[derive(Arbitrary, Debug)]
struct Script {
    rto: u32,
    requests: u8,
    patience: u32,
    minimum: u16,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Milliseconds pass.
    Wait(u32),
    /// Time passes until something is due.
    OnTime,
    /// A message arrives.
    Message { class: u8, is_ours: bool },
}

const HOUR: Duration = Duration::from_secs(3600);

struct Run {
    transaction: Transaction,
    now: Instant,
    /// The most requests that may be sent, and those that were.
    most: u32,
    sent: u32,
    first: Option<Instant>,
    failed: bool,
}

impl Run {
    fn handle_timeout(&mut self) {
        let due = self.transaction.poll_timeout();
        match self.transaction.handle_timeout(self.now) {
            Action::Send => {
                assert!(due.is_some_and(|due| due <= self.now), "too early");
                self.first.get_or_insert(self.now);
                self.sent += 1;
                assert!(self.sent <= self.most, "too often");
                let next = self.transaction.poll_timeout().expect("a repetition or the failure is to come");
                assert!(next >= self.now && next <= self.now + HOUR);
            }
            Action::Wait => assert!(due.is_some_and(|due| due > self.now), "overdue"),
            Action::Failed => {
                assert_eq!(self.sent, self.most, "given up too early");
                assert_eq!(self.transaction.poll_timeout(), None);
                self.failed = true;
            }
        }
        assert_eq!(self.failed, self.transaction.poll_timeout().is_none());
    }

    fn message(&self, class: u8, is_ours: bool) -> bool {
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error][usize::from(class % 4)];
        let id = if is_ours { self.transaction.id() } else { TransactionId([8; 12]) };
        let mut bytes = Vec::new();
        Builder::new(&mut bytes, class, Method::BINDING, id);
        let message = Message::decode(&bytes).expect("what the builder writes can be read");
        let answered = self.transaction.is_answered_by(&message);
        assert_eq!(answered, is_ours && matches!(class, Class::Success | Class::Error));
        answered
    }
}

fuzz_target!(|script: Script| {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let Script { rto, requests, patience, minimum, steps } = script;
    let schedule = Schedule { rto: Duration::from_millis(u64::from(rto)), requests: u32::from(requests), patience };
    let transaction = Transaction::new(*START, TransactionId([7; 12]), schedule);
    let most = u32::from(requests.max(1));
    let mut run = Run { transaction, now: *START, most, sent: 0, first: None, failed: false };
    let minimum = Duration::from_millis(u64::from(minimum));
    let mut round_trip = RoundTrip::new(minimum);
    for step in steps.into_iter().take(1000) {
        match step {
            Step::Wait(milliseconds) => run.now += Duration::from_millis(u64::from(milliseconds)),
            Step::OnTime => run.now = run.transaction.poll_timeout().map_or(run.now, |due| due.max(run.now)),
            Step::Message { class, is_ours } => {
                if !run.message(class, is_ours) {
                    continue;
                }
                // Nobody knows which request was answered, unless there was but one.
                let rtt = run.transaction.rtt(run.now);
                assert_eq!(rtt, run.first.filter(|_| run.sent == 1).map(|first| run.now - first));
                if let Some(rtt) = rtt {
                    round_trip.sample(run.now, rtt);
                }
                let rto = round_trip.rto(run.now);
                assert!(rto >= minimum && rto <= minimum.max(5 * HOUR), "{rto:?}");
            }
        }
        run.handle_timeout();
    }
    // Left alone it comes to its end.
    for _ in 0..=most {
        run.now = run.transaction.poll_timeout().map_or(run.now, |due| due.max(run.now));
        run.handle_timeout();
    }
    assert!(run.failed);
});
