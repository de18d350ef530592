use std::fmt;

use wire::Reader;

use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::profile::Profile;

/// The label for the DTLS exporter, which is to be called without a context (RFC 5764, section 4.2).
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The master keys and master salts of both sides of a DTLS connection (RFC 5764, section 4.2).
#[derive(Clone, Copy)]
pub struct Keys<'m> {
    /// What the client protects its packets with.
    pub client_key: &'m [u8],
    /// What the server protects its packets with.
    pub server_key: &'m [u8],
    /// The salt that belongs to the client's key.
    pub client_salt: &'m [u8],
    /// The salt that belongs to the server's key.
    pub server_salt: &'m [u8],
}

impl<'m> Keys<'m> {
    /// Cuts what the exporter gave into its four pieces. Nothing if it is not [`Profile::exporter_length`] bytes.
    pub fn split(profile: Profile, material: &'m [u8]) -> Option<Self> {
        let (key, salt) = profile.key_and_salt();
        let mut reader = Reader::new(material);
        let keys = Self {
            client_key: reader.bytes(key, "client key").ok()?,
            server_key: reader.bytes(key, "server key").ok()?,
            client_salt: reader.bytes(salt, "client salt").ok()?,
            server_salt: reader.bytes(salt, "server salt").ok()?,
        };
        reader.is_empty().then_some(keys)
    }
}

/// Without the keys.
impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Both directions of a DTLS connection. They share nothing once they are made, so there is no value of this type.
#[derive(Debug)]
pub enum Session {}

impl Session {
    /// What the side that was the DTLS client, or was not, sends and receives with. `material` is what the exporter
    /// gave for [`EXPORTER_LABEL`]; nothing if it is not [`Profile::exporter_length`] bytes.
    pub fn from_exporter(profile: Profile, material: &[u8], is_client: bool) -> Option<(Outbound, Inbound)> {
        let Keys { client_key, server_key, client_salt, server_salt } = Keys::split(profile, material)?;
        Some(if is_client {
            (Outbound::new(profile, client_key, client_salt)?, Inbound::new(profile, server_key, server_salt)?)
        } else {
            (Outbound::new(profile, server_key, server_salt)?, Inbound::new(profile, client_key, client_salt)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_is_cut_in_the_order_of_the_rfc() {
        let material: Vec<u8> = (0..60).collect();
        let keys = Keys::split(Profile::Aes128CmSha1_80, &material).expect("60 bytes");
        assert_eq!([keys.client_key, keys.server_key], [&material[..16], &material[16..32]]);
        assert_eq!([keys.client_salt, keys.server_salt], [&material[32..46], &material[46..]]);
    }

    #[test]
    fn material_of_another_length_is_refused() {
        for profile in Profile::ALL {
            let length = profile.exporter_length();
            for (given, is_enough) in [(length - 1, false), (length, true), (length + 1, false), (0, false)] {
                for is_client in [false, true] {
                    let session = Session::from_exporter(profile, &vec![1; given], is_client);
                    assert_eq!(session.is_some(), is_enough, "{given} bytes for {profile:?}");
                }
            }
        }
    }

    #[test]
    fn keys_are_never_printed() {
        let material = [0x5a; 56];
        let (outbound, inbound) = Session::from_exporter(Profile::AeadAes128Gcm, &material, true).expect("56 bytes");
        let keys = Keys::split(Profile::AeadAes128Gcm, &material);
        for text in [format!("{outbound:?}"), format!("{inbound:?}"), format!("{keys:?}")] {
            assert!(!text.contains("90") && !text.to_lowercase().contains("5a"), "{text}");
        }
    }

    #[test]
    fn both_directions_may_live_in_other_threads() {
        const fn check<T: Send + Sync>() {}
        check::<(Outbound, Inbound)>();
    }
}
