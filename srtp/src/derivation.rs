//! Session keys out of master keys (RFC 3711, section 4.3; RFC 6188; RFC 7714, section 11). The key derivation rate is
//! zero, as DTLS-SRTP has it (RFC 5764, section 4.1.2): keys are derived once.

use crate::cipher::Aes;
use crate::profile::Profile;

/// What keys are for. RTP and RTCP share master keys and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Rtp,
    Rtcp,
}

/// The label of the encryption key; those of authentication key and salt follow.
const fn first_label(purpose: Use) -> u8 {
    match purpose {
        Use::Rtp => 0,
        Use::Rtcp => 3,
    }
}

/// Keys of one direction for RTP or for RTCP. The longest of all profiles; the lengths say how much is used.
pub(crate) struct SessionKeys {
    key: [u8; 32],
    salt: [u8; 14],
    authentication: [u8; 20],
    /// Bytes of key and of salt.
    lengths: (usize, usize),
}

impl SessionKeys {
    /// Nothing if master key or salt are not as long as the profile says.
    pub(crate) fn derive(profile: Profile, purpose: Use, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        let lengths = profile.key_and_salt();
        if (master_key.len(), master_salt.len()) != lengths {
            return None;
        }
        let master_key = Aes::new(master_key)?;
        let label = first_label(purpose);
        let mut keys = Self { key: [0; 32], salt: [0; 14], authentication: [0; 20], lengths };
        derive(&master_key, master_salt, label, keys.key.get_mut(..lengths.0)?)?;
        derive(&master_key, master_salt, label + 1, &mut keys.authentication)?;
        derive(&master_key, master_salt, label + 2, keys.salt.get_mut(..lengths.1)?)?;
        Some(keys)
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.lengths.0).unwrap_or_default()
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.salt.get(..self.lengths.1).unwrap_or_default()
    }

    /// Of no use to GCM, which needs one key only.
    pub(crate) const fn authentication(&self) -> &[u8] {
        &self.authentication
    }

    /// The vectors of RFC 7714 start from session keys.
    #[cfg(test)]
    pub(crate) fn of_gcm(session_key: &[u8], session_salt: [u8; 12]) -> Self {
        let mut keys = Self { key: [0; 32], salt: [0; 14], authentication: [0; 20], lengths: (session_key.len(), 12) };
        keys.key[..session_key.len()].copy_from_slice(session_key);
        keys.salt[..12].copy_from_slice(&session_salt);
        keys
    }
}

/// The keystream of the master key, from the salt with the label in its eighth byte (RFC 3711, section 4.3.3). The 96
/// bits of an AEAD's salt are the upper ones of the 112 that the function takes.
fn derive(master_key: &Aes, master_salt: &[u8], label: u8, out: &mut [u8]) -> Option<()> {
    let mut input = [0; 16];
    for (place, byte) in input.iter_mut().zip(master_salt) {
        *place = *byte;
    }
    let iv = u128::from_be_bytes(input) ^ u128::from(label) << 64;
    out.fill(0);
    master_key.apply(iv, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived<const N: usize>(master_key: &[u8], master_salt: &[u8], label: u8) -> [u8; N] {
        let mut out = [0xff; N];
        derive(&Aes::new(master_key).expect("a key"), master_salt, label, &mut out).expect("a derived key");
        out
    }

    fn salt_of(number: u128) -> [u8; 14] {
        *number.to_be_bytes().last_chunk().expect("14 of 16 bytes")
    }

    #[test]
    fn the_keys_of_rfc_3711_appendix_b_3() {
        let key = 0xe1f97a0d_3e018be0_d64fa32c_06de4139_u128.to_be_bytes();
        let salt = salt_of(0x0ec675ad498afeebb6960b3aabe6);
        assert_eq!(u128::from_be_bytes(derived(&key, &salt, 0)), 0xc61e7a93744f39ee10734afe3ff7a087);
        assert_eq!(derived::<14>(&key, &salt, 2), salt_of(0x30cbbc08863d8c85d49db34a9ae1));
        let authentication = [
            0xcebe321f6ff7716b6fd4ab49af256a15_u128,
            0x6d38baa48f0a0acf3c34e2359e6cdbce,
            0xe049646c43d9327ad175578ef7227098,
            0x6371c10c9a369ac2f94a8c5fbcdddc25,
            0x6d6e919a48b610ef17c2041e47403576,
        ];
        let long: [u8; 94] = derived(&key, &salt, 1);
        let (blocks, rest) = long.as_chunks::<16>();
        assert!(blocks.iter().copied().map(u128::from_be_bytes).eq(authentication));
        assert_eq!(rest, salt_of(0x6b68642c59bbfc2f34db60dbdfb2));
    }

    #[test]
    fn the_keys_of_rfc_6188_section_7_2() {
        let key = [0xf0f04914b513f2763a1b1fa130f10e29_u128, 0x98f6f6e43e4309d1e622a0e332b9f1b6];
        let key = key.map(u128::to_be_bytes);
        let salt = salt_of(0x3b04803de51ee7c96423ab5b78d2);
        let expected = [0x5ba1064e30ec51613cad926c5a28ef73_u128, 0x1ec7fb397f70a960653caf06554cd8c4];
        assert_eq!(derived::<32>(key.as_flattened(), &salt, 0), expected.map(u128::to_be_bytes).as_flattened());
        assert_eq!(derived::<14>(key.as_flattened(), &salt, 2), salt_of(0xfa31791685ca444a9e07c6c64e93));
        let authentication: [u8; 20] = derived(key.as_flattened(), &salt, 1);
        assert_eq!(authentication[..16], 0xfd9c32d39ed5fbb5a9dc96b30818454d_u128.to_be_bytes());
        assert_eq!(authentication[16..], 0x1313dc05_u32.to_be_bytes());
    }

    #[test]
    fn each_use_has_the_keys_of_its_labels() {
        let (key, salt) = ([7; 32], [9; 12]);
        for (purpose, label) in [(Use::Rtp, 0), (Use::Rtcp, 3)] {
            let keys = SessionKeys::derive(Profile::AeadAes256Gcm, purpose, &key, &salt).expect("keys");
            assert_eq!(keys.key(), derived::<32>(&key, &salt, label));
            assert_eq!(keys.authentication(), derived::<20>(&key, &salt, label + 1));
            assert_eq!(keys.salt(), derived::<12>(&key, &salt, label + 2));
        }
    }

    #[test]
    fn other_lengths_give_no_keys() {
        for profile in Profile::ALL {
            let (key, salt) = profile.key_and_salt();
            let derive = |key, salt| SessionKeys::derive(profile, Use::Rtp, &vec![1; key], &vec![2; salt]);
            assert!(derive(key, salt).is_some());
            assert!(derive(key - 1, salt).is_none() && derive(key + 1, salt).is_none());
            assert!(derive(key, salt - 1).is_none() && derive(key, salt + 1).is_none());
            assert!(derive(48 - key, salt).is_none(), "a key of the other length");
        }
    }
}
