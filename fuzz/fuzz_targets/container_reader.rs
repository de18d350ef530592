#![no_main]
//! Files of media: any bytes, under every name. What is read is not more than what is there and the same when read
//! again, and what could be read can be written.

use std::io::Cursor;

use container::{Codec, Error, Frame, Kind, Options, Reader, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A small limit now and then, by a byte that is anything in all formats.
    let frame_limit = if data.last().is_some_and(|byte| byte % 8 == 0) { 160 } else { 1 << 20 };
    let options = Options { frame_limit, ..Options::default() };
    for extension in [None, Some("ivf"), Some("opus"), Some("wav"), Some("h264"), Some("h265")] {
        let Ok(mut reader) = Reader::new(Cursor::new(data), extension, options) else { continue };
        let first = read(&mut reader, data.len());
        reader.rewind().expect("memory can be read again");
        assert!(read(&mut reader, data.len()) == first, "another file after rewinding");

        let bytes: usize = first.iter().map(|frame| frame.data.len()).sum();
        assert!(bytes <= data.len() + data.len() / 4 + 1, "{bytes} bytes of {}", data.len());
        assert!(first.iter().all(|frame| (1..=frame_limit).contains(&frame.data.len())));
        copy(reader.codec(), &first);
    }
});

fn read(reader: &mut Reader<Cursor<&[u8]>>, length: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
        assert!(frames.len() <= length, "more frames than bytes");
    }
    assert!(matches!(reader.next_frame(), Ok(None)), "something behind the end");
    frames
}

fn copy(codec: Codec, frames: &[Frame]) {
    let kinds: &[Kind] = match codec {
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 => &[Kind::Ivf],
        Codec::H264 => &[Kind::Ivf, Kind::AnnexB],
        Codec::H265 => &[Kind::AnnexB],
        Codec::Opus => &[Kind::Ogg],
        Codec::Pcmu | Codec::Pcma => &[Kind::Wav],
    };
    for kind in kinds {
        let mut file = Cursor::new(Vec::new());
        let mut writer = Writer::new(&mut file, *kind, codec, None).expect("a container for the codec");
        let mut count = 0;
        // Gaps of Opus and G.711 are filled, up to an hour each: enough of those are enough.
        for frame in frames.iter().take(20) {
            match writer.write(frame) {
                Ok(()) => count += 1,
                Err(error) => assert!(matches!(error, Error::NotAFrame { .. }), "{error}"),
            }
        }
        writer.finish().expect("memory can be written to");
        if *kind == Kind::Ivf {
            let mut reader = Reader::new(Cursor::new(&file.get_ref()[..]), None, Options::default()).expect("a file");
            assert_eq!(read(&mut reader, file.get_ref().len()).len(), count, "{codec}");
        }
    }
}
