use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls::CipherSuite;
use tracing::{debug, trace};
use wire::Reader;

use crate::alert::{Alert, AlertDescription};
use crate::config::{Config, ConfigError, Role};
use crate::doubt::Doubts;
use crate::early::Early;
use crate::error::Error;
use crate::flight::{Flight, Timing};
use crate::handshake::{self, Awaiting, Context, Established, PROTECTED, Refusal};
use crate::message::{FragmentHeader, HandshakeType};
use crate::protection::{Records, Refused};
use crate::reassembly::{Limits, Message, Pushed, Reassembly};
use crate::record::{ContentType, RecordHeader};
use crate::srtp::SrtpProfile;
use crate::state::{Farewell, State};
use crate::stats::Stats;

/// One side of a DTLS connection, without I/O.
///
/// Input: [`handle_datagram`](Self::handle_datagram), [`handle_timeout`](Self::handle_timeout). Output, to be asked
/// for after any input: [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event),
/// [`poll_timeout`](Self::poll_timeout). Application data: [`seal`](Self::seal), once
/// [`is_connected`](Self::is_connected).
pub struct Connection {
    config: Config,
    rng: StdRng,
    state: State,
    records: Records,
    reassembly: Reassembly,
    flight: Flight,
    early: Early,
    doubts: Doubts,
    /// Alerts to be sent, few at a time.
    alerts: VecDeque<Alert>,
    events: VecDeque<Event>,
    /// When the handshake must be complete, or the peer heard of.
    deadline: Option<Instant>,
    /// A piece of the handshake has come from the peer.
    is_answered: bool,
    /// Whether early records may make sense now.
    advanced: bool,
    stats: Stats,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete and the peer is the one expected: application data may flow.
    Connected,
    /// The connection is over, for this reason. Not given after [`Connection::close`].
    Closed(Error),
}

/// Why key material cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// There are no keys before the handshake is complete, nor after the end.
    #[error("the connection is not connected")]
    NotConnected,
    /// The label is empty, or one that the protocol itself uses (RFC 5705, section 4).
    #[error("the label is empty or reserved")]
    Label,
    /// The context has more than 65,535 bytes.
    #[error("the context is too long")]
    Context,
}

impl Connection {
    /// A connection whose handshake starts at once (client) or with the peer's first message (server). `seed` is for
    /// randoms and cookies and must never be used twice; keys come from the provider.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.check()?;
        let timing = Timing { round_trip: config.rtt, longest: config.max_retransmit_interval };
        let limits = Limits { message: config.max_handshake_message, total: config.max_reassembly };
        let mut rng = StdRng::from_seed(seed);
        let (mut records, mut flight) = (Records::new(), Flight::new(timing));
        let mut context = Context { config: &config, rng: &mut rng, records: &mut records, flight: &mut flight };
        let (awaiting, deadline) = match config.role {
            // A time beyond the clock's end is none.
            Role::Client => (
                Awaiting::client(&mut context),
                config.first_answer_timeout.and_then(|timeout| now.checked_add(timeout)),
            ),
            Role::Server => (Awaiting::server(&mut context), None),
        };
        Ok(Self {
            early: Early::new(config.max_early),
            config,
            rng,
            state: State::Handshaking(Box::new(awaiting)),
            records,
            reassembly: Reassembly::new(limits),
            flight,
            doubts: Doubts::default(),
            alerts: VecDeque::new(),
            events: VecDeque::new(),
            deadline,
            is_answered: false,
            advanced: false,
            stats: Stats::default(),
        })
    }

    /// Takes a datagram from the peer, decrypts its records in place and lends the content of each that carries
    /// application data to `on_plaintext`. Whatever makes no sense is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8], mut on_plaintext: impl FnMut(&mut [u8])) {
        let mut rest = datagram;
        while !rest.is_empty() {
            match RecordHeader::split(std::mem::take(&mut rest)) {
                Ok((header, content, behind)) => {
                    rest = behind;
                    self.handle_record(now, &header, content, &mut on_plaintext);
                }
                Err(malformed) => {
                    debug!(%malformed, "dropped what is left of a datagram");
                    self.stats.malformed += 1;
                }
            }
            self.handle_early(now, &mut on_plaintext);
        }
    }

    /// Handles early records again when the handshake has advanced. Each advance is a step of the handshake, so this
    /// ends.
    fn handle_early(&mut self, now: Instant, on_plaintext: &mut impl FnMut(&mut [u8])) {
        while std::mem::take(&mut self.advanced) {
            for mut record in self.early.take() {
                if let Ok((header, content, _)) = RecordHeader::split(&mut record) {
                    self.handle_record(now, &header, content, on_plaintext);
                }
            }
        }
    }

    fn handle_record(
        &mut self,
        now: Instant,
        header: &RecordHeader,
        content: &mut [u8],
        on_plaintext: &mut impl FnMut(&mut [u8]),
    ) {
        trace!(?header, "record");
        if let State::Closed(farewell) = &mut self.state {
            // Alerts are not answered, or two ends would say farewell to each other for ever.
            if header.kind != ContentType::ALERT && self.alerts.is_empty() {
                self.alerts.extend(farewell.repeat());
            }
            self.stats.dropped += 1;
        } else if header.epoch == 0 {
            self.handle_clear(now, header, content);
        } else if header.kind == ContentType::APPLICATION_DATA && !self.is_connected() {
            self.keep_early(header, content);
        } else {
            match self.records.open(header, content) {
                Ok(text) if header.kind == ContentType::APPLICATION_DATA => {
                    self.stats.delivered += 1;
                    on_plaintext(text);
                }
                Ok(text) => self.handle_protected(now, header, text),
                Err(Refused::NoKeys) => self.keep_early(header, content),
                Err(Refused::Replayed) => self.stats.replayed += 1,
                Err(Refused::Forged) => self.stats.forged += 1,
            }
        }
    }

    /// Keeps a record until its keys are there or the handshake is complete. There will be keys for one epoch only.
    fn keep_early(&mut self, header: &RecordHeader, content: &[u8]) {
        let expected = header.epoch == PROTECTED && !self.is_connected();
        if !expected || !self.early.push(header, content) {
            self.stats.dropped += 1;
        }
    }

    /// A record in clear: good for the handshake and for nothing else.
    fn handle_clear(&mut self, now: Instant, header: &RecordHeader, content: &[u8]) {
        match header.kind {
            ContentType::HANDSHAKE => self.handle_fragments(now, header, content),
            ContentType::ALERT if !self.is_connected() => self.doubt_alert(now, content),
            // The epoch of the records behind it says the same, and says it without depending on the order of arrival.
            ContentType::CHANGE_CIPHER_SPEC => {}
            ContentType::APPLICATION_DATA | ContentType::ALERT => self.stats.unprotected += 1,
            _ => self.stats.malformed += 1,
        }
    }

    /// A record that the peer protected, other than application data.
    fn handle_protected(&mut self, now: Instant, header: &RecordHeader, text: &[u8]) {
        match header.kind {
            ContentType::HANDSHAKE => self.handle_fragments(now, header, text),
            ContentType::ALERT => self.handle_alert(text),
            _ => self.stats.ignored += 1,
        }
    }

    fn handle_fragments(&mut self, now: Instant, record: &RecordHeader, content: &[u8]) {
        let mut reader = Reader::new(content);
        while !reader.is_empty() {
            // Each turn consumes a header or ends.
            let Ok((header, piece)) = FragmentHeader::decode(&mut reader) else {
                self.stats.malformed += 1;
                break;
            };
            self.handle_fragment(now, record.epoch, &header, piece);
        }
        self.advance(record.sequence);
    }

    fn handle_fragment(&mut self, now: Instant, epoch: u16, header: &FragmentHeader, piece: &[u8]) {
        let connected = match &self.state {
            State::Handshaking(_) => false,
            State::Connected(_) => true,
            State::Closed(_) => return,
        };
        if connected && epoch == PROTECTED && header.kind != HandshakeType::FINISHED {
            return self.refuse_renegotiation(header.kind);
        }
        // After the handshake, only what is protected can make this side repeat its last flight.
        if !handshake::belongs(header.kind, epoch) || (connected && epoch != PROTECTED) {
            self.stats.ignored += 1;
            return;
        }
        match self.reassembly.push(epoch, header, piece) {
            Pushed::Stored if !connected => {
                if !std::mem::replace(&mut self.is_answered, true) {
                    self.deadline = now.checked_add(self.config.handshake_timeout);
                }
            }
            Pushed::Repeated => {
                self.doubts.postpone(now, self.flight.first_interval());
                let repeats = self.flight.peer_repeats(now);
                *(if repeats { &mut self.stats.retransmitted } else { &mut self.stats.ignored }) += 1;
            }
            Pushed::Stored | Pushed::Dropped => self.stats.ignored += 1,
        }
    }

    /// Says no to a request for a new handshake, and goes on (RFC 5246, sections 7.2.2 and 7.4.1.1).
    fn refuse_renegotiation(&mut self, kind: HandshakeType) {
        self.stats.ignored += 1;
        if matches!(kind, HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO) && self.alerts.is_empty() {
            debug!("renegotiation refused");
            self.alerts.push_back(Alert::warning(AlertDescription::NO_RENEGOTIATION));
        }
    }

    /// Gives the handshake the messages that are whole, now that the record with this number has arrived.
    fn advance(&mut self, record: u64) {
        while let State::Handshaking(_) = self.state {
            let Some(message) = self.reassembly.pop() else { return };
            let State::Handshaking(awaiting) = self.state.take() else { return };
            debug!(kind = %message.kind, sequence = message.sequence, "handshake message");
            let mut context = Context {
                config: &self.config,
                rng: &mut self.rng,
                records: &mut self.records,
                flight: &mut self.flight,
            };
            let next = awaiting.handle(&mut context, &message);
            if next.is_ok() {
                self.advanced = true;
                self.doubts = Doubts::default();
            }
            match next {
                Ok(Awaiting::Nothing(established)) => self.connected(established),
                Ok(awaiting) => self.state = State::Handshaking(Box::new(awaiting)),
                Err(refusal) => self.refuse(&message, record, *refusal),
            }
        }
    }

    /// A message failed. If the network may have changed it, the handshake stays as it was before and waits for the
    /// message to be repeated; what fails again in the same way the peer means, and what was protected it wrote.
    fn refuse(&mut self, message: &Message, record: u64, refusal: Refusal) {
        let Refusal { error, before } = refusal;
        match before {
            Some(awaiting) if message.epoch != PROTECTED && !self.doubts.is_repeated(message, record, &error) => {
                debug!(%error, kind = %message.kind, "handshake message dropped");
                self.stats.doubted += 1;
                self.reassembly.refuse(message);
                self.state = State::Handshaking(Box::new(awaiting));
            }
            Some(_) | None => self.fail(error),
        }
    }

    fn connected(&mut self, established: Established) {
        debug!(suite = ?established.secrets.suite(), "connected");
        if let Some(key_log) = &self.config.key_log {
            established.secrets.log(&**key_log);
        }
        self.reassembly.clear();
        self.deadline = None;
        self.state = State::Connected(Box::new(established));
        self.events.push_back(Event::Connected);
    }

    fn decode_alert(&mut self, content: &[u8]) -> Option<Alert> {
        let mut reader = Reader::new(content);
        // Exactly one alert: in clear, anything that is not one must not be taken for one.
        let (Ok(alert), true) = (Alert::decode(&mut reader), reader.is_empty()) else {
            self.stats.malformed += 1;
            return None;
        };
        debug!(?alert, "alert");
        Some(alert)
    }

    /// An alert that the peer protected ends the connection, unless it is a mere warning.
    fn handle_alert(&mut self, content: &[u8]) {
        let Some(alert) = self.decode_alert(content) else { return };
        match alert.error() {
            Some(error) => self.obey(error),
            None => self.stats.ignored += 1,
        }
    }

    /// An alert in clear during the handshake may be anybody's, so it waits for the handshake to prove it wrong.
    fn doubt_alert(&mut self, now: Instant, content: &[u8]) {
        let Some(alert) = self.decode_alert(content) else { return };
        match alert.error() {
            Some(error) => {
                self.stats.doubted += 1;
                self.doubts.alert(now, error, self.flight.first_interval());
            }
            None => self.stats.ignored += 1,
        }
    }

    /// Ends the connection because the peer did. Its `close_notify` is answered in kind, and what was not sent yet is
    /// discarded (RFC 5246, section 7.2.1); a fatal alert is not answered.
    fn obey(&mut self, error: Error) {
        let farewell = (error == Error::PeerClosed).then_some(Alert::warning(AlertDescription::CLOSE_NOTIFY));
        self.end(farewell, Some(error));
    }

    fn fail(&mut self, error: Error) {
        debug!(%error, "failed");
        self.end(error.alert().map(Alert::fatal), Some(error));
    }

    /// Ends the connection: says farewell, and forgets what is of no use any more.
    fn end(&mut self, farewell: Option<Alert>, error: Option<Error>) {
        self.state = State::Closed(Farewell::new(farewell));
        self.alerts.clear();
        self.alerts.extend(farewell);
        self.events.extend(error.map(Event::Closed));
        self.flight.stop();
        self.reassembly.clear();
        self.early.take();
        self.doubts = Doubts::default();
        self.deadline = None;
    }

    /// Does what is due; early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(error) = self.doubts.due(now) {
            self.obey(error);
        } else if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(self.doubts.cause().unwrap_or(Error::HandshakeTimeout));
        } else if self.flight.handle_timeout(now) {
            debug!("nothing came back: flight repeated");
            self.stats.retransmitted += 1;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadline, self.flight.poll_timeout(), self.doubts.poll_timeout()].into_iter().flatten().min()
    }

    /// Appends one datagram for the peer to `buf`: a part of a handshake flight, or an alert. False if there is none.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        if self.flight.poll_transmit(now, &mut self.records, self.config.mtu, buf) {
            return true;
        }
        let Some(alert) = self.alerts.pop_front() else { return false };
        self.records.seal(self.records.write_epoch(), ContentType::ALERT, buf, |buf| {
            alert.encode(buf);
            true
        })
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Appends one record of application data to `buf`: leaves room for the header, lets `append` append the content
    /// (at most 16,384 bytes), encrypts it in place, and appends the tag. Nothing is appended, and the answer is false,
    /// if `append` says false or appends too much, or the connection is not connected.
    pub fn seal(&mut self, buf: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.is_connected() && self.records.seal(PROTECTED, ContentType::APPLICATION_DATA, buf, append)
    }

    /// How many bytes [`seal`](Self::seal) adds to its content: 37 with AES-GCM, 29 with ChaCha20-Poly1305. Before the
    /// cipher suite is known, the larger.
    pub fn overhead(&self) -> usize {
        if self.is_connected() { self.records.overhead(PROTECTED) } else { MAX_OVERHEAD }
    }

    /// Tells a newer measurement of the path's round-trip time, for the handshake's timer.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.flight.set_round_trip(rtt);
    }

    /// Ends the connection with `close_notify`, which [`poll_transmit`](Self::poll_transmit) still hands out.
    pub fn close(&mut self, _now: Instant) {
        if !matches!(self.state, State::Closed(_)) {
            self.end(Some(Alert::warning(AlertDescription::CLOSE_NOTIFY)), None);
        }
    }

    /// Whether application data may flow.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Whether the connection is over and the last alert handed out, so that nothing is lost by dropping it.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_)) && self.alerts.is_empty()
    }

    /// What was counted.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    const fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Connected(established) => Some(established),
            State::Handshaking(_) | State::Closed(_) => None,
        }
    }

    /// The version, once connected: always DTLS 1.2.
    pub fn version(&self) -> Option<Version> {
        self.established().map(|_| Version::Dtls1_2)
    }

    /// The cipher suite, once connected.
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        self.established().map(|established| established.secrets.suite().name())
    }

    /// The SRTP protection profile, once connected, if one was agreed (RFC 5764).
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.established().and_then(|established| established.srtp_profile)
    }

    /// The largest plaintext that the peer takes in one record, once connected, if it said so (RFC 8449). Who seals
    /// larger ones breaks the protocol.
    pub fn record_limit(&self) -> Option<usize> {
        self.established().and_then(|established| established.secrets.record_limit())
    }

    /// The peer's certificate in DER, once connected: one of those expected.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.established().map(|established| established.peer_certificate.as_slice())
    }

    /// Fills `out` with key material that both sides get for the same label and context (RFC 5705). An empty context
    /// is not the same as none.
    pub fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        let established = self.established().ok_or(ExportError::NotConnected)?;
        if label.is_empty() || RESERVED_LABELS.contains(&label) {
            return Err(ExportError::Label);
        }
        if context.is_some_and(|context| context.len() > usize::from(u16::MAX)) {
            return Err(ExportError::Context);
        }
        established.secrets.export(label.as_bytes(), context, out);
        Ok(())
    }
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// RFC 6347.
    Dtls1_2,
}

impl Version {
    /// The number on the wire (RFC 6347, section 4.1).
    pub const fn number(self) -> u16 {
        match self {
            Self::Dtls1_2 => 0xfefd,
        }
    }
}

/// The most bytes that [`Connection::seal`] adds to its content, in any cipher suite: header, explicit nonce and tag
/// with AES-GCM.
pub const MAX_OVERHEAD: usize = RecordHeader::SIZE + 8 + 16;

/// The labels of RFC 5246 and RFC 7627: exporting with them would give the protocol's own secrets away.
const RESERVED_LABELS: [&str; 5] =
    ["client finished", "server finished", "master secret", "extended master secret", "key expansion"];

#[cfg(test)]
mod tests;
