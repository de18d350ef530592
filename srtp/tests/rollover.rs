//! The rollover counter, which does not travel: both sides count the turns of the sequence number.

mod common;

use common::{open_rtp, pair, protect_rtp, rtp};
use visavis_srtp::{Error, Inbound, Outbound, Profile};

/// The sequence number of the packet sent as number `count` by who starts with `first`.
fn sequence(first: u16, count: u64) -> u16 {
    first.wrapping_add(count as u16)
}

/// A generator that is good enough to lose and to shuffle, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn wraps_are_followed_through_loss_and_reordering() {
    for profile in Profile::ALL {
        for seed in 0..8 {
            let (mut outbound, mut inbound) = pair(profile);
            let mut dice = Dice(seed);
            let first = 64_000 + dice.roll(500) as u16;
            let (mut count, mut delivered) = (0, 0);
            while count < 5 * 65_536 {
                // A few packets on the way at once, with gaps between them, so that many turns cost little.
                let mut on_the_way = Vec::new();
                for _ in 0..16 {
                    let packet = rtp(7, sequence(first, count));
                    on_the_way.push((protect_rtp(&mut outbound, &packet), packet));
                    count += 1 + dice.roll(100);
                }
                while !on_the_way.is_empty() {
                    let (protected, packet) = on_the_way.swap_remove(dice.roll(on_the_way.len() as u64) as usize);
                    // Half are lost, but not all before the first wrap.
                    if dice.roll(2) == 0 || delivered == 0 {
                        assert_eq!(open_rtp(&mut inbound, &protected), Some(packet), "seed {seed}, about {count}");
                        delivered += 1;
                    }
                }
            }
            assert!(delivered > 2000, "{delivered}");
            assert_eq!(inbound.stats().rtp, delivered);
        }
    }
}

#[test]
fn packets_from_before_the_wrap_are_good_after_it() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let packets: Vec<_> =
            (0..1000).map(|count| protect_rtp(&mut outbound, &rtp(7, sequence(65_036, count)))).collect();
        // Forward over the wrap and back over it, from both ends to the middle.
        for at in 0..500 {
            assert!(open_rtp(&mut inbound, &packets[at]).is_some(), "{profile:?}, {at}");
            assert!(open_rtp(&mut inbound, &packets[999 - at]).is_some(), "{profile:?}, {}", 999 - at);
        }
        assert_eq!(inbound.stats().rtp, 1000);
        assert!(packets.iter().all(|packet| open_rtp(&mut inbound, packet).is_none()), "each once");
    }
}

#[test]
fn senders_may_send_out_of_order_over_the_wrap() {
    let (mut outbound, mut inbound) = pair(Profile::AeadAes256Gcm);
    for number in [65_534, 1, 65_535, 0, 2, 65_533] {
        let packet = protect_rtp(&mut outbound, &rtp(7, number));
        assert_eq!(open_rtp(&mut inbound, &packet), Some(rtp(7, number)), "{number}");
    }
}

#[test]
fn late_packets_from_before_the_first_seen_are_good() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128CmSha1_80);
    let packets: Vec<_> = (0..2100).map(|number| protect_rtp(&mut outbound, &rtp(7, number))).collect();
    assert!(open_rtp(&mut inbound, &packets[2000]).is_some());
    assert!(open_rtp(&mut inbound, &packets[1999]).is_some());
    assert!(open_rtp(&mut inbound, &packets[1000]).is_some());
    assert!(open_rtp(&mut inbound, &packets[17]).is_some());
    assert!(open_rtp(&mut inbound, &packets[16]).is_none(), "behind the window");
}

#[test]
fn there_is_no_turn_before_the_first() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128CmSha1_80);
    let mut late = outbound_with_first(65_530);
    let first = protect_rtp(&mut outbound, &rtp(7, 3));
    assert!(open_rtp(&mut inbound, &first).is_some());
    assert!(open_rtp(&mut inbound, &late).is_none(), "of the first turn, where it would be far ahead");
    assert_eq!(inbound.stats().replayed, 1);
    late.clear();
    late.extend(rtp(7, 65_530));
    assert_eq!(outbound.protect_rtp(&mut late, 0), Err(Error::Repeated));
    assert!(late.is_empty());
}

fn outbound_with_first(number: u16) -> Vec<u8> {
    let (mut outbound, _) = pair(Profile::Aes128CmSha1_80);
    protect_rtp(&mut outbound, &rtp(7, number))
}

/// Sends `lost` packets into the void, in steps that the sender's own count can follow.
fn outage(outbound: &mut Outbound, count: &mut u64, lost: u64) {
    let end = *count + lost;
    while *count + 10_000 < end {
        *count += 10_000;
        protect_rtp(outbound, &rtp(7, sequence(100, *count)));
    }
    *count = end;
}

fn send(outbound: &mut Outbound, inbound: &mut Inbound, count: &mut u64) -> bool {
    let packet = rtp(7, sequence(100, *count));
    *count += 1;
    open_rtp(inbound, &protect_rtp(outbound, &packet)).is_some_and(|opened| opened == packet)
}

#[test]
fn a_stream_is_found_again_after_an_outage_of_more_than_half_a_turn() {
    for profile in Profile::ALL {
        for lost in [32_000, 33_000, 40_000, 65_000, 65_536, 70_000, 95_000] {
            let (mut outbound, mut inbound) = pair(profile);
            let mut count = 0;
            assert!((0..100).all(|_| send(&mut outbound, &mut inbound, &mut count)));
            outage(&mut outbound, &mut count, lost);
            let missed = (0..1000).take_while(|_| !send(&mut outbound, &mut inbound, &mut count)).count();
            assert!(missed <= 64, "{profile:?}: {missed} packets after {lost} lost ones");
            assert!((0..1000).all(|_| send(&mut outbound, &mut inbound, &mut count)), "from then on all are good");
        }
    }
}

#[test]
fn a_stream_that_was_not_heard_before_an_early_wrap_is_found() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        for number in 65_500..=65_535 {
            protect_rtp(&mut outbound, &rtp(7, number));
        }
        let packets: Vec<_> = (0..200).map(|number| protect_rtp(&mut outbound, &rtp(7, number))).collect();
        let missed = packets.iter().take_while(|packet| open_rtp(&mut inbound, packet).is_none()).count();
        assert_eq!(missed, 64, "{profile:?}");
        assert!(packets[65..].iter().all(|packet| open_rtp(&mut inbound, packet).is_some()));
        assert!(open_rtp(&mut inbound, &protect_rtp(&mut outbound, &rtp(8, 1))).is_some(), "another begins as usual");
    }
}

#[test]
fn a_flood_of_forged_packets_does_not_lose_the_stream() {
    let (mut outbound, mut inbound) = pair(Profile::AeadAes128Gcm);
    let mut count = 0;
    for round in 0..20 {
        assert!((0..10).all(|_| send(&mut outbound, &mut inbound, &mut count)), "round {round}");
        // The flood, of which every packet is dropped.
        for number in 0..501 {
            let mut forged = rtp(7, sequence(100, count + number));
            forged.extend([0; 16]);
            assert!(open_rtp(&mut inbound, &forged).is_none());
        }
    }
}
