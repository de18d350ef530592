use std::sync::Arc;
use std::time::Duration;

use crate::MediaConfig;

/// What one session is made with. Every queue of a session has its bound here or in the configurations of its layers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The certificate shown to the peer, and its key.
    pub identity: dtls::Identity,
    /// Settings of ICE; the role follows from who offers.
    pub ice: ice::Config,
    /// Settings of data channels and of SCTP beneath them.
    pub channels: datachannel::Config,
    /// The largest UDP payload sent, in bytes. 1200 passes everywhere (RFC 8831, section 5).
    pub mtu: usize,
    /// Find out by probes whether the path carries larger datagrams than `mtu`, and send data in such (RFC 8899). Only
    /// where the peer says that it takes such (RFC 8449), which Chromium does not.
    pub path_mtu_discovery: bool,
    /// The DTLS role taken when the peer leaves the choice to us. `Client` saves a round trip, as the answerer
    /// knows everything first (RFC 8829, section 5.3.1).
    pub dtls_role: dtls::Role,
    /// How media may be protected, by preference (RFC 5764, section 4.1.2): what is offered as client of DTLS, and what is
    /// chosen from as server, whose preference decides. With a peer that shares none of them, or with none at all, there is
    /// no media, and the data channels are as ever. The default begins with authenticated encryption, which is the
    /// cheapest by far on processors that have it in hardware, and ends with what every peer has (RFC 8827, section 6.5);
    /// `Aes128CmSha1_32`, whose short tags are easier to forge, is used only where it is named here.
    pub srtp_profiles: Vec<dtls::SrtpProfile>,
    /// Where the secrets of DTLS are told, in the format of NSS, for tools such as Wireshark.
    pub key_log: Option<Arc<dyn dtls::KeyLog>>,
    /// How many datagrams of the peer's DTLS are kept while this side is not ready for them.
    pub early_datagrams: usize,
    /// How many candidates are kept that come before the remote description they belong to.
    pub early_candidates: usize,
    /// Bounds and defaults of media.
    pub media: MediaConfig,
    /// The time since the Unix epoch at which the session is made, for the reports of media; it need not be exact.
    pub unix_time: Duration,
    /// Which sections of our offers need a peer that bundles.
    pub bundle_policy: BundlePolicy,
    /// How many transceivers there may be; further media sections of the peer are refused.
    pub max_transceivers: usize,
    /// How many events wait to be polled, those of channels apart, before the oldest give way.
    pub max_events: usize,
    /// How long [`Session::close`](crate::Session::close) tries to deliver what was accepted.
    pub close_timeout: Duration,
}

impl Config {
    /// The default of [`srtp_profiles`](Self::srtp_profiles).
    pub const SRTP_PROFILES: [dtls::SrtpProfile; 3] =
        [dtls::SrtpProfile::AeadAes128Gcm, dtls::SrtpProfile::AeadAes256Gcm, dtls::SrtpProfile::Aes128CmSha1_80];

    /// The defaults, with this identity.
    pub fn new(identity: dtls::Identity) -> Self {
        // An answerer behind a NAT keeps it open for an offerer who gets the answer by hand, and cannot be heard before.
        // Nobody should have to wait longer than this to hear that there is no way.
        let ice = ice::Config { unheard_patience: Duration::from_secs(120), ..ice::Config::default() };
        Self {
            identity,
            ice,
            channels: datachannel::Config::default(),
            mtu: 1200,
            path_mtu_discovery: true,
            dtls_role: dtls::Role::Client,
            srtp_profiles: Self::SRTP_PROFILES.to_vec(),
            key_log: None,
            early_datagrams: 16,
            early_candidates: 64,
            media: MediaConfig::default(),
            unix_time: Duration::ZERO,
            bundle_policy: BundlePolicy::default(),
            max_transceivers: 64,
            max_events: 1024,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// Which media sections of an offer are good only for a peer that bundles them (`RTCBundlePolicy`; RFC 8829, section
/// 4.1.1).
///
/// A session has one transport, and all that it carries goes over it: so every section is offered in one BUNDLE group,
/// whatever the policy. The policy says which of them are marked bundle-only, with port 0 (RFC 8843, section 6). A peer
/// that does not bundle refuses those by itself. Of the sections that it takes nevertheless one is kept, that of the data
/// channels if it is among them, or else the first; the others are over as if it had refused them, and the next offer,
/// which [`Event::NegotiationNeeded`](crate::Event::NegotiationNeeded) asks for, tells it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BundlePolicy {
    /// All but the first section of each kind are bundle-only.
    Balanced,
    /// No section is.
    MaxCompat,
    /// All but the first section are, as there is one transport; the default.
    #[default]
    MaxBundle,
}
