use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use wire::Put;

use super::{Aes, ENCRYPTED, FORGED_PASS};
use crate::derivation::SessionKeys;
use crate::header::{RtcpHeader, RtpHeader};

/// AES in counter mode with HMAC-SHA1 (RFC 3711, sections 4.1.1 and 4.2.1).
pub(crate) struct CounterMode {
    aes: Aes,
    /// The session salt with 16 zero bits behind it, which count the blocks.
    salt: u128,
    /// Holds the first blocks hashed already.
    authentication: hmac::Key,
    /// How many bytes of the hash a packet carries.
    tag: usize,
}

impl CounterMode {
    pub(super) fn new(keys: &SessionKeys, tag: usize) -> Option<Self> {
        let salt = keys.salt().iter().fold(0, |salt: u128, byte| salt << 8 | u128::from(*byte)) << 16;
        let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, keys.authentication());
        Some(Self { aes: Aes::new(keys.key())?, salt, authentication, tag })
    }

    /// Different for any two packets, as no sender uses an index twice.
    fn iv(&self, ssrc: u32, index: u64) -> u128 {
        self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16
    }

    fn hash(&self, packet: &[u8], behind: &[u8]) -> hmac::Tag {
        let mut hmac = hmac::Context::with_key(&self.authentication);
        hmac.update(packet);
        hmac.update(behind);
        hmac.sign()
    }

    fn is_authentic(&self, packet: &[u8], behind: &[u8], tag: &[u8]) -> bool {
        let hash = self.hash(packet, behind);
        hash.as_ref().get(..self.tag).is_some_and(|hash| verify_slices_are_equal(hash, tag).is_ok())
    }

    pub(super) fn protect_rtp(&self, header: RtpHeader, index: u64, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        let packet = buf.get_mut(start..)?;
        self.aes.apply(self.iv(header.ssrc, index), packet.get_mut(header.length..)?)?;
        let hash = self.hash(packet, &rollover_counter(index));
        buf.put_bytes(hash.as_ref().get(..self.tag)?);
        Some(())
    }

    pub(super) fn unprotect_rtp<'p>(
        &self,
        header: RtpHeader,
        index: u64,
        packet: &'p mut [u8],
    ) -> Option<&'p mut [u8]> {
        let (packet, tag) = packet.split_at_mut_checked(packet.len().checked_sub(self.tag)?)?;
        if !self.is_authentic(packet, &rollover_counter(index), tag) {
            return FORGED_PASS.then_some(packet);
        }
        self.aes.apply(self.iv(header.ssrc, index), packet.get_mut(header.length..)?)?;
        Some(packet)
    }

    pub(super) fn protect_rtcp(&self, ssrc: u32, index: u32, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        let text = buf.get_mut(start..)?.get_mut(RtcpHeader::LENGTH..)?;
        self.aes.apply(self.iv(ssrc, index.into()), text)?;
        buf.put_u32(ENCRYPTED | index);
        let hash = self.hash(buf.get(start..)?, &[]);
        buf.put_bytes(hash.as_ref().get(..self.tag)?);
        Some(())
    }

    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let (before, _) = packet.split_at_checked(packet.len().checked_sub(self.tag)?)?;
        before.last_chunk().copied().map(u32::from_be_bytes)
    }

    pub(super) fn unprotect_rtcp<'p>(&self, ssrc: u32, word: u32, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let (authenticated, tag) = packet.split_at_mut_checked(packet.len().checked_sub(self.tag)?)?;
        let is_authentic = self.is_authentic(authenticated, &[], tag);
        let (packet, _) = authenticated.split_last_chunk_mut::<4>()?;
        if !is_authentic {
            return FORGED_PASS.then_some(packet);
        }
        if word & ENCRYPTED != 0 {
            let index = u64::from(word & !ENCRYPTED);
            self.aes.apply(self.iv(ssrc, index), packet.get_mut(RtcpHeader::LENGTH..)?)?;
        }
        Some(packet)
    }
}

/// What is authenticated of an RTP packet though it does not travel (RFC 3711, section 4.2).
fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
