//! The hosts of the simulated network: one session with its application, or a STUN server.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use session::{
    Config, ConnectionState, Event, IceCandidate, Session,
    datachannel::{self, ChannelId, Message, Options, SendError, SendErrorReason},
    dtls::Identity,
};
use sim::Node;
use stun::{Attribute, Builder, Class, Method};

/// Anyone on the network.
pub(crate) enum Host {
    Peer(Box<Peer>),
    Stun(StunServer),
}

impl Host {
    pub(crate) fn peer(&mut self) -> &mut Peer {
        match self {
            Self::Peer(peer) => peer,
            Self::Stun(_) => panic!("a STUN server is no peer"),
        }
    }
}

/// A session and an application that reads whatever comes, at once.
pub(crate) struct Peer {
    pub(crate) session: Session,
    /// Candidates that signalling has not carried yet; `None` ends them.
    pub(crate) candidates: VecDeque<Option<IceCandidate>>,
    /// All messages, by the label of their channel, in the order in which they were read.
    pub(crate) heard: BTreeMap<String, Vec<Message>>,
    /// Labels of the channels that opened, by either side, and of those that closed.
    pub(crate) opened: Vec<String>,
    pub(crate) closed: Vec<String>,
    /// Every state that the connection went through.
    pub(crate) states: Vec<ConnectionState>,
    /// What is sent as soon as there is room.
    outbox: VecDeque<(ChannelId, Message)>,
    labels: BTreeMap<ChannelId, String>,
    /// Arriving datagrams are shown to it first.
    pub(crate) tamper: Option<Tamper>,
}

/// Is given the session, the addresses and an arriving datagram before the session is.
pub(crate) type Tamper = Box<dyn FnMut(&mut Session, Instant, SocketAddr, SocketAddr, &[u8]) + Send>;

impl Peer {
    pub(crate) fn new(number: usize, now: Instant, seed: [u8; 32]) -> Self {
        let pem = sim::IDENTITIES[number];
        let mut config = Config::new(Identity::from_pem(pem, pem).expect("a certificate and its key"));
        // On the worst networks the last message takes longer than people like to wait.
        config.close_timeout = Duration::from_secs(60);
        Self {
            session: Session::new(config, now, seed),
            candidates: VecDeque::new(),
            heard: BTreeMap::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            states: Vec::new(),
            outbox: VecDeque::new(),
            labels: BTreeMap::new(),
            tamper: None,
        }
    }

    pub(crate) fn open(&mut self, now: Instant, options: Options) -> ChannelId {
        let label = options.label.clone();
        let id = self.session.open_channel(now, options).unwrap();
        self.labels.insert(id, label);
        self.react(now);
        id
    }

    /// The channel with this label, made by either side.
    pub(crate) fn channel(&self, label: &str) -> Option<ChannelId> {
        self.labels.iter().find(|(_, its)| *its == label).map(|(id, _)| *id)
    }

    /// Sends now or as soon as there is room.
    pub(crate) fn send(&mut self, now: Instant, id: ChannelId, message: Message) {
        self.outbox.push_back((id, message));
        self.react(now);
    }

    /// Whether all that was to be sent has been accepted.
    pub(crate) fn has_sent(&self) -> bool {
        self.outbox.is_empty()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.connection_state() == ConnectionState::Connected
    }

    pub(crate) fn heard(&self, label: &str) -> &[Message] {
        self.heard.get(label).map_or(&[], Vec::as_slice)
    }

    /// What an application does after everything that may have changed something.
    pub(crate) fn react(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            // Of all that may happen, now and in later versions, this is what matters here.
            if let Event::IceCandidate(candidate) = event {
                self.candidates.push_back(candidate);
            } else if let Event::ConnectionState(state) = event {
                self.states.push(state);
            } else if let Event::Channel(event) = event {
                self.channel_event(now, event);
            }
        }
        while let Some((id, message)) = self.outbox.pop_front() {
            match self.session.send(now, id, message) {
                Ok(()) => {}
                Err(SendError { reason: SendErrorReason::Full { .. }, message }) => {
                    self.outbox.push_front((id, message));
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn channel_event(&mut self, now: Instant, event: datachannel::Event) {
        use datachannel::Event::{
            Abandoned, BufferedAmountLow, Closed, Closing, Connected, Delivered, Disconnected, Error, Incoming, Opened,
            Readable, Undelivered, Writable,
        };
        match event {
            Opened(id) | Incoming(id) => {
                let label = self.session.channels().info(id).expect("it has just opened").label.clone();
                self.labels.insert(id, label.clone());
                self.opened.push(label);
            }
            Readable(id) => {
                let label = self.labels[&id].clone();
                while let Some(message) = self.session.read(now, id) {
                    self.heard.entry(label.clone()).or_default().push(message);
                }
            }
            Closed(id) => self.closed.push(self.labels[&id].clone()),
            Connected | Writable(_) | BufferedAmountLow(_) | Delivered(_) | Abandoned(_) | Closing(_) | Error(..)
            | Disconnected(_) | Undelivered(..) => {}
        }
    }
}

impl fmt::Display for Peer {
    /// What may tell why a run stands still.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard: Vec<_> = self.heard.iter().map(|(label, messages)| format!("{label} {}", messages.len())).collect();
        let stats = self.session.stats();
        write!(f, "{:?}, heard {heard:?}, {} to send, {:?}", self.states, self.outbox.len(), stats.channels)
    }
}

/// Answers binding requests with the address they came from.
#[derive(Default)]
pub(crate) struct StunServer {
    answers: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Node for Host {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        match self {
            Self::Peer(peer) => {
                if let Some(tamper) = &mut peer.tamper {
                    tamper(&mut peer.session, now, local, remote, datagram);
                }
                peer.session.handle_datagram(now, local, remote, datagram);
                peer.react(now);
            }
            Self::Stun(server) => {
                let Ok(request) = stun::Message::decode(datagram) else { return };
                let mut answer = Vec::new();
                Builder::new(&mut answer, Class::Success, Method::BINDING, request.transaction_id())
                    .attribute(&Attribute::XorMappedAddress(remote));
                server.answers.push_back((local, remote, answer));
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Peer(peer) = self {
            peer.session.handle_timeout(now);
            peer.react(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Self::Peer(peer) => peer.session.poll_transmit(now, buf).map(|route| (route.local, route.remote)),
            Self::Stun(server) => {
                let (local, remote, answer) = server.answers.pop_front()?;
                buf.extend(answer);
                Some((local, remote))
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Peer(peer) => peer.session.poll_timeout(),
            Self::Stun(_) => None,
        }
    }
}
