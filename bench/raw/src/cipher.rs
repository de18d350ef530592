//! Records as DTLS 1.2 has them: a header, a nonce, the sealed payload, the tag.

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Header and explicit nonce.
const HEADER: usize = 13 + 8;
const TAG: usize = 16;
/// What a record of a datagram carries.
pub(crate) const PAYLOAD: usize = super::DATAGRAM - HEADER - TAG;

fn key() -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &[9; 16]).map_err(|_| anyhow!("the key has 16 bytes"))?;
    Ok(LessSafeKey::new(key))
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

pub(crate) struct Sealer {
    key: LessSafeKey,
    number: u64,
}

impl Sealer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { key: key()?, number: 0 })
    }

    /// Copies the data into a record and seals it there.
    pub(crate) fn seal(&mut self, data: &[u8], record: &mut [u8]) -> Result<()> {
        let (header, rest) = record.split_at_mut(HEADER);
        let (payload, tag) = rest.split_at_mut(PAYLOAD);
        header[13..].copy_from_slice(&self.number.to_be_bytes());
        payload.copy_from_slice(data);
        let aad = Aad::from(&header[..13]);
        let made = self.key.seal_in_place_separate_tag(nonce(self.number), aad, payload);
        tag.copy_from_slice(made.map_err(|_| anyhow!("not sealed"))?.as_ref());
        self.number += 1;
        Ok(())
    }
}

pub(crate) struct Opener {
    key: LessSafeKey,
}

impl Opener {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { key: key()? })
    }

    /// Opens a record in place and copies its payload out.
    pub(crate) fn open(&mut self, record: &mut [u8], sink: &mut [u8]) -> Result<()> {
        let (header, rest) = record.split_at_mut(HEADER);
        let number = u64::from_be_bytes(header[13..].try_into()?);
        let aad = Aad::from(&header[..13]);
        let data = self.key.open_in_place(nonce(number), aad, rest).map_err(|_| anyhow!("not authentic"))?;
        sink.copy_from_slice(data);
        Ok(())
    }
}
