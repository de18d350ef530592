use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::Signer;
use webpki::RawPublicKeyEntity;

use crate::error::Error;
use crate::identity::Identity;
use crate::message::U16s;

/// The schemes of DTLS 1.2 that are worth anything: no SHA-1, and nothing that came with 1.3 only.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The signature schemes this side verifies, by preference, as numbers on the wire.
pub(crate) fn verifiable(provider: &CryptoProvider) -> impl Iterator<Item = u16> {
    let mapping = provider.signature_verification_algorithms.mapping;
    let known = SCHEMES.into_iter().filter(|scheme| mapping.iter().any(|(known, _)| known == scheme));
    known.map(u16::from)
}

/// Verifies a signature with the bare public key of the peer's certificate. The certificate itself is vouched for by
/// its fingerprint. `scheme` must be one that was offered, and fit the key.
pub(crate) fn verify(
    provider: &CryptoProvider,
    public_key: &[u8],
    scheme: u16,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let scheme = SignatureScheme::from(scheme);
    if !SCHEMES.contains(&scheme) {
        return Err(Error::IllegalParameter("signature scheme"));
    }
    let mapping = provider.signature_verification_algorithms.mapping;
    let (_, algorithms) =
        mapping.iter().find(|(known, _)| *known == scheme).ok_or(Error::IllegalParameter("signature scheme"))?;
    let public_key = SubjectPublicKeyInfoDer::from(public_key);
    let public_key = RawPublicKeyEntity::try_from(&public_key).map_err(|_| Error::BadSignature)?;
    // In TLS 1.2 an ECDSA scheme names only the hash, so each curve is tried (RFC 8422, section 5.10).
    let verified =
        algorithms.iter().any(|algorithm| public_key.verify_signature(*algorithm, message, signature).is_ok());
    if verified { Ok(()) } else { Err(Error::BadSignature) }
}

/// What signs with the own key and the first scheme that it and `offered` have in common and `allowed` allows.
pub(crate) fn signer(
    identity: &Identity,
    offered: &U16s<'_>,
    allowed: impl Fn(SignatureScheme) -> bool,
) -> Result<Box<dyn Signer>, Error> {
    let offered: Vec<SignatureScheme> = offered.iter().map(SignatureScheme::from).filter(|s| allowed(*s)).collect();
    identity.signing_key().choose_scheme(&offered).ok_or(Error::NothingInCommon("signature scheme"))
}

/// Signs with the own key; see [`signer`].
pub(crate) fn sign(
    identity: &Identity,
    offered: &U16s<'_>,
    allowed: impl Fn(SignatureScheme) -> bool,
    message: &[u8],
) -> Result<(u16, Vec<u8>), Error> {
    let signer = signer(identity, offered, allowed)?;
    let signature = signer.sign(message).map_err(|_| Error::Provider("signing"))?;
    Ok((signer.scheme().into(), signature))
}
