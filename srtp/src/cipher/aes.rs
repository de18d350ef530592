use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// AES in counter mode (RFC 3711, section 4.1.1; RFC 6188). The key is expanded once, not per packet.
pub(crate) struct Aes(EncryptingKey);

impl Aes {
    /// A key of 16 or of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = match key.len() {
            16 => &AES_128,
            32 => &AES_256,
            _ => return None,
        };
        EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok().map(Self)
    }

    /// Encrypts `text` in place, or decrypts it, which is the same. At most 2^16 blocks of 16 bytes, as more would run
    /// into the keystream of the next packet.
    pub(crate) fn apply(&self, iv: u128, text: &mut [u8]) -> Option<()> {
        let context = EncryptionContext::Iv128(FixedLength::from(&iv.to_be_bytes()));
        self.0.less_safe_encrypt(text, context).ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keystream(key: &[u8], first: [u128; 3], last: [u128; 3]) {
        let mut stream = vec![0; 1_044_512];
        let iv = 0xf0f1f2f3_f4f5f6f7_f8f9fafb_fcfd0000;
        Aes::new(key).expect("a key").apply(iv, &mut stream).expect("in place");
        let block = |at: usize| u128::from_be_bytes(stream[at * 16..][..16].try_into().expect("a block"));
        assert_eq!([0, 1, 2].map(block), first);
        assert_eq!([0xfeff, 0xff00, 0xff01].map(block), last);
    }

    #[test]
    fn the_keystream_of_rfc_3711_appendix_b_2() {
        let key = 0x2b7e1516_28aed2a6_abf71588_09cf4f3c_u128;
        let first = [
            0xe03ead0935c95e80e166b16dd92b4eb4,
            0xd23513162b02d0f72a43a2fe4a5f97ab,
            0x41e95b3bb0a2e8dd477901e4fca894c0,
        ];
        let last = [
            0xec8cdf7398607cb0f2d21675ea9ea1e4,
            0x362b7c3c6773516318a077d7fc5073ae,
            0x6a2cc3787889374fbeb4c81b17ba6c44,
        ];
        keystream(&key.to_be_bytes(), first, last);
    }

    #[test]
    fn the_keystream_of_rfc_6188_section_7_1() {
        let key = [0x57f82fe3613fd170a85ec93c40b1f092_u128, 0x2ec4cb0dc025b58272147cc438944a98];
        let first = [
            0x92bdd28a93c3f52511c677d08b5515a4,
            0x9da71b2378a854f67050756ded165bac,
            0x63c4868b7096d88421b563b8c94c9a31,
        ];
        let last = [
            0xcea518c90fd91ced9cbb18c078a54711,
            0x3dbc4814f4da5f00a08772b63c6a046d,
            0x6eb246913062a16891433e97dd01a57f,
        ];
        keystream(key.map(u128::to_be_bytes).as_flattened(), first, last);
    }

    #[test]
    fn keys_of_other_lengths_are_refused() {
        for length in (0..40).filter(|length| ![16, 32].contains(length)) {
            assert!(Aes::new(&vec![0; length]).is_none(), "{length}");
        }
    }
}
