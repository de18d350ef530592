//! How many streams there may be, and what a sender is refused.

mod common;

use common::{open_rtcp, open_rtp, pair, protect_rtcp, protect_rtp, rtcp, rtp};
use visavis_srtp::{Config, Error, Profile};

const THREE: Config = Config { max_streams: 3 };

#[test]
fn a_receiver_refuses_streams_beyond_its_bound_and_keeps_those_it_has() {
    let (mut outbound, inbound) = pair(Profile::AeadAes128Gcm);
    let mut inbound = inbound.with_config(THREE);
    for ssrc in 0..10 {
        let is_taken = open_rtp(&mut inbound, &protect_rtp(&mut outbound, &rtp(ssrc, 1))).is_some();
        assert_eq!(is_taken, ssrc < 3);
        let is_taken = open_rtcp(&mut inbound, &protect_rtcp(&mut outbound, &rtcp(ssrc))).is_some();
        assert_eq!(is_taken, ssrc < 3);
    }
    assert_eq!(inbound.stats().crowded, 14);
    for ssrc in 0..3 {
        assert!(open_rtp(&mut inbound, &protect_rtp(&mut outbound, &rtp(ssrc, 2))).is_some());
        assert!(open_rtcp(&mut inbound, &protect_rtcp(&mut outbound, &rtcp(ssrc))).is_some());
    }
}

#[test]
fn forged_packets_take_no_place() {
    for profile in Profile::ALL {
        let (mut outbound, inbound) = pair(profile);
        let mut inbound = inbound.with_config(THREE);
        for ssrc in 0..1000 {
            let mut forged = rtp(ssrc, 1);
            forged.extend([0; 16]);
            assert!(open_rtp(&mut inbound, &forged).is_none());
            let mut forged = rtcp(ssrc);
            forged.extend([0x80; 20]);
            assert!(open_rtcp(&mut inbound, &forged).is_none());
        }
        assert_eq!((inbound.stats().forged, inbound.stats().crowded), (2000, 0));
        for ssrc in 2000..2003 {
            assert!(open_rtp(&mut inbound, &protect_rtp(&mut outbound, &rtp(ssrc, 1))).is_some());
            assert!(open_rtcp(&mut inbound, &protect_rtcp(&mut outbound, &rtcp(ssrc))).is_some());
        }
    }
}

#[test]
fn a_sender_has_a_bound_too() {
    let (outbound, _) = pair(Profile::AeadAes128Gcm);
    let mut outbound = outbound.with_config(THREE);
    for ssrc in 0..5 {
        let expected = if ssrc < 3 { Ok(()) } else { Err(Error::TooManyStreams) };
        assert_eq!(outbound.protect_rtp(&mut rtp(ssrc, 1), 0), expected);
        assert_eq!(outbound.protect_rtcp(&mut rtcp(ssrc), 0), expected);
    }
    assert_eq!(outbound.protect_rtp(&mut rtp(0, 2), 0), Ok(()));
}

#[test]
fn a_sequence_number_is_protected_once() {
    for profile in Profile::ALL {
        let (mut outbound, _) = pair(profile);
        for number in [1, 2, 3, 5] {
            assert_eq!(outbound.protect_rtp(&mut rtp(7, number), 0), Ok(()));
        }
        for (number, expected) in [(5, Err(Error::Repeated)), (1, Err(Error::Repeated)), (4, Ok(()))] {
            assert_eq!(outbound.protect_rtp(&mut rtp(7, number), 0), expected, "{number}");
        }
        assert_eq!(outbound.protect_rtp(&mut rtp(7, 3000), 0), Ok(()));
        assert_eq!(outbound.protect_rtp(&mut rtp(7, 6), 0), Err(Error::Repeated), "nobody knows any more");
        assert_eq!(outbound.protect_rtp(&mut rtp(8, 6), 0), Ok(()), "another stream");
    }
}

#[test]
fn what_is_refused_is_cut_off_and_what_stands_before_stays() {
    let (mut outbound, _) = pair(Profile::AeadAes128Gcm);
    let mut once = rtp(7, 1);
    outbound.protect_rtp(&mut once, 0).expect("new");
    let long = [rtp(7, 2), vec![0; 65_536]].concat();
    for packet in [rtp(7, 1), rtp(7, 3)[..11].to_vec(), Vec::new(), vec![0; 50], long.clone()] {
        let mut buf = b"before".to_vec();
        buf.extend(&packet);
        assert!(outbound.protect_rtp(&mut buf, 6).is_err());
        assert_eq!(buf, b"before");
    }
    assert_eq!(outbound.protect_rtp(&mut long.clone(), 0), Err(Error::TooLong));
    for packet in [rtcp(7)[..7].to_vec(), Vec::new(), vec![0; 50], [rtcp(7), vec![0; 65_536]].concat()] {
        let mut buf = b"before".to_vec();
        buf.extend(&packet);
        assert!(outbound.protect_rtcp(&mut buf, 6).is_err());
        assert_eq!(buf, b"before");
    }
    let mut buf = b"before".to_vec();
    assert!(outbound.protect_rtp(&mut buf, 7).is_err(), "a start behind the end");
    assert_eq!(buf, b"before");
}
