//! What a cookie does: it opens the association, confirms it, or tells that the peer restarted (RFC 9260, sections 5.1.5
//! and 5.2.4).

use super::Association;
use super::cookie::{BadCookie, Cookie};
use super::phase::{Peer, Phase, Stage};
use super::reset::{PeerResets, Resets};
use super::timers::Timer;
use crate::event::Event;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::packet::{Cause, Causes, Chunk, code};
use std::time::Instant;

impl Association {
    /// COOKIE ECHO opens the association, or tells a restart (sections 5.1.5 and 5.2.4). True if the rest of the
    /// packet may be processed.
    pub(super) fn on_cookie_echo(&mut self, now: Instant, tag: u32, bytes: &[u8]) -> bool {
        let cookie = match self.jar.open(now, bytes) {
            Ok(cookie) => cookie,
            // A stale cookie for the very association that exists is a late duplicate, and harmless.
            Err(BadCookie::Stale(cookie, _)) if self.is_current(&cookie) => cookie,
            Err(BadCookie::Stale(cookie, excess)) => {
                self.stats.refused += 1;
                let mut causes = Vec::new();
                let measure = u32::try_from(excess.as_micros()).unwrap_or(u32::MAX).to_be_bytes();
                Cause { code: code::STALE_COOKIE, value: &measure }.encode(&mut causes);
                self.reply(cookie.peer_tag, &Chunk::Error(Causes::new(&causes)));
                return false;
            }
            Err(BadCookie::Forged) => {
                self.stats.refused += 1;
                return false;
            }
        };
        if tag != cookie.local_tag {
            self.stats.bad_tag += 1;
            return false;
        }
        let accepted = match &self.phase {
            Phase::Ended(_) => false,
            Phase::Idle | Phase::CookieWait(_) => cookie.local_tag == self.local_tag && self.open(now, &cookie),
            Phase::CookieEchoed(_, peer) if cookie.local_tag == self.local_tag => {
                // Action D, or B if the peer has chosen another tag since.
                if peer.tag == cookie.peer_tag { self.enter_established(now) } else { self.open(now, &cookie) }
            }
            Phase::Open(_, peer) if cookie.local_tag == self.local_tag => {
                let known = peer.tag == cookie.peer_tag;
                self.cookie_ack_due = true;
                known || self.adopt_tag(&cookie)
            }
            Phase::CookieEchoed(_, peer) | Phase::Open(_, peer) => {
                // Action A: a restart, if the cookie was made for this very association.
                let tied = cookie.local_tie_tag == self.local_tag && cookie.peer_tie_tag == peer.tag;
                tied && peer.tag != cookie.peer_tag && self.restart(now, &cookie)
            }
        };
        if !accepted {
            self.stats.refused += 1;
        }
        accepted
    }

    fn is_current(&self, cookie: &Cookie) -> bool {
        cookie.local_tag == self.local_tag && self.phase.peer().is_some_and(|peer| peer.tag == cookie.peer_tag)
    }

    fn peer_from(&self, cookie: &Cookie) -> Box<Peer> {
        Box::new(Peer {
            tag: cookie.peer_tag,
            initial_tsn: cookie.peer_initial_tsn,
            reconfig: cookie.reconfig,
            zero_checksum: cookie.zero_checksum,
            outbound_streams: self.config.outbound_streams.min(cookie.peer_inbound_streams),
            inbound: Inbound::new(&self.config, cookie.peer_initial_tsn, cookie.interleaving),
            sack_due: false,
            unacknowledged: 0,
            resets: PeerResets::new(cookie.peer_initial_tsn),
        })
    }

    /// The cookie sets up the association.
    fn open(&mut self, now: Instant, cookie: &Cookie) -> bool {
        let peer = self.peer_from(cookie);
        self.outbound.partial_reliability = cookie.forward_tsn;
        self.outbound.set_interleaving(cookie.interleaving);
        self.outbound.set_peer_window(cookie.peer_window);
        self.phase = Phase::Open(Stage::Established, peer);
        self.cookie_ack_due = true;
        self.opened(now);
        true
    }

    /// COOKIE-ECHOED ends well, with COOKIE ACK or with the peer's own cookie.
    fn enter_established(&mut self, now: Instant) -> bool {
        let Some(peer) = self.phase.take_peer() else { return false };
        self.phase = Phase::Open(Stage::Established, peer);
        self.cookie_ack_due = true;
        self.opened(now);
        true
    }

    /// Action B in an open association: the peer goes by another tag (section 5.2.4).
    fn adopt_tag(&mut self, cookie: &Cookie) -> bool {
        let fresh = self.peer_from(cookie);
        let Some(peer) = self.phase.peer_mut() else { return false };
        if peer.inbound.cumulative_tsn() == peer.initial_tsn.previous() && !peer.inbound.has_gaps() {
            *peer = *fresh;
        } else {
            peer.tag = cookie.peer_tag;
        }
        true
    }

    /// COOKIE ACK (section 5.1, E).
    pub(super) fn on_cookie_ack(&mut self, now: Instant) {
        let Phase::CookieEchoed(echo, _) = &self.phase else {
            // A duplicate (section 5.2.5).
            return;
        };
        if let Some(sent) = echo.sent {
            self.outbound.rto.measure(now.saturating_duration_since(sent));
        }
        if self.enter_established(now) {
            self.cookie_ack_due = false;
        }
    }

    fn opened(&mut self, now: Instant) {
        tracing::debug!("established");
        self.errors = 0;
        self.timers.stop(Timer::Init);
        if self.outbound.needs_timer() {
            self.timers.start(Timer::Retransmit, Some(now + self.outbound.timeout()));
        }
        self.schedule_heartbeat(now);
        self.search_path_mtu();
        self.events.push_back(Event::Connected);
        self.refuse_impossible_streams();
        if let Some(peer) = self.phase.peer() {
            self.outbound.drop_streams_from(peer.outbound_streams, &mut self.stats);
        }
        if self.closing {
            self.shutdown(now);
        }
    }

    /// The peer restarted (section 5.2.4, action A): a new association in place of this one.
    fn restart(&mut self, now: Instant, cookie: &Cookie) -> bool {
        if self.phase.stage() == Some(Stage::ShutdownAckSent) {
            self.shutdown_due = true;
            let mut causes = Vec::new();
            Cause { code: code::COOKIE_RECEIVED_WHILE_SHUTTING_DOWN, value: &[] }.encode(&mut causes);
            self.control(&Chunk::Error(Causes::new(&causes)));
            return false;
        }
        tracing::debug!("the peer restarted");
        let mut peer = self.peer_from(cookie);
        if let Some(before) = self.phase.take_peer() {
            peer.inbound.inherit(before.inbound);
        }
        self.local_tag = cookie.local_tag;
        let waits_for_room = self.outbound.waits_for_room();
        self.lost = self.outbound.unacknowledged();
        self.outbound = Outbound::new(&self.config, cookie.local_initial_tsn);
        self.outbound.partial_reliability = cookie.forward_tsn;
        self.outbound.set_interleaving(cookie.interleaving);
        self.outbound.set_peer_window(cookie.peer_window);
        self.resets = Resets::new(cookie.local_initial_tsn);
        self.timers.stop_all();
        self.control.clear();
        self.heartbeat = super::heartbeat::Heartbeat::default();
        (self.errors, self.shutdown_due, self.cookie_ack_due) = (0, false, true);
        self.phase = Phase::Open(Stage::Established, peer);
        self.schedule_heartbeat(now);
        self.search_path_mtu();
        self.events.push_back(Event::Restarted);
        // Nobody who waits for room waits for ever.
        self.events.extend(waits_for_room.then_some(Event::Writable));
        true
    }
}
