//! Encryption and authentication of single packets whose index is known.

mod aes;
mod counter;
mod gcm;

pub(crate) use aes::Aes;

use crate::derivation::{SessionKeys, Use};
use crate::header::RtpHeader;
use crate::profile::Profile;

/// Whether packets that are not authentic are taken as if they had come in clear. Only where fuzzers look for what is
/// behind the tags, which they cannot guess.
pub(crate) const FORGED_PASS: bool = cfg!(fuzzing);

/// Set in the last word of an SRTCP packet that is encrypted (RFC 3711, section 3.4). The other bits are its index.
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// The session keys of one direction, for RTP or for RTCP.
pub(crate) enum Cipher {
    CounterMode(Box<counter::CounterMode>),
    Gcm(gcm::Gcm),
}

impl Cipher {
    /// Keys are as long as the profile says; otherwise there is no cipher.
    pub(crate) fn new(profile: Profile, purpose: Use, keys: &SessionKeys) -> Option<Self> {
        let tag = match (profile, purpose) {
            (Profile::AeadAes128Gcm | Profile::AeadAes256Gcm, _) => return gcm::Gcm::new(keys).map(Self::Gcm),
            (Profile::Aes128CmSha1_32, Use::Rtp) => 4,
            (Profile::Aes128CmSha1_80, _) | (Profile::Aes128CmSha1_32, Use::Rtcp) => 10,
        };
        counter::CounterMode::new(keys, tag).map(Box::new).map(Self::CounterMode)
    }

    /// Encrypts the RTP packet behind `start` in place and appends its tag. Nothing if the provider fails.
    pub(crate) fn protect_rtp(&self, header: RtpHeader, index: u64, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        match self {
            Self::CounterMode(cipher) => cipher.protect_rtp(header, index, buf, start),
            Self::Gcm(cipher) => cipher.protect_rtp(header, index, buf, start),
        }
    }

    /// The RTP packet in clear, without its tag. Nothing if it is not authentic; its bytes are garbage then.
    pub(crate) fn unprotect_rtp<'p>(
        &self,
        header: RtpHeader,
        index: u64,
        packet: &'p mut [u8],
    ) -> Option<&'p mut [u8]> {
        match self {
            Self::CounterMode(cipher) => cipher.unprotect_rtp(header, index, packet),
            Self::Gcm(cipher) => cipher.unprotect_rtp(header, index, packet),
        }
    }

    /// Encrypts the RTCP packet behind `start` in place and appends its tag, and `index` with the E flag.
    pub(crate) fn protect_rtcp(&self, ssrc: u32, index: u32, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        match self {
            Self::CounterMode(cipher) => cipher.protect_rtcp(ssrc, index, buf, start),
            Self::Gcm(cipher) => cipher.protect_rtcp(ssrc, index, buf, start),
        }
    }

    /// The E flag and the index of an RTCP packet, which stand before the tag or behind it.
    pub(crate) fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        match self {
            Self::CounterMode(cipher) => cipher.rtcp_word(packet),
            Self::Gcm(_) => packet.last_chunk().copied().map(u32::from_be_bytes),
        }
    }

    /// The RTCP packet in clear, without what was appended. Nothing if it is not authentic; its bytes are garbage then.
    pub(crate) fn unprotect_rtcp<'p>(&self, ssrc: u32, word: u32, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        match self {
            Self::CounterMode(cipher) => cipher.unprotect_rtcp(ssrc, word, packet),
            Self::Gcm(cipher) => cipher.unprotect_rtcp(ssrc, word, packet),
        }
    }
}
