//! Association initialization (RFC 9260, section 5).

use super::cookie::Cookie;
use super::phase::{CookieEchoed, CookieWait, Peer, Phase, Stage};
use super::reset::PeerResets;
use super::timers::Timer;
use super::{Association, random_tag};
use crate::event::Closed;
use crate::inbound::Inbound;
use crate::packet::{Cause, Causes, Chunk, Init, Parameter, Parameters, Writer, code, error_detection, kind};
use std::time::{Duration, Instant};
use wire::Put;

/// A window smaller than this is not allowed (section 3.3.2).
const LEAST_WINDOW: u32 = 1500;

/// The most extra life that a peer gets for a cookie.
const MOST_EXTRA_LIFE: Duration = Duration::from_secs(60);

/// What an INIT or INIT ACK brought along.
#[derive(Default)]
struct Offer<'a> {
    forward_tsn: bool,
    reconfig: bool,
    idata: bool,
    i_forward_tsn: bool,
    zero_checksum: bool,
    cookie: Option<&'a [u8]>,
    preservative: Duration,
    host_name: bool,
    malformed: bool,
    /// Parameters of unknown type that asked to be reported, encoded.
    unrecognized: Vec<u8>,
}

impl<'a> Offer<'a> {
    /// Reads the parameters; unknown ones by their two highest bits (section 3.2.1). At most `room` bytes of them are
    /// reported.
    fn read(parameters: Parameters<'a>, room: usize) -> Self {
        let mut offer = Self::default();
        for parameter in parameters.iter() {
            let Ok(parameter) = parameter else {
                offer.malformed = true;
                break;
            };
            match parameter {
                Parameter::ForwardTsnSupported => offer.forward_tsn = true,
                Parameter::SupportedExtensions(kinds) => {
                    offer.reconfig |= kinds.contains(&kind::RE_CONFIG);
                    offer.forward_tsn |= kinds.contains(&kind::FORWARD_TSN);
                    offer.idata |= kinds.contains(&kind::I_DATA);
                    offer.i_forward_tsn |= kinds.contains(&kind::I_FORWARD_TSN);
                }
                Parameter::ZeroChecksumAcceptable(method) => offer.zero_checksum |= method == error_detection::DTLS,
                Parameter::StateCookie(cookie) => offer.cookie = Some(cookie),
                Parameter::CookiePreservative(milliseconds) => {
                    offer.preservative = Duration::from_millis(milliseconds.into()).min(MOST_EXTRA_LIFE);
                }
                Parameter::HostNameAddress(_) => offer.host_name = true,
                Parameter::Unknown { .. } => {
                    let action = parameter.unrecognized();
                    if action.report {
                        let before = offer.unrecognized.len();
                        parameter.encode(&mut offer.unrecognized);
                        if offer.unrecognized.len() > room {
                            offer.unrecognized.truncate(before);
                        }
                    }
                    if !action.skip {
                        break;
                    }
                }
                // Addresses mean nothing over DTLS (RFC 8261, section 6); the others do not belong here.
                Parameter::HeartbeatInfo(_)
                | Parameter::Address(_)
                | Parameter::UnrecognizedParameter(_)
                | Parameter::SupportedAddressTypes(_)
                | Parameter::OutgoingResetRequest { .. }
                | Parameter::IncomingResetRequest { .. }
                | Parameter::TsnResetRequest { .. }
                | Parameter::ReconfigResponse { .. }
                | Parameter::AddOutgoingStreams { .. }
                | Parameter::AddIncomingStreams { .. } => {}
            }
        }
        offer
    }
}

impl Association {
    /// Sends INIT. Both sides may do so at once; one association comes of it. Without this call the association waits
    /// for the peer's INIT.
    pub fn connect(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        tracing::debug!("connecting");
        self.await_init_ack(now, None);
    }

    fn await_init_ack(&mut self, now: Instant, preservative: Option<u32>) {
        let timeout = self.outbound.rto.handshake();
        self.phase = Phase::CookieWait(CookieWait { due: true, attempts: 0, timeout, sent: Some(now), preservative });
        self.timers.start(Timer::Init, Some(now + timeout));
    }

    /// What we announce in INIT and INIT ACK.
    fn own_parameters(&self, buf: &mut Vec<u8>) {
        Parameter::ForwardTsnSupported.encode(buf);
        let kinds: &[u8] = if self.config.interleaving {
            &[kind::RE_CONFIG, kind::FORWARD_TSN, kind::I_DATA, kind::I_FORWARD_TSN]
        } else {
            &[kind::RE_CONFIG, kind::FORWARD_TSN]
        };
        Parameter::SupportedExtensions(kinds).encode(buf);
        if self.config.zero_checksum {
            Parameter::ZeroChecksumAcceptable(error_detection::DTLS).encode(buf);
        }
    }

    /// Whether I-DATA is used, and whether what is given up can be skipped: each kind of chunk has its own FORWARD TSN
    /// (RFC 8260, section 2.3.1).
    const fn agree(&self, offer: &Offer<'_>) -> (bool, bool) {
        let interleaving = self.config.interleaving && offer.idata;
        (interleaving, if interleaving { offer.i_forward_tsn } else { offer.forward_tsn })
    }

    const fn own_init<'a>(&self, tag: u32, window: u32, parameters: &'a [u8]) -> Init<'a> {
        Init {
            initiate_tag: tag,
            a_rwnd: window,
            outbound_streams: self.config.outbound_streams,
            inbound_streams: self.config.inbound_streams,
            initial_tsn: self.initial_tsn,
            parameters: Parameters::new(parameters),
        }
    }

    fn own_window(&self) -> u32 {
        u32::try_from(self.config.first_window()).unwrap_or(u32::MAX)
    }

    /// Appends the packet with INIT if it is due.
    pub(super) fn transmit_init(&mut self, buf: &mut Vec<u8>) -> bool {
        let header = self.header(0);
        let window = self.own_window();
        let Phase::CookieWait(wait) = &mut self.phase else { return false };
        if !std::mem::take(&mut wait.due) {
            return false;
        }
        let preservative = wait.preservative;
        let mut parameters = Vec::new();
        self.own_parameters(&mut parameters);
        if let Some(milliseconds) = preservative {
            Parameter::CookiePreservative(milliseconds).encode(&mut parameters);
        }
        let init = self.own_init(self.local_tag, window, &parameters);
        let mut writer = Writer::new(buf, header, self.config.max_packet);
        writer.chunk(&Chunk::Init(init));
        writer.finish()
    }

    /// INIT is answered without remembering anything: all goes into the cookie (section 5.1, B; 5.2.1; 5.2.2).
    pub(super) fn on_init(&mut self, now: Instant, init: &Init<'_>) {
        // Tag 0 is dropped in silence (section 3.3.2).
        if init.initiate_tag == 0 {
            self.stats.malformed += 1;
            return;
        }
        let offer = Offer::read(init.parameters, self.config.max_packet / 4);
        let wrong = if offer.host_name {
            Some(code::UNRESOLVABLE_ADDRESS)
        } else if init.a_rwnd < LEAST_WINDOW || init.outbound_streams == 0 || init.inbound_streams == 0 {
            Some(code::INVALID_MANDATORY_PARAMETER)
        } else if offer.malformed {
            Some(code::PROTOCOL_VIOLATION)
        } else {
            None
        };
        if let Some(code) = wrong {
            self.stats.refused += 1;
            let mut causes = Vec::new();
            Cause { code, value: &[] }.encode(&mut causes);
            self.reply(init.initiate_tag, &Chunk::Abort { reflected: false, causes: Causes::new(&causes) });
            return;
        }
        // While an association exists, the answer carries a new tag and the tie tags, to tell a restart from a
        // duplicate (section 5.2.2). Before, it repeats what our own INIT says (section 5.2.1).
        let (local_tag, ties) = match &self.phase {
            Phase::Idle | Phase::CookieWait(_) => (self.local_tag, (0, 0)),
            Phase::CookieEchoed(_, peer) => (self.local_tag, (self.local_tag, peer.tag)),
            Phase::Open(Stage::ShutdownAckSent, _) => {
                self.shutdown_due = true;
                return;
            }
            Phase::Open(_, peer) => {
                let ties = (self.local_tag, peer.tag);
                (random_tag(&mut self.rng), ties)
            }
            Phase::Ended(_) => return,
        };
        let (interleaving, forward_tsn) = self.agree(&offer);
        let cookie = Cookie {
            created: self.jar.age(now),
            local_tag,
            peer_tag: init.initiate_tag,
            local_initial_tsn: self.initial_tsn,
            peer_initial_tsn: init.initial_tsn,
            peer_window: init.a_rwnd,
            peer_outbound_streams: init.outbound_streams,
            peer_inbound_streams: init.inbound_streams,
            forward_tsn,
            reconfig: offer.reconfig,
            interleaving,
            zero_checksum: offer.zero_checksum,
            extra: offer.preservative,
            local_tie_tag: ties.0,
            peer_tie_tag: ties.1,
        };
        let mut parameters = Vec::new();
        Parameter::StateCookie(&self.jar.seal(&cookie)).encode(&mut parameters);
        self.own_parameters(&mut parameters);
        for parameter in Parameters::new(&offer.unrecognized).iter().flatten() {
            let mut whole = Vec::new();
            parameter.encode(&mut whole);
            Parameter::UnrecognizedParameter(&whole).encode(&mut parameters);
        }
        let answer = self.own_init(local_tag, self.own_window(), &parameters);
        self.reply(init.initiate_tag, &Chunk::InitAck(answer));
    }

    /// INIT ACK brings the cookie to echo (section 5.1, C).
    pub(super) fn on_init_ack(&mut self, now: Instant, init: &Init<'_>) {
        let Phase::CookieWait(wait) = &self.phase else {
            self.stats.refused += 1;
            return;
        };
        let (sent, preserved) = (wait.sent, wait.preservative.is_some());
        let offer = Offer::read(init.parameters, self.config.max_packet / 4);
        let impossible = init.initiate_tag == 0
            || init.a_rwnd < LEAST_WINDOW
            || init.outbound_streams == 0
            || init.inbound_streams == 0
            || offer.host_name;
        // A cookie that fits no packet cannot be returned.
        let room = self.config.max_packet.saturating_sub(crate::packet::HEADER_LENGTH + 4);
        let Some(cookie) = offer.cookie.filter(|cookie| !impossible && cookie.len() <= room) else {
            self.stats.refused += 1;
            let mut causes = Vec::new();
            let code = if impossible { code::INVALID_MANDATORY_PARAMETER } else { code::MISSING_MANDATORY_PARAMETER };
            Cause { code, value: &[] }.encode(&mut causes);
            self.reply(init.initiate_tag, &Chunk::Abort { reflected: false, causes: Causes::new(&causes) });
            self.close(now, Closed::ProtocolViolation("an impossible INIT ACK"));
            return;
        };
        if let Some(sent) = sent {
            self.outbound.rto.measure(now.saturating_duration_since(sent));
        }
        let (interleaving, forward_tsn) = self.agree(&offer);
        let peer = Peer {
            tag: init.initiate_tag,
            initial_tsn: init.initial_tsn,
            reconfig: offer.reconfig,
            zero_checksum: offer.zero_checksum,
            outbound_streams: self.config.outbound_streams.min(init.inbound_streams),
            inbound: Inbound::new(&self.config, init.initial_tsn, interleaving),
            sack_due: false,
            unacknowledged: 0,
            resets: PeerResets::new(init.initial_tsn),
        };
        self.outbound.partial_reliability = forward_tsn;
        self.outbound.set_interleaving(interleaving);
        self.outbound.set_peer_window(init.a_rwnd);
        self.outbound.drop_streams_from(peer.outbound_streams, &mut self.stats);
        let mut complaint = Vec::new();
        if !offer.unrecognized.is_empty() {
            let mut causes = Vec::new();
            Cause { code: code::UNRECOGNIZED_PARAMETERS, value: &offer.unrecognized }.encode(&mut causes);
            Chunk::Error(Causes::new(&causes)).encode(&mut complaint);
        }
        let timeout = self.outbound.rto.handshake();
        let cookie = cookie.to_vec();
        let echo = CookieEchoed { due: true, attempts: 0, timeout, sent: Some(now), cookie, complaint, preserved };
        self.phase = Phase::CookieEchoed(echo, Box::new(peer));
        self.timers.start(Timer::Init, Some(now + timeout));
    }

    /// Our cookie came too late: once more from the start, asking for a longer life (section 5.2.6).
    pub(super) fn on_stale_cookie(&mut self, now: Instant, measure: &[u8]) {
        let Phase::CookieEchoed(echo, _) = &self.phase else { return };
        if echo.preserved {
            self.close(now, Closed::TimedOut);
            return;
        }
        let staleness = measure.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        // Microseconds, told in milliseconds, and a round trip more.
        let rtt = self.outbound.timeout().as_millis().min(60_000) as u32;
        let preservative = Some((staleness / 1000).saturating_add(rtt).saturating_add(1));
        self.outbound.cookie_echo_lost();
        self.await_init_ack(now, preservative);
    }

    /// T1-init or T1-cookie (section 5.1).
    pub(super) fn on_init_timeout(&mut self, now: Instant) {
        let attempt = u32::from(!self.is_path_lost);
        let (attempts, timeout) = match &mut self.phase {
            Phase::CookieWait(wait) => {
                (wait.due, wait.sent) = (true, None);
                wait.attempts += attempt;
                wait.timeout = self.outbound.rto.doubled(wait.timeout);
                (wait.attempts, wait.timeout)
            }
            Phase::CookieEchoed(echo, _) => {
                (echo.due, echo.sent) = (true, None);
                echo.attempts += attempt;
                echo.timeout = self.outbound.rto.doubled(echo.timeout);
                self.outbound.cookie_echo_lost();
                (echo.attempts, echo.timeout)
            }
            Phase::Idle | Phase::Open(..) | Phase::Ended(_) => return,
        };
        if attempts > self.config.max_init_retransmits {
            self.close(now, Closed::TimedOut);
            return;
        }
        self.timers.start(Timer::Init, Some(now + timeout));
    }

    /// Puts COOKIE ECHO into an empty packet if it is due; true if it was.
    pub(super) fn write_cookie_echo(&mut self, writer: &mut Writer<'_>) -> bool {
        let Phase::CookieEchoed(echo, _) = &mut self.phase else { return false };
        if !std::mem::take(&mut echo.due) {
            return false;
        }
        writer.chunk(&Chunk::CookieEcho(&echo.cookie));
        if echo.complaint.len() <= writer.room() {
            writer.buf.put_bytes(&echo.complaint);
        }
        true
    }
}
