use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wire::Put;

use super::{ENCRYPTED, FORGED_PASS};
use crate::derivation::SessionKeys;
use crate::header::{RtcpHeader, RtpHeader};

/// AES in Galois/counter mode (RFC 7714).
pub(crate) struct Gcm {
    key: LessSafeKey,
    /// The session salt, 12 bytes.
    salt: u128,
}

impl Gcm {
    const TAG: usize = 16;

    pub(super) fn new(keys: &SessionKeys) -> Option<Self> {
        let algorithm = if keys.key().len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, keys.key()).ok()?);
        let salt = keys.salt().iter().fold(0, |salt: u128, byte| salt << 8 | u128::from(*byte));
        Some(Self { key, salt })
    }

    /// Two zero bytes, SSRC, index, XORed with the salt (RFC 7714, sections 8.1 and 9.1). Different for any two
    /// packets, as no sender uses an index twice.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let nonce = self.salt ^ u128::from(ssrc) << 48 ^ u128::from(index);
        let [_, _, _, _, nonce @ ..] = nonce.to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, nonce: Nonce, additional: &[u8], text: &mut [u8]) -> Option<impl AsRef<[u8]> + use<>> {
        self.key.seal_in_place_separate_tag(nonce, Aad::from(additional), text).ok()
    }

    fn open(&self, nonce: Nonce, additional: &[u8], tag: &[u8], text: &mut [u8]) -> Option<()> {
        let before = FORGED_PASS.then(|| text.to_vec());
        let is_authentic = self.key.open_in_place_separate_tag(nonce, Aad::from(additional), tag, text).is_ok();
        if !is_authentic {
            text.copy_from_slice(&before?);
        }
        Some(())
    }

    pub(super) fn protect_rtp(&self, header: RtpHeader, index: u64, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        let (clear, text) = buf.get_mut(start..)?.split_at_mut_checked(header.length)?;
        let tag = self.seal(self.nonce(header.ssrc, index), clear, text)?;
        buf.put_bytes(tag.as_ref());
        Some(())
    }

    pub(super) fn unprotect_rtp<'p>(
        &self,
        header: RtpHeader,
        index: u64,
        packet: &'p mut [u8],
    ) -> Option<&'p mut [u8]> {
        let (packet, tag) = packet.split_last_chunk_mut::<{ Self::TAG }>()?;
        let (clear, text) = packet.split_at_mut_checked(header.length)?;
        self.open(self.nonce(header.ssrc, index), clear, tag, text)?;
        Some(packet)
    }

    pub(super) fn protect_rtcp(&self, ssrc: u32, index: u32, buf: &mut Vec<u8>, start: usize) -> Option<()> {
        let word = ENCRYPTED | index;
        let (clear, text) = buf.get_mut(start..)?.split_first_chunk_mut()?;
        let tag = self.seal(self.nonce(ssrc, index.into()), &additional(*clear, word), text)?;
        buf.put_bytes(tag.as_ref());
        buf.put_u32(word);
        Some(())
    }

    pub(super) fn unprotect_rtcp<'p>(&self, ssrc: u32, word: u32, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let nonce = self.nonce(ssrc, u64::from(word & !ENCRYPTED));
        if word & ENCRYPTED == 0 {
            return self.verify_rtcp(nonce, word, packet);
        }
        let (packet, _) = packet.split_last_chunk_mut::<4>()?;
        let (packet, tag) = packet.split_last_chunk_mut::<{ Self::TAG }>()?;
        let (clear, text) = packet.split_first_chunk_mut()?;
        self.open(nonce, &additional(*clear, word), tag, text)?;
        Some(packet)
    }

    /// Nothing is encrypted, all is additional data, and that must be in one piece: the word takes the place of the
    /// tag's start (RFC 7714, section 9.3).
    fn verify_rtcp<'p>(&self, nonce: Nonce, word: u32, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let length = packet.len().checked_sub(Self::TAG + 4)?;
        let tag = *packet.get(length..)?.first_chunk::<{ Self::TAG }>()?;
        let (additional, _) = packet.split_at_mut_checked(length + 4)?;
        *additional.last_chunk_mut()? = word.to_be_bytes();
        self.open(nonce, additional, &tag, &mut [])?;
        additional.get_mut(..length)
    }
}

/// What of an encrypted RTCP packet is in clear: its start, and the word behind it (RFC 7714, section 9.2).
fn additional(clear: [u8; RtcpHeader::LENGTH], word: u32) -> [u8; RtcpHeader::LENGTH + 4] {
    let mut additional = [0; RtcpHeader::LENGTH + 4];
    for (place, byte) in additional.iter_mut().zip(clear.into_iter().chain(word.to_be_bytes())) {
        *place = byte;
    }
    additional
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e20706172746573\
        2074726573";
    const REPORT: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdead\
        beefdeadbeef";
    /// "Mars", of `REPORT`.
    const MARS: u32 = 0x4d61_7273;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let (pairs, _) = digits.as_chunks::<2>();
        pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect()
    }

    /// Session keys of section 16: the numbers from zero, and "Quid pro quo".
    fn gcm(key_length: u8) -> Gcm {
        Gcm::new(&SessionKeys::of_gcm(&Vec::from_iter(0..key_length), *b"Quid pro quo")).expect("a key")
    }

    fn rtp_is_protected_as(key_length: u8, expected: &str) {
        let (gcm, plain, expected) = (gcm(key_length), hex(PACKET), hex(expected));
        let header = RtpHeader::decode(&plain).expect("a header");
        let index = u64::from(header.sequence);
        let mut buf = b"before".to_vec();
        buf.extend(&plain);
        gcm.protect_rtp(header, index, &mut buf, 6).expect("in place");
        assert_eq!(buf.split_off(6), expected);
        let mut packet = expected.clone();
        assert_eq!(gcm.unprotect_rtp(header, index, &mut packet).as_deref(), Some(&plain[..]));
        let mut packet = expected;
        assert!(gcm.unprotect_rtp(header, index + 0x10000, &mut packet).is_none(), "another turn");
    }

    #[test]
    fn packets_of_rfc_7714_sections_16_1_1_and_16_1_2() {
        let expected = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3a\
            df8833899d7f27beb16a9152cf765ee4390cce";
        rtp_is_protected_as(16, expected);
    }

    #[test]
    fn packets_of_rfc_7714_sections_16_2_1_and_16_2_2() {
        let expected = "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba637\
            99b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
        rtp_is_protected_as(32, expected);
    }

    /// No SRTP packet is tagged only; the RFC shows how the AEAD would do it.
    #[test]
    fn tags_of_rfc_7714_sections_16_1_3_to_16_2_4() {
        for (key_length, expected) in
            [(16, "22493f82d2bce397e9d79e3b19aa4216"), (32, "a866d5910f887463067ceefec45215d4")]
        {
            let (gcm, packet) = (gcm(key_length), hex(PACKET));
            let nonce = || gcm.nonce(0x5501_a0b2, 0xf17b);
            let tag = gcm.seal(nonce(), &packet, &mut []).expect("a tag");
            assert_eq!(tag.as_ref(), hex(expected));
            assert!(gcm.open(nonce(), &packet, tag.as_ref(), &mut []).is_some());
            assert!(gcm.open(nonce(), &packet[1..], tag.as_ref(), &mut []).is_none());
        }
    }

    fn rtcp_is_protected_as(key_length: u8, expected: &str) {
        let (gcm, plain, expected) = (gcm(key_length), hex(REPORT), hex(expected));
        let mut buf = b"before".to_vec();
        buf.extend(&plain);
        gcm.protect_rtcp(MARS, 0x5d4, &mut buf, 6).expect("in place");
        assert_eq!(buf.split_off(6), expected);
        let mut packet = expected;
        assert_eq!(gcm.unprotect_rtcp(MARS, ENCRYPTED | 0x5d4, &mut packet).as_deref(), Some(&plain[..]));
    }

    #[test]
    fn reports_of_rfc_7714_section_17_1() {
        let expected = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303d\
            ed0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4";
        rtcp_is_protected_as(16, expected);
    }

    #[test]
    fn reports_of_rfc_7714_section_17_2() {
        let expected = "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0\
            476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4";
        rtcp_is_protected_as(32, expected);
    }

    #[test]
    fn reports_in_clear_of_rfc_7714_sections_17_3_and_17_4() {
        for (key_length, tag) in [(16, "841dd9683dd78ec92ae58790125f62b3"), (32, "91db4afbfeee5a978fab4393ed2615fe")] {
            let gcm = gcm(key_length);
            let packet = hex(&format!("{REPORT}{tag}000005d4"));
            let mut copy = packet.clone();
            assert_eq!(gcm.unprotect_rtcp(MARS, 0x5d4, &mut copy).as_deref(), Some(&hex(REPORT)[..]));
            for at in 0..packet.len() - 4 {
                let mut changed = packet.clone();
                changed[at] ^= 1;
                assert!(gcm.unprotect_rtcp(MARS, 0x5d4, &mut changed).is_none(), "byte {at}");
            }
            let mut copy = packet.clone();
            assert!(gcm.unprotect_rtcp(MARS, 0x5d5, &mut copy).is_none(), "another index");
        }
    }
}
