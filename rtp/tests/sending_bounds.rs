//! Whatever is called in whatever order: what is held stays within its bounds, and no number is used twice.

mod sending_common;

use proptest::prelude::*;
use rtp::rtcp::ReportBlock;
use rtp::send::{Config, Kind, Numbering, OutgoingFrame, OutgoingPacket, Sender};
use rtp::{Header, NtpTime, SequenceNumber, Unwrapper};
use sending_common::*;
use std::collections::BTreeSet;
use visavis_rtp as rtp;

#[derive(Clone, Debug)]
enum Step {
    Frame(usize),
    Packet(u16, u32, usize, bool),
    Poll(u8),
    Nack(Vec<u16>),
    NackNear(u8),
    Padding(usize),
    Wait(u16),
    Active(bool),
    Format(u8),
    Rtx(bool),
    Rtt(u16),
    Report(u32, u32, i32, u32),
    KeyFrame(Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..300).prop_map(Step::Frame),
        6 => (any::<u16>(), any::<u32>(), 0usize..300, any::<bool>()).prop_map(|(a, b, c, d)| Step::Packet(a, b, c, d)),
        4 => any::<u8>().prop_map(|count| Step::Poll(count % 20)),
        1 => proptest::collection::vec(any::<u16>(), 0..20).prop_map(Step::Nack),
        3 => any::<u8>().prop_map(Step::NackNear),
        1 => (0usize..3000).prop_map(Step::Padding),
        2 => (0u16..300).prop_map(Step::Wait),
        1 => proptest::bool::weighted(0.8).prop_map(Step::Active),
        1 => any::<u8>().prop_map(Step::Format),
        1 => any::<bool>().prop_map(Step::Rtx),
        1 => any::<u16>().prop_map(Step::Rtt),
        1 => any::<(u32, u32, i32, u32)>().prop_map(|(a, b, c, d)| Step::Report(a, b, c, d)),
        1 => any::<Option<u8>>().prop_map(Step::KeyFrame),
    ]
}

const BOUNDED: fn(Numbering) -> Config = |numbering| Config {
    format: Some(rtp::payload::Format::Opus),
    numbering,
    max_payload: 250,
    history_packets: 20,
    history_bytes: 2000,
    retransmission_bytes: 700,
    queue_packets: 15,
    queue_bytes: 1500,
    queue_frames: 10,
    ..video()
};

fn check_bounds(sender: &Sender) -> Result<(), TestCaseError> {
    let stats = sender.stats();
    prop_assert!(stats.queued_packets <= 15 && stats.queued_bytes <= 1500, "{stats:?}");
    prop_assert!(stats.history_packets <= 20 && stats.history_bytes <= 2000, "{stats:?}");
    prop_assert!(stats.retransmission_packets <= stats.history_packets, "{stats:?}");
    prop_assert!(stats.retransmission_bytes <= 700.min(stats.history_bytes), "{stats:?}");
    Ok(())
}

/// The numbers that each source has used.
#[derive(Default)]
struct Used {
    media: (Unwrapper, BTreeSet<u64>),
    rtx: (Unwrapper, BTreeSet<u64>),
}

impl Used {
    fn note(&mut self, packet: &Packet) -> Result<(), TestCaseError> {
        let (count, used) = if packet.header.ssrc == SSRC { &mut self.media } else { &mut self.rtx };
        let is_new = used.insert(count.unwrap(packet.header.sequence));
        let is_same_again = packet.header.ssrc == SSRC && packet.kind == Kind::Retransmission;
        prop_assert!(is_new != is_same_again, "number {} of {:x}", packet.sequence(), packet.header.ssrc);
        Ok(())
    }
}

fn run(numbering: Numbering, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut sender, mut now) = sender(BOUNDED(numbering));
    let (mut used, mut last) = (Used::default(), SequenceNumber(0));
    for step in steps {
        match step {
            Step::Frame(length) => {
                let data = vec![1; length];
                _ = sender.send_frame(now, &OutgoingFrame { data: &data, ..OutgoingFrame::default() });
            }
            Step::Packet(near, timestamp, length, marker) => {
                // Mostly a little ahead or behind, sometimes anywhere.
                let far = if near % 16 == 0 { near } else { near % 8 };
                let sequence = last.plus(far).plus(0u16.wrapping_sub(3));
                let header = Header { marker, payload_type: (near % 200) as u8, sequence, timestamp, ssrc: 1 };
                let packet = OutgoingPacket { header, payload: vec![2; length].into(), ..OutgoingPacket::default() };
                _ = sender.send_packet(now, packet);
            }
            Step::Poll(count) => {
                for _ in 0..count {
                    let Some(packet) = poll(&mut sender, now) else { break };
                    used.note(&packet)?;
                    if packet.header.ssrc == SSRC {
                        last = packet.header.sequence;
                    }
                }
            }
            Step::Nack(lost) => sender.handle_nack(now, numbers(&lost)),
            Step::NackNear(count) => {
                sender.handle_nack(now, (0..u16::from(count)).map(|back| last.plus(0u16.wrapping_sub(back))));
            }
            Step::Padding(bytes) => _ = sender.padding(now, bytes),
            Step::Wait(ms) => now += MS * u32::from(ms),
            Step::Active(is_active) => sender.set_active(now, is_active),
            Step::Format(payload_type) => sender.set_format(Some(rtp::payload::Format::Pcmu), payload_type, 8000),
            Step::Rtx(has_rtx) => sender.set_rtx(has_rtx.then_some(RTX)),
            Step::Rtt(ms) => sender.set_rtt(MS * u32::from(ms)),
            Step::Report(highest, delay, lost, report) => {
                let block = ReportBlock {
                    ssrc: SSRC,
                    fraction_lost: delay as u8,
                    cumulative_lost: lost,
                    extended_highest_sequence: highest,
                    jitter: highest,
                    last_sender_report: report,
                    delay_since_last_sender_report: delay,
                };
                _ = sender.handle_report(now, &block, NtpTime(u64::from(lost.cast_unsigned()) << 20));
            }
            Step::KeyFrame(fir) => sender.handle_key_frame_request(now, fir),
        }
        check_bounds(&sender)?;
        _ = sender.sender_info(now, NtpTime(0));
        prop_assert!(sender.poll_event().is_none() || sender.poll_event().is_none(), "events without end");
    }
    for packet in drain(&mut sender, now) {
        used.note(&packet)?;
    }
    check_bounds(&sender)
}

proptest! {
    #[test]
    fn numbers_of_our_own_stay_within_bounds(steps in proptest::collection::vec(step(), 0..200)) {
        run(Numbering::Continuous, steps)?;
    }

    #[test]
    fn kept_numbers_stay_within_bounds(steps in proptest::collection::vec(step(), 0..200)) {
        run(Numbering::Kept, steps)?;
    }
}
