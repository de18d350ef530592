//! What was changed on the way, cut, or made up: silence, a count, and nothing else.

mod common;

use common::{open_rtcp, open_rtp, pair, protect_rtcp, protect_rtp, rtcp, rtp, rtp_with_everything};
use visavis_srtp::{Inbound, Outbound, Profile, Session, Stats};

/// All that can be refused.
fn refused(stats: Stats) -> u64 {
    stats.malformed + stats.forged + stats.replayed + stats.crowded
}

/// Every byte of the packet, changed in every bit, in all of them, and in several.
fn flips(packet: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let masks = (0..8).map(|bit| 1 << bit).chain([0xff, 0x55, 0x90]);
    masks.flat_map(move |mask: u8| {
        (0..packet.len()).map(move |at| {
            let mut flipped = packet.to_vec();
            flipped.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask);
            (at, flipped)
        })
    })
}

#[test]
fn an_rtp_packet_with_any_byte_flipped_is_dropped_in_silence() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let first = protect_rtp(&mut outbound, &rtp_with_everything(7, 499));
        let packet = protect_rtp(&mut outbound, &rtp_with_everything(7, 500));
        let check = |inbound: &mut Inbound| {
            let before = refused(inbound.stats());
            let delivered = inbound.stats().rtp;
            let mut count = 0;
            for (at, flipped) in flips(&packet) {
                assert_eq!(open_rtp(inbound, &flipped), None, "{profile:?}, byte {at}");
                count += 1;
            }
            assert_eq!(refused(inbound.stats()) - before, count);
            assert_eq!(inbound.stats().rtp, delivered);
        };
        check(&mut inbound);
        assert_eq!(open_rtp(&mut inbound, &first), Some(rtp_with_everything(7, 499)));
        check(&mut inbound);
        assert_eq!(open_rtp(&mut inbound, &packet), Some(rtp_with_everything(7, 500)), "it is new still");
    }
}

#[test]
fn an_rtcp_packet_with_any_byte_flipped_is_dropped_in_silence() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let first = protect_rtcp(&mut outbound, &rtcp(7));
        let packet = protect_rtcp(&mut outbound, &rtcp(7));
        let check = |inbound: &mut Inbound| {
            let before = refused(inbound.stats());
            let mut count = 0;
            for (at, flipped) in flips(&packet) {
                assert_eq!(open_rtcp(inbound, &flipped), None, "{profile:?}, byte {at}");
                count += 1;
            }
            assert_eq!(refused(inbound.stats()) - before, count);
        };
        check(&mut inbound);
        assert_eq!(open_rtcp(&mut inbound, &first), Some(rtcp(7)));
        check(&mut inbound);
        assert_eq!(inbound.stats().rtcp, 1);
        assert_eq!(open_rtcp(&mut inbound, &packet), Some(rtcp(7)), "it is new still");
    }
}

#[test]
fn packets_cut_at_any_length_are_dropped_in_silence() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let packet = protect_rtp(&mut outbound, &rtp_with_everything(7, 500));
        let report = protect_rtcp(&mut outbound, &rtcp(7));
        for length in 0..packet.len() {
            assert_eq!(open_rtp(&mut inbound, &packet[..length]), None, "{profile:?}, {length} bytes");
        }
        for length in 0..report.len() {
            assert_eq!(open_rtcp(&mut inbound, &report[..length]), None, "{profile:?}, {length} bytes");
        }
        assert_eq!(refused(inbound.stats()), (packet.len() + report.len()) as u64);
        let shortest = 32 + profile.rtp_overhead() + 8 + profile.rtcp_overhead();
        assert_eq!(inbound.stats().malformed, shortest as u64, "those without room for header and tag");
        assert!(open_rtp(&mut inbound, &packet).is_some() && open_rtcp(&mut inbound, &report).is_some());
    }
}

#[test]
fn packets_with_bytes_behind_them_are_dropped() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let mut packet = protect_rtp(&mut outbound, &rtp(7, 500));
        let mut report = protect_rtcp(&mut outbound, &rtcp(7));
        packet.push(0);
        report.push(0);
        assert_eq!((open_rtp(&mut inbound, &packet), open_rtcp(&mut inbound, &report)), (None, None));
    }
}

#[test]
fn packets_under_other_keys_are_dropped() {
    for profile in Profile::ALL {
        let (_, mut inbound) = pair(profile);
        let (key, salt) = profile.key_and_salt();
        let mut stranger = Outbound::new(profile, &vec![0; key], &vec![0; salt]).expect("keys");
        assert_eq!(open_rtp(&mut inbound, &protect_rtp(&mut stranger, &rtp(7, 500))), None);
        assert_eq!(open_rtcp(&mut inbound, &protect_rtcp(&mut stranger, &rtcp(7))), None);
        assert_eq!(inbound.stats().forged, 2);
    }
}

#[test]
fn packets_in_clear_are_dropped() {
    for profile in Profile::ALL {
        let (_, mut inbound) = pair(profile);
        assert_eq!(open_rtp(&mut inbound, &rtp_with_everything(7, 500)), None);
        assert_eq!(open_rtcp(&mut inbound, &rtcp(7)), None);
        assert_eq!(refused(inbound.stats()), 2);
    }
}

#[test]
fn what_one_side_sent_is_not_taken_back_by_it() {
    for profile in Profile::ALL {
        let material: Vec<u8> = (0..profile.exporter_length()).map(|byte| byte as u8).collect();
        for is_client in [false, true] {
            let (mut outbound, mut inbound) = Session::from_exporter(profile, &material, is_client).expect("keys");
            assert_eq!(open_rtp(&mut inbound, &protect_rtp(&mut outbound, &rtp(7, 1))), None, "{profile:?}");
            assert_eq!(open_rtcp(&mut inbound, &protect_rtcp(&mut outbound, &rtcp(7))), None, "{profile:?}");
        }
    }
}

#[test]
fn rtp_and_rtcp_are_not_taken_for_each_other() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let packet = protect_rtp(&mut outbound, &rtp(7, 500));
        let report = protect_rtcp(&mut outbound, &rtcp(7));
        assert_eq!((open_rtcp(&mut inbound, &packet), open_rtp(&mut inbound, &report)), (None, None));
    }
}

#[test]
fn forged_packets_do_not_move_the_window() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let packets: Vec<_> = (0..100).map(|sequence| protect_rtp(&mut outbound, &rtp(7, sequence))).collect();
        assert!(open_rtp(&mut inbound, &packets[0]).is_some());
        for sequence in (0..=u16::MAX).step_by(97) {
            let mut forged = packets[50].clone();
            forged[2..4].copy_from_slice(&sequence.to_be_bytes());
            if sequence != 50 {
                assert_eq!(open_rtp(&mut inbound, &forged), None);
            }
        }
        assert!((1..100).all(|at| open_rtp(&mut inbound, &packets[at]).is_some()), "{profile:?}");

        let reports: Vec<_> = (0..100).map(|_| protect_rtcp(&mut outbound, &rtcp(7))).collect();
        assert!(open_rtcp(&mut inbound, &reports[0]).is_some());
        let place = reports[1].len() - if profile.rtcp_overhead() == 14 { 14 } else { 4 };
        for index in (200..u32::MAX / 2).step_by(1 << 24) {
            let mut forged = reports[50].clone();
            forged[place..place + 4].copy_from_slice(&(1 << 31 | index).to_be_bytes());
            assert_eq!(open_rtcp(&mut inbound, &forged), None);
        }
        assert!((1..100).all(|at| open_rtcp(&mut inbound, &reports[at]).is_some()));
    }
}
