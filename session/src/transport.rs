//! The path and the keys: ICE finds the way, DTLS secures it, and what is inside goes to the layer above.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ice::Route;

use crate::demux::Protocol;
use crate::traffic::Traffic;
use crate::{Config, DtlsState, TransportStats};

/// What both descriptions together say about DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Security {
    pub(crate) role: dtls::Role,
    pub(crate) peer_fingerprints: Vec<dtls::Fingerprint>,
}

/// What became of DTLS; each state owns what it needs.
///
/// ```text
/// Waiting --descriptions agree, a path works--> Running --close, alert, timeout--> Ended
///    |  keeps the peer's first datagrams                                             ^
///    +--close------------------------------------------------------------------------+
/// ```
enum Secure {
    Waiting {
        security: Option<Security>,
        early: Vec<Vec<u8>>,
    },
    Running {
        security: Security,
        connection: Box<dtls::Connection>,
    },
    /// `connection` still has last words to send; `error` says why, if nobody here asked for the end.
    Ended {
        error: Option<dtls::Error>,
        connection: Option<Box<dtls::Connection>>,
    },
}

/// ICE and DTLS of one connection, and the demultiplexer between them.
pub(crate) struct Transport {
    pub(crate) ice: ice::Agent,
    secure: Secure,
    settings: Settings,
    seed: [u8; 32],
    stats: TransportStats,
    pub(crate) traffic: Traffic,
}

/// What DTLS needs of the configuration once it starts.
struct Settings {
    identity: dtls::Identity,
    srtp_profiles: Vec<dtls::SrtpProfile>,
    key_log: Option<std::sync::Arc<dyn dtls::KeyLog>>,
    mtu: usize,
    early_datagrams: usize,
}

/// The two kinds of media datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaProtocol {
    Rtp,
    Rtcp,
}

/// What the layers above must hear of.
pub(crate) enum Heard {
    Ice(Box<ice::Event>),
    /// DTLS has begun to shake hands.
    Connecting,
    /// Keys are agreed, and the peer is who its description said.
    Connected,
    Ended(dtls::Error),
    /// DTLS cannot even begin.
    Misconfigured(dtls::ConfigError),
}

impl Transport {
    pub(crate) fn new(config: &Config, now: Instant, ice_seed: [u8; 32], dtls_seed: [u8; 32]) -> Self {
        Self {
            ice: ice::Agent::new(config.ice.clone(), now, ice_seed),
            secure: Secure::Waiting { security: None, early: Vec::new() },
            settings: Settings {
                identity: config.identity.clone(),
                srtp_profiles: config.srtp_profiles.clone(),
                key_log: config.key_log.clone(),
                mtu: config.mtu,
                early_datagrams: config.early_datagrams,
            },
            seed: dtls_seed,
            stats: TransportStats::default(),
            traffic: Traffic::default(),
        }
    }

    /// What is agreed about DTLS, if anything yet.
    pub(crate) fn security(&self) -> Option<&Security> {
        match &self.secure {
            Secure::Waiting { security, .. } => security.as_ref(),
            Secure::Running { security, .. } => Some(security),
            Secure::Ended { .. } => None,
        }
    }

    /// What the running DTLS was started with, which cannot change any more.
    pub(crate) fn running_security(&self) -> Option<&Security> {
        match &self.secure {
            Secure::Running { security, .. } => Some(security),
            Secure::Waiting { .. } | Secure::Ended { .. } => None,
        }
    }

    /// Which side of DTLS this is, once that is connected.
    pub(crate) fn connected_role(&self) -> Option<dtls::Role> {
        match &self.secure {
            Secure::Running { security, connection } if connection.is_connected() => Some(security.role),
            Secure::Waiting { .. } | Secure::Running { .. } | Secure::Ended { .. } => None,
        }
    }

    /// Both descriptions agree; DTLS starts as soon as there is a path.
    pub(crate) fn secure(&mut self, agreed: Security) {
        if let Secure::Waiting { security, .. } = &mut self.secure {
            *security = Some(agreed);
        }
    }

    pub(crate) fn dtls_state(&self) -> DtlsState {
        match &self.secure {
            Secure::Waiting { .. } => DtlsState::New,
            Secure::Running { connection, .. } if connection.is_connected() => DtlsState::Connected,
            Secure::Running { .. } => DtlsState::Connecting,
            Secure::Ended { error: None | Some(dtls::Error::PeerClosed), .. } => DtlsState::Closed,
            Secure::Ended { error: Some(_), .. } => DtlsState::Failed,
        }
    }

    pub(crate) fn dtls(&self) -> Option<&dtls::Connection> {
        match &self.secure {
            Secure::Running { connection, .. } => Some(connection),
            Secure::Waiting { .. } | Secure::Ended { .. } => None,
        }
    }

    /// The certificate of this side, in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        self.settings.identity.certificate_der()
    }

    pub(crate) fn stats(&self) -> TransportStats {
        self.stats
    }

    /// Gives each layer what is its own, and says so where it is media, which is not unprotected here. All but STUN
    /// counts only from where a connectivity check has passed, so that nobody off the path can even start a handshake.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &mut [u8],
        on_plaintext: impl FnMut(&mut [u8]),
    ) -> Option<MediaProtocol> {
        self.stats.datagrams_received += 1;
        self.stats.bytes_received += datagram.len() as u64;
        let route = Route { local, remote };
        let length = datagram.len();
        match Protocol::of(datagram) {
            Protocol::Stun => self.ice.handle_datagram(now, local, remote, datagram),
            Protocol::Dtls | Protocol::Rtp | Protocol::Rtcp if !self.ice.is_valid(route) => {
                self.stats.unchecked_dropped += 1;
                tracing::debug!(%remote, "dropped what came from an address without a passed check");
            }
            Protocol::Dtls => {
                self.traffic.receive(now, route, length);
                self.handle_dtls(now, datagram, on_plaintext);
            }
            Protocol::Rtp => {
                self.traffic.receive(now, route, length);
                return Some(MediaProtocol::Rtp);
            }
            Protocol::Rtcp => {
                self.traffic.receive(now, route, length);
                return Some(MediaProtocol::Rtcp);
            }
            Protocol::Zrtp | Protocol::TurnChannel | Protocol::Quic | Protocol::Unknown => {
                self.stats.unknown_dropped += 1;
            }
        }
        None
    }

    /// Media that nobody has asked for, or that came before its keys.
    pub(crate) const fn count_unknown(&mut self) {
        self.stats.unknown_dropped += 1;
    }

    /// The largest plaintext that the peer takes in one record, if it said so.
    pub(crate) fn record_limit(&self) -> Option<usize> {
        let Secure::Running { connection, .. } = &self.secure else { return None };
        connection.record_limit()
    }

    /// The keys for media, as soon as DTLS has agreed on them (RFC 5764, section 4.2): how they are used, what the
    /// exporter gives, and our role.
    pub(crate) fn media_keys(&self) -> Option<(dtls::SrtpProfile, Vec<u8>, dtls::Role)> {
        let Secure::Running { security, connection } = &self.secure else { return None };
        let profile = connection.srtp_profile().filter(|_| connection.is_connected())?;
        let (key, salt) = profile.key_and_salt();
        let mut material = vec![0; 2 * (key + salt)];
        connection.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut material).ok()?;
        Some((profile, material, security.role))
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &mut [u8], on_plaintext: impl FnMut(&mut [u8])) {
        match &mut self.secure {
            Secure::Running { connection, .. } => connection.handle_datagram(now, datagram, on_plaintext),
            Secure::Waiting { early, .. } => {
                if early.len() < self.settings.early_datagrams {
                    early.push(datagram.to_vec());
                } else {
                    self.stats.early_dropped += 1;
                }
            }
            Secure::Ended { .. } => self.stats.late_dropped += 1,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.ice.handle_timeout(now);
        if let Secure::Running { connection, .. } = &mut self.secure {
            connection.handle_timeout(now);
        }
    }

    /// Starts DTLS when all it needs is there: roles and fingerprints from the descriptions, a path from ICE. What
    /// came too early is handled first, as if it had just arrived.
    pub(crate) fn start_dtls(&mut self, now: Instant, mut on_plaintext: impl FnMut(&mut [u8])) -> Option<Heard> {
        let Secure::Waiting { security: Some(agreed), early } = &mut self.secure else { return None };
        self.ice.route()?;
        let mut config =
            dtls::Config::new(self.settings.identity.clone(), agreed.role, agreed.peer_fingerprints.clone());
        config.mtu = self.settings.mtu;
        // A session of data alone offers it too, so that media can be added to it later.
        config.srtp_profiles.clone_from(&self.settings.srtp_profiles);
        config.rtt = self.ice.rtt();
        // The peer may not have our answer yet, which people carry by hand. ICE tells when nobody is there.
        config.first_answer_timeout = None;
        config.key_log.clone_from(&self.settings.key_log);
        let (security, early) = (agreed.clone(), std::mem::take(early));
        let mut connection = match dtls::Connection::new(config, now, self.seed) {
            Ok(connection) => Box::new(connection),
            Err(error) => return Some(Heard::Misconfigured(error)),
        };
        for mut datagram in early {
            connection.handle_datagram(now, &mut datagram, &mut on_plaintext);
        }
        self.secure = Secure::Running { security, connection };
        Some(Heard::Connecting)
    }

    pub(crate) fn poll(&mut self) -> Option<Heard> {
        if let Some(event) = self.ice.poll_event() {
            return Some(Heard::Ice(Box::new(event)));
        }
        let Secure::Running { connection, .. } = &mut self.secure else { return None };
        match connection.poll_event()? {
            dtls::Event::Connected => Some(Heard::Connected),
            dtls::Event::Closed(error) => {
                self.end(Some(error.clone()));
                Some(Heard::Ended(error))
            }
        }
    }

    fn end(&mut self, error: Option<dtls::Error>) {
        let ended = Secure::Ended { error, connection: None };
        if let Secure::Running { connection, .. } = std::mem::replace(&mut self.secure, ended)
            && let Secure::Ended { connection: last, .. } = &mut self.secure
        {
            *last = Some(connection);
        }
    }

    /// Appends one datagram: a connectivity check, a flight of DTLS, media, which `append_media` has protected itself,
    /// or what `append` has to say, sealed.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        append_media: impl FnOnce(&mut Vec<u8>) -> bool,
        append: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Option<Route> {
        let before = buf.len();
        let (route, is_check) = match &mut self.secure {
            Secure::Ended { connection, .. } => {
                // Nothing but last words, along the path that was in use.
                let route = self.ice.route()?;
                let has_more = connection.as_mut().is_some_and(|connection| connection.poll_transmit(now, buf));
                has_more.then_some((route, false))?
            }
            Secure::Waiting { .. } => (self.ice.poll_transmit(now, buf)?, true),
            Secure::Running { connection, .. } => match self.ice.poll_transmit(now, buf) {
                Some(route) => (route, true),
                None => {
                    let route = self.ice.route()?;
                    let has_more = connection.poll_transmit(now, buf)
                        || (connection.is_connected() && append_media(buf))
                        || connection.seal(buf, append);
                    has_more.then_some((route, false))?
                }
            },
        };
        let length = buf.len() - before;
        self.stats.datagrams_sent += 1;
        self.stats.bytes_sent += length as u64;
        if !is_check {
            self.traffic.send(now, route, length);
        }
        Some(route)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let dtls = match &self.secure {
            Secure::Running { connection, .. } => connection.poll_timeout(),
            Secure::Waiting { .. } | Secure::Ended { .. } => None,
        };
        [self.ice.poll_timeout(), dtls].into_iter().flatten().min()
    }

    /// Says goodbye to the peer's DTLS, if there is one.
    pub(crate) fn close_dtls(&mut self, now: Instant) {
        match &mut self.secure {
            Secure::Running { connection, .. } => {
                connection.close(now);
                self.end(None);
            }
            Secure::Waiting { .. } => self.end(None),
            Secure::Ended { .. } => {}
        }
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.ice.rtt()
    }
}
