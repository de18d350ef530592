//! Record protection in place. rustls's interface for TLS 1.2 builds its additional data from TCP's record counter and
//! allocates each record, so this one file talks to aws-lc-rs.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// An AEAD and how its nonce is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Cipher {
    /// Bytes that every one of them adds behind the ciphertext.
    pub(crate) const TAG: usize = 16;
    /// Bytes of additional data in DTLS 1.2: epoch and sequence number, type, version, length (RFC 5246, section 6.2.3.3).
    pub(crate) const ADDITIONAL: usize = 13;

    const fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    pub(crate) fn key_length(self) -> usize {
        self.algorithm().key_len()
    }

    /// Bytes of the nonce that come from the key block: GCM's salt (RFC 5288, section 3), or the whole mask (RFC 7905,
    /// section 2).
    pub(crate) const fn fixed_nonce_length(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 4,
            Self::ChaCha20Poly1305 => 12,
        }
    }

    /// Bytes of the nonce that stand in front of the ciphertext.
    pub(crate) const fn explicit_nonce_length(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 8,
            Self::ChaCha20Poly1305 => 0,
        }
    }
}

/// One direction's key.
pub(crate) struct Key {
    key: LessSafeKey,
    /// The fixed part of the nonce, zeros behind it.
    iv: [u8; 12],
    cipher: Cipher,
}

impl Key {
    /// `key` and `fixed` are as long as the cipher says; otherwise there is no key.
    pub(crate) fn new(cipher: Cipher, key: &[u8], fixed: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(cipher.algorithm(), key).ok()?);
        let mut iv = [0; 12];
        iv.get_mut(..cipher.fixed_nonce_length())?.copy_from_slice(fixed.get(..cipher.fixed_nonce_length())?);
        Some(Self { key, iv, cipher })
    }

    pub(crate) const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The fixed part with `number` (epoch and sequence number) folded into its last eight bytes. Behind GCM's salt
    /// stand zeros, so that there it is salt and number. Numbers never repeat under one key, so nonces do not either.
    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.iv;
        for (place, byte) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *place ^= byte;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts `text` in place and gives the tag to append.
    pub(crate) fn seal(
        &self,
        number: u64,
        additional: [u8; Cipher::ADDITIONAL],
        text: &mut [u8],
    ) -> Option<impl AsRef<[u8]> + use<>> {
        self.key.seal_in_place_separate_tag(self.nonce(number), Aad::from(additional), text).ok()
    }

    /// Decrypts `text`, ciphertext and tag, in place. Nothing if it is not authentic; `text` is garbage then.
    pub(crate) fn open<'t>(
        &self,
        number: u64,
        additional: [u8; Cipher::ADDITIONAL],
        text: &'t mut [u8],
    ) -> Option<&'t mut [u8]> {
        // With the tag apart the library leaves the text where it is; together it moves it, be it onto itself.
        let (text, tag) = text.split_at_mut_checked(text.len().checked_sub(Cipher::TAG)?)?;
        self.key.open_in_place_separate_tag(self.nonce(number), Aad::from(additional), tag, text).ok()?;
        Some(text)
    }

    /// Decrypts as [`open`](Self::open) does, whatever the tag: a change to the ciphertext is the same change to the text.
    #[cfg(fuzzing)]
    pub(crate) fn open_unproven<'t>(
        &self,
        number: u64,
        additional: [u8; Cipher::ADDITIONAL],
        text: &'t mut [u8],
    ) -> Option<&'t mut [u8]> {
        let (text, _tag) = text.split_at_mut_checked(text.len().checked_sub(Cipher::TAG)?)?;
        // All these ciphers add a stream of bytes to the text, which added twice is gone.
        self.seal(number, additional, text)?;
        Some(text)
    }
}
