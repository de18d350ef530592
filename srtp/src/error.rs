use wire::Malformed;

/// Why a packet could not be protected. Given to who sends only: what arrives and is refused is counted, see
/// [`Stats`](crate::Stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// These bytes are no RTP or RTCP packet.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The packet is longer than any datagram.
    #[error("the packet is too long")]
    TooLong,
    /// A packet with this SSRC and sequence number was protected before, or is so old that nobody knows. Two packets
    /// under one nonce would betray their difference, and with GCM the key of the tags (RFC 7714, section 8.4): what
    /// is to be sent again as it was must be kept as it was sent.
    #[error("the sequence number was used before")]
    Repeated,
    /// More SSRCs than [`Config::max_streams`](crate::Config::max_streams).
    #[error("too many synchronization sources")]
    TooManyStreams,
    /// The key has protected all the packets that it may: 2^48 of RTP or 2^31 of RTCP in one stream (RFC 3711,
    /// section 9.2). Only a new handshake helps.
    #[error("the key is used up")]
    KeyUsedUp,
    /// The cryptography provider failed at something that should not fail.
    #[error("encryption failed")]
    Provider,
}
