use std::fmt;

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite};

use super::aead::Cipher;

/// A cipher suite for DTLS 1.2: ECDHE with an AEAD, as the provider implements it.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    inner: &'static Tls12CipherSuite,
    pub(crate) cipher: Cipher,
}

/// The suites whose records this crate can protect. RFC 8827, section 6.5, wants the first; the rest are those that
/// browsers offer.
const CIPHERS: [(CipherSuite, Cipher); 6] = [
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, Cipher::Aes128Gcm),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Cipher::Aes128Gcm),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, Cipher::Aes256Gcm),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, Cipher::Aes256Gcm),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, Cipher::ChaCha20Poly1305),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, Cipher::ChaCha20Poly1305),
];

impl Suite {
    /// All suites of the provider that can be used here, in its order.
    pub(crate) fn all(provider: &CryptoProvider) -> impl Iterator<Item = Self> {
        provider.cipher_suites.iter().filter_map(|suite| match suite {
            SupportedCipherSuite::Tls12(inner) => {
                let (_, cipher) = CIPHERS.iter().find(|(suite, _)| *suite == inner.common.suite)?;
                Some(Self { inner, cipher: *cipher })
            }
            SupportedCipherSuite::Tls13(_) => None,
        })
    }

    /// The suite with this number on the wire.
    pub(crate) fn find(provider: &CryptoProvider, id: u16) -> Option<Self> {
        Self::all(provider).find(|suite| suite.id() == id)
    }

    pub(crate) fn id(&self) -> u16 {
        self.name().into()
    }

    pub(crate) const fn name(&self) -> CipherSuite {
        self.inner.common.suite
    }

    /// Whether the server of this suite may sign with `scheme`: the suite names the kind of its key.
    pub(crate) fn signs_with(&self, scheme: SignatureScheme) -> bool {
        self.inner.sign.contains(&scheme)
    }

    /// The schemes a server of this suite may sign with.
    pub(crate) const fn schemes(&self) -> &'static [SignatureScheme] {
        self.inner.sign
    }

    pub(crate) const fn prf(&self) -> &'static dyn rustls::crypto::tls12::Prf {
        self.inner.prf_provider
    }

    pub(crate) fn hash(&self, data: &[u8]) -> rustls::crypto::hash::Output {
        self.inner.common.hash_provider.hash(data)
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}
