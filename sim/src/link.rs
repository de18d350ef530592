use crate::seeds::rng;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

/// What one direction of a path does to datagrams. The default is perfect: instant, lossless, unlimited.
///
/// Probabilities are between 0 and 1 and per datagram.
///
/// ```
/// use std::time::Duration;
/// use visavis_sim::Link;
///
/// let link = Link { loss: 0.02, jitter: Duration::from_millis(4), ..Link::delay(Duration::from_millis(50)) };
/// assert_eq!(link.delay.as_millis(), 50);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Probability of independent loss.
    pub loss: f64,
    /// Loss in bursts, besides the independent one.
    pub burst: Option<Burst>,
    /// Time that every datagram takes.
    pub delay: Duration,
    /// Further time, uniform between zero and this. Keeps the order: who is quick waits behind who is slow.
    pub jitter: Duration,
    /// Probability that a datagram is held back by up to `reorder_by`, so that later ones overtake it.
    pub reorder: f64,
    /// How long a reordered datagram is held back at most.
    pub reorder_by: Duration,
    /// Probability that a datagram arrives twice, the copy held back by up to `reorder_by`.
    pub duplicate: f64,
    /// Probability that one bit of a datagram is flipped.
    pub corrupt: f64,
    /// Bytes per second that the link carries, counted over the datagram alone; `None` is unlimited.
    pub rate: Option<u64>,
    /// Bytes that wait at most for a link with a `rate`; what comes beyond is dropped.
    pub queue: usize,
    /// Largest datagram in bytes; larger ones are dropped, as on a path that reports nothing.
    pub mtu: usize,
}

/// Loss in bursts (the model of Gilbert and Elliott): in the bad state, which is entered and left at random, datagrams
/// are lost with a probability of their own. A link that was idle for 200 ms is in the good state: what disturbs a path
/// passes with time, so that retransmissions seconds apart do not all meet the same burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Probability per datagram of going from good to bad.
    pub enter: f64,
    /// Probability per datagram of going from bad to good; the mean burst is `1 / leave` datagrams long.
    pub leave: f64,
    /// Probability of loss in the bad state.
    pub loss: f64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: 0.0,
            reorder_by: Duration::from_millis(20),
            duplicate: 0.0,
            corrupt: 0.0,
            rate: None,
            queue: 256 * 1024,
            mtu: 65_535,
        }
    }
}

impl Link {
    /// A link that only takes time.
    pub fn delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// A bad link drawn from `seed`: loss up to a tenth (alone or in bursts), delay up to 200 ms, jitter, reordering
    /// and duplication. For tests that go through hundreds of seeds.
    pub fn rough(seed: u64) -> Self {
        let mut rng = rng(seed, 0x1111);
        let burst = rng.random_bool(0.25).then_some(Burst { enter: 0.01, leave: 0.3, loss: 0.8 });
        // A burst as above loses about 2.6 of 100; the sum stays below a tenth.
        let loss = rng.random_range(0.0..if burst.is_some() { 0.07 } else { 0.1 });
        Self {
            loss,
            burst,
            delay: Duration::from_micros(rng.random_range(0..200_000)),
            jitter: Duration::from_micros(rng.random_range(0..20_000)),
            reorder: rng.random_range(0.0..0.1),
            duplicate: rng.random_range(0.0..0.05),
            ..Self::default()
        }
    }
}

/// What became of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will arrive.
    Sent,
    /// It will arrive twice.
    Duplicated,
    /// It will arrive with one bit flipped.
    Corrupted,
    /// Lost at random.
    Lost,
    /// Dropped: larger than the link's `mtu`.
    TooLarge,
    /// Dropped: the link's queue was full.
    QueueFull,
    /// Dropped by the test's own hook.
    Intercepted,
    /// Dropped by a NAT or a firewall.
    Filtered,
    /// Dropped: nobody has that address.
    NoRoute,
    /// Put on the way by the test, not by an endpoint.
    Injected,
}

/// How long a link has to be idle for a burst to have passed.
const BURST_PASSES: Duration = Duration::from_millis(200);

/// One direction of a link at work.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) link: Link,
    rng: StdRng,
    in_burst: bool,
    last_sent: Option<Instant>,
    busy_until: Option<Instant>,
    last_arrival: Option<Instant>,
}

/// When the copies of a datagram arrive, and with which bit flipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) fate: Fate,
    pub(crate) arrivals: [Option<Instant>; 2],
    pub(crate) flipped_bit: Option<usize>,
}

impl Pipe {
    pub(crate) const fn new(link: Link, rng: StdRng) -> Self {
        Self { link, rng, in_burst: false, last_sent: None, busy_until: None, last_arrival: None }
    }

    /// Sends a datagram of `length` bytes into the pipe.
    pub(crate) fn send(&mut self, now: Instant, length: usize) -> Passage {
        let link = self.link;
        let dropped = |fate| Passage { fate, arrivals: [None, None], flipped_bit: None };
        if length > link.mtu {
            return dropped(Fate::TooLarge);
        }
        let Some(departure) = self.queue(now, length) else { return dropped(Fate::QueueFull) };
        if self.is_lost(now) {
            return dropped(Fate::Lost);
        }
        let mut arrival = departure + link.delay + self.up_to(link.jitter);
        if self.happens(link.reorder) {
            arrival += self.up_to(link.reorder_by);
        } else {
            arrival = self.last_arrival.map_or(arrival, |last| last.max(arrival));
            self.last_arrival = Some(arrival);
        }
        let copy = self.happens(link.duplicate).then(|| arrival + self.up_to(link.reorder_by));
        let flipped_bit = (length > 0 && self.happens(link.corrupt)).then(|| self.rng.random_range(0..length * 8));
        let fate = match (flipped_bit, copy) {
            (Some(_), _) => Fate::Corrupted,
            (None, Some(_)) => Fate::Duplicated,
            (None, None) => Fate::Sent,
        };
        Passage { fate, arrivals: [Some(arrival), copy], flipped_bit }
    }

    /// When the datagram has left a link of limited rate, or `None` if its queue is full.
    fn queue(&mut self, now: Instant, length: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate else { return Some(now) };
        let rate = rate.max(1) as f64;
        let start = self.busy_until.map_or(now, |until| until.max(now));
        let waiting = (start - now).as_secs_f64() * rate;
        // A queue shorter than one datagram would never let anything through; an idle link always takes one.
        if waiting > 0.0 && waiting + length as f64 > self.link.queue as f64 {
            return None;
        }
        let departure = start + Duration::from_secs_f64(length as f64 / rate);
        self.busy_until = Some(departure);
        Some(departure)
    }

    fn is_lost(&mut self, now: Instant) -> bool {
        let independent = self.happens(self.link.loss);
        self.in_burst &= self.last_sent.is_some_and(|last| now < last + BURST_PASSES);
        self.last_sent = Some(now);
        let Some(burst) = self.link.burst else { return independent };
        self.in_burst = if self.in_burst { !self.happens(burst.leave) } else { self.happens(burst.enter) };
        (self.in_burst && self.happens(burst.loss)) || independent
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.clamp(0.0, 1.0))
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.rng.random_range(0..=u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
    }
}

pub(crate) fn flip(datagram: &mut [u8], bit: Option<usize>) {
    if let Some(bit) = bit
        && let Some(byte) = datagram.get_mut(bit / 8)
    {
        *byte ^= 1 << (bit % 8);
    }
}
