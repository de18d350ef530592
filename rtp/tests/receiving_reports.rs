//! What reports say of a stream that is received (RFC 3550, section 6.4 and appendix A).

use std::time::{Duration, Instant};
use visavis_rtp::payload::Format;
use visavis_rtp::receive::{Config, Receiver};
use visavis_rtp::rtcp::{ReportBlock, SenderInfo};
use visavis_rtp::{Header, NtpTime, SequenceNumber};

const SSRC: u32 = 0xfeed;

fn receiver() -> (Instant, Receiver) {
    let now = sim::start();
    (now, Receiver::new(Config::new(Format::Pcmu, 8000), SSRC, now))
}

fn header(number: u16, timestamp: u32) -> Header {
    Header { sequence: SequenceNumber(number), timestamp, ssrc: SSRC, ..Header::default() }
}

/// Packets with these numbers, each as late as the one before.
fn take(receiver: &mut Receiver, now: Instant, numbers: impl IntoIterator<Item = u16>) {
    for number in numbers {
        receiver.handle_packet(now, &header(number, 0), &[0; 160]);
    }
}

#[test]
fn before_the_first_packet_a_report_is_empty() {
    let (now, mut receiver) = receiver();
    assert_eq!(receiver.report(now), ReportBlock { ssrc: SSRC, ..ReportBlock::default() });
}

#[test]
fn the_fraction_lost_is_that_since_the_last_report() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, (65_500..=65_535).chain(0..64));
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost, block.extended_highest_sequence), (0, 0, (1 << 16) + 63));
    // Every fourth is lost.
    take(&mut receiver, now, (64..164).filter(|number| number % 4 != 0));
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 25));
    take(&mut receiver, now, 164..174);
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 25));
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 25), "nothing was expected");
    assert_eq!(receiver.stats().packets_lost, 25);
}

#[test]
fn late_packets_are_not_lost_and_duplicates_make_up_for_losses() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, [1, 2, 5, 6]);
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (85, 2));
    take(&mut receiver, now, [3, 4, 4, 4, 8]);
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -1));
}

#[test]
fn what_another_stream_brought_back_stays_lost_in_reports() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, [1, 3]);
    receiver.handle_recovered(now, &header(2, 0), &[0; 160]);
    let block = receiver.report(now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (85, 1));
    assert_eq!(receiver.stats().packets_received, 3);
    assert_eq!(receiver.stats().retransmitted_bytes_received, 160);
}

#[test]
fn counts_of_losses_stop_at_24_bits() {
    let (now, mut receiver) = receiver();
    let mut number = 0_u16;
    for _ in 0..3_000 {
        take(&mut receiver, now, [number]);
        number = number.wrapping_add(2_999);
    }
    assert_eq!(receiver.report(now).cumulative_lost, 0x7f_ffff);
    assert_eq!(receiver.report(now).fraction_lost, 0);
}

#[test]
fn jitter_follows_the_integer_formula() {
    let (start, mut receiver) = receiver();
    // Packets of 20 ms; every other one comes 5 ms late, which is 40 ticks.
    let mut expected = 0_u32;
    for number in 0..200_u16 {
        let late = if number % 2 == 1 { 5 } else { 0 };
        let now = start + Duration::from_millis(20 * u64::from(number) + late);
        receiver.handle_packet(now, &header(number, u32::from(number) * 160), &[0; 160]);
        if number > 0 {
            expected = expected + 40 - ((expected + 8) >> 4);
        }
        assert_eq!(receiver.report(now).jitter, expected >> 4);
    }
    assert!((38..=40).contains(&receiver.stats().jitter));
}

#[test]
fn jitter_of_absurd_timestamps_is_still_a_number() {
    let (now, mut receiver) = receiver();
    for number in 0..1000_u16 {
        receiver.handle_packet(now, &header(number, u32::from(number) << 31), &[0; 160]);
    }
    assert!(receiver.report(now).jitter > 1 << 30);
}

#[test]
fn the_last_sender_report_is_named_with_its_age() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, [1]);
    let info = SenderInfo { ntp: NtpTime(0x0123_4567_89ab_cdef), rtp_timestamp: 800, packets: 1, octets: 160 };
    receiver.handle_sender_report(now, SSRC + 1, &info);
    assert_eq!(receiver.report(now).last_sender_report, 0, "that was another source");
    receiver.handle_sender_report(now, SSRC, &info);
    let block = receiver.report(now + Duration::from_millis(2500));
    assert_eq!((block.last_sender_report, block.delay_since_last_sender_report), (0x4567_89ab, 5 << 15));
}

#[test]
fn timestamps_are_told_in_the_senders_time() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, [1]);
    assert_eq!(receiver.capture_time(0), None);
    let ntp = NtpTime(0xe000_0000 << 32);
    let info = SenderInfo { ntp, rtp_timestamp: u32::MAX - 3_999, packets: 0, octets: 0 };
    receiver.handle_sender_report(now, SSRC, &info);
    assert_eq!(receiver.capture_time(u32::MAX - 3_999), Some(ntp));
    assert_eq!(receiver.capture_time(4_000), Some(ntp.plus(Duration::from_secs(1))));
    assert_eq!(receiver.capture_time(u32::MAX - 7_999), Some(NtpTime(ntp.0 - (1 << 31))));
    receiver.handle_sender_report(now, SSRC, &SenderInfo { ntp: NtpTime(0), ..info });
    assert_eq!(receiver.capture_time(4_000), None, "a sender without a clock");
}

#[test]
fn a_source_that_begins_anew_has_other_timestamps_until_it_reports() {
    let (now, mut receiver) = receiver();
    take(&mut receiver, now, [1]);
    let info = SenderInfo { ntp: NtpTime(1 << 40), ..SenderInfo::default() };
    receiver.handle_sender_report(now, SSRC, &info);
    assert!(receiver.capture_time(0).is_some());
    take(&mut receiver, now, [30_000, 30_001]);
    assert_eq!(receiver.capture_time(0), None);
    let block = receiver.report(now);
    assert_eq!((block.extended_highest_sequence, block.cumulative_lost, block.fraction_lost), (30_001, 0, 0));
    assert_eq!(block.last_sender_report, 1 << 24, "the report is still the last");
    receiver.handle_sender_report(now, SSRC, &info);
    assert!(receiver.capture_time(0).is_some());
}
