//! Path heartbeat (RFC 9260, section 8.3).

use super::Association;
use super::phase::Stage;
use super::timers::Timer;
use crate::packet::{Chunk, Parameter, Parameters};
use rand::RngExt;
use std::time::{Duration, Instant};

/// What is known of heartbeats.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// Sent and not answered: its nonce, and when.
    pending: Option<(u64, Instant)>,
    /// When the last data was sent that measures the round trip as well as a heartbeat would.
    pub(super) data_sent: Option<Instant>,
}

impl Association {
    /// One timeout and the interval from now, give or take half a timeout, so that many peers do not beat in step.
    pub(super) fn schedule_heartbeat(&mut self, now: Instant) {
        let rto = self.outbound.timeout();
        let jitter = rto.mul_f64(self.rng.random_range(0.5..1.5));
        let wait = self.config.heartbeat_interval.saturating_add(jitter);
        self.timers.start(Timer::Heartbeat, now.checked_add(wait));
    }

    pub(super) fn on_heartbeat_timeout(&mut self, now: Instant) {
        if !matches!(self.phase.stage(), Some(Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived)) {
            return;
        }
        if let Some(peer) = self.phase.peer_mut() {
            peer.inbound.release_spare();
        }
        if self.is_path_lost {
            // It stands still until the path is found, which makes the heart beat at once.
            return;
        }
        if self.heartbeat.pending.is_some() {
            // Unanswered: the next one follows after a timeout that doubles each time.
            self.outbound.rto.back_off();
            self.count_error(now);
            if self.is_closed() {
                return;
            }
        } else if let Some(sent) = self.heartbeat.data_sent.take()
            && now.saturating_duration_since(sent) < self.config.heartbeat_interval
        {
            self.schedule_heartbeat(now);
            return;
        }
        let nonce: u64 = self.rng.random();
        self.heartbeat.pending = Some((nonce, now));
        let mut info = Vec::new();
        Parameter::HeartbeatInfo(&nonce.to_be_bytes()).encode(&mut info);
        self.control(&Chunk::Heartbeat(&info));
        self.timers.start(Timer::Heartbeat, Some(now + self.outbound.timeout()));
    }

    /// Sends a heartbeat now, on a path of which nothing is known yet.
    pub(super) fn beat_at_once(&mut self, now: Instant) {
        self.heartbeat = Heartbeat::default();
        self.on_heartbeat_timeout(now);
    }

    /// The answer carries what was sent, unchanged. Only the one asked for counts.
    pub(super) fn on_heartbeat_ack(&mut self, now: Instant, info: &[u8]) {
        let answered = Parameters::new(info).iter().flatten().find_map(|parameter| match parameter {
            Parameter::HeartbeatInfo(nonce) => nonce.first_chunk::<8>().map(|nonce| u64::from_be_bytes(*nonce)),
            Parameter::Address(_)
            | Parameter::StateCookie(_)
            | Parameter::UnrecognizedParameter(_)
            | Parameter::CookiePreservative(_)
            | Parameter::HostNameAddress(_)
            | Parameter::SupportedAddressTypes(_)
            | Parameter::OutgoingResetRequest { .. }
            | Parameter::IncomingResetRequest { .. }
            | Parameter::TsnResetRequest { .. }
            | Parameter::ReconfigResponse { .. }
            | Parameter::AddOutgoingStreams { .. }
            | Parameter::AddIncomingStreams { .. }
            | Parameter::ZeroChecksumAcceptable(_)
            | Parameter::SupportedExtensions(_)
            | Parameter::ForwardTsnSupported
            | Parameter::Unknown { .. } => None,
        });
        if answered.is_some_and(|nonce| self.on_probe_ack(nonce)) {
            return;
        }
        match self.heartbeat.pending {
            Some((nonce, sent)) if answered == Some(nonce) => {
                self.heartbeat.pending = None;
                self.errors = 0;
                let rtt: Duration = now.saturating_duration_since(sent);
                self.outbound.rto.measure(rtt);
                self.schedule_heartbeat(now);
            }
            Some(_) | None => self.stats.refused += 1,
        }
    }
}
