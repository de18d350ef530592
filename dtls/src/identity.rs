use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;

use crate::fingerprint::{Fingerprint, HashAlgorithm};
use crate::x509;

/// The kind of key that [`Identity::generate_with`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256, as browsers make by default and every peer takes.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519, which browsers do not take.
    Ed25519,
    /// RSA with 2048 bits. Making one takes a good part of a second.
    Rsa2048,
}

/// Who this side is: a self-signed certificate, or a chain, and the private key that belongs to it. Cloning is cheap.
///
/// The peer knows it by the [`fingerprint`](Self::fingerprint) that travels in the session description.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Vec<CertificateDer<'static>>,
    leaf: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
}

/// Why an identity could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The generator failed.
    #[error("a certificate could not be generated: {0}")]
    Generate(#[from] rcgen::Error),
    /// The text is not PEM, or lacks a certificate or a key.
    #[error("a PEM text could not be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// The certificate is not X.509 in DER.
    #[error("the certificate could not be read: {0}")]
    Certificate(wire::Malformed),
    /// The private key is of an unknown kind or broken.
    #[error("the private key cannot be used: {0}")]
    Key(rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

impl Identity {
    /// A fresh ECDSA P-256 key and a self-signed certificate for it.
    pub fn generate() -> Result<Self, IdentityError> {
        Self::generate_with(KeyAlgorithm::EcdsaP256)
    }

    /// A fresh key of the given kind and a self-signed certificate for it.
    pub fn generate_with(algorithm: KeyAlgorithm) -> Result<Self, IdentityError> {
        let key = rcgen::KeyPair::generate_for(match algorithm {
            KeyAlgorithm::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
            KeyAlgorithm::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        })?;
        let mut parameters = rcgen::CertificateParams::default();
        // Names nobody: the name is sent in clear, and the same name everywhere tells the least.
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "WebRTC");
        let certificate = parameters.self_signed(&key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::from_der(vec![certificate.der().to_vec()], PrivateKeyDer::Pkcs8(key))
    }

    /// A certificate chain (own certificate first) and a private key (PKCS #8, PKCS #1 or SEC 1), each in PEM.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        Self::from_der(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)
    }

    /// A certificate chain (own certificate first) and a private key, each in DER.
    pub fn from_der(chain: Vec<Vec<u8>>, key: PrivateKeyDer<'_>) -> Result<Self, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?.clone();
        let key = any_supported_type(&key).map_err(IdentityError::Key)?;
        let certified = x509::subject_public_key_info(&leaf).map_err(IdentityError::Certificate)?;
        match key.public_key() {
            Some(own) if own.as_ref() != certified => Err(IdentityError::Mismatch),
            Some(_) | None => Ok(Self { inner: Arc::new(Inner { chain, leaf, key }) }),
        }
    }

    /// What to put into the session description, so that the peer knows this side when it sees it.
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(algorithm, self.certificate_der())
    }

    /// The own certificate in DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.inner.leaf
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.inner.chain
    }

    pub(crate) fn signing_key(&self) -> &dyn SigningKey {
        &*self.inner.key
    }
}

impl fmt::Debug for Identity {
    /// Shows the fingerprint, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint(HashAlgorithm::Sha256))
    }
}
