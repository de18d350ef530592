//! The state machine that composes all layers: what each of them says is heard here and told to the others.

mod channels;
mod ending;
mod media;
mod report;
mod signaling;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use datachannel::{Channels, sctp};
use ice::Route;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rtp::NtpTime;

use crate::media::{Engine, MediaConfig};
use crate::negotiation::Negotiation;
use crate::transport::{Heard, MediaProtocol, Transport};
use crate::{Config, ConnectionState, DtlsState, Ended, Error, Event, IceCandidate, SctpState, SignalingState, Stats};

/// One peer connection without I/O.
///
/// - Descriptions: [`create_offer`](Self::create_offer), [`create_answer`](Self::create_answer),
///   [`set_local_description`](Self::set_local_description),
///   [`set_remote_description`](Self::set_remote_description), [`add_ice_candidate`](Self::add_ice_candidate).
/// - Addresses: [`add_host`](Self::add_host), [`remove_host`](Self::remove_host),
///   [`add_stun_server`](Self::add_stun_server), [`end_of_hosts`](Self::end_of_hosts),
///   [`handle_resolved`](Self::handle_resolved).
/// - Media: [`add_track`](Self::add_track), [`add_transceiver`](Self::add_transceiver),
///   [`transceivers`](Self::transceivers), [`remove_track`](Self::remove_track),
///   [`stop_transceiver`](Self::stop_transceiver).
/// - Data channels: [`open_channel`](Self::open_channel), [`send`](Self::send), [`read`](Self::read),
///   [`close_channel`](Self::close_channel).
/// - The network and the clock: [`handle_datagram`](Self::handle_datagram),
///   [`handle_timeout`](Self::handle_timeout), [`poll_transmit`](Self::poll_transmit),
///   [`poll_timeout`](Self::poll_timeout).
/// - What happened: [`poll_event`](Self::poll_event). What is known: [`report`](Self::report), [`stats`](Self::stats).
pub struct Session {
    negotiation: Negotiation,
    transport: Transport,
    channels: Channels,
    /// Audio and video; made with the first section that carries any.
    media: Option<Box<Engine>>,
    media_config: MediaConfig,
    /// What every path carries.
    mtu: usize,
    path_mtu_discovery: bool,
    /// When this session began, and what an NTP clock showed then.
    began: (Instant, NtpTime),
    media_seed: [u8; 32],
    life: Life,
    /// What happened, but for channels, which keep their own until they are asked for.
    events: VecDeque<Event>,
    /// What comes after the last event of a channel.
    last_events: VecDeque<Event>,
    events_limit: usize,
    connection_state: ConnectionState,
    dtls_state: DtlsState,
    /// Nothing before data channels are negotiated.
    sctp_state: Option<SctpState>,
    /// The path that SCTP was told of, if ICE has one that works.
    path: Option<Route>,
    close_timeout: Duration,
    /// Candidates of the peer that came before its description.
    early_candidates: Vec<IceCandidate>,
    early_candidates_limit: usize,
}

/// Where a session stands between its making and its end.
///
/// ```text
/// Open --close()--> Draining --all delivered, or deadline--> Saying goodbye --> Closed
///   |                                                                           ^
///   +--abort(), close_notify of the peer, DTLS failure--------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// What was accepted is still being delivered.
    Draining {
        deadline: Instant,
    },
    Closed,
}

impl Session {
    /// A session that knows nothing of its peer yet. `seed` decides all its random choices but keys.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let mut channels = config.channels.clone();
        channels.sctp.max_packet = config.mtu.saturating_sub(dtls::MAX_OVERHEAD);
        Self {
            negotiation: Negotiation::new(StdRng::from_seed(child(&mut rng)), &config),
            transport: Transport::new(&config, now, child(&mut rng), child(&mut rng)),
            channels: Channels::new(channels, now, child(&mut rng)),
            media: None,
            media_config: config.media.clone(),
            mtu: config.mtu,
            path_mtu_discovery: config.path_mtu_discovery,
            began: (now, NtpTime::from_unix(config.unix_time)),
            media_seed: child(&mut rng),
            life: Life::Open,
            events: VecDeque::new(),
            last_events: VecDeque::new(),
            events_limit: config.max_events.max(1),
            connection_state: ConnectionState::New,
            dtls_state: DtlsState::New,
            sctp_state: None,
            path: None,
            close_timeout: config.close_timeout,
            early_candidates: Vec::new(),
            early_candidates_limit: config.early_candidates,
        }
    }

    /// A socket is bound to this address; it becomes a host candidate.
    pub fn add_host(&mut self, now: Instant, local: SocketAddr) {
        self.transport.ice.add_host(now, local);
        self.react(now);
    }

    /// The socket bound to this address is gone.
    pub fn remove_host(&mut self, now: Instant, local: SocketAddr) {
        self.transport.ice.remove_host(now, local);
        self.negotiation.forget_host(local);
        self.react(now);
    }

    /// A STUN server to ask for server-reflexive candidates.
    pub fn add_stun_server(&mut self, now: Instant, server: SocketAddr) {
        self.transport.ice.add_stun_server(now, server);
        self.react(now);
    }

    /// No more sockets are coming: gathering is complete when the STUN servers have answered or were given up.
    pub fn end_of_hosts(&mut self, now: Instant) {
        self.transport.ice.end_of_hosts(now);
        self.react(now);
    }

    /// The answer to [`Event::Resolve`]; `None` where the name could not be resolved.
    pub fn handle_resolved(&mut self, now: Instant, name: &str, address: Option<IpAddr>) {
        self.transport.ice.handle_resolved(now, name, address);
        self.react(now);
    }

    /// A datagram came from `remote` to the socket bound to `local`. It is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        if self.life == Life::Closed {
            return;
        }
        let (channels, is_agreed) = (&mut self.channels, self.negotiation.has_channels());
        let media = self.transport.handle_datagram(now, local, remote, datagram, |plaintext| {
            // Until both sides want it there is no SCTP here. A peer that is ahead of us says its INIT again.
            if is_agreed {
                channels.handle_datagram(now, plaintext);
            }
        });
        match (media, &mut self.media) {
            // Nothing but media can follow from media.
            (Some(MediaProtocol::Rtp), Some(engine)) => return engine.handle_rtp(now, datagram),
            (Some(MediaProtocol::Rtcp), Some(engine)) => return engine.handle_rtcp(now, datagram),
            (Some(_), None) => return self.transport.count_unknown(),
            (None, _) => {}
        }
        self.react(now);
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) told has come. Early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.life == Life::Closed {
            return;
        }
        self.transport.handle_timeout(now);
        self.channels.handle_timeout(now);
        if let Some(engine) = &mut self.media {
            engine.set_rtt(self.transport.rtt());
            engine.handle_timeout(now);
        }
        if let Life::Draining { deadline } = self.life
            && now >= deadline
        {
            tracing::debug!("closing although not all was delivered in time");
            self.say_goodbye(now);
        }
        self.react(now);
    }

    /// Appends one datagram to `buf` and says which socket it leaves from and where it goes.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Route> {
        let (channels, media) = (&mut self.channels, &mut self.media);
        channels.hold_data(media.as_mut().is_some_and(|engine| !engine.lets_data(now)));
        let append_media = |buf: &mut Vec<u8>| media.as_mut().is_some_and(|engine| engine.poll_transmit(now, buf));
        let mut data = 0;
        let route = self.transport.poll_transmit(now, buf, append_media, |buf| {
            let before = buf.len();
            let sent = channels.poll_transmit(now, buf);
            data = (buf.len() - before).saturating_add(dtls::MAX_OVERHEAD) * usize::from(sent);
            sent
        });
        if let Some(engine) = &mut self.media {
            engine.on_data(now, data, self.channels.association().has_data_to_send());
        }
        if route.is_some() || self.life != Life::Closed {
            return route;
        }
        // SCTP has had its last words; now those of DTLS.
        self.transport.close_dtls(now);
        self.transport.poll_transmit(now, buf, |_| false, |_| false)
    }

    /// How large the datagrams are that the path is known to carry, in bytes. A larger one is a probe: it is to leave
    /// alone, as it may be refused or lost.
    pub fn max_datagram(&self) -> usize {
        let packet = self.channels.association().packet_size().saturating_add(dtls::MAX_OVERHEAD);
        packet.max(self.mtu)
    }

    /// A datagram of this many bytes was refused by the system, as it exceeds the MTU of its interface. Smaller ones are
    /// sent from now on.
    pub fn datagram_too_large(&mut self, bytes: usize) {
        self.channels.datagram_too_large(bytes);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let close = match self.life {
            Life::Closed => return None,
            Life::Draining { deadline } => Some(deadline),
            Life::Open => None,
        };
        // Without a path nothing can be sent, so what is due stays so: it waits for the path, not for the time.
        let has_path = self.transport.ice.route().is_some();
        let media = self.media.as_ref().filter(|_| has_path);
        let data = media.and_then(|engine| engine.data_release());
        let data = data.filter(|_| self.channels.association().has_data_to_send());
        let media = media.and_then(|engine| engine.poll_timeout());
        [self.transport.poll_timeout(), self.channels.poll_timeout(), media, data, close].into_iter().flatten().min()
    }

    /// What happened. Channels come after what was decided beneath them, and before the last state.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events
            .pop_front()
            .or_else(|| self.poll_media_event())
            .or_else(|| self.channels.poll_event().map(Event::Channel))
            .or_else(|| self.last_events.pop_front())
    }

    /// Gives back the memory that making the connection took and keeping it does not need. Worth calling after events
    /// that tell of a new state; it costs little when there is nothing to give back.
    pub fn shrink_to_fit(&mut self) {
        self.events.shrink_to_fit();
        self.last_events.shrink_to_fit();
        self.early_candidates.shrink_to_fit();
        self.negotiation.shrink_to_fit();
        self.transport.ice.shrink_to_fit();
    }

    /// How far the exchange of descriptions is.
    pub const fn signaling_state(&self) -> SignalingState {
        self.negotiation.state()
    }

    /// How far ICE is in finding a path.
    pub fn ice_connection_state(&self) -> ice::ConnectionState {
        self.transport.ice.state()
    }

    /// How far gathering of local candidates is.
    pub fn ice_gathering_state(&self) -> ice::GatheringState {
        self.transport.ice.gathering_state()
    }

    /// The state of the connection as a whole.
    pub const fn connection_state(&self) -> ConnectionState {
        self.connection_state
    }

    /// How far DTLS is.
    pub const fn dtls_state(&self) -> DtlsState {
        self.dtls_state
    }

    /// How far SCTP is; nothing before both sides want data channels.
    pub const fn sctp_state(&self) -> Option<SctpState> {
        self.sctp_state
    }

    /// What was counted and measured.
    pub fn stats(&self) -> Stats {
        Stats {
            transport: self.transport.stats(),
            ice: self.transport.ice.stats(),
            dtls: self.transport.dtls().map(dtls::Connection::stats),
            channels: self.channels.stats(),
            media: self.media.as_ref().map(|engine| engine.stats()).unwrap_or_default(),
            rtt: self.transport.rtt(),
        }
    }

    /// Queues an event. Where nobody asks for them, the oldest give way.
    fn tell(&mut self, event: Event) {
        if self.events.len() >= self.events_limit {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.life == Life::Open { Ok(()) } else { Err(Error::Closed) }
    }

    /// Lets every layer hear what the others have to say, until all are quiet.
    fn react(&mut self, now: Instant) {
        // There are no keys yet, so that no plaintext can come of it.
        if let Some(heard) = self.transport.start_dtls(now, |_| {}) {
            self.hear(now, heard);
        }
        while let Some(heard) = self.transport.poll() {
            self.hear(now, heard);
        }
        self.watch_path(now);
        if let Life::Draining { .. } = self.life
            && self.channels.is_over()
        {
            self.say_goodbye(now);
        }
        self.update_states();
    }

    /// Tells SCTP when the path is lost, lest it takes the peer for dead, and when there is one again, lest it waits for
    /// a timer that has backed off.
    fn watch_path(&mut self, now: Instant) {
        use ice::ConnectionState::{Disconnected, Failed};
        let is_lost = matches!(self.transport.ice.state(), Disconnected | Failed);
        let path = self.transport.ice.route().filter(|_| !is_lost);
        if self.path == path {
            return;
        }
        self.path = path;
        let rtt = self.transport.rtt();
        self.channels.set_path(now, path.map_or(sctp::Path::Lost, |_| sctp::Path::Found { rtt }));
    }

    pub(super) fn hear(&mut self, now: Instant, heard: Heard) {
        match heard {
            Heard::Ice(event) => self.hear_ice(*event),
            Heard::Connecting => {}
            Heard::Connected => {
                self.start_channels(now);
                self.give_media_keys(now);
            }
            Heard::Ended(error) => {
                tracing::debug!(%error, "DTLS ended");
                self.end(now, Ended::Dtls(error));
            }
            Heard::Misconfigured(error) => self.end(now, Ended::Config(error)),
        }
    }

    fn hear_ice(&mut self, event: ice::Event) {
        match event {
            ice::Event::Candidate(candidate) => {
                let candidate = self.negotiation.local_candidate(&candidate, &self.transport);
                self.tell(Event::IceCandidate(Some(candidate)));
            }
            ice::Event::GatheringState(state) => {
                if state == ice::GatheringState::Complete {
                    self.tell(Event::IceCandidate(None));
                }
                self.tell(Event::IceGatheringState(state));
            }
            ice::Event::State(state) => self.tell(Event::IceConnectionState(state)),
            ice::Event::Selected { local, remote } => {
                let (local, remote) = (Box::new(local), Box::new(remote));
                self.tell(Event::SelectedPair { local, remote });
            }
            ice::Event::Resolve(name) => self.tell(Event::Resolve(name)),
            ice::Event::GatheringError { server, local, code, reason } => {
                self.tell(Event::IceCandidateError { server, local, code, reason });
            }
        }
    }

    /// DTLS and SCTP as the W3C interface shows them, then what follows for the whole.
    fn update_states(&mut self) {
        let dtls = self.transport.dtls_state();
        if std::mem::replace(&mut self.dtls_state, dtls) != dtls {
            self.tell_in_time(Event::DtlsState(dtls));
        }
        let sctp = match (self.channels.is_over(), self.channels.is_connected()) {
            (true, _) => self.sctp_state.map(|_| SctpState::Closed),
            (false, true) => Some(SctpState::Connected),
            (false, false) => self.negotiation.has_channels().then_some(SctpState::Connecting).or(self.sctp_state),
        };
        if let Some(state) = sctp
            && self.sctp_state.replace(state) != sctp
        {
            self.tell_in_time(Event::SctpState(state));
        }
        self.update_connection_state();
    }

    /// At the end states come after the last events of channels.
    fn tell_in_time(&mut self, event: Event) {
        match self.life {
            Life::Closed => self.last_events.push_back(event),
            Life::Open | Life::Draining { .. } => self.tell(event),
        }
    }

    fn update_connection_state(&mut self) {
        let state = match self.life {
            Life::Closed if self.transport.dtls_state() != DtlsState::Failed => ConnectionState::Closed,
            Life::Open | Life::Draining { .. } | Life::Closed => {
                ConnectionState::from_transport(self.transport.ice.state(), self.transport.dtls_state())
            }
        };
        if self.connection_state != state {
            tracing::debug!(%state, "connection state");
            self.connection_state = state;
            self.tell_in_time(Event::ConnectionState(state));
        }
    }
}

/// A seed for a layer beneath.
fn child(rng: &mut StdRng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}
