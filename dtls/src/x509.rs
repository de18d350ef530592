//! The one thing this crate wants from a certificate: its public key. Who the peer is, its fingerprint says
//! (RFC 8827, section 6.5), so names, dates, issuers and extensions are skipped over unread, and certificates of any
//! version and with any oddity will do.

use wire::{Malformed, Reader};

const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;

/// The SubjectPublicKeyInfo of a certificate, both in DER (RFC 5280, section 4.1).
pub(crate) fn subject_public_key_info(certificate: &[u8]) -> Result<&[u8], Malformed> {
    let mut outer = Reader::new(certificate);
    let (certificate, _) = element(&mut outer, Some(SEQUENCE))?;
    let (to_be_signed, _) = element(&mut Reader::new(certificate), Some(SEQUENCE))?;
    let mut fields = Reader::new(to_be_signed);
    // The version is absent from certificates of version 1.
    if fields.peek().first() == Some(&EXPLICIT_0) {
        element(&mut fields, Some(EXPLICIT_0))?;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        element(&mut fields, None)?;
    }
    let (_, whole) = element(&mut fields, Some(SEQUENCE))?;
    Ok(whole)
}

/// One DER element: its content, and the whole of it.
fn element<'a>(reader: &mut Reader<'a>, tag: Option<u8>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let start = reader.peek();
    let found = reader.u8("certificate")?;
    // Tags of several bytes stand nowhere on the way to the key.
    if tag.is_some_and(|tag| tag != found) || found & 0x1f == 0x1f {
        return Err(Malformed::new("certificate"));
    }
    let length = length(reader)?;
    let content = reader.bytes(length, "certificate")?;
    let whole = start.get(..start.len().saturating_sub(reader.remaining())).ok_or(Malformed::new("certificate"))?;
    Ok((content, whole))
}

/// A definite length of up to three bytes. Shortest form is not insisted on: hashes cover the bytes as they are.
fn length(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    match reader.u8("certificate")? {
        short @ 0..=0x7f => Ok(usize::from(short)),
        0x81 => reader.u8("certificate").map(usize::from),
        0x82 => reader.u16("certificate").map(usize::from),
        0x83 => reader.u24("certificate").map(|length| length as usize),
        _ => Err(Malformed::new("certificate")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, KeyAlgorithm};
    use proptest::prelude::*;

    #[test]
    fn the_key_is_found() {
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519] {
            let identity = Identity::generate_with(algorithm).unwrap();
            let found = subject_public_key_info(identity.certificate_der()).unwrap();
            assert_eq!(found, identity.signing_key().public_key().unwrap().as_ref());
        }
    }

    #[test]
    fn a_certificate_cut_short_is_refused() {
        let identity = Identity::generate().unwrap();
        let whole = identity.certificate_der();
        for length in 0..whole.len() {
            assert_eq!(subject_public_key_info(&whole[..length]), Err(Malformed::new("certificate")), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at: prop::sample::Index, flip: u8) {
            let _ = subject_public_key_info(&bytes);
            let mut certificate = subject().to_vec();
            let at = at.index(certificate.len());
            certificate[at] ^= flip;
            let _ = subject_public_key_info(&certificate);
        }
    }

    fn subject() -> &'static [u8] {
        static CERTIFICATE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        CERTIFICATE.get_or_init(|| Identity::generate().unwrap().certificate_der().to_vec())
    }
}
