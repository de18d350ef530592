use crate::crypto::aead::{Cipher, Key};
use crate::message::DTLS_1_2;
use crate::record::{ContentType, RecordHeader};
use crate::replay::Window;

/// The epochs of a connection in both directions: keys, sequence numbers, and what was seen (RFC 6347, section 4.1).
///
/// DTLS 1.2 without renegotiation has two epochs, 0 in clear and 1 protected; nothing here knows that.
pub(crate) struct Records {
    read: Vec<ReadEpoch>,
    write: Vec<WriteEpoch>,
}

struct ReadEpoch {
    epoch: u16,
    key: Key,
    window: Window,
}

struct WriteEpoch {
    epoch: u16,
    /// The next record's number.
    sequence: u64,
    /// None in epoch 0.
    key: Option<Key>,
}

/// Why a protected record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are no keys for its epoch, or not yet.
    NoKeys,
    /// It was seen before, or is too old to tell.
    Replayed,
    /// It was not made by the peer, or changed on its way.
    Forged,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self { read: Vec::new(), write: vec![WriteEpoch { epoch: 0, sequence: 0, key: None }] }
    }

    pub(crate) fn install_read(&mut self, epoch: u16, key: Key) {
        self.read.reserve_exact(1);
        self.read.push(ReadEpoch { epoch, key, window: Window::new() });
    }

    /// Records are written in this epoch from now on; flights still write older ones when they repeat themselves.
    pub(crate) fn install_write(&mut self, epoch: u16, key: Key) {
        self.write.reserve_exact(1);
        self.write.push(WriteEpoch { epoch, sequence: 0, key: Some(key) });
    }

    pub(crate) fn write_epoch(&self) -> u16 {
        self.write.last().map_or(0, |write| write.epoch)
    }

    /// Opens a protected record in place.
    pub(crate) fn open<'c>(&mut self, header: &RecordHeader, content: &'c mut [u8]) -> Result<&'c mut [u8], Refused> {
        let read = self.read.iter_mut().find(|read| read.epoch == header.epoch).ok_or(Refused::NoKeys)?;
        if !read.window.is_new(header.sequence) {
            return Err(Refused::Replayed);
        }
        let cipher = read.key.cipher();
        let (explicit, text) = content.split_at_mut_checked(cipher.explicit_nonce_length()).ok_or(Refused::Forged)?;
        // A peer may make its explicit nonces as it likes; here they are epoch and sequence number.
        let number = explicit.first_chunk().map_or(header.number(), |explicit| u64::from_be_bytes(*explicit));
        // More than a record may hold is refused too: nobody honest made that (RFC 5246, section 6.2.3).
        let length = text.len().checked_sub(Cipher::TAG).filter(|length| *length <= RecordHeader::MAX_PLAINTEXT);
        let length = length.ok_or(Refused::Forged)?;
        let additional = additional(header.number(), header.kind, header.version, length);
        // A fuzzer does not guess tags: those of application data pass, so that it reaches what is inside. Handshake
        // messages and alerts stay proven: a handshake that believes anything is none.
        #[cfg(fuzzing)]
        let open = if header.kind == ContentType::APPLICATION_DATA { Key::open_unproven } else { Key::open };
        #[cfg(not(fuzzing))]
        let open = Key::open;
        let text = open(&read.key, number, additional, text).ok_or(Refused::Forged)?;
        read.window.mark(header.sequence);
        Ok(text)
    }

    /// Bytes that a record of `epoch` adds to its content.
    pub(crate) fn overhead(&self, epoch: u16) -> usize {
        let cipher = self.write.iter().find(|write| write.epoch == epoch).and_then(|write| write.key.as_ref());
        let protection = cipher.map_or(0, |key| key.cipher().explicit_nonce_length() + Cipher::TAG);
        RecordHeader::SIZE + protection
    }

    /// Appends one record of `epoch` whose content `append` appends, and protects it in place. Nothing is appended, and
    /// the answer is false, if `append` says false or appends more than a record holds, or the epoch is over.
    pub(crate) fn seal(
        &mut self,
        epoch: u16,
        kind: ContentType,
        buf: &mut Vec<u8>,
        append: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        let start = buf.len();
        let Some(write) = self.write.iter_mut().rev().find(|write| write.epoch == epoch) else { return false };
        let sealed = write.seal(kind, buf, append).is_some();
        if !sealed {
            buf.truncate(start);
        }
        sealed
    }
}

impl WriteEpoch {
    fn seal(&mut self, kind: ContentType, buf: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<()> {
        if self.sequence > RecordHeader::LAST_SEQUENCE {
            return None;
        }
        let start = buf.len();
        let header = RecordHeader { kind, version: DTLS_1_2, epoch: self.epoch, sequence: self.sequence, length: 0 };
        header.encode(buf);
        let explicit = self.key.as_ref().map_or(0, |key| key.cipher().explicit_nonce_length());
        buf.extend(header.number().to_be_bytes().iter().take(explicit));
        let text_at = buf.len();
        if !append(buf) {
            return None;
        }
        let text = buf.get_mut(text_at..).filter(|text| text.len() <= RecordHeader::MAX_PLAINTEXT)?;
        if let Some(key) = &self.key {
            let additional = additional(header.number(), kind, DTLS_1_2, text.len());
            let tag = key.seal(header.number(), additional, text)?;
            buf.extend_from_slice(tag.as_ref());
        }
        // Only now is the length known: it stands in the last two bytes of the header.
        let record = buf.get_mut(start..)?;
        let length = u16::try_from(record.len().checked_sub(RecordHeader::SIZE)?).ok()?;
        record.get_mut(RecordHeader::SIZE - 2..RecordHeader::SIZE)?.copy_from_slice(&length.to_be_bytes());
        self.sequence += 1;
        Some(())
    }
}

/// The additional data of DTLS 1.2 (RFC 6347, section 4.1.2.1; RFC 5246, section 6.2.3.3). `length` is the plaintext's.
fn additional(number: u64, kind: ContentType, version: u16, length: usize) -> [u8; Cipher::ADDITIONAL] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    let [major, minor] = version.to_be_bytes();
    // The length of a record's text always fits: both directions have checked it.
    let [high, low] = (length as u16).to_be_bytes();
    [a, b, c, d, e, f, g, h, kind.0, major, minor, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cipher: Cipher) -> (Records, Records) {
        let key = || Key::new(cipher, &vec![7; cipher.key_length()], &[9; 12]).unwrap();
        let (mut writer, mut reader) = (Records::new(), Records::new());
        writer.install_write(1, key());
        reader.install_read(1, key());
        (writer, reader)
    }

    fn open(reader: &mut Records, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut datagram = datagram.to_vec();
        let (header, content, _) = RecordHeader::split(&mut datagram).unwrap();
        reader.open(&header, content).map(|text| text.to_vec())
    }

    #[test]
    fn what_is_sealed_opens_once() {
        for cipher in [Cipher::Aes128Gcm, Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let (mut writer, mut reader) = pair(cipher);
            let mut buf = b"before".to_vec();
            for text in [&b"hello"[..], b"", &[1; 16384]] {
                buf.truncate(6);
                assert!(writer.seal(1, ContentType::APPLICATION_DATA, &mut buf, |buf| {
                    buf.extend_from_slice(text);
                    true
                }));
                assert_eq!(buf.len(), 6 + text.len() + writer.overhead(1));
                assert_eq!(open(&mut reader, &buf[6..]).as_deref(), Ok(text));
                assert_eq!(open(&mut reader, &buf[6..]), Err(Refused::Replayed));
            }
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        for cipher in [Cipher::Aes128Gcm, Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let (mut writer, mut reader) = pair(cipher);
            let mut buf = Vec::new();
            writer.seal(1, ContentType::APPLICATION_DATA, &mut buf, |buf| {
                buf.extend_from_slice(b"hello");
                true
            });
            for at in 0..buf.len() {
                let mut flipped = buf.clone();
                flipped[at] ^= 1;
                if let Ok((header, content, _)) = RecordHeader::split(&mut flipped) {
                    assert!(reader.open(&header, content).is_err(), "{cipher:?} byte {at}");
                }
            }
            assert_eq!(open(&mut reader, &buf).as_deref(), Ok(&b"hello"[..]), "nothing forged moved the window");
        }
    }

    #[test]
    fn what_cannot_be_sealed_leaves_no_trace() {
        let (mut writer, _) = pair(Cipher::Aes128Gcm);
        let mut buf = vec![1, 2, 3];
        assert!(!writer.seal(1, ContentType::APPLICATION_DATA, &mut buf, |buf| {
            buf.push(9);
            false
        }));
        assert!(!writer.seal(1, ContentType::APPLICATION_DATA, &mut buf, |buf| {
            buf.resize(20_000, 0);
            true
        }));
        assert!(!writer.seal(2, ContentType::APPLICATION_DATA, &mut buf, |_| true));
        assert_eq!(buf, [1, 2, 3]);
    }

    #[test]
    fn an_epoch_ends_with_its_last_number() {
        let (mut writer, _) = pair(Cipher::Aes128Gcm);
        writer.write.last_mut().unwrap().sequence = RecordHeader::LAST_SEQUENCE;
        let mut buf = Vec::new();
        assert!(writer.seal(1, ContentType::ALERT, &mut buf, |_| true));
        assert!(!writer.seal(1, ContentType::ALERT, &mut buf, |_| true));
    }

    #[test]
    fn nonces_are_epoch_and_sequence_number() {
        let (mut writer, _) = pair(Cipher::Aes128Gcm);
        for sequence in 0..3u64 {
            let mut buf = Vec::new();
            writer.seal(1, ContentType::ALERT, &mut buf, |_| true);
            assert_eq!(buf[RecordHeader::SIZE..][..8], (1 << 48 | sequence).to_be_bytes());
        }
    }
}
