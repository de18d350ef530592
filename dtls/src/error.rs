use wire::Malformed;

use crate::alert::AlertDescription;
use crate::message::HandshakeType;

/// Why a connection ended. Given with [`Event::Closed`](crate::Event::Closed); never by a method the network drives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent `close_notify`: it has finished.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The peer ended the connection with a fatal alert.
    #[error("the peer ended the connection: {0}")]
    Alert(AlertDescription),
    /// The peer's certificate is not the one whose fingerprint was expected (RFC 8122, section 6.2).
    #[error("the peer's certificate matches none of the expected fingerprints")]
    FingerprintMismatch,
    /// The peer sent no certificate. Both sides of a WebRTC connection must (RFC 8827, section 6.5).
    #[error("the peer sent no certificate")]
    NoCertificate,
    /// The peer's certificate holds no key that could be found.
    #[error("the peer's certificate cannot be read: {0}")]
    BadCertificate(Malformed),
    /// A signature of the peer does not verify with the key in its certificate.
    #[error("the peer's signature is wrong")]
    BadSignature,
    /// The peer's Finished message does not match the handshake this side saw.
    #[error("the handshake was changed on its way")]
    BadFinished,
    /// The two sides have none of something in common; names it.
    #[error("no common {0}")]
    NothingInCommon(&'static str),
    /// The peer does not speak DTLS 1.2.
    #[error("the peer does not speak DTLS 1.2")]
    UnsupportedVersion,
    /// The peer lacks the extended master secret and [`Config`](crate::Config) requires it (RFC 7627).
    #[error("the peer does not offer the extended master secret")]
    ExtendedMasterSecretRequired,
    /// The peer answered with an extension that was not offered.
    #[error("the peer answered with extension {0}, which was not offered")]
    UnsupportedExtension(u16),
    /// A field of a handshake message is out of range or contradicts another; names it.
    #[error("illegal {0}")]
    IllegalParameter(&'static str),
    /// A handshake message arrived where another was due.
    #[error("{0} where {1} was due")]
    UnexpectedMessage(HandshakeType, &'static str),
    /// A handshake message makes no sense.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The handshake was not complete in time.
    #[error("the handshake was not complete in time")]
    HandshakeTimeout,
    /// The cryptography provider failed at something that should not fail; names it.
    #[error("{0} failed")]
    Provider(&'static str),
}

impl Error {
    /// The alert that tells the peer, always fatal, or nothing where there is nothing to tell.
    pub(crate) const fn alert(&self) -> Option<AlertDescription> {
        Some(match self {
            Self::PeerClosed | Self::Alert(_) => return None,
            Self::FingerprintMismatch | Self::BadCertificate(_) => AlertDescription::BAD_CERTIFICATE,
            Self::NoCertificate | Self::NothingInCommon(_) | Self::ExtendedMasterSecretRequired => {
                AlertDescription::HANDSHAKE_FAILURE
            }
            Self::BadSignature | Self::BadFinished => AlertDescription::DECRYPT_ERROR,
            Self::UnsupportedVersion => AlertDescription::PROTOCOL_VERSION,
            Self::UnsupportedExtension(_) => AlertDescription::UNSUPPORTED_EXTENSION,
            Self::IllegalParameter(_) => AlertDescription::ILLEGAL_PARAMETER,
            Self::UnexpectedMessage(..) => AlertDescription::UNEXPECTED_MESSAGE,
            Self::Malformed(_) => AlertDescription::DECODE_ERROR,
            Self::HandshakeTimeout => AlertDescription::USER_CANCELED,
            Self::Provider(_) => AlertDescription::INTERNAL_ERROR,
        })
    }
}
