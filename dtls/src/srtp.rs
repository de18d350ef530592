use wire::{Malformed, Put, Reader};

/// How SRTP is to be protected with keys that the handshake yields (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`
    Aes128CmSha1_80,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`
    Aes128CmSha1_32,
    /// `SRTP_AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`
    AeadAes256Gcm,
}

impl SrtpProfile {
    const ALL: [Self; 4] = [Self::Aes128CmSha1_80, Self::Aes128CmSha1_32, Self::AeadAes128Gcm, Self::AeadAes256Gcm];

    /// The number on the wire.
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128CmSha1_80 => 0x0001,
            Self::Aes128CmSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The name in IANA's registry of DTLS-SRTP protection profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128CmSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Self::Aes128CmSha1_32 => "SRTP_AES128_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        }
    }

    /// The profile with this number on the wire.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.id() == id)
    }

    /// Bytes of master key and of master salt that each side needs of the exporter (RFC 5764, section 4.2: four
    /// pieces, client key, server key, client salt, server salt, with the label `EXTRACTOR-dtls_srtp`).
    pub const fn key_and_salt(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }
}

/// The content of the extension `use_srtp` (RFC 5764, section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UseSrtp<'a> {
    /// By preference; unknown ones are passed over.
    pub(crate) profiles: Vec<SrtpProfile>,
    /// The master key identifier. WebRTC has none (RFC 8827, section 6.5).
    pub(crate) mki: &'a [u8],
}

/// Reads the content of the extension.
pub(crate) fn decode(value: &[u8]) -> Result<UseSrtp<'_>, Malformed> {
    let mut reader = Reader::new(value);
    let mut list = reader.sub_u16("use_srtp profiles")?;
    let mut profiles = Vec::new();
    while !list.is_empty() {
        let profile = SrtpProfile::from_id(list.u16("use_srtp profiles")?);
        // Known profiles only and each once, so the list stays as short as the enum.
        profiles.extend(profile.filter(|profile| !profiles.contains(profile)));
    }
    let mki = reader.sub_u8("use_srtp master key identifier")?.rest();
    reader.finish("use_srtp")?;
    Ok(UseSrtp { profiles, mki })
}

/// Appends the content of the extension, with an empty master key identifier.
pub(crate) fn encode(profiles: &[SrtpProfile], buf: &mut Vec<u8>) {
    buf.put_prefixed_u16(|buf| profiles.iter().for_each(|profile| buf.put_u16(profile.id())));
    buf.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_survive_the_wire_in_order() {
        let profiles = [SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80];
        let mut buf = Vec::new();
        encode(&profiles, &mut buf);
        assert_eq!(buf, [0, 4, 0, 8, 0, 1, 0]);
        assert_eq!(decode(&buf).unwrap(), UseSrtp { profiles: profiles.to_vec(), mki: &[] });
    }

    #[test]
    fn unknown_profiles_are_passed_over_and_repeated_ones_taken_once() {
        let decoded = decode(&[0, 8, 0, 9, 0, 7, 0, 7, 0, 1, 2, 0xaa, 0xbb]).unwrap();
        assert_eq!(decoded.profiles, [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80]);
        assert_eq!(decoded.mki, [0xaa, 0xbb]);
    }

    #[test]
    fn a_list_of_odd_length_is_refused() {
        assert!(decode(&[0, 3, 0, 7, 0, 0]).is_err());
        assert!(decode(&[0, 2, 0, 7]).is_err());
        assert!(decode(&[0, 2, 0, 7, 0, 1]).is_err());
    }
}
