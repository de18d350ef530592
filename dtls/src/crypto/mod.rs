//! What of cryptography the protocol needs. Key exchange, PRF, hashes and signatures come from the rustls
//! `CryptoProvider`; only record protection goes to aws-lc-rs itself, see [`aead`].

pub(crate) mod aead;
pub(crate) mod secrets;
pub(crate) mod signature;
pub(crate) mod suite;
