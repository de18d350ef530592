//! The end of a session, asked for or not.

use std::time::Instant;

use super::{Life, Session};
use crate::{DtlsState, Ended, Event, SignalingState};

impl Session {
    /// Delivers what was accepted, closes every channel, says goodbye to the peer and ends. What has not been
    /// delivered after [`Config::close_timeout`](crate::Config::close_timeout) is given up.
    pub fn close(&mut self, now: Instant) {
        if self.life != Life::Open {
            return;
        }
        self.set_signaling_closed();
        self.close_media(now);
        if self.transport.dtls_state() == DtlsState::Connected && !self.channels.is_over() {
            self.life = Life::Draining { deadline: now + self.close_timeout };
            self.channels.shutdown(now);
            self.react(now);
        } else {
            self.say_goodbye(now);
        }
    }

    /// Ends at once. What is queued is lost; the peer is told with one packet.
    pub fn abort(&mut self, now: Instant) {
        if self.life != Life::Closed {
            self.say_goodbye(now);
        }
    }

    /// Whether the session is over. What [`poll_transmit`](Self::poll_transmit) still hands out are last words.
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    pub(super) fn set_signaling_closed(&mut self) {
        if self.negotiation.close() {
            self.tell(Event::SignalingState(SignalingState::Closed));
        }
    }

    /// The layers beneath are gone: channels end with what has arrived, and the session with them.
    pub(super) fn end(&mut self, now: Instant, why: Ended) {
        self.tell(Event::Ended(why));
        self.say_goodbye(now);
    }

    /// The end: channels close with what has arrived, and the peer is told, as far as there is a way to.
    /// [`poll_transmit`](Self::poll_transmit) still hands out the last words of SCTP and DTLS.
    pub(super) fn say_goodbye(&mut self, now: Instant) {
        self.set_signaling_closed();
        self.close_media(now);
        self.life = Life::Closed;
        if !self.channels.is_over() {
            self.channels.abort(now);
        }
        self.update_states();
    }
}
