use std::fmt;

use wire::{Malformed, Put, Reader};

use crate::error::Error;

/// How grave an alert is (RFC 5246, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertLevel {
    /// The connection goes on, except after `close_notify`.
    Warning,
    /// The connection is over.
    Fatal,
}

/// What an alert says (RFC 5246, section 7.2, and its registry). Numbers without a name are kept as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

/// Gives each description its constant and its name on one line.
macro_rules! descriptions {
    ($($(#[$doc:meta])* $constant:ident = $value:literal $name:literal;)*) => {
        impl AlertDescription {
            $($(#[$doc])* pub const $constant: Self = Self($value);)*

            /// The name in the registry, if the number has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

descriptions! {
    /// The sender will send nothing more.
    CLOSE_NOTIFY = 0 "close_notify";
    /// A message that does not belong here.
    UNEXPECTED_MESSAGE = 10 "unexpected_message";
    /// A record that could not be authenticated. DTLS drops those instead (RFC 6347, section 4.1.2.7).
    BAD_RECORD_MAC = 20 "bad_record_mac";
    /// A record longer than allowed.
    RECORD_OVERFLOW = 22 "record_overflow";
    /// No acceptable set of parameters.
    HANDSHAKE_FAILURE = 40 "handshake_failure";
    /// A certificate that is corrupt, or is not the one that was announced.
    BAD_CERTIFICATE = 42 "bad_certificate";
    /// A certificate of a kind that cannot be used.
    UNSUPPORTED_CERTIFICATE = 43 "unsupported_certificate";
    /// The signer took the certificate back.
    CERTIFICATE_REVOKED = 44 "certificate_revoked";
    /// The certificate is out of date.
    CERTIFICATE_EXPIRED = 45 "certificate_expired";
    /// Some other fault of the certificate.
    CERTIFICATE_UNKNOWN = 46 "certificate_unknown";
    /// A field that is out of range or contradicts another.
    ILLEGAL_PARAMETER = 47 "illegal_parameter";
    /// The certificate's issuer is unknown.
    UNKNOWN_CA = 48 "unknown_ca";
    /// The certificate is valid and still not let in.
    ACCESS_DENIED = 49 "access_denied";
    /// A message that makes no sense.
    DECODE_ERROR = 50 "decode_error";
    /// A signature or a Finished message that is wrong.
    DECRYPT_ERROR = 51 "decrypt_error";
    /// The version is not supported.
    PROTOCOL_VERSION = 70 "protocol_version";
    /// The parameters are too weak.
    INSUFFICIENT_SECURITY = 71 "insufficient_security";
    /// A fault of the sender's own.
    INTERNAL_ERROR = 80 "internal_error";
    /// The user gave up.
    USER_CANCELED = 90 "user_canceled";
    /// A renegotiation is refused; the connection goes on.
    NO_RENEGOTIATION = 100 "no_renegotiation";
    /// An extension that was not asked for.
    UNSUPPORTED_EXTENSION = 110 "unsupported_extension";
    /// The certificate is missing (TLS 1.3's word for it).
    CERTIFICATE_REQUIRED = 116 "certificate_required";
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "alert {}", self.0),
        }
    }
}

/// The content of an alert record: two bytes (RFC 5246, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// How grave it is.
    pub level: AlertLevel,
    /// What it says.
    pub description: AlertDescription,
}

impl Alert {
    /// A fatal alert.
    pub const fn fatal(description: AlertDescription) -> Self {
        Self { level: AlertLevel::Fatal, description }
    }

    /// A warning.
    pub const fn warning(description: AlertDescription) -> Self {
        Self { level: AlertLevel::Warning, description }
    }

    /// Reads the two bytes of an alert. A level that is neither warning nor fatal is malformed.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let level = match reader.u8("alert level")? {
            1 => AlertLevel::Warning,
            2 => AlertLevel::Fatal,
            _ => return Err(Malformed::new("alert level")),
        };
        let description = AlertDescription(reader.u8("alert description")?);
        Ok(Self { level, description })
    }

    /// How it ends the connection; a mere warning does not.
    pub(crate) const fn error(self) -> Option<Error> {
        match (self.level, self.description) {
            (_, AlertDescription::CLOSE_NOTIFY) => Some(Error::PeerClosed),
            (AlertLevel::Fatal, description) => Some(Error::Alert(description)),
            (AlertLevel::Warning, _) => None,
        }
    }

    /// Appends the two bytes of an alert.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u8(match self.level {
            AlertLevel::Warning => 1,
            AlertLevel::Fatal => 2,
        });
        buf.put_u8(self.description.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_survive_the_wire() {
        for description in 0..=255 {
            for alert in [Alert::fatal(AlertDescription(description)), Alert::warning(AlertDescription(description))] {
                let mut buf = Vec::new();
                alert.encode(&mut buf);
                assert_eq!(Alert::decode(&mut Reader::new(&buf)), Ok(alert));
            }
        }
    }

    #[test]
    fn unknown_levels_and_short_alerts_are_refused() {
        assert_eq!(Alert::decode(&mut Reader::new(&[3, 0])), Err(Malformed::new("alert level")));
        assert_eq!(Alert::decode(&mut Reader::new(&[2])), Err(Malformed::new("alert description")));
    }

    #[test]
    fn alerts_have_their_registered_names() {
        assert_eq!(AlertDescription::DECRYPT_ERROR.to_string(), "decrypt_error");
        assert_eq!(AlertDescription(200).to_string(), "alert 200");
    }
}
