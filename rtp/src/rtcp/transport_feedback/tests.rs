use super::*;
use proptest::prelude::*;

/// One packet 37 ms behind the reference; from the tests of Pion's rtcp, as are the next two.
const ONE: [u8; 24] = [
    0xaf, 0xcd, 0x00, 0x05, 0xfa, 0x17, 0xfa, 0x17, 0x43, 0x03, 0x2f, 0xa0, 0x00, 0x99, 0x00, 0x01, 0x3d, 0xe8, 0x02,
    0x17, 0x20, 0x01, 0x94, 0x01,
];
const TWO_RUNS: [u8; 32] = [
    0xaf, 0xcd, 0x00, 0x07, 0xfa, 0x17, 0xfa, 0x17, 0x19, 0x3d, 0xd8, 0xbb, 0x01, 0x74, 0x00, 0x06, 0x45, 0xb1, 0x5a,
    0x40, 0x40, 0x02, 0x20, 0x04, 0x1f, 0xfe, 0x1f, 0x9a, 0xd0, 0x00, 0xd0, 0x00,
];
const VECTOR: [u8; 28] = [
    0xaf, 0xcd, 0x00, 0x06, 0xfa, 0x17, 0xfa, 0x17, 0x19, 0x3d, 0xd8, 0xbb, 0x00, 0x01, 0x00, 0x0e, 0x10, 0x63, 0x6d,
    0x00, 0xba, 0x00, 0x10, 0x0c, 0x0c, 0x10, 0x00, 0x03,
];
/// The first feedback of a Chromium, as captured by the webrtc-analysis project.
const CHROMIUM: [u8; 32] = [
    0xaf, 0xcd, 0x00, 0x07, 0x00, 0x00, 0x00, 0x01, 0xdd, 0x58, 0x6e, 0xb6, 0x00, 0x01, 0x00, 0x09, 0x5e, 0x91, 0x10,
    0x00, 0x20, 0x09, 0x1c, 0x0c, 0x2c, 0x38, 0x00, 0x04, 0x00, 0x08, 0x18, 0x01,
];

/// Arrivals relative to the reference time, in ticks.
fn arrivals(feedback: &TransportFeedback<'_>) -> Vec<Option<i64>> {
    let reference = i64::from(feedback.reference_time) << REFERENCE_SHIFT;
    feedback.statuses().map(|status| status.arrival.map(|arrival| arrival - reference)).collect()
}

#[test]
fn packets_of_browsers_are_read() {
    let one = TransportFeedback::decode(&ONE).unwrap();
    let header = FeedbackHeader {
        sender_ssrc: 4_195_875_351,
        media_ssrc: 1_124_282_272,
        base: SequenceNumber(153),
        feedback_count: 23,
    };
    assert_eq!((one.header, one.reference_time, one.status_count()), (header, 4_057_090, 1));
    assert_eq!(arrivals(&one), [Some(37_000 / 250)]);

    let two = TransportFeedback::decode(&TWO_RUNS).unwrap();
    assert_eq!(arrivals(&two), [8190, 16_280, 16_488, 16_488, 16_696, 16_696].map(Some));
    let last = two.statuses().last().unwrap();
    assert_eq!(last.sequence, SequenceNumber(377));

    let vector = TransportFeedback::decode(&VECTOR).unwrap();
    let mut expected = vec![Some(16), Some(28), Some(40), None, Some(56)];
    expected.resize(14, None);
    assert_eq!(arrivals(&vector), expected);

    let chromium = TransportFeedback::decode(&CHROMIUM).unwrap();
    assert_eq!(chromium.reference_time, 6_197_520);
    assert_eq!(arrivals(&chromium), [28, 40, 84, 140, 140, 144, 144, 152, 176].map(Some));
}

#[test]
fn what_browsers_write_is_written_the_same() {
    for golden in [&ONE[..], &TWO_RUNS, &VECTOR, &CHROMIUM] {
        let read = TransportFeedback::decode(golden).unwrap();
        let mut again = Vec::new();
        read.encode(&mut again);
        let mut written = Vec::new();
        let times: Vec<_> = read.statuses().map(|status| status.arrival).collect();
        TransportFeedback::write(read.header, times.into_iter(), 1200, &mut written);
        // Padding is filled up with zeros, and not declared.
        let mut expected = golden.to_vec();
        expected[0] &= !PADDING;
        if golden != TWO_RUNS {
            *expected.last_mut().unwrap() = 0;
        }
        assert_eq!(again, expected);
        let rewritten = TransportFeedback::decode(&written).unwrap();
        assert!(rewritten.statuses().eq(read.statuses()));
        if golden == ONE || golden == CHROMIUM {
            assert_eq!(written, expected);
        }
    }
}

#[test]
fn chunks_are_those_of_the_drafts_examples() {
    let statuses = |bits: u16| {
        let chunk = Chunk::decode(bits).unwrap();
        (0..chunk.symbols).map(|place| chunk.symbol(place).map(Symbol::bits).unwrap_or(3)).collect::<Vec<_>>()
    };
    assert_eq!(statuses(0x00dd), [0; 221]);
    assert_eq!(statuses(0x9f1c), [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]);
    assert_eq!(statuses(0xcd50), [0, 3, 1, 1, 1, 0, 0]);
    assert!(Chunk::decode(0x6018).is_err(), "a run of a reserved symbol");
}

#[test]
fn a_count_that_the_bytes_do_not_hold_is_refused() {
    for (place, value) in [(15, 2), (14, 1), (15, 0)] {
        let mut packet = ONE;
        packet[place] = value;
        assert!(TransportFeedback::decode(&packet).is_err(), "byte {place} is {value}");
    }
    // Runs of length 0 cover nothing, however many there are.
    let mut packet = vec![0x8f, 0xcd, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
    packet.put_zeros(1000);
    packet[3] = (packet.len() / 4 - 1) as u8;
    assert_eq!(TransportFeedback::decode(&packet), Err(Malformed::new("packet chunk")));
}

#[test]
fn padding_that_does_not_fit_is_refused() {
    for padding in [0_u8, 4, 21, 255] {
        let mut packet = ONE;
        packet[23] = padding;
        assert_eq!(TransportFeedback::decode(&packet).is_ok(), padding == 0, "{padding} bytes of padding");
    }
}

#[test]
fn cut_and_damaged_packets_are_refused_or_read_without_harm() {
    for golden in [&ONE[..], &TWO_RUNS, &VECTOR, &CHROMIUM] {
        for length in 0..golden.len() {
            assert!(TransportFeedback::decode(&golden[..length]).is_err(), "cut to {length} bytes");
        }
        for place in 0..golden.len() {
            for bit in 0..8 {
                let mut damaged = golden.to_vec();
                damaged[place] ^= 1 << bit;
                if let Ok(feedback) = TransportFeedback::decode(&damaged) {
                    assert_eq!(feedback.statuses().count(), usize::from(feedback.status_count()));
                }
            }
        }
    }
}

#[test]
fn a_long_gap_takes_few_bytes_and_a_late_arrival_begins_anew() {
    let times = |gap| std::iter::once(Some(1000)).chain(std::iter::repeat_n(None, gap)).chain([Some(2000)]);
    let mut buf = Vec::new();
    assert_eq!(TransportFeedback::write(FeedbackHeader::default(), times(20_000), 100, &mut buf), 20_002);
    assert!(buf.len() <= 40, "{} bytes", buf.len());

    buf.clear();
    let apart = [Some(0), None, Some(40_000), Some(40_001)];
    assert_eq!(TransportFeedback::write(FeedbackHeader::default(), apart.into_iter(), 100, &mut buf), 2);
    buf.clear();
    assert_eq!(TransportFeedback::write(FeedbackHeader::default(), [None, None].into_iter(), 100, &mut buf), 0);
    assert!(buf.is_empty());
}

#[test]
fn the_limit_in_bytes_is_kept() {
    let times = (0..5000_i64).map(|number| (number % 3 != 0).then_some(number * number % 7000));
    for limit in 20..400 {
        let mut buf = vec![0xee];
        let count = TransportFeedback::write(FeedbackHeader::default(), times.clone(), limit, &mut buf);
        assert!(buf.len() <= limit + 1);
        assert_eq!(count == 0, buf.len() == 1);
        assert!(limit < 40 || count > 0);
    }
}

#[test]
fn the_reference_wraps_in_24_bits() {
    for first in [(1_i64 << 31) - 1, 1 << 31, 1 << 40, -1, -(1 << 31)] {
        let mut buf = Vec::new();
        TransportFeedback::write(FeedbackHeader::default(), [Some(first)].into_iter(), 100, &mut buf);
        let feedback = TransportFeedback::decode(&buf).unwrap();
        let arrival = feedback.statuses().next().unwrap().arrival.unwrap();
        assert_eq!((arrival - first).rem_euclid(1 << 32), 0, "{first} became {arrival}");
    }
}

fn any_arrivals() -> impl Strategy<Value = Vec<Option<i64>>> {
    // Runs of one kind, so that every form of chunk is met.
    let delta = prop_oneof![
        4 => Just(None),
        8 => (0_i64..256).prop_map(Some),
        1 => (-32_768_i64..32_768).prop_map(Some),
    ];
    prop::collection::vec((delta, prop_oneof![5 => 1_usize..4, 1 => 1_usize..60]), 1..60).prop_map(|runs| {
        let mut time = 0x1234_5678;
        runs.into_iter()
            .flat_map(|(delta, times)| std::iter::repeat_n(delta, times))
            .map(|delta| {
                time += delta.unwrap_or(0);
                delta.map(|_| time)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(arrivals in any_arrivals(), base: u16, feedback_count: u8) {
        let header = FeedbackHeader { sender_ssrc: 1, media_ssrc: 2, base: SequenceNumber(base), feedback_count };
        let mut buf = Vec::new();
        let count = TransportFeedback::write(header, arrivals.iter().copied(), 60_000, &mut buf);
        if arrivals.iter().all(Option::is_none) {
            prop_assert_eq!(count, 0);
            return Ok(());
        }
        prop_assert_eq!(usize::from(count), arrivals.len());
        let feedback = TransportFeedback::decode(&buf).unwrap();
        prop_assert_eq!(feedback.header, header);
        let read: Vec<_> = feedback.statuses().map(|status| status.arrival).collect();
        prop_assert_eq!(read, arrivals);
        let mut again = Vec::new();
        feedback.encode(&mut again);
        prop_assert_eq!(again, buf);
    }

    #[test]
    fn any_bytes_are_refused_or_read(mut bytes: Vec<u8>) {
        bytes.splice(0..0, [0x8f, 0xcd, 0, 0]);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes[3] = (bytes.len() / 4 - 1) as u8;
        if let Ok(feedback) = TransportFeedback::decode(&bytes) {
            prop_assert_eq!(feedback.statuses().count(), usize::from(feedback.status_count()));
        }
    }
}
