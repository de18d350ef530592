//! ffprobe and ffmpeg accept what is written here, whole and cut off. Needs both in PATH.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{GOLDEN, Tape, looped, read_golden};
use visavis_container::{Codec, Frame, Kind, Writer};

/// A folder of one test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("visavis-container-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Decodes the file. What ffmpeg complained of, and whether it gave up.
fn decode(path: &Path, decoder: Option<&str>) -> (bool, String) {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    if let Some(decoder) = decoder {
        command.args(["-c:a", decoder]);
    }
    let output = command.arg("-i").arg(path).args(["-f", "null", "-"]).output().expect("ffmpeg is in PATH");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What ffprobe says of the first stream: `key=value` lines.
fn probe(path: &Path, entries: &str) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args(["-loglevel", "error", "-count_frames", "-of", "default=nokey=1:noprint_wrappers=1", "-show_entries"])
        .arg(format!("stream={entries}"))
        .arg(path)
        .output()
        .expect("ffprobe is in PATH");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn ffmpeg_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "vp8",
        Codec::Vp9 => "vp9",
        Codec::Av1 => "av1",
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
        Codec::Opus => "opus",
        Codec::Pcmu => "pcm_mulaw",
        Codec::Pcma => "pcm_alaw",
    }
}

/// Some seconds of every golden file, and of H.264 in IVF too: name, kind, codec, frames.
fn cases() -> Vec<(String, Kind, Codec, Vec<Frame>)> {
    let mut cases = Vec::new();
    for name in GOLDEN {
        let (kind, codec, once) = read_golden(name);
        let all = looped(&once, Duration::from_secs(3));
        let stem = name.replace('.', "-");
        if codec == Codec::H264 {
            cases.push((format!("{stem}.ivf"), Kind::Ivf, codec, all.clone()));
        }
        cases.push((stem, kind, codec, all));
    }
    cases
}

#[test]
fn ffmpeg_decodes_every_file_without_a_word() {
    let folder = Folder::new("whole");
    for (name, kind, codec, frames) in cases() {
        let mut writer = Writer::create(folder.0.join(name), codec, None).unwrap();
        assert_eq!(writer.kind(), kind);
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        let path = writer.path().to_owned();
        writer.finish().unwrap();
        assert_eq!(decode(&path, None), (true, String::new()), "{}", path.display());
        if codec.is_video() {
            let found = probe(&path, "codec_name,width,height,nb_read_frames");
            assert_eq!(found, [ffmpeg_name(codec), "64", "48", &frames.len().to_string()], "{}", path.display());
        } else {
            assert_eq!(probe(&path, "codec_name"), [ffmpeg_name(codec)], "{}", path.display());
        }
    }
}

#[test]
fn ffmpeg_decodes_files_whose_writer_was_killed_between_frames_without_a_word() {
    let folder = Folder::new("killed");
    for (name, _, codec, frames) in cases() {
        let mut writer = Writer::create(folder.0.join(name), codec, None).unwrap();
        let path = writer.path().to_owned();
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        std::mem::forget(writer);
        assert_eq!(decode(&path, None), (true, String::new()), "{}", path.display());
        if codec.is_video() {
            assert_eq!(probe(&path, "nb_read_frames"), [frames.len().to_string()], "{}", path.display());
        }
    }
}

#[test]
fn ffmpeg_decodes_what_is_there_of_files_cut_off_at_any_byte() {
    let folder = Folder::new("cut");
    // Not the clock's choice, so that a failure comes again: a step that shares no factor with the sizes.
    let mut seed = 12_345_usize;
    for (name, kind, codec, frames) in cases() {
        let mut tape = Tape::default();
        let mut writer = Writer::new(&mut tape, kind, codec, None).unwrap();
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        std::mem::forget(writer);
        for _ in 0..4 {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
            let least = tape.len() / 4;
            let count = least + seed % (tape.len() - least);
            let path = folder.0.join(&name).with_extension(codec_extension(kind, codec));
            std::fs::write(&path, tape.after(count)).unwrap();
            // The frame in which the file ends may be complained of; giving up, or fewer frames, is another matter.
            let (is_decoded, complaints) = decode(&path, None);
            let context = format!("{} after {count} bytes: {complaints}", path.display());
            assert!(is_decoded, "{context}");
            let whole = common::read(&tape.after(count)).unwrap().len();
            if codec.is_video() {
                let found: usize = probe(&path, "nb_read_frames")[0].parse().unwrap();
                assert!(found + 1 >= whole, "{context}: {found} frames of {whole}");
            }
        }
    }
}

fn codec_extension(kind: Kind, codec: Codec) -> &'static str {
    match (kind, codec) {
        (Kind::Ivf, _) => "ivf",
        (Kind::Ogg, _) => "opus",
        (Kind::Wav, _) => "wav",
        (Kind::AnnexB, Codec::H265) => "h265",
        (Kind::AnnexB, _) => "h264",
    }
}

#[test]
fn gaps_take_their_time_in_both_decoders_of_opus() {
    let folder = Folder::new("gaps");
    let (_, codec, once) = read_golden("mono.opus");
    // Half a second of sound, a pause of 1.2 seconds and a bit, and the sound again.
    let pause = Duration::from_micros(1_212_500);
    // The last packet is played in part at the end of a file, and wholly before.
    let played = once.iter().map(|frame| frame.duration).sum::<Duration>();
    let length = Duration::from_millis(20) * once.len() as u32;
    assert!(played < length);
    let again = once.iter().map(|frame| Frame { timestamp: frame.timestamp + length + pause, ..frame.clone() });
    let mut writer = Writer::create(folder.0.join("gap"), codec, None).unwrap();
    once.iter().cloned().chain(again).for_each(|frame| writer.write(&frame).unwrap());
    let path = writer.path().to_owned();
    writer.finish().unwrap();
    let samples = ((length + pause + played).as_micros() * 48 / 1000) as usize - 312;
    for decoder in ["libopus", "opus"] {
        assert_eq!(decode(&path, Some(decoder)), (true, String::new()), "{decoder}");
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-c:a", decoder, "-i"])
            .arg(&path)
            .args(["-f", "s16le", "-ac", "1", "-"])
            .output()
            .unwrap();
        assert_eq!(output.stdout.len() / 2, samples, "{decoder}");
        let loudest = |from: Duration, to: Duration| {
            let at = |time: Duration| (time.as_millis() * 48) as usize * 2;
            let sound = &output.stdout[at(from)..at(to)];
            sound.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs()).max().unwrap()
        };
        let ms = Duration::from_millis;
        let tone = loudest(ms(200), ms(400));
        assert!(tone > 1000, "{decoder}: the tone is heard ({tone})");
        assert!(loudest(ms(1200), ms(1700)) < tone / 4, "{decoder}: the pause is quiet");
        assert!(loudest(length + pause + ms(200), length + pause + ms(400)) > 1000, "{decoder}: the tone comes again");
    }
}

#[test]
fn times_are_kept_where_the_format_has_them() {
    let folder = Folder::new("times");
    for name in ["vp8.ivf", "mono.opus"] {
        let (_, codec, once) = read_golden(name);
        let mut writer = Writer::create(folder.0.join("late"), codec, None).unwrap();
        for frame in &once {
            let timestamp = frame.timestamp + Duration::from_secs(7);
            writer.write(&Frame { timestamp, ..frame.clone() }).unwrap();
        }
        let path = writer.path().to_owned();
        writer.finish().unwrap();
        let start: f64 = probe(&path, "start_time")[0].parse().unwrap();
        assert!((start - 7.0).abs() < 0.01, "{name} starts at {start}");
    }
}
