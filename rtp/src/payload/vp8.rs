//! VP8 (RFC 7741).

use super::even::parts;
use super::{FrameError, Inspection, Payloads};
use wire::{Malformed, Put, Reader};

pub use super::picture_id::PictureId;

/// What is in front of each piece of a frame (RFC 7741, section 4.2).
///
/// ```text
///       0 1 2 3 4 5 6 7
///      +-+-+-+-+-+-+-+-+
///      |X|R|N|S|R| PID |
///      +-+-+-+-+-+-+-+-+
/// X:   |I|L|T|K| RSV   |
///      +-+-+-+-+-+-+-+-+
/// I:   |M| PictureID   |
///      +-+-+-+-+-+-+-+-+
///      |   PictureID   |  if M
///      +-+-+-+-+-+-+-+-+
/// L:   |   TL0PICIDX   |
///      +-+-+-+-+-+-+-+-+
/// T/K: |TID|Y| KEYIDX  |
///      +-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// N: no other frame needs this one.
    pub is_non_reference: bool,
    /// S: a partition begins with this payload.
    pub starts_partition: bool,
    /// PID: the partition of the first byte, 0 to 7.
    pub partition: u8,
    /// I: which frame it is.
    pub picture_id: Option<PictureId>,
    /// L: counts the frames of the lowest temporal layer.
    pub tl0picidx: Option<u8>,
    /// T: the temporal layer, 0 to 3.
    pub tid: Option<u8>,
    /// Y: the frame depends on nothing but the lowest layer's last one. Carried only beside `tid` or `keyidx`.
    pub is_layer_sync: bool,
    /// K: counts key frames, 0 to 31.
    pub keyidx: Option<u8>,
}

impl Descriptor {
    /// Reads one, and leaves the piece of the frame in `reader`.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are missing. Reserved bits are ignored.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let first = reader.u8("VP8 payload descriptor")?;
        let mut descriptor = Self {
            is_non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 == 0 {
            return Ok(descriptor);
        }
        let present = reader.u8("extended control bits")?;
        if present & 0x80 != 0 {
            descriptor.picture_id = Some(PictureId::decode(reader)?);
        }
        if present & 0x40 != 0 {
            descriptor.tl0picidx = Some(reader.u8("TL0PICIDX")?);
        }
        if present & 0x30 != 0 {
            let byte = reader.u8("TID and KEYIDX")?;
            descriptor.tid = (present & 0x20 != 0).then_some(byte >> 6);
            descriptor.is_layer_sync = byte & 0x20 != 0;
            descriptor.keyidx = (present & 0x10 != 0).then_some(byte & 0x1f);
        }
        Ok(descriptor)
    }

    /// Appends it. Bits that are too high for their field are dropped.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let present = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0picidx.is_some()) << 6
            | u8::from(self.tid.is_some()) << 5
            | u8::from(self.keyidx.is_some()) << 4;
        buf.put_u8(
            u8::from(present != 0) << 7
                | u8::from(self.is_non_reference) << 5
                | u8::from(self.starts_partition) << 4
                | self.partition & 0x07,
        );
        if present == 0 {
            return;
        }
        buf.put_u8(present);
        if let Some(id) = self.picture_id {
            id.encode(buf);
        }
        if let Some(index) = self.tl0picidx {
            buf.put_u8(index);
        }
        if self.tid.is_some() || self.keyidx.is_some() {
            let tid = self.tid.unwrap_or_default() & 0x03;
            let keyidx = self.keyidx.unwrap_or_default() & 0x1f;
            buf.put_u8(tid << 6 | u8::from(self.is_layer_sync) << 5 | keyidx);
        }
    }

    /// Whether the frame begins with this payload.
    pub const fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }
}

/// Whether `frame` is a key frame, by the P bit of its first byte (RFC 7741, section 4.3).
pub fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte & 0x01 == 0)
}

/// Width and height in pixels of a key frame (RFC 6386, section 9.1), without the scaling that it may ask for. `None` if
/// it is none.
pub fn dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    if !is_keyframe(frame) {
        return None;
    }
    let (_, rest) = frame.split_first_chunk::<3>()?;
    let [0x9d, 0x01, 0x2a, width_low, width_high, height_low, height_high] = *rest.first_chunk()? else {
        return None;
    };
    // The upper two bits are the scale.
    let pixels = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    Some((pixels(width_low, width_high), pixels(height_low, height_high)))
}

/// Looks at one payload.
///
/// # Errors
/// [`Malformed`] if the descriptor is, or nothing comes behind it.
pub fn inspect(payload: &[u8]) -> Result<Inspection, Malformed> {
    let (descriptor, piece) = open(payload)?;
    let starts_frame = descriptor.starts_frame();
    Ok(Inspection { starts_frame: Some(starts_frame), is_keyframe: starts_frame && is_keyframe(piece) })
}

/// The descriptor, and the piece behind it, which is not empty.
fn open(payload: &[u8]) -> Result<(Descriptor, &[u8]), Malformed> {
    let mut reader = Reader::new(payload);
    let descriptor = Descriptor::decode(&mut reader)?;
    if reader.is_empty() {
        return Err(Malformed::new("VP8 payload, which is empty"));
    }
    Ok((descriptor, reader.rest()))
}

/// Cuts frames into payloads about equally long, without regard to partitions (RFC 7741, section 4.4), and counts them
/// with a picture id of 15 bits.
#[derive(Clone, Debug)]
pub struct Packetizer {
    picture_id: PictureId,
}

impl Packetizer {
    /// Bytes of each descriptor: two of bits, two of picture id.
    const OVERHEAD: usize = 4;

    /// The first picture id comes from `seed`.
    pub const fn new(seed: u32) -> Self {
        Self { picture_id: PictureId::Long((seed & 0x7fff) as u16) }
    }

    /// The picture id that the next frame gets.
    pub const fn picture_id(&self) -> PictureId {
        self.picture_id
    }

    /// Appends the payloads of `frame`, each of at most `limit` bytes.
    ///
    /// # Errors
    /// [`FrameError`] if the frame is empty, or `limit` leaves no room for any of it.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        if frame.is_empty() {
            return Err(FrameError::Empty);
        }
        let room = limit.saturating_sub(Self::OVERHEAD);
        let pieces = parts(frame, 0, room).ok_or(FrameError::TooLong { length: frame.len(), limit: room })?;
        let mut descriptor =
            Descriptor { starts_partition: true, picture_id: Some(self.picture_id), ..Descriptor::default() };
        for piece in pieces {
            payloads.push_with(|buf| {
                descriptor.encode(buf);
                buf.put_bytes(piece);
            });
            descriptor.starts_partition = false;
        }
        self.picture_id = self.picture_id.next();
        Ok(())
    }
}

/// Puts the payloads of a frame together again (RFC 7741, section 4.5.1).
#[derive(Clone, Debug, Default)]
pub struct Depacketizer {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The frame's first payload is awaited.
    #[default]
    Begun,
    Within,
    /// Something was malformed; nothing is taken for this frame any more.
    Broken,
}

impl Depacketizer {
    /// Ready for a frame.
    pub const fn new() -> Self {
        Self { state: State::Begun }
    }

    /// Begins a frame, whatever became of the one before.
    pub fn begin(&mut self) {
        *self = Self::new();
    }

    /// Appends the piece of the frame in `payload`.
    ///
    /// # Errors
    /// [`Malformed`] if the descriptor is, nothing comes behind it, or it begins a frame where none begins and the other
    /// way round. Until [`begin`](Self::begin), everything is malformed then.
    pub fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        let expected = std::mem::replace(&mut self.state, State::Broken);
        let (descriptor, piece) = open(payload)?;
        let found = if descriptor.starts_frame() { State::Begun } else { State::Within };
        if expected != found {
            return Err(Malformed::new("start of a VP8 frame"));
        }
        frame.put_bytes(piece);
        self.state = State::Within;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The beginning of a key frame of 176 by 144 pixels, and of the frame behind it, by libvpx.
    const KEY: &[u8] = &[0x70, 0x07, 0x00, 0x9d, 0x01, 0x2a, 0xb0, 0x00, 0x90, 0x00, 0x00, 0x47, 0x08, 0x85];
    const DELTA: &[u8] = &[0x31, 0x02, 0x00, 0x05, 0x10, 0xac, 0x00, 0x18];

    fn descriptors() -> impl Strategy<Value = Descriptor> {
        let id = prop_oneof![(0_u8..0x80).prop_map(PictureId::Short), (0_u16..0x8000).prop_map(PictureId::Long)];
        let layers = (prop::option::of(any::<u8>()), prop::option::of(0_u8..4), prop::option::of(0_u8..32));
        (any::<[bool; 3]>(), 0_u8..8, prop::option::of(id), layers).prop_map(
            |([is_non_reference, starts_partition, sync], partition, picture_id, (tl0picidx, tid, keyidx))| {
                let is_layer_sync = sync && (tid.is_some() || keyidx.is_some());
                Descriptor {
                    is_non_reference,
                    starts_partition,
                    partition,
                    picture_id,
                    tl0picidx,
                    tid,
                    is_layer_sync,
                    keyidx,
                }
            },
        )
    }

    fn read(payload: &[u8]) -> (Descriptor, Vec<u8>) {
        let mut reader = Reader::new(payload);
        (Descriptor::decode(&mut reader).unwrap(), reader.rest().to_vec())
    }

    /// RFC 7741, sections 4.6.1 to 4.6.3, and 4.6.5.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let key = [0x90, 0x80, 0x11, 0x10, 0x02, 0x00];
        let descriptor =
            Descriptor { starts_partition: true, picture_id: Some(PictureId::Short(17)), ..Descriptor::default() };
        assert_eq!(read(&key), (descriptor, vec![0x10, 0x02, 0x00]));
        assert_eq!(inspect(&key), Ok(Inspection { starts_frame: Some(true), is_keyframe: true }));

        let delta = [0x10, 0x11, 0x02, 0x00];
        let descriptor = Descriptor { starts_partition: true, ..Descriptor::default() };
        assert_eq!(read(&delta), (descriptor, vec![0x11, 0x02, 0x00]));
        assert_eq!(inspect(&delta), Ok(Inspection { starts_frame: Some(true), is_keyframe: false }));

        let second_partition = [0x91, 0x80, 0x11, 0x00];
        assert_eq!(inspect(&second_partition), Ok(Inspection { starts_frame: Some(false), is_keyframe: false }));

        let long = [0x90, 0x80, 0x92, 0x34, 0x11];
        assert_eq!(read(&long).0.picture_id, Some(PictureId::Long(0x1234)));
    }

    /// As browsers send temporal layers: picture id of 15 bits, TL0PICIDX, TID and Y.
    #[test]
    fn a_descriptor_of_a_browser_is_read() {
        let payload = [0x90, 0xe0, 0xbb, 0x8e, 0x05, 0x60, 0x31];
        let descriptor = Descriptor {
            starts_partition: true,
            picture_id: Some(PictureId::Long(0x3b8e)),
            tl0picidx: Some(5),
            tid: Some(1),
            is_layer_sync: true,
            ..Descriptor::default()
        };
        assert_eq!(read(&payload), (descriptor, vec![0x31]));
    }

    #[test]
    fn a_forwarder_rewrites_ids_and_keeps_the_rest() {
        let payload = [0x80, 0xf0, 0x7f, 0xff, 0x47, 0xaa];
        let (mut descriptor, piece) = read(&payload);
        descriptor.picture_id = descriptor.picture_id.map(PictureId::next);
        descriptor.tl0picidx = descriptor.tl0picidx.map(|index| index.wrapping_add(1));
        let mut rewritten = Vec::new();
        descriptor.encode(&mut rewritten);
        rewritten.extend(piece);
        assert_eq!(rewritten, [0x80, 0xf0, 0x00, 0x00, 0x47, 0xaa]);
        assert_eq!(PictureId::Long(0x7fff).next(), PictureId::Long(0));
    }

    #[test]
    fn key_frames_tell_their_size() {
        assert_eq!(dimensions(KEY), Some((176, 144)));
        assert_eq!(dimensions(DELTA), None);
        // The scale is not part of the size.
        let scaled = [0x70, 0x07, 0x00, 0x9d, 0x01, 0x2a, 0xb0, 0x40, 0x90, 0xc0];
        assert_eq!(dimensions(&scaled), Some((176, 144)));
        assert!((0..10).all(|length| dimensions(&KEY[..length]).is_none()));
    }

    #[test]
    fn frames_are_cut_evenly_and_counted() {
        let mut packetizer = Packetizer::new(0x1_7fff);
        let mut payloads = Payloads::default();
        packetizer.packetize(KEY, 11, &mut payloads).unwrap();
        packetizer.packetize(DELTA, 12, &mut payloads).unwrap();
        let expected: [&[u8]; 3] = [
            &[0x90, 0x80, 0xff, 0xff, 0x70, 0x07, 0x00, 0x9d, 0x01, 0x2a, 0xb0],
            &[0x80, 0x80, 0xff, 0xff, 0x00, 0x90, 0x00, 0x00, 0x47, 0x08, 0x85],
            &[0x90, 0x80, 0x80, 0x00, 0x31, 0x02, 0x00, 0x05, 0x10, 0xac, 0x00, 0x18],
        ];
        assert!(payloads.iter().eq(expected));
    }

    #[test]
    fn a_limit_without_room_is_refused() {
        let mut packetizer = Packetizer::new(5);
        let mut payloads = Payloads::default();
        let refused = FrameError::TooLong { length: DELTA.len(), limit: 0 };
        assert_eq!(packetizer.packetize(DELTA, 4, &mut payloads), Err(refused));
        assert_eq!(packetizer.packetize(&[], 1200, &mut payloads), Err(FrameError::Empty));
        assert!(payloads.is_empty());
        // Nothing was sent, so that no picture is missing.
        assert_eq!(packetizer.picture_id(), PictureId::Long(5));
    }

    #[test]
    fn a_frame_begins_with_its_first_payload() {
        let (first, second): (&[u8], &[u8]) = (&[0x10, 0xaa], &[0x00, 0xbb]);
        let mut frame = Vec::new();
        let mut depacketizer = Depacketizer::new();
        assert!(depacketizer.append(second, &mut frame).is_err());
        // It stays so until the next frame.
        assert!(depacketizer.append(first, &mut frame).is_err());
        assert!(frame.is_empty());
        depacketizer.begin();
        assert_eq!(depacketizer.append(first, &mut frame), Ok(()));
        assert_eq!(depacketizer.append(second, &mut frame), Ok(()));
        assert!(depacketizer.append(first, &mut frame).is_err());
        assert_eq!(frame, [0xaa, 0xbb]);
    }

    #[test]
    fn truncations_are_refused() {
        let payload = [0x90, 0xf0, 0x81, 0x02, 0x03, 0x64, 0xaa];
        assert!(inspect(&payload).is_ok());
        for length in 0..payload.len() {
            assert!(inspect(&payload[..length]).is_err());
            assert!(Depacketizer::new().append(&payload[..length], &mut Vec::new()).is_err());
        }
    }

    proptest! {
        #[test]
        fn descriptors_are_read_as_written(descriptor in descriptors(), rest: Vec<u8>) {
            let mut bytes = Vec::new();
            descriptor.encode(&mut bytes);
            bytes.extend(&rest);
            prop_assert_eq!(read(&bytes), (descriptor, rest));
        }

        #[test]
        fn frames_arrive_as_sent(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..5000), 1..4),
            limit in 5_usize..1200,
            seed: u32,
        ) {
            let mut packetizer = Packetizer::new(seed);
            let mut depacketizer = Depacketizer::new();
            let mut payloads = Payloads::default();
            let mut joined = Vec::new();
            for frame in &frames {
                payloads.clear();
                joined.clear();
                depacketizer.begin();
                packetizer.packetize(frame, limit, &mut payloads).unwrap();
                for (index, payload) in payloads.iter().enumerate() {
                    prop_assert!(payload.len() <= limit);
                    let expected = Inspection {
                        starts_frame: Some(index == 0),
                        is_keyframe: index == 0 && is_keyframe(frame),
                    };
                    prop_assert_eq!(inspect(payload), Ok(expected));
                    depacketizer.append(payload, &mut joined).unwrap();
                }
                prop_assert_eq!(&joined, frame);
            }
        }

        #[test]
        fn any_payloads_grow_the_frame_by_no_more_than_themselves(sequence: Vec<Vec<u8>>) {
            let mut depacketizer = Depacketizer::new();
            let mut frame = Vec::new();
            for payload in &sequence {
                let before = frame.len();
                let is_ok = depacketizer.append(payload, &mut frame).is_ok();
                let most = if is_ok { payload.len() } else { 0 };
            prop_assert!(frame.len() <= before + most);
            }
        }
    }
}
