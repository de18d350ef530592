//! Priorities and foundations of candidates and pairs (RFC 8445, sections 5.1.1.3, 5.1.2 and 6.1.2.3).

use crate::CandidateKind;
use std::net::{IpAddr, SocketAddr};

/// The priority of a candidate of component 1 (RFC 8445, section 5.1.2.1).
pub(crate) fn of_candidate(kind: CandidateKind, local_preference: u16) -> u32 {
    let type_preference: u32 = match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 0,
    };
    (type_preference << 24) | (u32::from(local_preference) << 8) | 255
}

/// The preference among host candidates: in the order in which they are added, IPv6 and IPv4 in turn.
///
/// Neither family has all its addresses tried before the other, so that a broken one delays nothing (RFC 8421,
/// section 4). Link-local addresses and loopback come last; they reach few peers.
pub(crate) fn local_preference(address: IpAddr, earlier_of_family: usize) -> u16 {
    let turn = u16::try_from(earlier_of_family).unwrap_or(u16::MAX).min(0xfff);
    let family = u16::from(address.is_ipv4());
    let distance = if address.is_loopback() {
        0x8000
    } else if is_link_local(address) {
        0x4000
    } else {
        0
    };
    u16::MAX - distance - 2 * turn - family
}

/// Whether an address is good on its own link only.
pub(crate) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The priority of a pair from those of its candidates (RFC 8445, section 6.1.2.3).
///
/// Priorities end at 2³¹ - 1 (section 5.1.2), which a peer may not know; beyond, the formula would overflow.
pub(crate) fn of_pair(controlling: u32, controlled: u32) -> u64 {
    let [controlling, controlled] = [controlling, controlled].map(|priority| priority.min(u32::MAX >> 1));
    let (low, high) = (controlling.min(controlled), controlling.max(controlled));
    (u64::from(low) << 32) + 2 * u64::from(high) + u64::from(controlling > controlled)
}

/// The foundation of a local candidate: equal for candidates of the same kind, base address and server address, which
/// are likely to work or fail together (RFC 8445, section 5.1.1.3).
///
/// The salt keeps it from telling an address that the candidate itself may hide.
pub(crate) fn foundation(salt: u32, kind: CandidateKind, base: SocketAddr, server: Option<SocketAddr>) -> String {
    // FNV-1a: nothing hangs on its strength, only that equal input gives equal output.
    let mut hash = 0x811c_9dc5_u32 ^ salt;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    mix(&[kind as u8, u8::from(server.is_some())]);
    for address in [Some(base), server].into_iter().flatten() {
        match address.ip() {
            IpAddr::V4(v4) => mix(&v4.octets()),
            IpAddr::V6(v6) => mix(&v6.octets()),
        }
    }
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_priorities_follow_the_formula() {
        assert_eq!(of_candidate(CandidateKind::Host, 65535), 2_130_706_431);
        assert_eq!(of_candidate(CandidateKind::ServerReflexive, 65535), 1_694_498_815);
        assert_eq!(of_candidate(CandidateKind::Relayed, 65535), 16_777_215);
    }

    #[test]
    fn pair_priorities_agree_on_both_sides_and_break_ties() {
        assert_eq!(of_pair(2, 1), (1 << 32) + 4 + 1);
        assert_eq!(of_pair(1, 2), (1 << 32) + 4);
        assert!(of_pair(u32::MAX, u32::MAX) > of_pair(u32::MAX, 0));
    }

    #[test]
    fn families_take_turns_and_loopback_comes_last() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let order = [(v6, 0), (v4, 0), (v6, 1), (v4, 1)].map(|(address, n)| local_preference(address, n));
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
        let last = local_preference("169.254.0.1".parse().unwrap(), 0);
        assert!(local_preference(v4, 5000) > last);
        assert!(last > local_preference("127.0.0.1".parse().unwrap(), 0));
    }

    #[test]
    fn foundations_group_what_works_together() {
        let base: SocketAddr = "192.0.2.1:1000".parse().unwrap();
        let same_host: SocketAddr = "192.0.2.1:2000".parse().unwrap();
        let server: SocketAddr = "198.51.100.1:3478".parse().unwrap();
        let host = foundation(1, CandidateKind::Host, base, None);
        assert_eq!(host, foundation(1, CandidateKind::Host, same_host, None));
        assert_ne!(host, foundation(1, CandidateKind::ServerReflexive, base, Some(server)));
        assert_ne!(host, foundation(2, CandidateKind::Host, base, None));
    }
}
