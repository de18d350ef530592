//! The extension `record_size_limit` (RFC 8449): how large the records are that a side takes.

use crate::Error;
use crate::message::{Extension, ExtensionType, Extensions};
use crate::record::RecordHeader;
use wire::{Put, Reader};

/// The least that may be said (section 4).
const LEAST: usize = 64;

/// Says that records of every size that the protocol knows are taken here.
pub(crate) fn encode(buf: &mut Vec<u8>) {
    Extension::encode(ExtensionType::RECORD_SIZE_LIMIT, buf, |buf| buf.put_u16(RecordHeader::MAX_PLAINTEXT as u16));
}

/// The largest plaintext that the peer takes in one record, if it said so. What exceeds the protocol's own limit means
/// that limit.
pub(crate) fn find(extensions: &Extensions<'_>) -> Result<Option<usize>, Error> {
    let Some(value) = extensions.find(ExtensionType::RECORD_SIZE_LIMIT) else { return Ok(None) };
    let mut reader = Reader::new(value);
    let limit = usize::from(reader.u16("record_size_limit")?);
    reader.finish("record_size_limit")?;
    if limit < LEAST {
        return Err(Error::IllegalParameter("record_size_limit"));
    }
    Ok(Some(limit.min(RecordHeader::MAX_PLAINTEXT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &[u8]) -> Result<Option<usize>, Error> {
        let mut buf = Vec::new();
        Extension::encode(ExtensionType::RECORD_SIZE_LIMIT, &mut buf, |buf| buf.extend_from_slice(value));
        find(&Extensions::new(&buf))
    }

    #[test]
    fn what_is_said_is_heard_and_what_makes_no_sense_refused() {
        let mut buf = Vec::new();
        encode(&mut buf);
        assert_eq!(find(&Extensions::new(&buf)).unwrap(), Some(16_384));
        assert_eq!(find(&Extensions::new(&[])).unwrap(), None);
        assert_eq!(said(&[0, 64]).unwrap(), Some(64));
        assert_eq!(said(&[255, 255]).unwrap(), Some(16_384), "a peer that knows later versions");
        assert_eq!(said(&[0, 63]).unwrap_err(), Error::IllegalParameter("record_size_limit"));
        assert!(said(&[0]).is_err() && said(&[0, 64, 0]).is_err());
    }
}
