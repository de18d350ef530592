use super::Structure;
use crate::payload::picture_id::PictureId;
use wire::{Malformed, Put, Reader};

/// What is in front of each piece of a frame (RFC 9628, section 4.2).
///
/// ```text
///       0 1 2 3 4 5 6 7
///      +-+-+-+-+-+-+-+-+
///      |I|P|L|F|B|E|V|Z|
///      +-+-+-+-+-+-+-+-+
/// I:   |M| PICTURE ID  |
///      +-+-+-+-+-+-+-+-+
/// M:   | EXTENDED PID  |
///      +-+-+-+-+-+-+-+-+
/// L:   | TID |U| SID |D|
///      +-+-+-+-+-+-+-+-+
///      |   TL0PICIDX   |  unless F
///      +-+-+-+-+-+-+-+-+
/// P,F: |   P_DIFF    |N|  up to three times
///      +-+-+-+-+-+-+-+-+
/// V:   | SS ..         |
///      +-+-+-+-+-+-+-+-+
/// ```
///
/// A picture is what is seen at one time; each of its spatial layers is a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// I: which picture it is.
    pub picture_id: Option<PictureId>,
    /// L: which layer of the picture.
    pub layer: Option<Layer>,
    /// P and F: the earlier pictures that the frame needs.
    pub references: References,
    /// B: the frame begins with this payload.
    pub starts_frame: bool,
    /// E: the frame ends with this payload.
    pub ends_frame: bool,
    /// Z: higher spatial layers do not need this frame.
    pub is_unused_above: bool,
    /// V: which layers there are.
    pub structure: Option<Structure<'a>>,
}

/// The place of a frame among the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// The temporal layer, 0 to 7.
    pub tid: u8,
    /// U: with the next frame, a higher temporal layer can be taken in.
    pub is_switching_up_point: bool,
    /// The spatial layer, 0 to 7.
    pub sid: u8,
    /// D: the frame needs the one of the spatial layer below.
    pub needs_layer_below: bool,
    /// Counts the pictures of the lowest temporal layer. Carried only in non-flexible mode.
    pub tl0picidx: u8,
}

/// Which earlier pictures a frame needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum References {
    /// Non-flexible mode: those which the picture group of the structure says.
    Group {
        /// P: whether there are any.
        is_predicted: bool,
    },
    /// Flexible mode: these, or none.
    Listed(Differences),
}

/// How many pictures before this one those are that it needs: up to three, each 1 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    values: [u8; 3],
    count: usize,
}

impl Differences {
    /// Of at most three values below 128; `None` otherwise.
    pub fn new(values: &[u8]) -> Option<Self> {
        let mut differences = Self::default();
        values.iter().try_for_each(|value| (*value < 0x80).then(|| differences.push(*value))?)?;
        Some(differences)
    }

    fn push(&mut self, value: u8) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    /// All of them.
    pub fn values(&self) -> &[u8] {
        self.values.get(..self.count).unwrap_or_default()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut differences = Self::default();
        loop {
            let byte = reader.u8("P_DIFF")?;
            differences.push(byte >> 1).ok_or(Malformed::new("P_DIFF, of which there are three at most"))?;
            if byte & 0x01 == 0 {
                return Ok(differences);
            }
        }
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        let last = self.count.saturating_sub(1);
        for (index, value) in self.values().iter().enumerate() {
            buf.put_u8(value << 1 | u8::from(index < last));
        }
    }
}

impl<'a> Descriptor<'a> {
    /// Reads one, and leaves the piece of the frame in `reader`.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are missing, or there are more than three references. Reserved bits are ignored.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let first = reader.u8("VP9 payload descriptor")?;
        let has = |bit: u8| first & bit != 0;
        let (is_predicted, is_flexible) = (has(0x40), has(0x10));
        let picture_id = if has(0x80) { Some(PictureId::decode(reader)?) } else { None };
        let layer = if has(0x20) { Some(Layer::decode(reader, is_flexible)?) } else { None };
        let references = match (is_flexible, is_predicted) {
            (false, is_predicted) => References::Group { is_predicted },
            (true, false) => References::Listed(Differences::default()),
            (true, true) => References::Listed(Differences::decode(reader)?),
        };
        let structure = if has(0x02) { Some(Structure::decode(reader)?) } else { None };
        Ok(Self {
            picture_id,
            layer,
            references,
            starts_frame: has(0x08),
            ends_frame: has(0x04),
            is_unused_above: has(0x01),
            structure,
        })
    }

    /// Appends it. Bits that are too high for their field are dropped.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let is_flexible = matches!(self.references, References::Listed(_));
        buf.put_u8(
            u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.is_predicted()) << 6
                | u8::from(self.layer.is_some()) << 5
                | u8::from(is_flexible) << 4
                | u8::from(self.starts_frame) << 3
                | u8::from(self.ends_frame) << 2
                | u8::from(self.structure.is_some()) << 1
                | u8::from(self.is_unused_above),
        );
        if let Some(id) = self.picture_id {
            id.encode(buf);
        }
        if let Some(layer) = self.layer {
            layer.encode(is_flexible, buf);
        }
        if let References::Listed(differences) = self.references {
            differences.encode(buf);
        }
        if let Some(structure) = self.structure {
            structure.encode(buf);
        }
    }

    /// P: whether the frame needs an earlier picture.
    pub fn is_predicted(&self) -> bool {
        match self.references {
            References::Group { is_predicted } => is_predicted,
            References::Listed(differences) => !differences.values().is_empty(),
        }
    }

    /// The spatial layer, if it is said.
    pub fn sid(&self) -> Option<u8> {
        self.layer.map(|layer| layer.sid)
    }

    /// Whether the picture begins with this payload. Without its lowest spatial layer, which somebody on the way may
    /// have left out, that cannot be told.
    pub fn starts_picture(&self) -> Option<bool> {
        match self.layer {
            _ if !self.starts_frame => Some(false),
            None => Some(true),
            Some(layer) if layer.sid == 0 => Some(true),
            Some(layer) if layer.needs_layer_below => Some(false),
            Some(_) => None,
        }
    }
}

impl Layer {
    fn decode(reader: &mut Reader<'_>, is_flexible: bool) -> Result<Self, Malformed> {
        let byte = reader.u8("layer indices")?;
        Ok(Self {
            tid: byte >> 5,
            is_switching_up_point: byte & 0x10 != 0,
            sid: byte >> 1 & 0x07,
            needs_layer_below: byte & 0x01 != 0,
            tl0picidx: if is_flexible { 0 } else { reader.u8("TL0PICIDX")? },
        })
    }

    fn encode(&self, is_flexible: bool, buf: &mut Vec<u8>) {
        let (tid, sid) = (self.tid & 0x07, self.sid & 0x07);
        buf.put_u8(tid << 5 | u8::from(self.is_switching_up_point) << 4 | sid << 1 | u8::from(self.needs_layer_below));
        if !is_flexible {
            buf.put_u8(self.tl0picidx);
        }
    }
}
