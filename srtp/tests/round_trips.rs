//! Any packet comes out as it went in; any bytes do no harm.

mod common;

use common::pair;
use proptest::prelude::*;
use visavis_srtp::Profile;

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(Profile::ALL.to_vec())
}

prop_compose! {
    fn rtp()(
        sources in prop::collection::vec(any::<u32>(), 0..16),
        extension in prop::option::of(prop::collection::vec(any::<u32>(), 0..20)),
        padding_and_marker: (bool, u8),
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        payload in prop::collection::vec(any::<u8>(), 0..1500),
    ) -> Vec<u8> {
        let flags = u8::from(padding_and_marker.0) << 5 | u8::from(extension.is_some()) << 4;
        let mut packet = vec![0x80 | flags | sources.len() as u8, padding_and_marker.1];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(sources.into_iter().flat_map(u32::to_be_bytes));
        if let Some(words) = extension {
            packet.extend([0xbe, 0xde]);
            packet.extend((words.len() as u16).to_be_bytes());
            packet.extend(words.into_iter().flat_map(u32::to_be_bytes));
        }
        packet.extend(payload);
        packet
    }
}

prop_compose! {
    fn rtcp()(
        first: u8,
        rest in prop::collection::vec(any::<u8>(), 7..1500),
    ) -> Vec<u8> {
        let mut packet = vec![0x80 | first & 0x3f];
        packet.extend(rest);
        packet
    }
}

proptest! {
    #[test]
    fn rtp_packets_come_out_as_they_went_in(
        profile in profile(),
        before in prop::collection::vec(any::<u8>(), 0..40),
        packet in rtp(),
    ) {
        let (mut outbound, mut inbound) = pair(profile);
        let mut buf = before.clone();
        buf.extend(&packet);
        prop_assert_eq!(outbound.protect_rtp(&mut buf, before.len()), Ok(()));
        prop_assert_eq!(buf.len(), before.len() + packet.len() + profile.rtp_overhead());
        let mut datagram = buf.split_off(before.len());
        prop_assert_eq!(buf, before);
        prop_assert_eq!(inbound.unprotect_rtp(&mut datagram), Some(&mut packet.clone()[..]));
    }

    #[test]
    fn rtcp_packets_come_out_as_they_went_in(
        profile in profile(),
        before in prop::collection::vec(any::<u8>(), 0..40),
        packet in rtcp(),
    ) {
        let (mut outbound, mut inbound) = pair(profile);
        let mut buf = before.clone();
        buf.extend(&packet);
        prop_assert_eq!(outbound.protect_rtcp(&mut buf, before.len()), Ok(()));
        prop_assert_eq!(buf.len(), before.len() + packet.len() + profile.rtcp_overhead());
        let mut datagram = buf.split_off(before.len());
        prop_assert_eq!(buf, before);
        prop_assert_eq!(inbound.unprotect_rtcp(&mut datagram), Some(&mut packet.clone()[..]));
    }

    /// Many packets of a few streams in any order: each is taken once.
    #[test]
    fn many_packets_are_taken_once_each(
        profile in profile(),
        steps in prop::collection::vec((0u32..3, 0u16..400, any::<prop::sample::Index>()), 1..200),
    ) {
        let (mut outbound, mut inbound) = pair(profile);
        let mut sent = Vec::new();
        for (ssrc, sequence, which) in steps {
            let packet = common::rtp(ssrc, sequence.wrapping_sub(200));
            let mut buf = packet.clone();
            if outbound.protect_rtp(&mut buf, 0).is_ok() {
                sent.push((buf, packet, false));
            }
            if sent.is_empty() {
                continue;
            }
            let at = which.index(sent.len());
            let (protected, packet, is_taken) = &mut sent[at];
            if common::open_rtp(&mut inbound, protected).is_some_and(|opened| opened == *packet) {
                prop_assert!(!*is_taken, "taken twice");
                *is_taken = true;
            }
        }
        prop_assert_eq!(inbound.stats().rtp, sent.iter().filter(|(.., is_taken)| *is_taken).count() as u64);
    }

    #[test]
    fn arbitrary_bytes_are_dropped(profile in profile(), bytes: Vec<u8>, first in 0x80u8..0xc0) {
        let (_, mut inbound) = pair(profile);
        let mut packet = bytes.clone();
        prop_assert!(inbound.unprotect_rtp(&mut bytes.clone()).is_none());
        prop_assert!(inbound.unprotect_rtcp(&mut bytes.clone()).is_none());
        if let Some(start) = packet.first_mut() {
            *start = first;
        }
        prop_assert!(inbound.unprotect_rtp(&mut packet.clone()).is_none());
        prop_assert!(inbound.unprotect_rtcp(&mut packet).is_none());
    }
}
