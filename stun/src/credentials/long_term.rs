//! The client's side of the long-term credential mechanism (RFC 8489, section 9.2).

use std::fmt;

use crate::credentials::{SecurityFeatures, long_term_key_md5, long_term_key_sha256, userhash};
use crate::{Attribute, Builder, Class, IntegrityKey, Message, PasswordAlgorithm, PasswordAlgorithms};

/// No realm and no nonce is longer, in bytes (RFC 8489, sections 14.9 and 14.10).
const LONGEST_TEXT: usize = 763;
/// No list of algorithms that makes sense is longer, in bytes. It is sent with every request.
const LONGEST_LIST: usize = 256;
/// After so many challenges in a row that nothing came of, the server is not worth another try.
const MOST_CHALLENGES: u32 = 4;

/// Username and password for one server, and what the server has asked for so far.
///
/// Every request goes through [`authenticate`](Self::authenticate) just before its fingerprint, every response through
/// [`handle_response`](Self::handle_response):
///
/// ```text
///             first request, bare                 401: REALM, NONCE
/// unknown ───────────────────────────► asked ────────────────────────► challenged ──► all requests authenticated
///                                                                        │     ▲
///                                                                        └─────┘ 438: new NONCE
/// ```
#[derive(Clone)]
pub struct LongTerm {
    username: String,
    password: String,
    challenge: Option<Challenge>,
    /// How many challenges there have been. Attempts know by it what they answered.
    generation: u32,
    /// How many of them since a response was last accepted.
    fruitless: u32,
}

/// What the server has asked for.
#[derive(Clone)]
struct Challenge {
    realm: String,
    nonce: String,
    /// PASSWORD-ALGORITHMS as it came, and the first one of it that is known here.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm<'static>)>,
    /// In place of the username, if the server wants it so.
    userhash: Option<[u8; 32]>,
    key: IntegrityKey,
}

/// With what a request was authenticated; to be kept with its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Zero: with nothing.
    generation: u32,
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the server's answer, success or error.
    Accepted,
    /// It is a challenge: send the request again, in a new transaction, authenticated anew.
    Retry,
    /// It proves nothing: as if it had not come. The transaction goes on; if it ends without another response, the
    /// reason is that integrity was violated. Over TCP and TLS it ends at once (RFC 8489, section 9.2.5).
    Discarded,
    /// It is an error that nothing proves, as coturn sends many. RFC 8489, section 9.2.5 wants it discarded, and so it
    /// should be on a path where others may forge it; but if nothing better comes, it is the likely reason. A 400 is
    /// always [`Discarded`](Self::Discarded) if nothing proves it.
    Unproven,
    /// The server does not accept these credentials, or asks for what is not supported here.
    Refused,
}

impl LongTerm {
    /// Credentials for a server that has not been asked yet.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let (username, password) = (username.into(), password.into());
        Self { username, password, challenge: None, generation: 0, fruitless: 0 }
    }

    /// Appends to a request what the server has asked for, with an integrity attribute last; nothing if it has not asked
    /// (RFC 8489, section 9.2.3). Only a fingerprint may follow.
    pub fn authenticate(&self, request: &mut Builder<'_>) -> Attempt {
        let Some(challenge) = &self.challenge else { return Attempt { generation: 0 } };
        match &challenge.userhash {
            Some(hash) => request.attribute(&Attribute::Userhash(hash)),
            None => request.attribute(&Attribute::Username(&self.username)),
        };
        request.attribute(&Attribute::Realm(&challenge.realm)).attribute(&Attribute::Nonce(&challenge.nonce));
        match &challenge.algorithms {
            Some((list, algorithm)) => {
                if let Ok(list) = PasswordAlgorithms::new(list) {
                    request.attribute(&Attribute::PasswordAlgorithms(list));
                }
                request.attribute(&Attribute::PasswordAlgorithm(*algorithm)).integrity_sha256_with(&challenge.key);
            }
            None => {
                request.integrity_with(&challenge.key);
            }
        }
        Attempt { generation: self.generation }
    }

    /// Judges the response to a request that was sent as `attempt` (RFC 8489, section 9.2.5). The caller has matched
    /// the transaction.
    pub fn handle_response(&mut self, response: &Message<'_>, attempt: Attempt) -> Verdict {
        let code = response.error_code().map_or(0, |error| error.code);
        let challenging = response.class() == Class::Error && (code == 401 || code == 438);
        if Self::is_bid_down(response) {
            // Somebody has taken the better algorithms out of the list, or the server does not know its own mind.
            return if challenging { Verdict::Refused } else { Verdict::Discarded };
        }
        if challenging {
            return self.handle_challenge(response, attempt, code == 438);
        }
        let verdict = self.verify(response, attempt);
        if verdict == Verdict::Accepted {
            self.fruitless = 0;
        }
        verdict
    }

    /// Whether the nonce announces PASSWORD-ALGORITHMS that are not there (RFC 8489, section 9.2.1).
    fn is_bid_down(response: &Message<'_>) -> bool {
        let features = response.nonce().and_then(SecurityFeatures::of_nonce).unwrap_or_default();
        features.has(SecurityFeatures::PASSWORD_ALGORITHMS) && response.password_algorithms().is_none()
    }

    fn handle_challenge(&mut self, response: &Message<'_>, attempt: Attempt, stale: bool) -> Verdict {
        let Some(challenge) = self.read_challenge(response) else { return Verdict::Refused };
        if attempt.generation != self.generation {
            // The request was sent before another one brought the challenge that is known now, and which it has not
            // answered yet. Taking this one up too would let two requests chase each other for ever.
            return Verdict::Retry;
        }
        // The same username and password in the same realm would be refused again.
        let same_realm = self.challenge.as_ref().is_some_and(|known| known.realm == challenge.realm);
        if (same_realm && !stale) || self.fruitless >= MOST_CHALLENGES {
            return Verdict::Refused;
        }
        self.fruitless += 1;
        self.generation = self.generation.wrapping_add(1).max(1);
        self.challenge = Some(challenge);
        Verdict::Retry
    }

    /// `None` if the challenge lacks something, or nothing in its list of algorithms is known.
    fn read_challenge(&self, response: &Message<'_>) -> Option<Challenge> {
        let (realm, nonce) = (response.realm()?, response.nonce()?);
        let list = response.password_algorithms();
        if realm.len().max(nonce.len()) > LONGEST_TEXT || list.is_some_and(|list| list.as_bytes().len() > LONGEST_LIST)
        {
            return None;
        }
        let algorithms = match list {
            Some(list) => {
                let known = [PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256];
                let first = list.iter().find_map(|offered| known.into_iter().find(|known| *known == offered))?;
                Some((list.as_bytes().to_vec(), first))
            }
            None => None,
        };
        let sha256 = algorithms.as_ref().is_some_and(|(_, algorithm)| *algorithm == PasswordAlgorithm::SHA256);
        let key = if sha256 {
            IntegrityKey::new(&long_term_key_sha256(&self.username, realm, &self.password))
        } else {
            IntegrityKey::new(&long_term_key_md5(&self.username, realm, &self.password))
        };
        let anonymous = SecurityFeatures::of_nonce(nonce)
            .is_some_and(|features| features.has(SecurityFeatures::USERNAME_ANONYMITY));
        let userhash = anonymous.then(|| userhash(&self.username, realm));
        Some(Challenge { realm: realm.to_owned(), nonce: nonce.to_owned(), algorithms, userhash, key })
    }

    /// Whether a response that is no challenge comes from who knows the password. A bare request has no key to check
    /// with, and its response is believed.
    fn verify(&self, response: &Message<'_>, attempt: Attempt) -> Verdict {
        let Some(challenge) = self.challenge.as_ref().filter(|_| attempt.generation != 0) else {
            return Verdict::Accepted;
        };
        let checked = if challenge.algorithms.is_some() {
            response.check_integrity_sha256_with(&challenge.key)
        } else {
            response.check_integrity_with(&challenge.key)
        };
        let is_bare_error =
            response.class() == Class::Error && !response.has_integrity() && !response.has_integrity_sha256();
        match checked {
            Ok(()) => Verdict::Accepted,
            Err(_) if is_bare_error && response.error_code().is_some_and(|error| error.code != 400) => {
                Verdict::Unproven
            }
            Err(_) => Verdict::Discarded,
        }
    }
}

impl fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let realm = self.challenge.as_ref().map(|challenge| &challenge.realm);
        f.debug_struct("LongTerm").field("username", &self.username).field("realm", &realm).finish_non_exhaustive()
    }
}
