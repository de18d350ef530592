/// How packets are protected (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`
    Aes128CmSha1_80,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`. RTP has a tag of 32 bits only; RTCP has 80, as a forged BYE does more harm than
    /// a forged sound.
    Aes128CmSha1_32,
    /// `SRTP_AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`
    AeadAes256Gcm,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aes128CmSha1_80, Self::Aes128CmSha1_32, Self::AeadAes128Gcm, Self::AeadAes256Gcm];

    /// The number that `use_srtp` carries.
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128CmSha1_80 => 0x0001,
            Self::Aes128CmSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The profile that `use_srtp` gives this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.id() == id)
    }

    /// Bytes of a master key and of a master salt.
    pub const fn key_and_salt(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }

    /// Bytes to ask of the DTLS exporter: keys and salts of both sides (RFC 5764, section 4.2).
    pub const fn exporter_length(self) -> usize {
        let (key, salt) = self.key_and_salt();
        2 * (key + salt)
    }

    /// Bytes by which an RTP packet grows.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 => 10,
            Self::Aes128CmSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes by which an RTCP packet grows: tag, E flag and index.
    pub const fn rtcp_overhead(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => 10 + 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16 + 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_profiles_and_nothing_else() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_id(profile.id()), Some(profile));
        }
        assert_eq!((0..=u16::MAX).filter_map(Profile::from_id).count(), Profile::ALL.len());
    }

    #[test]
    fn the_exporter_is_asked_for_what_the_registrations_say() {
        assert_eq!(Profile::ALL.map(Profile::exporter_length), [60, 60, 56, 88]);
    }
}
