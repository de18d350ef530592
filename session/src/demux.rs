//! Which protocol a datagram belongs to, by its first byte (RFC 7983, RFC 9443).

/// The protocols that share one UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    Zrtp,
    Dtls,
    TurnChannel,
    Quic,
    Rtp,
    Rtcp,
    Unknown,
}

impl Protocol {
    /// Looks at the first byte, and for RTP and RTCP at the second as well (RFC 5761, section 4).
    pub(crate) fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [16..=19, ..] => Self::Zrtp,
            [20..=63, ..] => Self::Dtls,
            [64..=79, ..] => Self::TurnChannel,
            [80..=127, ..] => Self::Quic,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn the_first_byte_decides() {
        let ranges = [
            (0, 3, Protocol::Stun),
            (4, 15, Protocol::Unknown),
            (16, 19, Protocol::Zrtp),
            (20, 63, Protocol::Dtls),
            (64, 79, Protocol::TurnChannel),
            (80, 127, Protocol::Quic),
            (128, 191, Protocol::Rtp),
            (192, 255, Protocol::Unknown),
        ];
        for (first, last, protocol) in ranges {
            for byte in first..=last {
                assert_eq!(Protocol::of(&[byte, 96, 0]), protocol, "first byte {byte}");
            }
        }
        assert_eq!(Protocol::of(&[]), Protocol::Unknown);
    }

    #[test]
    fn rtcp_is_told_by_its_packet_type() {
        assert_eq!(Protocol::of(&[0x80, 200]), Protocol::Rtcp);
        assert_eq!(Protocol::of(&[0x81, 223]), Protocol::Rtcp);
        assert_eq!(Protocol::of(&[0x80, 111 | 0x80]), Protocol::Rtp);
    }
}
