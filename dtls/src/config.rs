use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::KeyLog;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};

use crate::crypto::suite::Suite;
use crate::fingerprint::Fingerprint;
use crate::identity::Identity;
use crate::srtp::SrtpProfile;

/// Which side of the handshake this is. In session descriptions: `a=setup:active` is the client (RFC 5763, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends the ClientHello.
    Client,
    /// Waits for it.
    Server,
}

/// What a [`Connection`](crate::Connection) is to do. Made by [`Config::new`]; every field may be changed afterwards.
#[derive(Clone)]
pub struct Config {
    /// Who this side is.
    pub identity: Identity,
    /// Which side of the handshake this is.
    pub role: Role,
    /// Who the peer must be: one or several fingerprints out of its session description, never none. Of several hash
    /// functions the strongest decides.
    pub peer_fingerprints: Vec<Fingerprint>,
    /// SRTP protection profiles to offer or to choose from, by preference; none: no `use_srtp`. The server's
    /// preference decides.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// The most bytes in a datagram of the handshake (what UDP carries): at least 128, 1200 unless changed.
    pub mtu: usize,
    /// As server, whether to ask for a cookie before anything is computed (RFC 6347, section 4.2.1). Needless behind
    /// ICE, which has proved the peer's address; a round trip more.
    pub require_cookie: bool,
    /// Whether the peer must bind the master secret to the handshake (RFC 7627). True unless changed; false lets in
    /// very old peers.
    pub require_extended_master_secret: bool,
    /// The path's round-trip time, as ICE measured it. Lost flights are repeated after twice that (50 ms to 3 s); after
    /// one second if nothing is known.
    pub rtt: Option<Duration>,
    /// The longest pause between repetitions of a flight, which doubles up to it: 3 s unless changed. Below the 60 s of
    /// RFC 6347, section 4.2.4.1, because ICE's consent tells when a path is dead.
    pub max_retransmit_interval: Duration,
    /// How long the handshake may take from the first that is heard of the peer: 30 s unless changed.
    pub handshake_timeout: Duration,
    /// How long a client repeats its hello before anything is heard of the peer: 30 s unless changed. None: as long as
    /// the owner likes, for a peer that cannot answer yet, having still to be told by other ways who this side is.
    pub first_answer_timeout: Option<Duration>,
    /// The most bytes in a handshake message of the peer: 32 KiB unless changed.
    pub max_handshake_message: usize,
    /// The most bytes held of handshake messages that are not complete or not in order: 64 KiB unless changed.
    pub max_reassembly: usize,
    /// The most bytes held of records that arrived before their keys, or before the handshake was complete: 32 KiB
    /// unless changed. What is beyond is dropped, as if the network had lost it.
    pub max_early: usize,
    /// Is told the secrets, for analysis of captured traffic: [`rustls::KeyLogFile`] writes the file that the
    /// environment's `SSLKEYLOGFILE` names.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// Where cryptography comes from: cipher suites and groups by preference, verification, randomness for keys.
    pub provider: Arc<CryptoProvider>,
}

impl Config {
    /// A configuration with the identity, role and peer given and the defaults told at each field.
    pub fn new(identity: Identity, role: Role, peer_fingerprints: Vec<Fingerprint>) -> Self {
        Self {
            identity,
            role,
            peer_fingerprints,
            srtp_profiles: Vec::new(),
            mtu: 1200,
            require_cookie: false,
            require_extended_master_secret: true,
            rtt: None,
            max_retransmit_interval: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(30),
            first_answer_timeout: Some(Duration::from_secs(30)),
            max_handshake_message: 32 * 1024,
            max_reassembly: 64 * 1024,
            max_early: 32 * 1024,
            key_log: None,
            provider: Arc::new(provider()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.peer_fingerprints.is_empty() {
            return Err(ConfigError::NoFingerprint);
        }
        if self.mtu < MIN_MTU {
            return Err(ConfigError::MtuTooSmall(self.mtu));
        }
        if Suite::all(&self.provider).next().is_none() || self.groups().next().is_none() {
            return Err(ConfigError::UnusableProvider);
        }
        Ok(())
    }

    /// The provider's key exchange groups that DTLS 1.2 can use: no hybrids, which came with 1.3.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &'static dyn rustls::crypto::SupportedKxGroup> {
        let groups = self.provider.kx_groups.iter().copied();
        groups.filter(|group| CURVES.contains(&group.name()))
    }
}

const MIN_MTU: usize = 128;

/// The groups of RFC 8422 that are still in use.
const CURVES: [rustls::NamedGroup; 3] =
    [rustls::NamedGroup::X25519, rustls::NamedGroup::secp256r1, rustls::NamedGroup::secp384r1];

/// rustls on aws-lc-rs, with AES-128-GCM first: it is the suite every WebRTC peer has (RFC 8827, section 6.5), and the
/// fastest.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..default_provider()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("identity", &self.identity)
            .field("role", &self.role)
            .field("peer_fingerprints", &self.peer_fingerprints)
            .field("mtu", &self.mtu)
            .finish_non_exhaustive()
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Without a fingerprint anybody could be the peer.
    #[error("the peer's fingerprint is missing; take it from the peer's session description")]
    NoFingerprint,
    /// Datagrams of this size cannot carry a handshake.
    #[error("an MTU of {0} bytes is too small; at least {MIN_MTU} are needed")]
    MtuTooSmall(usize),
    /// The provider has no ECDHE cipher suite for TLS 1.2, or none of X25519, P-256 and P-384.
    #[error("the cryptography provider has no TLS 1.2 cipher suite or no key exchange group that can be used")]
    UnusableProvider,
}
