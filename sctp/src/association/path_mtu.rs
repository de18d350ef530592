//! Packetization layer path MTU discovery (RFC 8899, section 6.2; RFC 4821, section 7).
//!
//! A probe is a HEARTBEAT that a PAD chunk (RFC 4820) fills up to the size in question: its answer says that the path
//! carries the size, and its loss harms nobody. Fragments never exceed what [`Config::max_packet`] carries; a larger
//! packet has several of them. So a path that shrinks costs no message: whatever was lost goes again, fewer to a packet.
//!
//! [`Config::max_packet`]: crate::Config::max_packet

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use crate::packet::{Chunk, HEADER_LENGTH, Parameter, Writer};
use rand::RngExt;
use std::time::{Duration, Instant};

/// Links' MTUs that are worth a try before all others, less what IPv4 or IPv6, UDP and DTLS put around a packet.
const COMMON: [usize; 5] = [9000 - AROUND + 20, 9000 - AROUND, 1500 - AROUND + 20, 1500 - AROUND, 1280 - AROUND];
const AROUND: usize = 40 + 8 + 40;

/// Sizes closer than this to one that is too large are not worth a probe.
const GRAIN: usize = 16;

/// 'MAX_PROBES' of RFC 8899, section 5.1.2: unanswered probes that make a size too large.
const MAX_PROBES: u8 = 3;

/// 'PMTU_RAISE_TIMER': how long until a size that was too large is tried again.
const RAISE: Duration = Duration::from_secs(600);

/// How often losses alone may ask whether large packets still pass.
const DOUBT: Duration = Duration::from_secs(1);

/// HEARTBEAT with its information and a PAD without padding.
const LEAST_PROBE: usize = HEADER_LENGTH + 4 + 12 + 4;

/// A size of which it is asked whether the path carries it.
#[derive(Clone, Copy, Debug)]
struct Probe {
    size: usize,
    nonce: u64,
    /// How many went unanswered.
    lost: u8,
    is_due: bool,
}

/// What is known of the sizes that the path carries, in bytes of SCTP packets.
#[derive(Debug)]
pub(super) struct PathMtu {
    /// What every path carries ('BASE_PLPMTU').
    base: usize,
    /// What is never exceeded ('MAX_PLPMTU').
    limit: usize,
    /// What it carries, as far as is known ('PLPMTU').
    size: usize,
    /// The least size that it does not carry, as far as is known.
    too_large: usize,
    /// What it carried before something changed; the first to be tried.
    before: usize,
    probe: Option<Probe>,
    /// There may be a size to ask about.
    is_searching: bool,
    /// What is larger than the base may not get through: the probe is about to tell.
    is_in_doubt: bool,
    /// When losses last raised the question.
    asked: Option<Instant>,
}

impl PathMtu {
    pub(super) const fn new(base: usize, limit: usize) -> Self {
        let limit = if limit > base { limit } else { base };
        Self {
            base,
            limit,
            size: base,
            too_large: limit + 1,
            before: 0,
            probe: None,
            is_searching: false,
            is_in_doubt: false,
            asked: None,
        }
    }

    /// How large packets with data may be now, at a pace that is good for packets of `paced` bytes.
    pub(super) fn packet(&self, paced: usize) -> usize {
        if self.is_in_doubt { self.base } else { self.size.min(paced).max(self.base) }
    }

    /// The next size to try of those up to `most`, if the search goes on (section 5.3).
    fn next_size(&self, most: usize) -> Option<usize> {
        let is_open = |size: &usize| (self.size + GRAIN..self.too_large).contains(size) && *size <= most;
        let nearly = [self.before, self.limit].into_iter().find(is_open);
        let middle = usize::midpoint(self.size, self.too_large) & !3;
        let is_coarse = self.too_large - self.size > GRAIN;
        nearly
            .or_else(|| COMMON.into_iter().find(is_open))
            .or_else(|| is_coarse.then_some(middle).filter(|size| *size <= most))
    }

    fn fell_short(&mut self, size: usize) {
        self.too_large = self.too_large.min(size);
        if self.size >= size {
            // It did carry this size: whatever happened to it, nothing above the base can be relied upon (section 4.3).
            self.size = self.base;
        }
        (self.probe, self.is_in_doubt) = (None, false);
    }
}

impl Association {
    /// Begins to search, on a path of which nothing is known yet.
    pub(super) fn search_path_mtu(&mut self) {
        let (before, packet) = (self.path_mtu.size.max(self.path_mtu.before), self.config.max_packet);
        self.path_mtu = PathMtu { before, ..PathMtu::new(packet, self.config.max_probed_packet) };
        self.outbound.set_packet(packet);
        self.timers.stop(Timer::PathMtu);
        self.probe_next();
    }

    /// Goes on with the search as packets leave.
    fn probe_next(&mut self) {
        self.path_mtu.is_searching = self.path_mtu.limit > self.path_mtu.base;
    }

    /// Asks about the next size, or waits until it is time to ask again about those that were too large. A size that the
    /// pace is too slow for waits: it would only keep others waiting, and not be used.
    fn choose_size(&mut self, now: Instant) {
        if let Some(size) = self.path_mtu.next_size(self.outbound.paced_packet()) {
            self.begin_probe(size);
        } else if self.path_mtu.next_size(usize::MAX).is_none() {
            let path = &mut self.path_mtu;
            (path.before, path.is_searching) = (0, false);
            self.timers.start(Timer::PathMtu, (path.size < path.limit).then(|| now + RAISE));
        }
    }

    const fn probes_path(&self) -> bool {
        matches!(self.phase.stage(), Some(Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived))
            && !self.is_path_lost
    }

    fn begin_probe(&mut self, size: usize) {
        self.timers.stop(Timer::PathMtu);
        self.path_mtu.is_searching = false;
        self.path_mtu.probe = Some(Probe { size, nonce: self.rng.random(), lost: 0, is_due: true });
    }

    /// Nothing has been heard of what was sent last: packets stay small until it is known whether large ones pass.
    pub(super) fn doubt_path_mtu(&mut self) {
        let path = &mut self.path_mtu;
        if path.size <= path.base || path.is_in_doubt {
            return;
        }
        path.is_in_doubt = true;
        self.begin_probe(self.path_mtu.size);
    }

    /// Something was lost, be it that large packets alone are.
    pub(super) fn question_path_mtu(&mut self, now: Instant) {
        let path = &mut self.path_mtu;
        let is_recent = path.asked.is_some_and(|asked| now.saturating_duration_since(asked) < DOUBT);
        if path.size > path.base && path.probe.is_none() && !is_recent {
            path.asked = Some(now);
            self.begin_probe(self.path_mtu.size);
        }
    }

    /// Appends the probe that is due, a packet of its own.
    pub(super) fn transmit_probe(&mut self, now: Instant, buf: &mut Vec<u8>, has_checksum: bool) -> bool {
        if self.path_mtu.is_searching && self.probes_path() {
            self.choose_size(now);
        }
        let Some(probe) = self.path_mtu.probe.as_mut().filter(|probe| probe.is_due) else { return false };
        probe.is_due = false;
        let (size, nonce) = (probe.size, probe.nonce);
        let Some(tag) = self.phase.peer().map(|peer| peer.tag) else { return false };
        let mut info = Vec::new();
        Parameter::HeartbeatInfo(&nonce.to_be_bytes()).encode(&mut info);
        let mut writer = Writer::new(buf, self.header(tag), size);
        writer.chunk(&Chunk::Heartbeat(&info));
        writer.chunk(&Chunk::Pad(size.saturating_sub(LEAST_PROBE)));
        self.timers.start(Timer::PathMtu, Some(now + self.probe_wait()));
        if has_checksum { writer.finish() } else { writer.finish_without_checksum() }
    }

    /// 'PROBE_TIMER': heartbeats are answered at once, so that a few round trips say enough.
    fn probe_wait(&self) -> Duration {
        let stats = self.outbound.rto.smoothed().map(|rtt| rtt * 3 + Duration::from_millis(25));
        stats.unwrap_or(self.outbound.timeout()).min(self.outbound.timeout())
    }

    pub(super) fn on_path_mtu_timeout(&mut self) {
        if !self.probes_path() {
            // The search begins anew when the path is found.
            return;
        }
        let path = &mut self.path_mtu;
        match &mut path.probe {
            None => {
                path.too_large = path.limit.saturating_add(1);
                self.probe_next();
            }
            Some(probe) => {
                probe.lost += 1;
                probe.is_due = true;
                if probe.lost >= MAX_PROBES {
                    let size = probe.size;
                    self.give_up_size(size);
                }
            }
        }
    }

    fn give_up_size(&mut self, size: usize) {
        let before = self.path_mtu.size;
        self.path_mtu.fell_short(size);
        if self.path_mtu.size < before {
            tracing::debug!(before, "the path no longer carries large packets");
            self.outbound.set_packet(self.path_mtu.size);
        }
        self.probe_next();
    }

    /// Whether the answer is that to the probe.
    pub(super) fn on_probe_ack(&mut self, nonce: u64) -> bool {
        let Some(probe) = self.path_mtu.probe.filter(|probe| probe.nonce == nonce) else { return false };
        let path = &mut self.path_mtu;
        (path.probe, path.is_in_doubt) = (None, false);
        self.timers.stop(Timer::PathMtu);
        if probe.size > path.size {
            path.size = probe.size;
            path.too_large = path.too_large.max(probe.size + 1);
            tracing::debug!(size = probe.size, "the path carries larger packets");
            self.outbound.set_packet(probe.size);
        }
        self.probe_next();
        true
    }

    /// A datagram of this many bytes, whatever is around the packet included, did not leave the machine: it is larger
    /// than the interface's MTU. Spares the search the time it takes to find that out.
    pub fn datagram_too_large(&mut self, bytes: usize) {
        let is_it = |size: usize| (size..size + AROUND).contains(&bytes);
        let probed = self.path_mtu.probe.map(|probe| probe.size).filter(|size| is_it(*size));
        let size = probed.or(Some(self.path_mtu.size).filter(|size| *size > self.path_mtu.base && is_it(*size)));
        if let (Some(size), Phase::Open(..)) = (size, &self.phase) {
            self.timers.stop(Timer::PathMtu);
            self.give_up_size(size);
        }
    }
}
