//! VP9 (RFC 9628).

mod descriptor;
mod header;
mod structure;
#[cfg(test)]
mod tests;

use super::even::parts;
use super::{FrameError, Inspection, Payloads};
use header::{FrameHeader, starts_keyframe};
use wire::{Malformed, Put, Reader};

pub use super::picture_id::PictureId;
pub use descriptor::{Descriptor, Differences, Layer, References};
pub use structure::{GroupPicture, Structure};

/// Whether `frame` is a key frame, by its uncompressed header (VP9 bitstream specification, section 6.2).
pub fn is_keyframe(frame: &[u8]) -> bool {
    starts_keyframe(frame)
}

/// Width and height in pixels of a key frame. `None` if it is none. Of a picture with several spatial layers, that of
/// the lowest.
pub fn dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    match FrameHeader::decode(frame) {
        Ok(FrameHeader::Key { width_minus_1, height_minus_1 }) => {
            Some((width_minus_1.checked_add(1)?, height_minus_1.checked_add(1)?))
        }
        Ok(FrameHeader::Other) | Err(_) => None,
    }
}

/// Looks at one payload. What starts is a picture, with all its spatial layers.
///
/// # Errors
/// [`Malformed`] if the descriptor is, or nothing comes behind it.
pub fn inspect(payload: &[u8]) -> Result<Inspection, Malformed> {
    let (descriptor, piece) = open(payload)?;
    let starts_frame = descriptor.starts_picture();
    // Frames that need no other picture need not be key frames: they may leave the decoder's memory as it is.
    let is_keyframe = starts_frame == Some(true) && !descriptor.is_predicted() && starts_keyframe(piece);
    Ok(Inspection { starts_frame, is_keyframe })
}

/// The descriptor, and the piece behind it, which is not empty.
fn open(payload: &[u8]) -> Result<(Descriptor<'_>, &[u8]), Malformed> {
    let mut reader = Reader::new(payload);
    let descriptor = Descriptor::decode(&mut reader)?;
    if reader.is_empty() {
        return Err(Malformed::new("VP9 payload, which is empty"));
    }
    Ok((descriptor, reader.rest()))
}

/// Cuts frames of one spatial and one temporal layer into payloads about equally long, in non-flexible mode: each frame
/// but the key frames needs the one before it. Key frames say that, and their size. Picture ids have 15 bits.
#[derive(Clone, Debug)]
pub struct Packetizer {
    picture_id: PictureId,
}

impl Packetizer {
    /// Bytes of each descriptor: one of bits, two of picture id.
    const OVERHEAD: usize = 3;
    /// Bytes of the structure on a key frame.
    const STRUCTURE: usize = 8;

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
    /// [`FrameError`] if the frame is empty, its header is not that of VP9, or `limit` leaves no room for any of it.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        if frame.is_empty() {
            return Err(FrameError::Empty);
        }
        let mut resolution = [0; 4];
        let is_predicted =
            match FrameHeader::decode(frame).map_err(|malformed| FrameError::Invalid(malformed.what()))? {
                FrameHeader::Key { .. } => {
                    let (width, height) = dimensions(frame).ok_or(FrameError::Invalid("VP9 frame size"))?;
                    let ([a, b], [c, d]) = (width.to_be_bytes(), height.to_be_bytes());
                    resolution = [a, b, c, d];
                    false
                }
                FrameHeader::Other => true,
            };
        let structure = (!is_predicted).then(|| Structure::single(&resolution, Structure::EACH_NEEDS_THE_LAST));
        let extra = if is_predicted { 0 } else { Self::STRUCTURE };
        let room = limit.saturating_sub(Self::OVERHEAD);
        let too_long = FrameError::TooLong { length: frame.len(), limit: room.saturating_sub(extra) };
        let mut pieces = parts(frame, extra, room).ok_or(too_long)?.peekable();
        let mut descriptor = Descriptor {
            picture_id: Some(self.picture_id),
            layer: None,
            references: References::Group { is_predicted },
            starts_frame: true,
            ends_frame: false,
            is_unused_above: true,
            structure,
        };
        while let Some(piece) = pieces.next() {
            descriptor.ends_frame = pieces.peek().is_none();
            payloads.push_with(|buf| {
                descriptor.encode(buf);
                buf.put_bytes(piece);
            });
            descriptor.starts_frame = false;
            descriptor.structure = None;
        }
        self.picture_id = self.picture_id.next();
        Ok(())
    }
}

/// Puts the payloads of a picture together again. The frames of its spatial layers stand one behind another, the lowest
/// first, as decoders take them.
#[derive(Clone, Debug, Default)]
pub struct Depacketizer {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The picture's first payload is awaited.
    #[default]
    Begun,
    /// Within a frame of this picture and spatial layer.
    Within { picture_id: Option<PictureId>, sid: Option<u8> },
    /// Something was malformed; nothing is taken for this picture any more.
    Broken,
}

impl Depacketizer {
    /// Ready for a picture.
    pub const fn new() -> Self {
        Self { state: State::Begun }
    }

    /// Begins a picture, whatever became of the one before.
    pub fn begin(&mut self) {
        *self = Self::new();
    }

    /// Appends the piece of a frame in `payload`.
    ///
    /// # Errors
    /// [`Malformed`] if the descriptor is, nothing comes behind it, or it does not follow what came before: pieces follow
    /// the one that begins their frame, and spatial layers go upwards. Until [`begin`](Self::begin), everything is
    /// malformed then.
    pub fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        let before = std::mem::replace(&mut self.state, State::Broken);
        let (descriptor, piece) = open(payload)?;
        let after = State::Within { picture_id: descriptor.picture_id, sid: descriptor.sid() };
        match before {
            State::Broken => return Err(Malformed::new("VP9 picture, as something before")),
            State::Begun if !descriptor.starts_frame => return Err(Malformed::new("start of a VP9 frame")),
            State::Begun => {}
            State::Within { picture_id, .. } if picture_id != descriptor.picture_id => {
                return Err(Malformed::new("picture id of a VP9 picture"));
            }
            State::Within { sid, .. } => {
                // Whoever names no layers may still send several frames: one that is seen behind one that is not.
                let is_in_order = match (descriptor.starts_frame, sid, descriptor.sid()) {
                    (true, Some(last), Some(sid)) => last < sid,
                    (true, None, None) => true,
                    (true, None, Some(_)) | (true, Some(_), None) => false,
                    (false, last, sid) => last == sid,
                };
                if !is_in_order {
                    return Err(Malformed::new("spatial layer of a VP9 frame"));
                }
            }
        }
        frame.put_bytes(piece);
        self.state = after;
        Ok(())
    }
}
