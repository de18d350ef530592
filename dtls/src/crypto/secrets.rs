use aws_lc_rs::constant_time::verify_slices_are_equal;
use rustls::NamedGroup;
use rustls::crypto::ActiveKeyExchange;

use super::aead::Key;
use super::suite::Suite;
use crate::config::{Config, Role};
use crate::error::Error;
use crate::message::Finished;

/// The master secret of DTLS 1.2, and what is derived from it (RFC 5246, sections 5, 6.3, 7.4.9, 8.1).
pub(crate) struct Secrets {
    suite: Suite,
    master: [u8; 48],
    client_random: [u8; 32],
    server_random: [u8; 32],
    record_limit: Option<usize>,
}

/// The two randoms of a handshake and the suite it chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    pub(crate) suite: Suite,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) extended_master_secret: bool,
    /// The largest plaintext that the peer takes in one record, if it said so.
    pub(crate) record_limit: Option<usize>,
}

/// Checks a public key of the peer that nothing vouches for. The own private key is good for one exchange only and is
/// spent even if that fails, so the peer's key is tried with another one first: points off the curve and the keys of
/// X25519 that lead to zero fail with any.
pub(crate) fn check_public_key(config: &Config, group: NamedGroup, peer_public_key: &[u8]) -> Result<(), Error> {
    let group = config.groups().find(|known| known.name() == group).ok_or(Error::Provider("key exchange"))?;
    let trial = group.start().map_err(|_| Error::Provider("key exchange"))?;
    trial.complete(peer_public_key).map(|_| ()).map_err(|_| Error::IllegalParameter("public key"))
}

/// The keys of both directions.
pub(crate) struct Keys {
    pub(crate) client: Key,
    pub(crate) server: Key,
}

impl Secrets {
    /// Completes the key exchange. `transcript` ends with ClientKeyExchange (RFC 7627, section 4).
    pub(crate) fn new(
        agreed: Agreed,
        exchange: Box<dyn ActiveKeyExchange>,
        peer_public_key: &[u8],
        transcript: &[u8],
    ) -> Result<Self, Error> {
        let Agreed { suite, client_random, server_random, extended_master_secret, record_limit } = agreed;
        let mut master = [0; 48];
        let derived = if extended_master_secret {
            let session_hash = suite.hash(transcript);
            let label = b"extended master secret";
            suite.prf().for_key_exchange(&mut master, exchange, peer_public_key, label, session_hash.as_ref())
        } else {
            let seed = [client_random, server_random].concat();
            suite.prf().for_key_exchange(&mut master, exchange, peer_public_key, b"master secret", &seed)
        };
        // Points off the curve and the all-zero secret of X25519 end here (RFC 8422, section 5.11).
        derived.map_err(|_| Error::IllegalParameter("public key"))?;
        Ok(Self { suite, master, client_random, server_random, record_limit })
    }

    /// The record keys, cut from the key block in the order of RFC 5246, section 6.3 (AEADs have no MAC keys).
    pub(crate) fn keys(&self) -> Result<Keys, Error> {
        let cipher = self.suite.cipher;
        let (key, fixed) = (cipher.key_length(), cipher.fixed_nonce_length());
        let mut block = vec![0; 2 * (key + fixed)];
        let seed = [self.server_random, self.client_random].concat();
        self.suite.prf().for_secret(&mut block, &self.master, b"key expansion", &seed);
        let cut = || {
            let (client_key, rest) = block.split_at_checked(key)?;
            let (server_key, rest) = rest.split_at_checked(key)?;
            let (client_fixed, server_fixed) = rest.split_at_checked(fixed)?;
            Some(Keys {
                client: Key::new(cipher, client_key, client_fixed)?,
                server: Key::new(cipher, server_key, server_fixed)?,
            })
        };
        cut().ok_or(Error::Provider("record protection"))
    }

    /// What the Finished message of `side` holds after `transcript`.
    pub(crate) fn verify_data(&self, side: Role, transcript: &[u8]) -> [u8; Finished::SIZE] {
        let label: &[u8] = match side {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut verify_data = [0; Finished::SIZE];
        let hash = self.suite.hash(transcript);
        self.suite.prf().for_secret(&mut verify_data, &self.master, label, hash.as_ref());
        verify_data
    }

    /// Checks the Finished message of `side`, in constant time.
    pub(crate) fn check_finished(&self, side: Role, transcript: &[u8], finished: &Finished<'_>) -> Result<(), Error> {
        let expected = self.verify_data(side, transcript);
        verify_slices_are_equal(&expected, finished.verify_data).map_err(|_| Error::BadFinished)
    }

    /// Key material for others (RFC 5705, section 4). A context of no bytes is not the same as no context.
    pub(crate) fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) {
        let mut seed = [self.client_random, self.server_random].concat();
        if let Some(context) = context {
            // The caller has checked the length.
            seed.extend_from_slice(&(context.len() as u16).to_be_bytes());
            seed.extend_from_slice(context);
        }
        self.suite.prf().for_secret(out, &self.master, label, &seed);
    }

    pub(crate) const fn record_limit(&self) -> Option<usize> {
        self.record_limit
    }

    pub(crate) const fn suite(&self) -> Suite {
        self.suite
    }

    /// Tells the key log (NSS format: `CLIENT_RANDOM`, the client's random, the master secret).
    pub(crate) fn log(&self, key_log: &dyn rustls::KeyLog) {
        const LABEL: &str = "CLIENT_RANDOM";
        if key_log.will_log(LABEL) {
            key_log.log(LABEL, &self.client_random, &self.master);
        }
    }
}
