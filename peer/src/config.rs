//! What a peer connection is made with.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use session::datachannel::sctp::Congestion;
use session::dtls::{Identity, KeyLog, SrtpProfile};

use crate::driver::interfaces::Interface;
use crate::error::Error;

/// Decides which network addresses are used; given to [`Config::interface_filter`].
pub type InterfaceFilter = Arc<dyn Fn(&Interface) -> bool + Send + Sync>;

/// What a peer connection is made with. The defaults serve; every queue has its bound here.
///
/// ```
/// let config = visavis::Config {
///     ice_servers: vec!["stun:stun.example.org:3478".into()],
///     include_loopback: true,
///     ..visavis::Config::default()
/// };
/// ```
#[derive(Clone)]
pub struct Config {
    /// STUN servers that tell this peer its public address, as `stun:HOST[:PORT]` (RFC 7064; the port is 3478 by
    /// default). Names are resolved when gathering begins. A server that is dead or unknown does no harm.
    pub ice_servers: Vec<String>,
    /// Descriptions are returned at once and candidates follow as events (trickle ICE, RFC 8838), instead of
    /// descriptions that are complete. Only [`crate::Initiator`] and [`crate::Receiver`] look at this.
    pub trickle: bool,
    /// How long a complete description waits for the last candidates. It returns at once when all are known.
    pub gathering_timeout: Duration,
    /// Also use the loopback addresses, with the lowest priority. Without this they are used only where there is
    /// no other address at all.
    pub include_loopback: bool,
    /// Also use link-local addresses (169.254.0.0/16 and fe80::/10). Without this they are used only where there is
    /// nothing better.
    pub include_link_local: bool,
    /// Which of the usable addresses to use; `None`: those of interfaces that are up, without the bridges of docker,
    /// libvirt, LXC, podman and virtual machines, which lead nowhere that others can reach.
    pub interface_filter: Option<InterfaceFilter>,
    /// Use exactly these addresses instead of looking at the interfaces.
    pub bind_addresses: Vec<IpAddr>,
    /// The UDP ports to use; `0..=0`: any free port.
    pub ports: RangeInclusive<u16>,
    /// How many addresses, and so sockets, are used at most.
    pub max_sockets: usize,
    /// The buffer asked for in the kernel for each socket and direction, in bytes. What was granted is told by
    /// [`crate::PeerConnection::stats`]; raise `net.core.rmem_max` and `net.core.wmem_max` where it is less.
    pub socket_buffer: usize,
    /// The largest message accepted from the peer, in bytes; told in the description as `max-message-size`. `usize::MAX`
    /// is no limit: then messages larger than `receive_buffer` have to be read with
    /// [`DataChannel::recv_chunks`](crate::DataChannel::recv_chunks), and end the channel if they are not.
    pub max_message_size: usize,
    /// How many bytes may wait to be sent on each channel before `send` waits and `try_send` refuses. A message must
    /// fit as a whole, unless it is sent in parts ([`DataChannel::begin`](crate::DataChannel::begin)): a larger one is
    /// refused with [`crate::Error::MessageTooLarge`], which tells this limit and the peer's, even if the peer would
    /// accept it. What is in flight on all channels together takes up to eight times as much memory on long and fast
    /// paths, and 32 MiB at most.
    pub send_buffer: usize,
    /// How many bytes of received messages each channel keeps ready for the application, 64 more being counted for
    /// each message. What is beyond stays in SCTP, and the peer is told to wait.
    pub receive_buffer: usize,
    /// How data channels share the path with others, and what they make of losses: CUBIC, NewReno or BBR.
    pub congestion: Congestion,
    /// SCTP's largest receive window for all channels together, in bytes (RFC 9260, section 6.2); `None`: its default.
    /// It begins smaller, and grows with what the path carries and the application reads.
    pub receive_window: Option<u32>,
    /// How many data channels may exist at once, those of the peer included.
    pub max_channels: usize,
    /// Which media sections of an offer need a peer that bundles; see there what becomes of those that do not.
    pub bundle_policy: session::BundlePolicy,
    /// How many transceivers may exist at once, those of the peer's offers included.
    pub max_transceivers: usize,
    /// How many received frames of a track wait for the application before the oldest give way.
    pub frame_queue: usize,
    /// Bounds and defaults of media.
    pub media: session::MediaConfig,
    /// How many events wait in each [`crate::Events`] stream before the oldest give way.
    pub event_queue: usize,
    /// How long closing tries to deliver what was accepted, and how long a channel may take to close.
    pub close_timeout: Duration,
    /// The certificate that identifies this peer; `None`: a new ECDSA P-256 one for each connection, as browsers do.
    pub identity: Option<Identity>,
    /// How media may be protected, by preference: what is offered as client of DTLS, and what is chosen from as server,
    /// whose preference decides (RFC 5764, section 4.1.2). With a peer that shares none of them there is no media, and the
    /// data channels are as ever; [`TransportStats::srtp_cipher`](crate::TransportStats::srtp_cipher) tells which one is in
    /// use. By default AES-GCM with 128 and with 256 bits, then what every peer has (RFC 8827, section 6.5).
    pub srtp_profiles: Vec<SrtpProfile>,
    /// Where the secrets of DTLS are told, for tools such as Wireshark. By default, the file that the environment's
    /// `SSLKEYLOGFILE` names, and nowhere without that.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// The largest UDP payload sent, in bytes. 1200 passes everywhere (RFC 8831, section 5).
    pub mtu: usize,
    /// Find out by probes whether the path carries larger datagrams than [`mtu`](Self::mtu), and send data in such
    /// (RFC 8899): faster, and cheaper. Only where the peer says that it takes such (RFC 8449), which Chromium does not. A
    /// path that carries them no longer is noticed within a few round trips.
    pub path_mtu_discovery: bool,
    /// How long to look for an answer before sleeping until it comes, where answers have been coming within a fraction of
    /// a millisecond: messages go back and forth several times as fast, at the price of some processor time. Other tasks
    /// of the same thread are not held up. Zero: always sleep.
    pub busy_wait: Duration,
}

/// What every IPv6 path carries is 1280 bytes, and every IPv4 path 576 with its headers; less makes no sense.
const MIN_MTU: usize = 548;

impl Default for Config {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            trickle: false,
            gathering_timeout: Duration::from_secs(3),
            include_loopback: false,
            include_link_local: false,
            interface_filter: None,
            bind_addresses: Vec::new(),
            ports: 0..=0,
            max_sockets: 16,
            socket_buffer: 4 << 20,
            max_message_size: 256 << 10,
            send_buffer: 4 << 20,
            receive_buffer: 1 << 20,
            congestion: Congestion::default(),
            receive_window: None,
            max_channels: 1024,
            bundle_policy: session::BundlePolicy::default(),
            max_transceivers: 64,
            frame_queue: 128,
            media: session::MediaConfig::default(),
            event_queue: 256,
            close_timeout: Duration::from_secs(10),
            identity: None,
            srtp_profiles: session::Config::SRTP_PROFILES.to_vec(),
            key_log: environment_key_log(),
            mtu: 1200,
            path_mtu_discovery: true,
            busy_wait: Duration::from_micros(50),
        }
    }
}

/// The file that `SSLKEYLOGFILE` names, opened once for all connections.
fn environment_key_log() -> Option<Arc<dyn KeyLog>> {
    static FILE: LazyLock<Option<Arc<rustls::KeyLogFile>>> =
        LazyLock::new(|| std::env::var_os("SSLKEYLOGFILE").map(|_| Arc::new(rustls::KeyLogFile::new())));
    FILE.clone().map(|file| file as Arc<dyn KeyLog>)
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the private key nor closures have anything to show.
        f.debug_struct("Config")
            .field("ice_servers", &self.ice_servers)
            .field("trickle", &self.trickle)
            .field("gathering_timeout", &self.gathering_timeout)
            .field("include_loopback", &self.include_loopback)
            .field("bind_addresses", &self.bind_addresses)
            .field("ports", &self.ports)
            .field("max_message_size", &self.max_message_size)
            .field("send_buffer", &self.send_buffer)
            .field("receive_buffer", &self.receive_buffer)
            .field("congestion", &self.congestion)
            .field("max_channels", &self.max_channels)
            .field("close_timeout", &self.close_timeout)
            .finish_non_exhaustive()
    }
}

/// A STUN server's address before names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StunServer {
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl StunServer {
    /// Parses `stun:host[:port]`, with IPv6 addresses in brackets (RFC 7064, section 3.1).
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let problem = |what: &str| Error::Config(format!("{url:?} is no STUN URL: {what}"));
        let (scheme, rest) = url.split_once(':').ok_or_else(|| problem("it looks like `stun:host:port`"))?;
        if !scheme.eq_ignore_ascii_case("stun") {
            return Err(problem("only the scheme `stun:` is supported"));
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(|| problem("the bracket is not closed"))?;
                (host, after.strip_prefix(':').or(if after.is_empty() { None } else { Some(after) }))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| problem("the port is a number from 1 to 65535"))?,
            None => 3478,
        };
        let has_room_for_more = host.contains(['/', '?', '#', '@', ' ']);
        if host.is_empty() || has_room_for_more || port == 0 {
            return Err(problem("it looks like `stun:host:port`, without anything else"));
        }
        Ok(Self { url: url.to_owned(), host: host.to_owned(), port })
    }
}

impl Config {
    /// Whether a connection can be made with this, as far as that can be seen without making one.
    ///
    /// ```
    /// let config = visavis::Config { ice_servers: vec!["stun.example.org".into()], ..visavis::Config::default() };
    /// println!("{}", config.check().unwrap_err()); // says what is wrong with the URL
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Config`], with the words of [`crate::PeerConnection::new`]: a server that is no STUN URL, an empty
    /// range of ports, an MTU that is too small.
    pub fn check(&self) -> Result<(), Error> {
        self.stun_servers()?;
        if self.ports.is_empty() {
            return Err(Error::Config(format!("`ports` is empty: {:?} ends before it starts", self.ports)));
        }
        if self.mtu < MIN_MTU {
            return Err(Error::Config(format!("`mtu` is {}, and must be at least {MIN_MTU}", self.mtu)));
        }
        Ok(())
    }

    /// The part of it that concerns the protocols.
    pub(crate) fn session(&self) -> Result<session::Config, Error> {
        self.check()?;
        let identity = match &self.identity {
            Some(identity) => identity.clone(),
            None => Identity::generate().map_err(|error| Error::Identity(error.to_string()))?,
        };
        let mut config = session::Config::new(identity);
        config.mtu = self.mtu;
        config.path_mtu_discovery = self.path_mtu_discovery;
        config.ice.gathering_timeout = self.gathering_timeout;
        config.ice.max_hosts = config.ice.max_hosts.max(self.max_sockets);
        // The driver has the same deadline, which begins earlier: it is to be the first to come.
        config.close_timeout = self.close_timeout.saturating_add(Duration::from_millis(100));
        config.srtp_profiles.clone_from(&self.srtp_profiles);
        config.key_log.clone_from(&self.key_log);
        config.max_transceivers = self.max_transceivers;
        config.bundle_policy = self.bundle_policy;
        config.media = self.media.clone();
        config.unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        config.channels.max_channels = self.max_channels;
        config.channels.sctp.max_message = self.max_message_size;
        config.channels.sctp.partial_delivery = true;
        // SCTP counts what it adds to each fragment, and the largest message must fit nevertheless.
        config.channels.sctp.send_buffer =
            self.send_buffer.saturating_add(self.send_buffer / 4).saturating_add(64 << 10);
        // What is in flight on a long path comes on top of what waits; who asks for small buffers gets small ones.
        config.channels.sctp.max_send_buffer =
            config.channels.sctp.max_send_buffer.min(self.send_buffer.saturating_mul(8));
        config.channels.sctp.congestion = self.congestion;
        if let Some(window) = self.receive_window {
            config.channels.sctp.receive_window = window;
        }
        if self.max_message_size != usize::MAX {
            // Messages that are read whole must fit.
            let least = u32::try_from(self.max_message_size.saturating_add(64 << 10)).unwrap_or(u32::MAX);
            config.channels.sctp.receive_window = config.channels.sctp.receive_window.max(least);
        }
        Ok(config)
    }

    /// What can be seen to be wrong before anything is done.
    pub(crate) fn stun_servers(&self) -> Result<Vec<StunServer>, Error> {
        self.ice_servers.iter().map(|url| StunServer::parse(url)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, StunServer};

    #[test]
    fn stun_urls_are_understood() {
        let cases = [
            ("stun:stun.example.org", "stun.example.org", 3478),
            ("STUN:stun.example.org:19302", "stun.example.org", 19302),
            ("stun:192.0.2.1:5000", "192.0.2.1", 5000),
            ("stun:[2001:db8::1]", "2001:db8::1", 3478),
            ("stun:[2001:db8::1]:5000", "2001:db8::1", 5000),
        ];
        for (url, host, port) in cases {
            let server = StunServer::parse(url).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_their_text() {
        for url in [
            "",
            "stun",
            "stun:",
            "turn:example.org",
            "stun::3478",
            "stun:a:b",
            "stun:a:0",
            "stun:[::1",
            "stun:[::1]3478x",
            "stun://example.org",
            "stun:example.org?transport=udp",
            "stun:a:99999",
        ] {
            let config = Config { ice_servers: vec![url.into()], ..Config::default() };
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(&format!("{url:?}")), "{error}");
        }
    }
}
