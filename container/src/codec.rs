//! What is in a file, and what the file is.

use std::fmt;

/// How the frames are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// H.264, as a byte stream (its annex B).
    H264,
    /// H.265, as a byte stream (its annex B).
    H265,
    /// Opus (RFC 6716).
    Opus,
    /// G.711 µ-law, 8 kHz, one channel.
    Pcmu,
    /// G.711 A-law, 8 kHz, one channel.
    Pcma,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Vp8, Self::Vp9, Self::Av1, Self::H264, Self::H265, Self::Opus, Self::Pcmu, Self::Pcma];

    /// The name in session descriptions: `VP8`, `opus`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Whether frames are pictures.
    pub const fn is_video(self) -> bool {
        match self {
            Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H264 | Self::H265 => true,
            Self::Opus | Self::Pcmu | Self::Pcma => false,
        }
    }

    /// The extensions that a file of this codec may be written with, and what each makes of it. The first is added to
    /// names without one.
    pub(crate) const fn extensions(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::Vp8 | Self::Vp9 | Self::Av1 => &[("ivf", Kind::Ivf)],
            Self::H264 => &[("h264", Kind::AnnexB), ("264", Kind::AnnexB), ("ivf", Kind::Ivf)],
            Self::H265 => &[("h265", Kind::AnnexB), ("265", Kind::AnnexB), ("hevc", Kind::AnnexB)],
            Self::Opus => &[("opus", Kind::Ogg), ("ogg", Kind::Ogg), ("oga", Kind::Ogg)],
            Self::Pcmu | Self::Pcma => &[("wav", Kind::Wav)],
        }
    }

    /// [`extensions`](Self::extensions) for people.
    pub(crate) const fn extension_names(self) -> &'static str {
        match self {
            Self::Vp8 | Self::Vp9 | Self::Av1 => ".ivf",
            Self::H264 => ".h264, .264 or .ivf",
            Self::H265 => ".h265, .265 or .hevc",
            Self::Opus => ".opus, .ogg or .oga",
            Self::Pcmu | Self::Pcma => ".wav",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IVF: each frame behind its size and time.
    Ivf,
    /// Ogg with one stream of Opus (RFC 7845).
    Ogg,
    /// A byte stream of H.264 or H.265: NAL units behind start codes, and nothing else.
    AnnexB,
    /// WAV: samples behind a RIFF header.
    Wav,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ivf => "IVF",
            Self::Ogg => "Ogg",
            Self::AnnexB => "an H.264 or H.265 byte stream",
            Self::Wav => "WAV",
        })
    }
}
