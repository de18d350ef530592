use wire::{Malformed, Put, Reader};

/// Which layers a stream has, and how its pictures depend on each other (RFC 9628, section 4.2.1). Sent with key frames.
///
/// ```text
///      +-+-+-+-+-+-+-+-+
/// V:   | N_S |Y|G|-|-|-|
///      +-+-+-+-+-+-+-+-+            -\
/// Y:   |     WIDTH     |             .
///      +               +             .
///      |               |             .
///      +-+-+-+-+-+-+-+-+             . N_S + 1 times
///      |     HEIGHT    |             .
///      +               +             .
///      |               |             .
///      +-+-+-+-+-+-+-+-+            -/
/// G:   |      N_G      |
///      +-+-+-+-+-+-+-+-+                          -\
/// N_G: | TID |U| R |-|-|                          .
///      +-+-+-+-+-+-+-+-+            -\            . N_G times
///      |    P_DIFF     |            . R times     .
///      +-+-+-+-+-+-+-+-+            -/           -/
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure<'a> {
    /// N_S + 1
    spatial_layers: u8,
    /// Width and height of each layer, where they are given.
    resolutions: Option<&'a [u8]>,
    /// N_G and what its pictures are, where it is given.
    group: Option<(u8, &'a [u8])>,
}

/// One of the pictures that the pictures of a stream follow the pattern of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPicture<'a> {
    /// The temporal layer, 0 to 7.
    pub tid: u8,
    /// U: behind it, a higher temporal layer can be taken in.
    pub is_switching_up_point: bool,
    /// How many pictures before it those are that it needs: up to three.
    pub differences: &'a [u8],
}

impl<'a> Structure<'a> {
    /// Every picture needs the one before it: as `group`, what most streams have.
    pub(super) const EACH_NEEDS_THE_LAST: (u8, &'static [u8]) = (1, &[0x14, 1]);

    /// Of a single spatial layer with width and height as they are on the wire.
    pub(super) const fn single(resolution: &'a [u8; 4], group: (u8, &'a [u8])) -> Self {
        Self { spatial_layers: 1, resolutions: Some(resolution), group: Some(group) }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are missing. Reserved bits are ignored.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let first = reader.u8("scalability structure")?;
        let spatial_layers = (first >> 5) + 1;
        let resolutions = match first & 0x10 {
            0 => None,
            _ => Some(reader.bytes(4 * usize::from(spatial_layers), "resolutions of spatial layers")?),
        };
        let group = if first & 0x08 != 0 { Some(decode_group(reader)?) } else { None };
        Ok(Self { spatial_layers, resolutions, group })
    }

    /// Appends it.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let layers = self.spatial_layers.wrapping_sub(1) & 0x07;
        buf.put_u8(layers << 5 | u8::from(self.resolutions.is_some()) << 4 | u8::from(self.group.is_some()) << 3);
        buf.put_bytes(self.resolutions.unwrap_or_default());
        if let Some((count, pictures)) = self.group {
            buf.put_u8(count);
            buf.put_bytes(pictures);
        }
    }

    /// How many spatial layers there are, 1 to 8.
    pub const fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// Width and height in pixels of each spatial layer, the lowest first. Nothing if they are not given.
    pub fn resolutions(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let mut reader = Reader::new(self.resolutions.unwrap_or_default());
        std::iter::from_fn(move || Some((reader.u16("width").ok()?, reader.u16("height").ok()?)))
    }

    /// The pictures of the group, in order. Nothing if it is not given.
    pub fn group(&self) -> impl Iterator<Item = GroupPicture<'a>> + use<'a> {
        let (count, pictures) = self.group.unwrap_or_default();
        let mut reader = Reader::new(pictures);
        (0..count).map_while(move |_| GroupPicture::decode(&mut reader).ok())
    }
}

fn decode_group<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Malformed> {
    let count = reader.u8("N_G")?;
    let mut ahead = reader.clone();
    for _ in 0..count {
        GroupPicture::decode(&mut ahead)?;
    }
    let length = reader.remaining().saturating_sub(ahead.remaining());
    Ok((count, reader.bytes(length, "picture group")?))
}

impl<'a> GroupPicture<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let byte = reader.u8("picture of a group")?;
        Ok(Self {
            tid: byte >> 5,
            is_switching_up_point: byte & 0x10 != 0,
            differences: reader.bytes(usize::from(byte >> 2 & 0x03), "P_DIFF of a group")?,
        })
    }
}
