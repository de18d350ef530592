use super::value::exact;
use super::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, Extension, ExtensionMap, ExtensionWriter,
    Extensions, FeedbackRequest, Orientation, PlayoutDelay, VideoTiming,
};

/// What the header extensions of a packet say; `None` is what they do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// How much later than its timestamp says the packet was sent, in ticks of the stream's clock; 24 bits with a sign.
    pub transmission_offset: Option<i32>,
    /// When it was sent.
    pub abs_send_time: Option<AbsSendTime>,
    /// Its number among the packets of all streams of the transport.
    pub transport_sequence: Option<u16>,
    /// The sender's wish for feedback, beside `transport_sequence`; only transport-wide-cc-02 carries it.
    pub feedback_request: Option<FeedbackRequest>,
    /// The media section that the stream belongs to.
    pub mid: Option<&'a str>,
    /// The stream within its media section.
    pub rid: Option<&'a str>,
    /// The stream that this one repairs.
    pub repaired_rid: Option<&'a str>,
    /// How loud the payload is.
    pub audio_level: Option<AudioLevel>,
    /// How loud each mixed source is, in the order of the CSRCs: decibels as in [`AudioLevel::level`], the highest bit
    /// unused.
    pub csrc_audio_levels: Option<&'a [u8]>,
    /// How the camera was held.
    pub orientation: Option<Orientation>,
    /// Bounds of the time from capture to display.
    pub playout_delay: Option<PlayoutDelay>,
    /// What sort of picture it is.
    pub content_type: Option<ContentType>,
    /// Where the frame spent its time.
    pub timing: Option<VideoTiming>,
    /// Which colours the samples mean.
    pub color_space: Option<ColorSpace<'a>>,
    /// When the payload was captured.
    pub abs_capture_time: Option<AbsCaptureTime>,
    /// Which frames this one depends on, as it is on the wire.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// Which layers are sent at what rate, as it is on the wire.
    pub layers_allocation: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// Reads the extensions that are in `map`. The others are skipped, and so is a value that makes no sense: a packet
    /// can do without. Of several with the same id the last counts.
    pub fn read(extensions: &Extensions<'a>, map: &ExtensionMap) -> Self {
        let mut values = Self::default();
        for (id, value) in extensions.iter() {
            if let Some(extension) = map.get(id) {
                values.set(extension, value);
            }
        }
        values
    }

    fn set(&mut self, extension: Extension, value: &'a [u8]) {
        match extension {
            Extension::TransmissionOffset => self.transmission_offset = exact(value).map(signed_24),
            Extension::AbsSendTime => self.abs_send_time = AbsSendTime::decode(value),
            Extension::TransportSequence => self.transport_sequence = exact(value).map(u16::from_be_bytes),
            Extension::TransportSequence02 => {
                let (sequence, request) = value.split_first_chunk().unzip();
                self.transport_sequence = sequence.copied().map(u16::from_be_bytes);
                let request = request.and_then(exact).map(u16::from_be_bytes);
                self.feedback_request = request.map(FeedbackRequest::from_bits);
            }
            Extension::Mid => self.mid = text(value),
            Extension::RtpStreamId => self.rid = text(value),
            Extension::RepairedRtpStreamId => self.repaired_rid = text(value),
            Extension::AudioLevel => self.audio_level = AudioLevel::decode(value),
            Extension::CsrcAudioLevels => self.csrc_audio_levels = Some(value),
            Extension::VideoOrientation => self.orientation = Orientation::decode(value),
            Extension::PlayoutDelay => self.playout_delay = PlayoutDelay::decode(value),
            Extension::VideoContentType => self.content_type = exact(value).map(|[byte]| ContentType(byte)),
            Extension::VideoTiming => self.timing = VideoTiming::decode(value),
            Extension::ColorSpace => self.color_space = ColorSpace::decode(value),
            Extension::AbsCaptureTime => self.abs_capture_time = AbsCaptureTime::decode(value),
            Extension::DependencyDescriptor => self.dependency_descriptor = Some(value),
            Extension::VideoLayersAllocation => self.layers_allocation = Some(value),
        }
    }

    /// Appends a block of those extensions that have a value here and an id in `map`; nothing where there is none.
    /// Whether there is a block. A whole header comes from [`Header::encode_with`](super::Header::encode_with) and
    /// [`write`](Self::write).
    pub fn encode(&self, map: &ExtensionMap, buf: &mut Vec<u8>) -> bool {
        ExtensionWriter::block(buf, |writer| self.write(map, writer))
    }

    /// Adds those extensions that have a value here and an id in `map`.
    pub fn write(&self, map: &ExtensionMap, writer: &mut ExtensionWriter<'_>) {
        let mut put = |extension, value: Option<&[u8]>| {
            if let Some((value, id)) = value.zip(map.id(extension)) {
                writer.put(id, value);
            }
        };
        // What networks look at comes first, then what says which stream it is.
        put(Extension::AbsSendTime, self.abs_send_time.map(AbsSendTime::to_bytes).as_ref().map(as_slice));
        self.write_transport_sequence(map, &mut put);
        put(Extension::Mid, self.mid.map(str::as_bytes));
        put(Extension::RtpStreamId, self.rid.map(str::as_bytes));
        put(Extension::RepairedRtpStreamId, self.repaired_rid.map(str::as_bytes));
        let offset = self.transmission_offset.map(|offset| {
            let [_, a, b, c] = offset.to_be_bytes();
            [a, b, c]
        });
        put(Extension::TransmissionOffset, offset.as_ref().map(as_slice));
        put(Extension::AudioLevel, self.audio_level.map(|level| [level.to_byte()]).as_ref().map(as_slice));
        put(Extension::CsrcAudioLevels, self.csrc_audio_levels);
        put(Extension::VideoOrientation, self.orientation.map(|held| [held.to_byte()]).as_ref().map(as_slice));
        put(Extension::PlayoutDelay, self.playout_delay.map(PlayoutDelay::to_bytes).as_ref().map(as_slice));
        put(Extension::VideoContentType, self.content_type.map(|content| [content.0]).as_ref().map(as_slice));
        put(Extension::VideoTiming, self.timing.map(VideoTiming::to_bytes).as_ref().map(as_slice));
        if let Some((bytes, length)) = self.color_space.map(ColorSpace::to_bytes) {
            put(Extension::ColorSpace, bytes.get(..length));
        }
        if let Some((bytes, length)) = self.abs_capture_time.map(AbsCaptureTime::to_bytes) {
            put(Extension::AbsCaptureTime, bytes.get(..length));
        }
        put(Extension::DependencyDescriptor, self.dependency_descriptor);
        put(Extension::VideoLayersAllocation, self.layers_allocation);
    }

    /// The number goes into the extension that was negotiated; where both were, into the one that needs no request.
    fn write_transport_sequence(&self, map: &ExtensionMap, put: &mut impl FnMut(Extension, Option<&[u8]>)) {
        let Some(sequence) = self.transport_sequence else { return };
        let [s0, s1] = sequence.to_be_bytes();
        if map.id(Extension::TransportSequence).is_some() {
            put(Extension::TransportSequence, Some(&[s0, s1]));
        } else if let Some(request) = self.feedback_request {
            let [r0, r1] = request.to_bits().to_be_bytes();
            put(Extension::TransportSequence02, Some(&[s0, s1, r0, r1]));
        } else {
            put(Extension::TransportSequence02, Some(&[s0, s1]));
        }
    }
}

fn as_slice<const N: usize>(bytes: &[u8; N]) -> &[u8] {
    bytes
}

/// A number of 24 bits with a sign.
fn signed_24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

/// The text of an SDES item in a header extension (RFC 7941, section 4.2.2). Some senders fill it up with zeros.
fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    let text = value.get(..end)?;
    std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NtpTime;
    use crate::packet::{Header, Packet};
    use proptest::prelude::*;
    use std::time::Duration;

    /// Every extension, beginning with this id.
    fn all(first: u8) -> ExtensionMap {
        (first..).zip(Extension::ALL).collect()
    }

    /// Writes a packet with these values, and hands it to `check`.
    fn carry(values: &Values<'_>, map: &ExtensionMap, check: impl FnOnce(Packet<'_>)) {
        let mut buf = Vec::new();
        Header::default().encode_with(&[], |writer| values.write(map, writer), &mut buf);
        check(Packet::decode(&buf).unwrap());
    }

    #[test]
    fn values_are_the_bytes_that_browsers_send() {
        let map: ExtensionMap = [
            (2, Extension::AbsSendTime),
            (3, Extension::TransportSequence),
            (4, Extension::Mid),
            (10, Extension::RtpStreamId),
            (1, Extension::AudioLevel),
        ]
        .into_iter()
        .collect();
        let values = Values {
            abs_send_time: Some(AbsSendTime(0x01_02_03)),
            transport_sequence: Some(0x0405),
            mid: Some("0"),
            rid: Some("hi"),
            audio_level: Some(AudioLevel { level: 1, voice: true }),
            orientation: Some(Orientation::default()),
            ..Values::default()
        };
        let mut block = Vec::new();
        assert!(values.encode(&map, &mut block));
        let elements = [0x22, 1, 2, 3, 0x31, 4, 5, 0x40, b'0', 0xa1, b'h', b'i', 0x10, 0x81, 0, 0];
        assert_eq!(block, [&[0xbe, 0xde, 0, 4][..], &elements].concat());
        let unmapped = Values { orientation: None, ..values };
        carry(&values, &map, |packet| assert_eq!(Values::read(&packet.extensions, &map), unmapped));
        block.clear();
        assert!(!values.encode(&ExtensionMap::new(), &mut block) && block.is_empty(), "nothing was negotiated");
    }

    #[test]
    fn a_feedback_request_needs_its_own_extension() {
        let request = FeedbackRequest { timestamps: true, count: 500 };
        let values = Values { transport_sequence: Some(9), feedback_request: Some(request), ..Values::default() };
        let second = ExtensionMap::from_iter([(5, Extension::TransportSequence02)]);
        carry(&values, &second, |packet| {
            assert_eq!(packet.extensions.get(5), Some(&[0, 9, 0x81, 0xf4][..]));
            assert_eq!(Values::read(&packet.extensions, &second), values);
        });
        let plain = Values { feedback_request: None, ..values };
        carry(&plain, &second, |packet| assert_eq!(Values::read(&packet.extensions, &second), plain));
        let both = ExtensionMap::from_iter([(4, Extension::TransportSequence), (5, Extension::TransportSequence02)]);
        carry(&values, &both, |packet| assert_eq!(Values::read(&packet.extensions, &both), plain));
    }

    #[test]
    fn values_that_make_no_sense_are_none() {
        let map = all(1);
        for extension in Extension::ALL {
            let any_length = [Extension::CsrcAudioLevels, Extension::DependencyDescriptor];
            if any_length.contains(&extension) || extension == Extension::VideoLayersAllocation {
                continue;
            }
            let mut buf = Vec::new();
            let put = |writer: &mut ExtensionWriter<'_>| writer.put(map.id(extension).unwrap(), &[]);
            Header::default().encode_with(&[], put, &mut buf);
            let values = Values::read(&Packet::decode(&buf).unwrap().extensions, &map);
            assert_eq!(values, Values::default(), "{extension:?}");
        }
        assert_eq!((text(b"a\0\0"), text(b"\0a"), text(b"\xff")), (Some("a"), None, None));
        assert_eq!((signed_24([0xff, 0xff, 0xfe]), signed_24([0, 1, 0])), (-2, 256));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            first in prop_oneof![Just(1u8), 1u8..200],
            (offset, time, sequence, request) in
                (proptest::option::of(-0x80_0000i32..0x80_0000), proptest::option::of(0u32..1 << 24),
                 any::<Option<u16>>(), any::<Option<(bool, u16)>>()),
            (mid, rid, repaired) in (proptest::option::of("[a-z0-9]{1,20}"), proptest::option::of("[a-z0-9]{1,16}"),
                 proptest::option::of("[a-z0-9]{1,16}")),
            (level, held, delay) in
                (proptest::option::of((0u8..128, any::<bool>())), proptest::option::of(0u8..16),
                 proptest::option::of((0u64..2000, 2000u64..4096))),
            (content, times, capture) in
                (any::<Option<u8>>(), any::<Option<[u16; 6]>>(), any::<Option<(u64, Option<i64>)>>()),
            (color, hdr, opaque) in (any::<Option<[u8; 4]>>(), any::<Option<[u8; 24]>>(), any::<Option<[u8; 9]>>()),
        ) {
            let map = all(first);
            let millis = |steps| Duration::from_millis(steps * 10);
            let opaque = opaque.as_ref().map(as_slice);
            let values = Values {
                transmission_offset: offset,
                abs_send_time: time.map(AbsSendTime),
                transport_sequence: sequence,
                feedback_request: None,
                mid: mid.as_deref(),
                rid: rid.as_deref(),
                repaired_rid: repaired.as_deref(),
                audio_level: level.map(|(level, voice)| AudioLevel { level, voice }),
                csrc_audio_levels: opaque,
                orientation: held.and_then(|byte| Orientation::decode(&[byte])),
                playout_delay: delay.map(|(min, max)| PlayoutDelay { min: millis(min), max: millis(max) }),
                content_type: content.map(ContentType),
                timing: times.map(|[a, b, c, d, e, f]| VideoTiming {
                    flags: 2, encode_start: a, encode_finish: b, packetization_finish: c, pacer_exit: d,
                    network: [e, f],
                }),
                color_space: color.map(|[primaries, transfer, matrix, range_and_siting]| {
                    ColorSpace { primaries, transfer, matrix, range_and_siting, hdr: hdr.as_ref() }
                }),
                abs_capture_time: capture.map(|(time, clock_offset)| {
                    AbsCaptureTime { time: NtpTime(time), clock_offset }
                }),
                dependency_descriptor: opaque,
                layers_allocation: opaque,
            };
            carry(&values, &map, |packet| assert_eq!(Values::read(&packet.extensions, &map), values));
            // With the other extension, the number has its request beside it.
            let second: ExtensionMap = map.iter().filter(|(_, e)| *e != Extension::TransportSequence).collect();
            let request = sequence.and(request);
            let request = request.map(|(timestamps, count)| FeedbackRequest { timestamps, count: count >> 1 });
            let values = Values { feedback_request: request, ..values };
            carry(&values, &second, |packet| assert_eq!(Values::read(&packet.extensions, &second), values));
        }
    }
}
