use wire::{Malformed, Put, Reader};

/// The number of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionType(pub u16);

impl ExtensionType {
    /// The groups a client can do ECDHE with (RFC 8422, section 5.1.1).
    pub const SUPPORTED_GROUPS: Self = Self(10);
    /// The point formats a side can read (RFC 8422, section 5.1.2).
    pub const EC_POINT_FORMATS: Self = Self(11);
    /// The signatures a side can verify (RFC 5246, section 7.4.1.4.1).
    pub const SIGNATURE_ALGORITHMS: Self = Self(13);
    /// Protection profiles for SRTP (RFC 5764, section 4.1.1).
    pub const USE_SRTP: Self = Self(14);
    /// The master secret covers the handshake (RFC 7627, section 5.1).
    pub const EXTENDED_MASTER_SECRET: Self = Self(23);
    /// The largest record a side takes (RFC 8449, section 4).
    pub const RECORD_SIZE_LIMIT: Self = Self(28);
    /// The versions a TLS 1.3 client speaks (RFC 8446, section 4.2.1).
    pub const SUPPORTED_VERSIONS: Self = Self(43);
    /// Ties a renegotiation to the handshake before it (RFC 5746, section 3.2).
    pub const RENEGOTIATION_INFO: Self = Self(0xff01);
}

/// One extension: a number and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: ExtensionType,
    /// Its content.
    pub value: &'a [u8],
}

impl<'a> Extension<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = ExtensionType(reader.u16("extension type")?);
        let value = reader.sub_u16("extension")?.rest();
        Ok(Self { kind, value })
    }

    /// Appends one extension whose content `body` appends.
    pub fn encode(kind: ExtensionType, buf: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        buf.put_u16(kind.0);
        buf.put_prefixed_u16(body);
    }
}

/// The extensions of a hello, checked to be well-formed and each there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions<'a> {
    bytes: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// More than any client sends (browsers: about 15), and few enough to compare each with each.
    const LIMIT: usize = 64;

    /// Takes the extensions with their length before them, or nothing where the message ends (RFC 5246, section 7.4.1.2).
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        if reader.is_empty() {
            return Ok(Self { bytes: &[] });
        }
        let bytes = reader.sub_u16("extensions")?.rest();
        let mut rest = Reader::new(bytes);
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let extension = Extension::decode(&mut rest)?;
            if seen.contains(&extension.kind) || seen.len() == Self::LIMIT {
                return Err(Malformed::new("extensions"));
            }
            seen.push(extension.kind);
        }
        Ok(Self { bytes })
    }

    /// Each extension in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        let mut rest = Reader::new(self.bytes);
        std::iter::from_fn(move || Extension::decode(&mut rest).ok())
    }

    /// The content of one extension, if it is there.
    pub fn find(&self, kind: ExtensionType) -> Option<&'a [u8]> {
        self.iter().find(|extension| extension.kind == kind).map(|extension| extension.value)
    }

    /// The extension as a list of numbers with the list's length in two bytes before it.
    pub fn numbers(&self, kind: ExtensionType) -> Result<Option<U16s<'a>>, Malformed> {
        self.find(kind).map(|value| super::whole(value, "extension", U16s::decode)).transpose()
    }

    /// The extension's bytes, which have their length in one byte before them.
    pub fn bytes(&self, kind: ExtensionType) -> Result<Option<&'a [u8]>, Malformed> {
        let bytes = |reader: &mut Reader<'a>| Ok(reader.sub_u8("extension")?.rest());
        self.find(kind).map(|value| super::whole(value, "extension", bytes)).transpose()
    }

    /// Appends the bytes as they came.
    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_prefixed_u16(|buf| buf.put_bytes(self.bytes));
    }

    /// Wraps extensions that [`Extension::encode`] appended, each kind once.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

/// A list of two-byte numbers: cipher suites, groups, signature schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct U16s<'a> {
    bytes: &'a [u8],
}

impl<'a> U16s<'a> {
    /// Takes a list with its length in bytes before it: even and not zero.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let bytes = reader.sub_u16("list of numbers")?.rest();
        if bytes.is_empty() || bytes.len() % 2 != 0 {
            return Err(Malformed::new("list of numbers"));
        }
        Ok(Self { bytes })
    }

    /// Wraps pairs of bytes; an odd one at the end is not seen.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The numbers in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.bytes.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// Whether `number` is among them.
    pub fn contains(&self, number: u16) -> bool {
        self.iter().any(|listed| listed == number)
    }

    /// Appends `numbers` with the list's length before them.
    pub fn encode(numbers: impl Iterator<Item = u16>, buf: &mut Vec<u8>) {
        buf.put_prefixed_u16(|buf| numbers.for_each(|number| buf.put_u16(number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut buf = Vec::new();
        buf.put_prefixed_u16(|buf| {
            for (kind, value) in extensions {
                Extension::encode(ExtensionType(*kind), buf, |buf| buf.put_bytes(value));
            }
        });
        buf
    }

    #[test]
    fn extensions_are_found_by_number() {
        let buf = encoded(&[(10, &[0, 4, 0, 29, 0, 23]), (23, &[]), (11, &[1, 0])]);
        let extensions = Extensions::decode(&mut Reader::new(&buf)).unwrap();
        let groups = extensions.numbers(ExtensionType::SUPPORTED_GROUPS).unwrap().unwrap();
        assert_eq!(groups.iter().collect::<Vec<_>>(), [29, 23]);
        assert!(groups.contains(23) && !groups.contains(24));
        assert_eq!(extensions.find(ExtensionType::EXTENDED_MASTER_SECRET), Some(&[][..]));
        assert_eq!(extensions.bytes(ExtensionType::EC_POINT_FORMATS), Ok(Some(&[0][..])));
        assert_eq!(extensions.numbers(ExtensionType::SIGNATURE_ALGORITHMS), Ok(None));
    }

    #[test]
    fn repeated_and_countless_extensions_are_refused() {
        let twice = encoded(&[(23, &[]), (23, &[])]);
        assert!(Extensions::decode(&mut Reader::new(&twice)).is_err());
        let many: Vec<(u16, &[u8])> = (0..65).map(|kind| (kind, &[][..])).collect();
        assert!(Extensions::decode(&mut Reader::new(&encoded(&many))).is_err());
        assert!(Extensions::decode(&mut Reader::new(&encoded(&many[1..]))).is_ok());
    }

    #[test]
    fn lists_of_odd_length_or_nothing_are_refused() {
        assert!(U16s::decode(&mut Reader::new(&[0, 3, 1, 2, 3])).is_err());
        assert!(U16s::decode(&mut Reader::new(&[0, 0])).is_err());
    }
}
