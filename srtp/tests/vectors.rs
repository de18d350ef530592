//! Whole packets from master keys: those that the tests of libsrtp, which browsers use, compare with.

mod common;

use common::{hex, open_rtcp, open_rtp, protect_rtcp, protect_rtp};
use visavis_srtp::{Inbound, Outbound, Profile};

const RTP: &str = "800f1234decafbadcafebabeabababababababababababababababab";
const RTCP: &str = "81c8000bcafebabeabababababababababababababababab";

struct Case {
    profile: Profile,
    key: &'static str,
    salt: &'static str,
    /// What becomes of `RTP` as the first packet.
    srtp: &'static str,
    /// What becomes of `RTCP` as the second packet, whose index is 1.
    srtcp: &'static str,
}

fn check(case: &Case) {
    let (key, salt) = (hex(case.key), hex(case.salt));
    let mut outbound = Outbound::new(case.profile, &key, &salt).expect("keys");
    let mut inbound = Inbound::new(case.profile, &key, &salt).expect("keys");
    let (srtp, srtcp) = (hex(case.srtp), hex(case.srtcp));
    assert_eq!(protect_rtp(&mut outbound, &hex(RTP)), srtp);
    assert_eq!(open_rtp(&mut inbound, &srtp), Some(hex(RTP)));
    protect_rtcp(&mut outbound, &hex(RTCP));
    assert_eq!(protect_rtcp(&mut outbound, &hex(RTCP)), srtcp);
    assert_eq!(open_rtcp(&mut inbound, &srtcp), Some(hex(RTCP)));
}

#[test]
fn counter_mode_with_a_long_tag() {
    check(&Case {
        profile: Profile::Aes128CmSha1_80,
        key: "e1f97a0d3e018be0d64fa32c06de4139",
        salt: "0ec675ad498afeebb6960b3aabe6",
        srtp: "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        srtcp: "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    });
}

/// The same with less of the RTP packet's tag; the RTCP packet's stays.
#[test]
fn counter_mode_with_a_short_tag() {
    check(&Case {
        profile: Profile::Aes128CmSha1_32,
        key: "e1f97a0d3e018be0d64fa32c06de4139",
        salt: "0ec675ad498afeebb6960b3aabe6",
        srtp: "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc",
        srtcp: "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    });
}

#[test]
fn galois_counter_mode() {
    check(&Case {
        profile: Profile::AeadAes128Gcm,
        key: "000102030405060708090a0b0c0d0e0f",
        salt: "a0a1a2a3a4a5a6a7a8a9aaab",
        srtp: "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
        srtcp: "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001",
    });
}

#[test]
fn a_packet_without_payload_has_a_tag_too() {
    let (key, salt) = (hex("e1f97a0d3e018be0d64fa32c06de4139"), hex("0ec675ad498afeebb6960b3aabe6"));
    let mut outbound = Outbound::new(Profile::Aes128CmSha1_80, &key, &salt).expect("keys");
    let packet = protect_rtp(&mut outbound, &hex("800f1234decafbadcafebabe"));
    assert_eq!(packet, hex("800f1234decafbadcafebabe773c2e1cd91d590d16e5"));
}

#[test]
fn the_index_of_the_first_report_is_zero() {
    for profile in Profile::ALL {
        let (mut outbound, _) = common::pair(profile);
        let word = |packet: &[u8]| {
            let behind = if profile.rtcp_overhead() == 14 { 10 } else { 0 };
            packet[packet.len() - behind - 4..][..4].to_vec()
        };
        assert_eq!(word(&protect_rtcp(&mut outbound, &hex(RTCP))), [0x80, 0, 0, 0]);
        assert_eq!(word(&protect_rtcp(&mut outbound, &hex(RTCP))), [0x80, 0, 0, 1]);
        assert_eq!(
            word(&protect_rtcp(&mut outbound, &common::rtcp(5))),
            [0x80, 0, 0, 0],
            "each SSRC counts for itself"
        );
    }
}
