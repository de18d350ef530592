//! Ogg files as others may write them: with other streams, long tags, gaps, and heads that cannot be played.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::time::Duration;

use ogg::writing::PacketWriteEndInfo::{self, EndPage, EndStream, NormalPacket};
use ogg::writing::PacketWriter;
use visavis_container::{Error, Frame, Options, opus};

const OPUS: u32 = 9;
const OTHER: u32 = 7;

/// 20 ms of CELT.
const PACKET: &[u8] = &[0xfc, 1, 2];

fn head() -> Vec<u8> {
    b"OpusHead\x01\x02\x38\x01\x44\xac\0\0\0\xff\0".to_vec()
}

fn tags(length: usize) -> Vec<u8> {
    [b"OpusTags".to_vec(), vec![0; length]].concat()
}

/// A file of packets: content, stream, what it ends, granule position.
fn file(packets: &[(&[u8], u32, PacketWriteEndInfo, u64)]) -> Vec<u8> {
    let mut writer = PacketWriter::new(Vec::new());
    for (packet, serial, end, position) in packets {
        writer.write_packet(packet.to_vec(), *serial, *end, *position).unwrap();
    }
    writer.into_inner()
}

fn read(file: &[u8], options: Options) -> Result<Vec<Frame>, Error> {
    let mut reader = opus::Reader::new(std::io::Cursor::new(file), options)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    reader.rewind().unwrap();
    assert_eq!(reader.next_frame().unwrap().as_ref(), frames.first(), "the same after rewinding");
    Ok(frames)
}

fn times(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| u64::try_from(frame.timestamp.as_micros()).unwrap()).collect()
}

/// What is said of a file that is refused.
fn error(file: &[u8]) -> String {
    read(file, Options::default()).unwrap_err().to_string()
}

#[test]
fn pages_of_other_streams_are_passed_over() {
    let file = file(&[
        (b"\x01vorbis", OTHER, EndPage, 0),
        (&head(), OPUS, EndPage, 0),
        (b"\x03vorbis", OTHER, EndPage, 0),
        (&tags(8), OPUS, EndPage, 0),
        (PACKET, OPUS, NormalPacket, 960),
        (&[0; 70_000], OTHER, EndPage, 1),
        (PACKET, OPUS, EndPage, 1920),
        (&[0; 70_000], OTHER, EndStream, 2),
        (PACKET, OPUS, EndStream, 2880),
    ]);
    let reader = opus::Reader::new(&file[..], Options::default()).unwrap();
    let expected = opus::Head { channels: 2, pre_skip: 312, input_sample_rate: 44_100, output_gain: -256 };
    assert_eq!(*reader.head(), expected);
    let frames = read(&file, Options::default()).unwrap();
    assert_eq!(times(&frames), [0, 20_000, 40_000]);
    assert!(frames.iter().all(|frame| frame.data == PACKET && frame.is_key_frame));
}

#[test]
fn tags_may_span_pages_up_to_the_limit() {
    let file = file(&[(&head(), OPUS, EndPage, 0), (&tags(200_000), OPUS, EndPage, 0), (PACKET, OPUS, EndStream, 960)]);
    assert_eq!(times(&read(&file, Options::default()).unwrap()), [0]);
    let small = Options { frame_limit: 150_000, ..Options::default() };
    let refused = read(&file, small).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { size: 150_001..150_300, limit: 150_000, .. }), "{refused}");
}

#[test]
fn granule_positions_move_time_forwards_and_never_back() {
    let file = file(&[
        (&head(), OPUS, EndPage, 0),
        (&tags(8), OPUS, EndPage, 0),
        // A live stream's recording begins at one second; half a second is missing; the last page ends early.
        (PACKET, OPUS, NormalPacket, 0),
        (PACKET, OPUS, EndPage, 48_000 + 1920),
        (PACKET, OPUS, EndPage, 48_000 + 24_000 + 2880),
        (PACKET, OPUS, EndStream, 48_000 + 24_000 + 3000),
    ]);
    let frames = read(&file, Options::default()).unwrap();
    assert_eq!(times(&frames), [1_000_000, 1_020_000, 1_540_000, 1_560_000]);
    let durations: Vec<u128> = frames.iter().map(|frame| frame.duration.as_micros()).collect();
    assert_eq!(durations, [20_000, 20_000, 20_000, 2_500], "of the last one 120 samples are played");
}

#[test]
fn the_last_packet_is_played_as_long_as_its_frame_says() {
    let millis = Duration::from_millis;
    let written = |durations: [Duration; 3]| {
        let mut writer = opus::Writer::new(std::io::Cursor::new(Vec::new()), 2).unwrap();
        for (number, duration) in (0..).zip(durations) {
            let (data, timestamp) = (PACKET.to_vec(), number * millis(20));
            writer.write(&Frame { data, timestamp, duration, is_key_frame: true }).unwrap();
        }
        let file = writer.finish().unwrap().into_inner();
        read(&file, Options::default()).unwrap().iter().map(|frame| frame.duration).collect::<Vec<_>>()
    };
    let whole = [millis(20); 3];
    assert_eq!(written([millis(20), millis(20), millis(5)]), [millis(20), millis(20), millis(5)]);
    // What nobody knows, and what cannot be: the packet's own first byte says it.
    assert_eq!(written([Duration::ZERO; 3]), whole);
    assert_eq!(written([millis(20), millis(20), millis(60)]), whole);
    // Only the end of a stream can be left out.
    assert_eq!(written([millis(5), millis(5), millis(20)]), whole);
}

#[test]
fn streams_that_cannot_be_played_are_refused_with_what_was_expected() {
    let vorbis = file(&[(b"\x01vorbis", OTHER, EndPage, 0), (b"\x03vorbis", OTHER, EndPage, 0)]);
    let text = r#"expected a stream of Opus (OpusHead), found 03 76 6f 72 62 69 73 "\x03vorbis""#;
    assert_eq!(error(&vorbis), format!("byte 35: {text}"));

    let refused = |at: usize, value: u8| {
        let mut head = head();
        head[at] = value;
        error(&file(&[(&head, OPUS, EndPage, 0), (&tags(8), OPUS, EndPage, 0)]))
    };
    assert_eq!(refused(8, 16), "byte 0: expected version 0 or 1 of Ogg Opus, found 16");
    let text = "expected one or two channels of mapping family 0, found";
    assert_eq!(refused(9, 6), format!("byte 0: {text} 6 channels of mapping family 0"));
    assert_eq!(refused(18, 1), format!("byte 0: {text} 2 channels of mapping family 1"));
    let short = file(&[(b"OpusHead\x01", OPUS, EndPage, 0)]);
    assert_eq!(error(&short), "byte 0: expected an identification header of 19 bytes, found 9 bytes");

    let no_tags = file(&[(&head(), OPUS, EndPage, 0), (PACKET, OPUS, EndPage, 960)]);
    assert_eq!(error(&no_tags), r#"byte 47: expected the tags of Opus (OpusTags), found fc 01 02 "\xfc\x01\x02""#);
    let alone = file(&[(&head(), OPUS, EndPage, 0)]);
    assert_eq!(error(&alone), "byte 47: expected the tags of Opus (OpusTags), found the end of the file");

    let endless = [0xff, 0x3f];
    let packet = file(&[(&head(), OPUS, EndPage, 0), (&tags(0), OPUS, EndPage, 0), (&endless, OPUS, EndPage, 0)]);
    let text = r#"expected pages of Opus packets of at most 120 ms, found a packet ff 3f "\xff?""#;
    assert_eq!(error(&packet), format!("byte 83: {text}"));

    let mut flipped = file(&[(&head(), OPUS, EndPage, 0), (&tags(8), OPUS, EndPage, 0)]);
    flipped[40] ^= 1;
    let text = error(&flipped);
    assert!(text.starts_with("byte 0: expected") && text.contains("checksum"), "{text}");
}

#[test]
fn a_head_that_claims_to_be_the_last_page_is_read_the_same_twice() {
    let file = file(&[
        (&head(), OPUS, EndStream, 0),
        (&tags(8), OPUS, EndPage, 0),
        (PACKET, OPUS, EndStream, 960),
        (PACKET, OPUS, EndStream, 1920),
    ]);
    assert_eq!(times(&read(&file, Options::default()).unwrap()), [0], "nothing counts behind the end");
}
