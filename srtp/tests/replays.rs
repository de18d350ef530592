//! Packets that come again, come late, or come too late.

mod common;

use common::{open_rtcp, open_rtp, pair, protect_rtcp, protect_rtp, rtcp, rtp};
use visavis_srtp::Profile;

#[test]
fn a_packet_is_taken_once() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        for number in 0..300 {
            let packet = protect_rtp(&mut outbound, &rtp(7, number));
            let report = protect_rtcp(&mut outbound, &rtcp(7));
            assert!(open_rtp(&mut inbound, &packet).is_some() && open_rtcp(&mut inbound, &report).is_some());
            assert!(open_rtp(&mut inbound, &packet).is_none() && open_rtcp(&mut inbound, &report).is_none());
        }
        let stats = inbound.stats();
        assert_eq!((stats.rtp, stats.rtcp, stats.replayed, stats.forged), (300, 300, 600, 0));
    }
}

#[test]
fn old_packets_are_not_taken_again_after_the_window_has_passed() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let packets: Vec<_> = (0..5000).map(|number| protect_rtp(&mut outbound, &rtp(7, number))).collect();
        let reports: Vec<_> = (0..500).map(|_| protect_rtcp(&mut outbound, &rtcp(7))).collect();
        assert!(packets.iter().all(|packet| open_rtp(&mut inbound, packet).is_some()));
        assert!(reports.iter().all(|report| open_rtcp(&mut inbound, report).is_some()));
        assert!(packets.iter().all(|packet| open_rtp(&mut inbound, packet).is_none()));
        assert!(reports.iter().all(|report| open_rtcp(&mut inbound, report).is_none()));
    }
}

#[test]
fn late_rtp_packets_are_taken_up_to_the_edge_of_the_window() {
    let (mut outbound, mut inbound) = pair(Profile::AeadAes128Gcm);
    let packets: Vec<_> = (0..5000).map(|number| protect_rtp(&mut outbound, &rtp(7, number))).collect();
    assert!(open_rtp(&mut inbound, &packets[4000]).is_some());
    assert!(open_rtp(&mut inbound, &packets[4000 - 1984]).is_none(), "one too far");
    assert!(open_rtp(&mut inbound, &packets[4000 - 1983]).is_some(), "the last one");
    assert!(open_rtp(&mut inbound, &packets[3000]).is_some());
    assert!(open_rtp(&mut inbound, &packets[4001]).is_some());
    assert!(open_rtp(&mut inbound, &packets[4001 - 1983]).is_some(), "the window has moved by one");
    assert!(open_rtp(&mut inbound, &packets[4001 - 1983]).is_none(), "and remembers");
}

#[test]
fn late_rtcp_packets_are_taken_up_to_the_edge_of_the_window() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128CmSha1_32);
    let reports: Vec<_> = (0..500).map(|_| protect_rtcp(&mut outbound, &rtcp(7))).collect();
    assert!(open_rtcp(&mut inbound, &reports[300]).is_some());
    assert!(open_rtcp(&mut inbound, &reports[300 - 128]).is_none(), "one too far");
    assert!(open_rtcp(&mut inbound, &reports[300 - 127]).is_some(), "the last one");
    assert!(open_rtcp(&mut inbound, &reports[299]).is_some());
    assert!(open_rtcp(&mut inbound, &reports[499]).is_some(), "any gap ahead");
    assert!(open_rtcp(&mut inbound, &reports[498]).is_some());
}

#[test]
fn streams_have_windows_of_their_own() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128CmSha1_80);
    let low = protect_rtp(&mut outbound, &rtp(1, 5));
    let high = protect_rtp(&mut outbound, &rtp(2, 40_000));
    assert!(open_rtp(&mut inbound, &high).is_some() && open_rtp(&mut inbound, &low).is_some());
    assert!(open_rtp(&mut inbound, &high).is_none() && open_rtp(&mut inbound, &low).is_none());
}
