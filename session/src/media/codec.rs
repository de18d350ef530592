//! Codecs: which there are, when two descriptions mean the same one, and which payload types they go by.

use std::time::Duration;

use rtp::payload::{Format, g711, opus};

/// What a media section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// `audio` or `video`, as in the m-line and in the W3C interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "audio" => Some(Self::Audio),
            "video" => Some(Self::Video),
            _ => None,
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec with its parameters, as `RTCRtpCodec`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Its name in SDP, such as `VP8` or `opus`; compared without regard to case (RFC 4855, section 3).
    pub name: String,
    /// Ticks of the RTP timestamp in a second.
    pub clock_rate: u32,
    /// How many channels of sound, where the name does not say it.
    pub channels: Option<u8>,
    /// Its parameters as they stand in `a=fmtp`: `name=value` with semicolons between; empty for none.
    pub parameters: String,
}

impl Codec {
    fn new(kind: MediaKind, name: &str, clock_rate: u32, channels: Option<u8>, parameters: &str) -> Self {
        Self { kind, name: name.into(), clock_rate, channels, parameters: parameters.into() }
    }

    fn video(name: &str, parameters: &str) -> Self {
        Self::new(MediaKind::Video, name, 90_000, None, parameters)
    }

    fn audio(name: &str, clock_rate: u32, channels: Option<u8>, parameters: &str) -> Self {
        Self::new(MediaKind::Audio, name, clock_rate, channels, parameters)
    }

    /// Opus, stereo at 48 kHz (RFC 7587).
    pub fn opus() -> Self {
        Self::audio("opus", 48_000, Some(2), "minptime=10;useinbandfec=1")
    }

    /// G.711 µ-law (RFC 3551, section 4.5.14).
    pub fn pcmu() -> Self {
        Self::audio("PCMU", 8_000, None, "")
    }

    /// G.711 A-law (RFC 3551, section 4.5.14).
    pub fn pcma() -> Self {
        Self::audio("PCMA", 8_000, None, "")
    }

    /// Opus with the frames before it in each packet (RFC 2198). Preferred to [`Codec::opus`], it is what is sent; how
    /// many frames are repeated is a matter of [`MediaConfig::red_frames`](crate::MediaConfig::red_frames).
    pub fn red() -> Self {
        Self::audio("red", 48_000, Some(2), "")
    }

    /// Keys of a telephone (RFC 4733), with the clock of the codec they ride along with.
    pub fn telephone_event(clock_rate: u32) -> Self {
        Self::audio("telephone-event", clock_rate, None, "0-15")
    }

    /// VP8 (RFC 7741).
    pub fn vp8() -> Self {
        Self::video("VP8", "")
    }

    /// VP9, profile 0 (RFC 9628).
    pub fn vp9() -> Self {
        Self::video("VP9", "profile-id=0")
    }

    /// H.264, constrained baseline, level 3.1 (RFC 6184; the one that RFC 7742 requires).
    pub fn h264() -> Self {
        Self::h264_profile("42e01f", 1)
    }

    fn h264_profile(profile: &str, mode: u8) -> Self {
        let parameters = format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}");
        Self::video("H264", &parameters)
    }

    /// H.265, main profile, level 3.1 (RFC 7798).
    pub fn h265() -> Self {
        Self::video("H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST")
    }

    /// AV1, profile 0.
    pub fn av1() -> Self {
        Self::video("AV1", "level-idx=5;profile=0;tier=0")
    }

    /// All that can be packetised, in the order in which they are offered where the application does not choose.
    pub fn all(kind: MediaKind) -> Vec<Self> {
        match kind {
            MediaKind::Audio => vec![
                Self::opus(),
                Self::red(),
                Self::pcmu(),
                Self::pcma(),
                Self::telephone_event(48_000),
                Self::telephone_event(8_000),
            ],
            MediaKind::Video => vec![
                Self::vp8(),
                Self::vp9(),
                Self::h264(),
                Self::h264_profile("42001f", 1),
                Self::h264_profile("4d001f", 1),
                Self::h264_profile("64001f", 1),
                Self::h264_profile("42e01f", 0),
                Self::h264_profile("42001f", 0),
                Self::av1(),
                Self::h265(),
            ],
        }
    }

    pub(crate) fn is_red(&self) -> bool {
        self.kind == MediaKind::Audio && self.name.eq_ignore_ascii_case("red")
    }

    pub(crate) fn is_telephone_event(&self) -> bool {
        self.kind == MediaKind::Audio && self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// How its frames are cut into packets; nothing for what rides along, such as telephone events.
    pub fn format(&self) -> Option<Format> {
        const FORMATS: [(&str, Format); 8] = [
            ("opus", Format::Opus),
            ("PCMU", Format::Pcmu),
            ("PCMA", Format::Pcma),
            ("VP8", Format::Vp8),
            ("VP9", Format::Vp9),
            ("H264", Format::H264),
            ("H265", Format::H265),
            ("AV1", Format::Av1),
        ];
        FORMATS.iter().find(|(name, _)| self.name.eq_ignore_ascii_case(name)).map(|(_, format)| *format)
    }

    /// How long a frame of sound lasts, by what is in it. `None` for pictures, and for what is no frame of the codec.
    pub(crate) fn duration(&self, frame: &[u8]) -> Option<Duration> {
        match self.format()? {
            Format::Opus => opus::duration(frame),
            Format::Pcmu | Format::Pcma => Some(g711::duration(frame)),
            Format::Vp8 | Format::Vp9 | Format::H264 | Format::H265 | Format::Av1 => None,
        }
    }

    /// The value of a parameter, whose name is compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let parts = self.parameters.split(';').map(str::trim);
        let pairs = parts.filter_map(|part| part.split_once('='));
        pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether both name the same codec: parameters that only say what a side prefers do not count, those that make
    /// another bit stream of it do.
    pub fn matches(&self, other: &Self) -> bool {
        let same = |name: &str, default: &str| {
            self.parameter(name).unwrap_or(default).eq_ignore_ascii_case(other.parameter(name).unwrap_or(default))
        };
        self.kind == other.kind
            && self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels.unwrap_or(1) == other.channels.unwrap_or(1)
            && match self.format() {
                // RFC 6184, section 8.2.2: the mode is symmetric, and so is the profile, whose level may differ.
                Some(Format::H264) => same("packetization-mode", "0") && same_h264_profile(self, other),
                Some(Format::Vp9) => same("profile-id", "0"),
                Some(Format::Av1) => same("profile", "0") && same("tier", "0"),
                Some(Format::H265) => same("profile-id", "1") && same("tier-flag", "0") && same("tx-mode", "SRST"),
                Some(Format::Opus | Format::Pcmu | Format::Pcma | Format::Vp8) | None => true,
            }
    }
}

/// Baseline, level 1, is what is meant where nothing is said (RFC 6184, section 8.1).
const DEFAULT_H264_PROFILE: &str = "42000a";

fn same_h264_profile(one: &Codec, other: &Codec) -> bool {
    let of = |codec: &Codec| codec.parameter("profile-level-id").unwrap_or(DEFAULT_H264_PROFILE).to_owned();
    // The first four digits are profile and constraints; the level is the last two.
    let profile = |id: &str| id.get(..4).map(str::to_ascii_lowercase);
    matches!((profile(&of(one)), profile(&of(other))), (Some(one), Some(other)) if one == other)
}

/// A codec under the number that stands for it in packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayloadType {
    pub(crate) number: u8,
    pub(crate) codec: Codec,
    /// Under which number it is sent again (RFC 4588).
    pub(crate) rtx: Option<u8>,
    /// Kinds of feedback, such as `nack pli`.
    pub(crate) feedback: Vec<String>,
}

/// The feedback that is understood for a codec, as it stands in `a=rtcp-fb`.
pub(crate) fn feedback_of(codec: &Codec) -> &'static [&'static str] {
    match (codec.kind, codec.format()) {
        (_, None) => &[],
        (MediaKind::Audio, Some(_)) => &["transport-cc"],
        (MediaKind::Video, Some(_)) => &["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"],
    }
}

/// The numbers that the codecs have in our offers, as long as nothing else has them: those of Chromium, so that there
/// is seldom anything to translate.
fn usual_number(codec: &Codec) -> Option<u8> {
    const USUAL: [(u8, fn() -> Codec); 9] = [
        (111, Codec::opus),
        (63, Codec::red),
        (0, Codec::pcmu),
        (8, Codec::pcma),
        (96, Codec::vp8),
        (98, Codec::vp9),
        (108, Codec::h264),
        (45, Codec::av1),
        (49, Codec::h265),
    ];
    let usual = USUAL.iter().find(|(_, of)| of().matches(codec)).map(|(number, _)| *number);
    usual.or(match (codec.name.as_str(), codec.clock_rate) {
        ("telephone-event", 48_000) => Some(110),
        ("telephone-event", 8_000) => Some(126),
        _ => None,
    })
}

/// Redundant audio is here for Opus alone: its parameter names the number of Opus, once for the frame and once for those
/// before it. Where it names others, or there is no Opus, it goes.
pub(crate) fn keep_useful_red(types: &mut Vec<PayloadType>) {
    let opus: Vec<u8> =
        types.iter().filter(|one| one.codec.format() == Some(Format::Opus)).map(|one| one.number).collect();
    types.retain(|one| {
        let mut blocks = one.codec.parameters.split('/');
        !one.codec.is_red() || blocks.all(|block| block.trim().parse().is_ok_and(|number| opus.contains(&number)))
    });
}

/// The same for an offer of ours, whose numbers have just been given out.
pub(crate) fn name_in_red(types: &mut Vec<PayloadType>) {
    let opus = types.iter().find(|one| one.codec.format() == Some(Format::Opus)).map(|one| one.number);
    for one in types.iter_mut().filter(|one| one.codec.is_red()) {
        one.codec.parameters = opus.map(|number| format!("{number}/{number}")).unwrap_or_default();
    }
    keep_useful_red(types);
}

/// Which numbers stand for what in this session. Within a BUNDLE group a number means one thing only (RFC 9143,
/// section 9.1.1), and it never changes its meaning (RFC 8829, section 5.2.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    known: Vec<PayloadType>,
}

impl Numbers {
    /// Remembers what a description said.
    pub(crate) fn learn(&mut self, types: &[PayloadType]) {
        for new in types {
            match self.known.iter_mut().find(|known| known.number == new.number) {
                Some(known) => known.rtx = known.rtx.or(new.rtx),
                None => self.known.push(new.clone()),
            }
        }
    }

    fn is_free(&self, number: u8) -> bool {
        self.known.iter().all(|known| known.number != number && known.rtx != Some(number))
    }

    /// Dynamic numbers in the order in which they are given out. Those from 64 to 95 look like RTCP (RFC 5761).
    fn free(&self) -> Option<u8> {
        (96..=127).chain(35..=63).find(|number| self.is_free(*number))
    }

    /// The number of a codec: the one it has, the usual one, or a free one. Nothing when all are taken.
    pub(crate) fn assign(&mut self, codec: &Codec) -> Option<PayloadType> {
        let wants_rtx = codec.kind == MediaKind::Video && codec.format().is_some();
        let index = match self.known.iter().position(|known| known.codec.matches(codec)) {
            Some(index) => index,
            None => {
                let number = usual_number(codec).filter(|number| self.is_free(*number)).or_else(|| self.free())?;
                self.known.push(PayloadType { number, codec: codec.clone(), rtx: None, feedback: Vec::new() });
                self.known.len() - 1
            }
        };
        let number = self.known.get(index)?.number;
        let next = number.checked_add(1).filter(|next| *next < 128 && !(64..96).contains(next) && self.is_free(*next));
        let rtx = if wants_rtx { self.known.get(index)?.rtx.or(next).or_else(|| self.free()) } else { None };
        let known = self.known.get_mut(index)?;
        known.rtx = known.rtx.or(rtx);
        let feedback = feedback_of(codec).iter().map(ToString::to_string).collect();
        Some(PayloadType { number, codec: codec.clone(), rtx: known.rtx.filter(|_| wants_rtx), feedback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_change_the_bit_stream_make_another_codec() {
        assert!(Codec::h264().matches(&Codec::h264_profile("42e034", 1)), "the level may differ");
        assert!(!Codec::h264().matches(&Codec::h264_profile("42e01f", 0)));
        assert!(!Codec::h264().matches(&Codec::h264_profile("4d001f", 1)));
        assert!(Codec::vp9().matches(&Codec::video("vp9", "")), "profile 0 is what is meant");
        assert!(!Codec::vp9().matches(&Codec::video("VP9", "profile-id=2")));
        assert!(Codec::opus().matches(&Codec::audio("OPUS", 48_000, Some(2), "stereo=1")));
        assert!(!Codec::opus().matches(&Codec::audio("opus", 48_000, None, "")));
    }

    #[test]
    fn numbers_are_unique_and_stay() {
        let mut numbers = Numbers::default();
        let types: Vec<PayloadType> = [MediaKind::Audio, MediaKind::Video]
            .into_iter()
            .flat_map(Codec::all)
            .filter_map(|codec| numbers.assign(&codec))
            .collect();
        let mut all: Vec<u8> = types.iter().flat_map(|one| [Some(one.number), one.rtx]).flatten().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|number| *number < 64 || *number >= 96));
        assert_eq!(numbers.assign(&Codec::vp8()).map(|one| (one.number, one.rtx)), Some((96, Some(97))));
    }

    #[test]
    fn a_number_that_the_peer_uses_otherwise_is_not_taken() {
        let mut numbers = Numbers::default();
        let theirs = PayloadType { number: 96, codec: Codec::vp9(), rtx: Some(97), feedback: Vec::new() };
        numbers.learn(&[theirs]);
        assert_eq!(numbers.assign(&Codec::vp9()).map(|one| (one.number, one.rtx)), Some((96, Some(97))));
        let vp8 = numbers.assign(&Codec::vp8()).unwrap();
        assert!(![96, 97].contains(&vp8.number) && vp8.rtx.is_some_and(|rtx| ![96, 97, vp8.number].contains(&rtx)));
    }
}
