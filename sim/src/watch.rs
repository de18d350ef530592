use crate::{Fate, Side, start};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How much work a run may take before it counts as a storm. Each bound fails the test when exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls of `handle_timeout` per endpoint or node and virtual second.
    pub wakeups: u32,
    /// Calls of `handle_timeout` for which the time did not advance, per endpoint or node: a `poll_timeout` in the
    /// past that never moves on.
    pub wakeups_at_once: u32,
    /// Datagrams sent per endpoint or node and virtual second.
    pub datagrams: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { wakeups: 2_000, wakeups_at_once: 100, datagrams: 1_000_000 }
    }
}

/// One endpoint's use of its budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    second: u64,
    wakeups: u32,
    datagrams: u32,
    at: Option<Instant>,
    at_once: u32,
}

impl Meter {
    pub(crate) const fn new() -> Self {
        Self { second: 0, wakeups: 0, datagrams: 0, at: None, at_once: 0 }
    }

    fn roll(&mut self, now: Instant) {
        let second = now.saturating_duration_since(start()).as_secs();
        if second != self.second {
            *self = Self { second, wakeups: 0, datagrams: 0, ..*self };
        }
    }

    pub(crate) fn wake(&mut self, now: Instant, budget: Budget, who: &dyn fmt::Display) {
        self.roll(now);
        self.wakeups += 1;
        self.at_once = if self.at == Some(now) { self.at_once + 1 } else { 1 };
        self.at = Some(now);
        assert!(
            self.at_once <= budget.wakeups_at_once,
            "{who}: poll_timeout stays in the past: woken {} times at {:?}",
            self.at_once,
            now - start()
        );
        assert!(
            self.wakeups <= budget.wakeups,
            "{who}: a storm of wake-ups: {} within the second before {:?}",
            self.wakeups,
            now - start()
        );
    }

    pub(crate) fn datagram(&mut self, now: Instant, budget: Budget, who: &dyn fmt::Display) {
        self.roll(now);
        self.datagrams += 1;
        assert!(
            self.datagrams <= budget.datagrams,
            "{who}: a storm of datagrams: {} within the second before {:?}",
            self.datagrams,
            now - start()
        );
    }
}

/// Counts of what happened to datagrams, in one direction of a [`Pair`](crate::Pair) or in a whole
/// [`Network`](crate::Network).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams handed over, copies included.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Dropped for their size, a full queue, a hook, a filter or a missing route.
    pub dropped: u64,
    /// Sent once and delivered twice.
    pub duplicated: u64,
    /// Delivered with a bit flipped.
    pub corrupted: u64,
}

impl Counts {
    pub(crate) fn note(&mut self, fate: Fate, length: usize) {
        match fate {
            Fate::Sent => {}
            Fate::Duplicated => self.duplicated += 1,
            Fate::Corrupted => self.corrupted += 1,
            Fate::Lost => self.lost += 1,
            Fate::TooLarge | Fate::QueueFull | Fate::Intercepted | Fate::Filtered | Fate::NoRoute => self.dropped += 1,
            Fate::Injected => return,
        }
        self.sent += 1;
        self.bytes += length as u64;
    }
}

/// One datagram in the log of a run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was sent, from the start of the run.
    pub at: Duration,
    /// Who sent it to whom.
    pub way: Way,
    /// What became of it.
    pub fate: Fate,
    /// Its length in bytes.
    pub length: usize,
    head: [u8; HEAD],
}

/// How many bytes of each datagram the log keeps.
const HEAD: usize = 24;

/// Who sent a datagram to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One end of a [`Pair`](crate::Pair) to the other.
    From(Side),
    /// One address of a [`Network`](crate::Network) to another, as the sender put it.
    Between(SocketAddr, SocketAddr),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(side) => write!(f, "{side} to {}", side.other()),
            Self::Between(source, destination) => write!(f, "{source} to {destination}"),
        }
    }
}

impl Entry {
    /// Its first bytes, up to 24.
    pub fn head(&self) -> &[u8] {
        self.head.get(..self.length).unwrap_or(&self.head)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} {} {:>5} B {:?}", self.at.as_secs_f64(), self.way, self.length, self.fate)?;
        self.head().iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

/// Keeps the last datagrams of a run, and prints them with the seed when the run ends in a panic.
#[derive(Debug)]
pub(crate) struct Log {
    seed: u64,
    entries: VecDeque<Entry>,
    loud: bool,
}

impl Log {
    const KEPT: usize = 200;
    const PRINTED: usize = 40;

    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, entries: VecDeque::new(), loud: std::env::var_os("SIM_TRACE").is_some() }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn note(&mut self, now: Instant, way: Way, fate: Fate, datagram: &[u8]) {
        let mut head = [0; HEAD];
        head.iter_mut().zip(datagram).for_each(|(place, byte)| *place = *byte);
        let entry = Entry { at: now - start(), way, fate, length: datagram.len(), head };
        if self.loud {
            eprintln!("sim: {entry}");
        }
        if self.entries.len() == Self::KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let skipped = self.entries.len().saturating_sub(Self::PRINTED);
        let mut text = format!("sim: run with seed {} failed; its last datagrams were\n", self.seed);
        for entry in self.entries.iter().skip(skipped) {
            text += &format!("  {entry}\n");
        }
        eprint!("{text}");
    }
}

/// Calls `poll` as a driver would, and checks that it keeps to the convention: what is in the buffer stays, `Some` and
/// `true` mean that a datagram was appended, `None` and `false` that nothing was, and nothing stays nothing.
pub(crate) fn poll_checked<T>(
    buf: &mut Vec<u8>,
    who: &dyn fmt::Display,
    mut poll: impl FnMut(&mut Vec<u8>) -> Option<T>,
) -> Option<T> {
    const ALREADY_THERE: [u8; 3] = [0xa5, 0x5a, 0xc3];
    buf.clear();
    buf.extend_from_slice(&ALREADY_THERE);
    let polled = poll(buf);
    let Some(datagram) = buf.strip_prefix(&ALREADY_THERE) else {
        panic!("{who}: poll_transmit changed what was in the buffer before")
    };
    match (&polled, datagram.is_empty()) {
        (Some(_), false) => {}
        (Some(_), true) => panic!("{who}: poll_transmit announced a datagram and appended nothing"),
        (None, false) => panic!("{who}: poll_transmit appended {} bytes and announced nothing", datagram.len()),
        (None, true) => assert!(poll(buf).is_none(), "{who}: poll_transmit had nothing, then something"),
    }
    buf.drain(..ALREADY_THERE.len());
    polled
}
