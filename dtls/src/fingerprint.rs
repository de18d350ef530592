use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// A hash function that a fingerprint may use, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// `sha-256`
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl HashAlgorithm {
    /// The token in session descriptions (RFC 8122, section 5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self, data: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data)
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The hash of a certificate's DER bytes, as it stands in a session description (RFC 8122, section 5):
/// `sha-256 4A:AD:…`.
///
/// ```
/// # use visavis_dtls as dtls;
/// let text = "sha-256 ".to_owned() + &["0F"; 32].join(":");
/// let fingerprint: dtls::Fingerprint = text.parse()?;
/// assert_eq!(fingerprint.to_string(), text);
/// assert_eq!("sha-1 0F:0F".parse::<dtls::Fingerprint>().unwrap_err().to_string(), "sha-1 fingerprints are refused: too weak");
/// # Ok::<(), dtls::FingerprintError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    value: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(algorithm: HashAlgorithm, certificate: &[u8]) -> Self {
        Self { algorithm, value: algorithm.digest(certificate).as_ref().to_vec() }
    }

    /// The fingerprint of the first certificate in a PEM text.
    pub fn from_pem(algorithm: HashAlgorithm, text: &str) -> Result<Self, pem::Error> {
        CertificateDer::from_pem_slice(text.as_bytes()).map(|certificate| Self::of(algorithm, &certificate))
    }

    /// The hash function.
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The hash: 32, 48 or 64 bytes.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether `certificate` is one of those expected. Of several hash functions the strongest decides and the rest
    /// count for nothing, so that a weak one cannot let in what a strong one refuses (RFC 8122, section 5.1).
    pub(crate) fn any_matches(expected: &[Self], certificate: &[u8]) -> bool {
        let Some(strongest) = expected.iter().map(Self::algorithm).max() else { return false };
        let actual = Self::of(strongest, certificate);
        expected.contains(&actual)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (index, byte) in self.value.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a text is not a fingerprint that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// The hash function is broken, so the fingerprint proves nothing.
    #[error("{0} fingerprints are refused: too weak")]
    Refused(String),
    /// The hash function is not known here.
    #[error("unknown fingerprint hash function {0:?}; sha-256, sha-384 and sha-512 are known")]
    UnknownAlgorithm(String),
    /// The value is not pairs of hexadecimal digits with colons between.
    #[error("a fingerprint is a hash function, a space, and pairs of hexadecimal digits with colons between")]
    Malformed,
    /// The value is longer or shorter than the hash function's output.
    #[error("{algorithm} fingerprints have {expected} bytes, not {found}", algorithm = .0.name(), expected = .0.length(), found = .1)]
    WrongLength(HashAlgorithm, usize),
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads `sha-256 AB:CD:…`, in either case (RFC 8122 writes digits in upper case; some peers do not).
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (name, hex) = text.trim().split_once(' ').ok_or(FingerprintError::Malformed)?;
        let name = name.to_ascii_lowercase();
        let algorithm = match name.as_str() {
            "sha-256" => HashAlgorithm::Sha256,
            "sha-384" => HashAlgorithm::Sha384,
            "sha-512" => HashAlgorithm::Sha512,
            // RFC 8122, section 5, forbids md2 and md5; sha-1 collides in practice.
            "sha-1" | "md5" | "md2" => return Err(FingerprintError::Refused(name)),
            _ => return Err(FingerprintError::UnknownAlgorithm(name)),
        };
        let value = hex.trim().split(':').map(pair).collect::<Option<Vec<u8>>>().ok_or(FingerprintError::Malformed)?;
        if value.len() != algorithm.length() {
            return Err(FingerprintError::WrongLength(algorithm, value.len()));
        }
        Ok(Self { algorithm, value })
    }
}

/// Two hexadecimal digits. `from_str_radix` alone would take a sign too.
fn pair(digits: &str) -> Option<u8> {
    let hexadecimal = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    hexadecimal.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn either_case_is_read_and_upper_case_written() {
        let upper = Fingerprint::of(HashAlgorithm::Sha384, b"certificate").to_string();
        assert_eq!(upper.to_lowercase().parse::<Fingerprint>().unwrap().to_string(), upper);
        assert!(upper.starts_with("sha-384 "));
    }

    #[test]
    fn weak_hash_functions_are_refused_by_name() {
        for weak in ["sha-1", "SHA-1", "md5", "md2"] {
            let error = format!("{weak} AB:CD").parse::<Fingerprint>().unwrap_err();
            assert_eq!(error, FingerprintError::Refused(weak.to_lowercase()));
        }
        let error = "sha3-256 AB".parse::<Fingerprint>().unwrap_err();
        assert_eq!(error, FingerprintError::UnknownAlgorithm("sha3-256".into()));
    }

    #[test]
    fn values_that_are_no_hash_are_refused() {
        for (text, error) in [
            ("sha-256", FingerprintError::Malformed),
            ("sha-256 ", FingerprintError::Malformed),
            ("sha-256 +1:AB", FingerprintError::Malformed),
            ("sha-256 ABC:D", FingerprintError::Malformed),
            ("sha-256 A:B", FingerprintError::Malformed),
            ("sha-256 AB:CD", FingerprintError::WrongLength(HashAlgorithm::Sha256, 2)),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_strongest_hash_function_decides() {
        let [ours, theirs] = [b"ours", b"othr"];
        let strong = Fingerprint::of(HashAlgorithm::Sha512, ours);
        let weak = Fingerprint::of(HashAlgorithm::Sha256, ours);
        let wrong = Fingerprint::of(HashAlgorithm::Sha512, theirs);
        assert!(Fingerprint::any_matches(&[weak.clone(), strong.clone()], ours));
        assert!(Fingerprint::any_matches(&[wrong.clone(), weak.clone(), strong], ours), "one of several certificates");
        assert!(!Fingerprint::any_matches(&[weak.clone(), wrong], ours), "the weaker match must not count");
        assert!(Fingerprint::any_matches(&[weak], ours));
        assert!(!Fingerprint::any_matches(&[], ours));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(sha-256|sha-1|x)? ?[0-9A-Fa-f:+ é]{0,100}") {
            if let Ok(fingerprint) = text.parse::<Fingerprint>() {
                prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>(), Ok(fingerprint));
            }
        }
    }
}
