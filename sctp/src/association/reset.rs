//! Stream re-configuration (RFC 6525): resets of outgoing streams, ours and the peer's.

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use crate::event::Event;
use crate::packet::{Chunk, Parameter, Parameters, ResetResult, StreamIds, Writer};
use crate::serial::{RequestNumber, Tsn};
use std::collections::BTreeSet;
use std::time::Instant;

/// Bytes of an outgoing reset request in its chunk without the list of streams.
const REQUEST_OVERHEAD: usize = 4 + 16;

/// A request that waits for its answer; one at a time (RFC 6525, section 5.1.1).
#[derive(Debug)]
struct Request {
    number: RequestNumber,
    last_tsn: Tsn,
    streams: Vec<u16>,
    due: bool,
}

/// Our own resets.
#[derive(Debug)]
pub(super) struct Resets {
    /// Streams to be reset once all that is queued on them has been sent.
    wanted: BTreeSet<u16>,
    next: RequestNumber,
    request: Option<Request>,
}

impl Resets {
    /// Request numbers start with the initial TSN (RFC 6525, section 4.1).
    pub(super) const fn new(initial_tsn: Tsn) -> Self {
        Self { wanted: BTreeSet::new(), next: RequestNumber(initial_tsn.0), request: None }
    }

    /// An answer that has not come by now may never come.
    pub(super) fn ask_again(&mut self) {
        if let Some(request) = &mut self.request {
            request.due = true;
        }
    }

    fn covers(&self, stream: u16) -> bool {
        self.wanted.contains(&stream) || self.request.as_ref().is_some_and(|request| request.streams.contains(&stream))
    }
}

/// A reset of the peer's that waits for data still on its way (RFC 6525, section 5.2.2, E2).
#[derive(Debug)]
struct Deferred {
    number: RequestNumber,
    last_tsn: u64,
    streams: Vec<u16>,
}

/// The peer's resets.
#[derive(Debug)]
pub(super) struct PeerResets {
    expected: RequestNumber,
    last: Option<(RequestNumber, ResetResult)>,
    deferred: Option<Deferred>,
    /// The deferred reset that was done last.
    settled: Option<Deferred>,
}

impl PeerResets {
    pub(super) const fn new(initial_tsn: Tsn) -> Self {
        Self { expected: RequestNumber(initial_tsn.0), last: None, deferred: None, settled: None }
    }

    /// Whether a chunk belongs to what comes after a reset that is not done yet.
    pub(super) fn holds_back(&self, stream: u16, tsn: u64) -> bool {
        self.deferred.as_ref().is_some_and(|deferred| {
            tsn > deferred.last_tsn && (deferred.streams.is_empty() || deferred.streams.contains(&stream))
        })
    }
}

impl Association {
    /// Starts our side of these streams anew, once all that is queued on them has been sent: the peer delivers it, then
    /// expects the first sequence number again. [`Event::OutgoingReset`] confirms each one; until then `send` refuses
    /// to use it. Streams that do not exist, and those being reset already, are left out.
    pub fn reset_streams(&mut self, now: Instant, streams: &[u16]) {
        if !matches!(
            self.phase,
            Phase::Idle | Phase::CookieWait(_) | Phase::CookieEchoed(..) | Phase::Open(Stage::Established, _)
        ) {
            return;
        }
        for stream in streams.iter().copied().filter(|stream| *stream < self.config.outbound_streams) {
            if !self.resets.covers(stream) {
                self.resets.wanted.insert(stream);
                self.outbound.cancel_open(stream, &mut self.stats);
                self.outbound.begin_reset(stream);
            }
        }
        if matches!(self.phase, Phase::Open(..)) {
            self.refuse_impossible_streams();
        }
        self.settle(now);
    }

    /// Known once the peer is: resets that it does not support, and streams that it does not have.
    pub(super) fn refuse_impossible_streams(&mut self) {
        let Some(peer) = self.phase.peer() else { return };
        let (reconfig, limit) = (peer.reconfig, peer.outbound_streams);
        let impossible: Vec<u16> =
            self.resets.wanted.iter().copied().filter(|stream| !reconfig || *stream >= limit).collect();
        for stream in impossible {
            self.resets.wanted.remove(&stream);
            self.outbound.end_reset(stream, false);
            self.events.push_back(Event::ResetRefused(stream));
        }
    }

    /// Puts a request into the packet if one is due, or if streams are ready for a new one.
    pub(super) fn write_reset_request(&mut self, now: Instant, writer: &mut Writer<'_>) {
        let Phase::Open(Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived, peer) = &self.phase
        else {
            return;
        };
        if self.resets.request.is_none() && !self.resets.wanted.is_empty() {
            let most = writer.room().saturating_sub(REQUEST_OVERHEAD) / 2;
            let ready = self.resets.wanted.iter().copied().filter(|stream| !self.outbound.has_queued(*stream));
            let streams: Vec<u16> = ready.take(most).collect();
            if !streams.is_empty() {
                for stream in &streams {
                    self.resets.wanted.remove(stream);
                    self.outbound.ask_for_reset(*stream);
                }
                let number = self.resets.next;
                self.resets.next = number.next();
                let last_tsn = self.outbound.next_tsn().previous();
                self.resets.request = Some(Request { number, last_tsn, streams, due: true });
            }
        }
        let response = RequestNumber(peer.resets.expected.0.wrapping_sub(1));
        let Some(request) = &mut self.resets.request else { return };
        if !request.due || writer.room() < REQUEST_OVERHEAD + request.streams.len() * 2 {
            return;
        }
        request.due = false;
        let mut list = Vec::with_capacity(request.streams.len() * 2);
        for stream in &request.streams {
            list.extend_from_slice(&stream.to_be_bytes());
        }
        let (number, last_tsn) = (request.number, request.last_tsn);
        let mut parameters = Vec::new();
        Parameter::OutgoingResetRequest { request: number, response, last_tsn, streams: StreamIds::new(&list) }
            .encode(&mut parameters);
        writer.chunk(&Chunk::ReConfig(Parameters::new(&parameters)));
        self.timers.start(Timer::Reconfig, Some(now + self.outbound.timeout()));
    }

    /// No answer: the same request again.
    pub(super) fn on_reconfig_timeout(&mut self, now: Instant) {
        let Some(request) = &mut self.resets.request else { return };
        request.due = true;
        self.outbound.rto.back_off();
        self.count_error(now);
    }

    /// RE-CONFIG: requests and answers.
    pub(super) fn on_reconfig(&mut self, now: Instant, parameters: Parameters<'_>) {
        // Two parameters are the most that make sense (RFC 6525, section 3.1).
        for parameter in parameters.iter().take(2) {
            let Ok(parameter) = parameter else {
                self.stats.malformed += 1;
                return;
            };
            match parameter {
                Parameter::ReconfigResponse { response, result } => self.on_reset_response(now, response, result),
                Parameter::OutgoingResetRequest { request, last_tsn, streams, .. } => {
                    self.answer(request, |association| association.peer_resets(request, last_tsn, streams));
                }
                Parameter::IncomingResetRequest { request, streams } => {
                    self.answer(request, |association| association.peer_asks_for_reset(streams));
                }
                Parameter::TsnResetRequest { request }
                | Parameter::AddOutgoingStreams { request, .. }
                | Parameter::AddIncomingStreams { request, .. } => {
                    self.answer(request, |_| ResetResult::Denied);
                }
                Parameter::HeartbeatInfo(_)
                | Parameter::Address(_)
                | Parameter::StateCookie(_)
                | Parameter::UnrecognizedParameter(_)
                | Parameter::CookiePreservative(_)
                | Parameter::HostNameAddress(_)
                | Parameter::SupportedAddressTypes(_)
                | Parameter::ZeroChecksumAcceptable(_)
                | Parameter::SupportedExtensions(_)
                | Parameter::ForwardTsnSupported
                | Parameter::Unknown { .. } => self.stats.refused += 1,
            }
        }
    }

    /// Answers a request once: what is asked again gets the answer that it got before, or how far it has come since.
    fn answer(&mut self, number: RequestNumber, process: impl FnOnce(&mut Self) -> ResetResult) {
        let Some(peer) = self.phase.peer_mut() else { return };
        // A SACK with the answer speeds up whatever the peer has to send again (RFC 6525, section 5.2.1).
        peer.sack_due = true;
        let result = match peer.resets.last {
            Some((last, result)) if last == number && result != ResetResult::InProgress => result,
            Some((last, _)) if last == number => process(self),
            Some(_) | None if number == peer.resets.expected => {
                peer.resets.expected = number.next();
                process(self)
            }
            Some(_) | None => ResetResult::BadSequenceNumber,
        };
        self.respond(number, result);
    }

    fn respond(&mut self, number: RequestNumber, result: ResetResult) {
        if let Some(peer) = self.phase.peer_mut()
            && result != ResetResult::BadSequenceNumber
        {
            peer.resets.last = Some((number, result));
        }
        let mut parameters = Vec::new();
        Parameter::ReconfigResponse { response: number, result }.encode(&mut parameters);
        self.control(&Chunk::ReConfig(Parameters::new(&parameters)));
    }

    /// Outgoing SSN Reset Request (RFC 6525, section 5.2.2).
    fn peer_resets(&mut self, number: RequestNumber, last_tsn: Tsn, streams: StreamIds<'_>) -> ResetResult {
        let limit = self.config.inbound_streams;
        let Some(peer) = self.phase.peer_mut() else { return ResetResult::Denied };
        if streams.iter().any(|stream| stream >= limit) {
            return ResetResult::WrongSsn;
        }
        let streams: Vec<u16> = streams.iter().collect();
        let last_tsn = peer.inbound.count(last_tsn);
        // Some ask again under a new number after "in progress". What was done meanwhile is not done twice.
        if let Some(settled) = peer.resets.settled.take()
            && (settled.number.next(), settled.last_tsn, &settled.streams) == (number, last_tsn, &streams)
        {
            return ResetResult::Performed;
        }
        if last_tsn > peer.inbound.cumulative() {
            peer.resets.deferred = Some(Deferred { number, last_tsn, streams });
            return ResetResult::InProgress;
        }
        peer.inbound.reset(&streams);
        peer.resets.deferred = None;
        ResetResult::Performed
    }

    /// Data has arrived: a reset that waited for it may be due.
    pub(super) fn advance_peer_reset(&mut self) {
        let Some(peer) = self.phase.peer_mut() else { return };
        let cumulative = peer.inbound.cumulative();
        let Some(deferred) = peer.resets.deferred.take_if(|deferred| deferred.last_tsn <= cumulative) else { return };
        peer.inbound.reset(&deferred.streams);
        let number = deferred.number;
        peer.resets.settled = Some(deferred);
        self.respond(number, ResetResult::Performed);
    }

    /// Incoming SSN Reset Request: the peer wants our side reset (RFC 6525, section 5.2.3). The answer is in progress
    /// until our own request, which follows, has been confirmed.
    fn peer_asks_for_reset(&mut self, streams: StreamIds<'_>) -> ResetResult {
        if self.phase.stage() != Some(Stage::Established) {
            return ResetResult::Denied;
        }
        let limit = self.phase.peer().map_or(0, |peer| peer.outbound_streams);
        if streams.iter().any(|stream| stream >= limit) {
            return ResetResult::WrongSsn;
        }
        let asked: Vec<u16> = if streams.is_empty() { self.outbound.used_streams() } else { streams.iter().collect() };
        let mut pending = false;
        for stream in asked {
            if self.resets.covers(stream) {
                pending = true;
            } else if self.outbound.has_been_used(stream) {
                self.resets.wanted.insert(stream);
                self.outbound.cancel_open(stream, &mut self.stats);
                self.outbound.begin_reset(stream);
                pending = true;
            }
        }
        if pending { ResetResult::InProgress } else { ResetResult::NothingToDo }
    }

    fn on_reset_response(&mut self, now: Instant, number: RequestNumber, result: ResetResult) {
        let Some(request) = self.resets.request.take_if(|request| request.number == number) else {
            self.stats.refused += 1;
            return;
        };
        self.errors = 0;
        let done = match result {
            ResetResult::InProgress | ResetResult::AlreadyInProgress => {
                // Asked again after a timeout (RFC 6525, section 5.2.7, H2).
                self.resets.request = Some(request);
                self.timers.start(Timer::Reconfig, Some(now + self.outbound.timeout()));
                return;
            }
            ResetResult::NothingToDo | ResetResult::Performed => true,
            ResetResult::Denied | ResetResult::WrongSsn | ResetResult::BadSequenceNumber | ResetResult::Unknown(_) => {
                false
            }
        };
        self.timers.stop(Timer::Reconfig);
        for stream in request.streams {
            self.outbound.end_reset(stream, done);
            self.events.push_back(if done { Event::OutgoingReset(stream) } else { Event::ResetRefused(stream) });
        }
    }
}
