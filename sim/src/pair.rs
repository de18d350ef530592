use crate::clock::Schedule;
use crate::link::{Pipe, flip};
use crate::seeds::rng;
use crate::watch::{Log, Meter, Way, poll_checked};
use crate::{Budget, Counts, Entry, Fate, Link, start};
use rand::RngExt;
use rand::rngs::StdRng;
use std::fmt;
use std::time::{Duration, Instant};

/// One end of a [`Pair`]: the five methods that every state machine without addresses has.
///
/// Implement it for a struct of the test that owns the state machine, and have it collect events on the way.
pub trait Endpoint {
    /// A datagram has arrived.
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]);
    /// The time that `poll_timeout` named has come.
    fn handle_timeout(&mut self, now: Instant);
    /// Appends one datagram to `buf` and returns true, or returns false.
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool;
    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// One of the two ends of a [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// What a hook given to [`Pair::intercept`] or [`Network::intercept`](crate::Network::intercept) decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Onto the link with it, in the form that the hook has left it in.
    Pass,
    /// It is dropped.
    Drop,
}

type Hook = Box<dyn FnMut(Instant, Side, &mut Vec<u8>) -> Verdict + Send>;

/// Two endpoints joined by two links, in virtual time. The same seed gives the same run.
///
/// Time passes only inside of [`step`](Self::step) and the `run_…` methods. In each step everything that is due
/// arrives, due timers fire, and then both ends send until they have nothing left, as a driver does that reads a burst
/// and answers it with one flush.
pub struct Pair<A, B = A> {
    /// The first end.
    pub a: A,
    /// The second end.
    pub b: B,
    now: Instant,
    pipes: [Pipe; 2],
    counts: [Counts; 2],
    meters: [Meter; 2],
    // Who receives, and what.
    on_the_way: Schedule<(Side, Vec<u8>)>,
    budget: Budget,
    hook: Option<Hook>,
    early: (f64, StdRng),
    buf: Vec<u8>,
    log: Log,
}

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for Pair<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, now, counts, .. } = self;
        let elapsed = *now - start();
        f.debug_struct("Pair").field("a", a).field("b", b).field("elapsed", &elapsed).field("counts", counts).finish()
    }
}

impl<A: Endpoint, B: Endpoint> Pair<A, B> {
    /// Joins `a` and `b`, made at [`start`], by a `link` in each direction.
    pub fn new(seed: u64, link: Link, a: A, b: B) -> Self {
        Self {
            a,
            b,
            now: start(),
            pipes: [Pipe::new(link, rng(seed, 0xa)), Pipe::new(link, rng(seed, 0xb))],
            counts: [Counts::default(); 2],
            meters: [Meter::new(); 2],
            on_the_way: Schedule::new(),
            budget: Budget::default(),
            hook: None,
            early: (0.0, rng(seed, 0xe)),
            buf: Vec::new(),
            log: Log::new(seed),
        }
    }

    /// Changes the link that `from` sends into, now or in mid-run. What is on the way stays on the way.
    pub fn set_link(&mut self, from: Side, link: Link) {
        self.pipe(from).link = link;
    }

    /// Changes both links.
    pub fn set_links(&mut self, link: Link) {
        self.set_link(Side::A, link);
        self.set_link(Side::B, link);
    }

    /// Changes the work that a run may take.
    pub const fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Has `handle_timeout` be called before its time with this probability, per endpoint and step. Calls that come early
    /// have to do nothing, so a run that goes well without them goes well with them.
    pub fn wake_early(&mut self, probability: f64) {
        self.early.0 = probability.clamp(0.0, 1.0);
    }

    /// Shows each datagram to `hook` before it enters the link: the time, who sends it, and its bytes, which may be
    /// changed. Replaces the hook before it.
    pub fn intercept(&mut self, hook: impl FnMut(Instant, Side, &mut Vec<u8>) -> Verdict + Send + 'static) {
        self.hook = Some(Box::new(hook));
    }

    /// Takes the hook away.
    pub fn stop_intercepting(&mut self) {
        self.hook = None;
    }

    /// Has `datagram` arrive at `to` in the next step, as if the other end had sent it.
    pub fn inject(&mut self, to: Side, datagram: &[u8]) {
        self.log.note(self.now, Way::From(to.other()), Fate::Injected, datagram);
        self.on_the_way.add(self.now, (to, datagram.to_vec()));
    }

    /// Forgets what is on the way.
    pub fn drop_on_the_way(&mut self) {
        self.on_the_way.clear();
    }

    /// The virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - start()
    }

    /// The seed of this run.
    pub const fn seed(&self) -> u64 {
        self.log.seed()
    }

    /// Counts of what `from` has sent.
    pub const fn counts(&self, from: Side) -> Counts {
        let [a, b] = self.counts;
        match from {
            Side::A => a,
            Side::B => b,
        }
    }

    /// How many datagrams are on the way.
    pub fn on_the_way(&self) -> usize {
        self.on_the_way.len()
    }

    /// The last 200 datagrams, oldest first. A run that panics prints the last of them; with `SIM_TRACE` in the
    /// environment every datagram is printed as it is sent.
    pub fn trace(&self) -> impl Iterator<Item = &Entry> {
        self.log.entries()
    }

    /// Sends what there is to send, then goes on to whatever happens next. False, without time having passed, if
    /// nothing ever will.
    pub fn step(&mut self) -> bool {
        self.flush();
        let Some(next) = self.next() else { return false };
        self.advance(next);
        true
    }

    /// Goes on until `done` says so, for at most `limit` of virtual time; returns whether it said so. `done` is asked
    /// before every step with the pair in hand, so it may read, send and close as an application would.
    #[must_use]
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            let is_done = done(self);
            self.flush();
            if is_done {
                return true;
            }
            match self.next() {
                Some(next) if next <= end => self.advance(next),
                Some(_) | None => {
                    self.now = end;
                    self.flush();
                    return done(self);
                }
            }
        }
    }

    /// As [`run_until`](Self::run_until), and panics if `limit` passes before `done`. `what` completes the sentence
    /// "… did not happen".
    ///
    /// # Panics
    ///
    /// If `limit` passes.
    pub fn expect(&mut self, what: &str, limit: Duration, done: impl FnMut(&mut Self) -> bool) {
        let started = self.elapsed();
        let is_done = self.run_until(limit, done);
        assert!(is_done, "seed {}: {what} did not happen within {limit:?} from {started:?}", self.seed());
    }

    /// Lets `time` pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.flush();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.advance(next);
            self.flush();
        }
        self.now = end;
        self.flush();
    }

    /// Lets `time` pass and fails if anything is sent meanwhile: both ends are closed and have to be quiet. What was
    /// on the way before may still arrive.
    ///
    /// # Panics
    ///
    /// If a datagram is sent.
    pub fn expect_quiet(&mut self, time: Duration) {
        let before = self.counts;
        self.run_for(time);
        for (side, before, after) in [(Side::A, before[0], self.counts[0]), (Side::B, before[1], self.counts[1])] {
            let sent = after.sent - before.sent;
            assert!(sent == 0, "seed {}: {side} is not quiet: {sent} datagrams sent within {time:?}", self.seed());
        }
    }

    const fn pipe(&mut self, from: Side) -> &mut Pipe {
        let [a, b] = &mut self.pipes;
        match from {
            Side::A => a,
            Side::B => b,
        }
    }

    const fn counts_of(&mut self, from: Side) -> &mut Counts {
        let [a, b] = &mut self.counts;
        match from {
            Side::A => a,
            Side::B => b,
        }
    }

    const fn meter(&mut self, side: Side) -> &mut Meter {
        let [a, b] = &mut self.meters;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn poll_timeout(&self, side: Side) -> Option<Instant> {
        match side {
            Side::A => self.a.poll_timeout(),
            Side::B => self.b.poll_timeout(),
        }
    }

    /// When something happens next. A timer in the past is due now.
    fn next(&self) -> Option<Instant> {
        [self.on_the_way.next(), self.a.poll_timeout(), self.b.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .map(|next| next.max(self.now))
    }

    fn advance(&mut self, to: Instant) {
        self.now = to;
        while let Some((side, mut datagram)) = self.on_the_way.pop(to) {
            self.counts_of(side.other()).delivered += 1;
            match side {
                Side::A => self.a.handle_datagram(to, &mut datagram),
                Side::B => self.b.handle_datagram(to, &mut datagram),
            }
        }
        for side in [Side::A, Side::B] {
            let (probability, rng) = &mut self.early;
            let is_early = *probability > 0.0 && rng.random_bool(*probability);
            let is_due = self.poll_timeout(side).is_some_and(|timeout| timeout <= to);
            if is_due {
                let budget = self.budget;
                self.meter(side).wake(to, budget, &side);
            }
            if is_due || is_early {
                match side {
                    Side::A => self.a.handle_timeout(to),
                    Side::B => self.b.handle_timeout(to),
                }
            }
        }
    }

    fn flush(&mut self) {
        for side in [Side::A, Side::B] {
            let mut buf = std::mem::take(&mut self.buf);
            let now = self.now;
            while poll_checked(&mut buf, &side, |buf| {
                let polled = match side {
                    Side::A => self.a.poll_transmit(now, buf),
                    Side::B => self.b.poll_transmit(now, buf),
                };
                polled.then_some(())
            })
            .is_some()
            {
                self.transmit(side, &mut buf);
            }
            self.buf = buf;
        }
    }

    fn transmit(&mut self, from: Side, datagram: &mut Vec<u8>) {
        let (now, budget) = (self.now, self.budget);
        self.meter(from).datagram(now, budget, &from);
        let verdict = self.hook.as_mut().map_or(Verdict::Pass, |hook| hook(now, from, datagram));
        let fate = match verdict {
            Verdict::Drop => Fate::Intercepted,
            Verdict::Pass => {
                let passage = self.pipe(from).send(now, datagram.len());
                flip(datagram, passage.flipped_bit);
                for arrival in passage.arrivals.into_iter().flatten() {
                    self.on_the_way.add(arrival, (from.other(), datagram.clone()));
                }
                passage.fate
            }
        };
        self.counts_of(from).note(fate, datagram.len());
        self.log.note(now, Way::From(from), fate, datagram);
    }
}
