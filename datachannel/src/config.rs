/// Which messages open channels in-band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Those of RFC 8832, as every browser speaks them.
    #[default]
    Rfc8832,
    /// Those of its first draft of 2012, which usrsctp's example program `rtcweb` still speaks: for trying out
    /// associations without DTLS against it, and nothing else. Stream identifiers are the lowest free ones from 1,
    /// whatever the role, as that program counts them.
    Draft2012,
}

/// The settings of a [`Channels`](crate::Channels), and every bound on what it keeps.
#[derive(Clone, Debug)]
pub struct Config {
    /// Those of the association. Messages are interleaved where the peer can (RFC 8260), and checksums left out (RFC 9653),
    /// as DTLS is expected around the packets: without it, `zero_checksum` has to be false. Its `max_message` is the largest message that is accepted; tell it to the peer as
    /// `a=max-message-size` (RFC 8841, section 6).
    pub sctp: sctp::Config,
    /// How many channels there are at once, those being closed included; at most 65,535 make sense. Further ones of the
    /// peer are refused by resetting their stream.
    pub max_channels: usize,
    /// The largest message that the peer accepts, in bytes; 0 is no limit. `None` is 65,536, which holds for a peer that
    /// says nothing (RFC 8841, section 6.1). See also
    /// [`Channels::set_remote_max_message`](crate::Channels::set_remote_max_message).
    pub remote_max_message: Option<u64>,
    /// Bytes of labels and protocols that all channels opened by the peer have together.
    pub max_peer_names: usize,
    /// Bytes kept from streams that no channel uses yet, a charge for each message included: the peer may be first to use
    /// a negotiated channel. Further messages of such a stream wait in the receive window; further streams are reset.
    pub max_early: usize,
    /// Bytes that all channels together keep outside of the receive window, a charge for each message included: what was
    /// not read of channels that the peer has closed, and what came right behind an opening. Beyond that, a closing
    /// waits for its reader.
    pub max_unread: usize,
    /// Which messages open channels in-band.
    pub dialect: Dialect,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sctp: sctp::Config { interleaving: true, zero_checksum: true, ..sctp::Config::default() },
            max_channels: 2048,
            remote_max_message: None,
            max_peer_names: 1024 * 1024,
            max_early: 1024 * 1024,
            max_unread: 1024 * 1024,
            dialect: Dialect::Rfc8832,
        }
    }
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Channels that this side opened.
    pub opened: u64,
    /// Channels that the peer opened.
    pub accepted: u64,
    /// Channels that have been open, made by either side.
    pub ever_open: u64,
    /// Channels that are closed.
    pub closed: u64,
    /// Streams reset because what came on them could not become a channel: wrong parity, too many, malformed.
    pub refused: u64,
    /// Malformed messages of the establishment protocol.
    pub malformed: u64,
    /// Messages dropped because they came where they have no meaning.
    pub unexpected: u64,
    /// Messages that arrived after the channel was closed here.
    pub discarded: u64,
}
