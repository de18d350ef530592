//! STUN: messages, integrity, fingerprint, credentials and client transactions, without I/O.
//!
//! Messages are read where they lie, by borrowing, and written by appending to a buffer of the caller; neither
//! allocates. Time is an argument, randomness comes from the caller, and no byte from the network makes anything panic.
//! It knows the attributes of STUN itself and those of its usages: ICE, TURN and NAT behaviour discovery.
//!
//! # A use of it all
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! # use visavis_stun as stun;
//! use stun::{Action, Attribute, Builder, Class, Message, Method, Schedule, Transaction, TransactionId};
//!
//! # let (now, random, mapped) = (Instant::now(), [7; 12], SocketAddr::from(([192, 0, 2, 1], 4711)));
//! // A client asks for its address. In earnest, `random` is 96 bits that nobody can guess.
//! let mut transaction = Transaction::new(now, TransactionId(random), Schedule::default());
//! let mut request = Vec::new();
//! Builder::new(&mut request, Class::Request, Method::BINDING, transaction.id())
//!     .attribute(&Attribute::Username("server:client"))
//!     .integrity(b"password")
//!     .fingerprint();
//! assert_eq!(transaction.handle_timeout(now), Action::Send); // and again whenever poll_timeout() says
//!
//! // The server answers.
//! let mut response = Vec::new();
//! let message = Message::decode(&request)?;
//! if Builder::refuse_unknown(&mut response, &message).is_none() {
//!     message.check_integrity(b"password")?;
//!     Builder::success(&mut response, &message)
//!         .attribute(&Attribute::XorMappedAddress(mapped))
//!         .integrity(b"password")
//!         .fingerprint();
//! }
//!
//! // The client reads the answer.
//! assert!(stun::is_stun(&response));
//! let message = Message::decode(&response)?;
//! assert!(transaction.is_answered_by(&message));
//! message.check_integrity(b"password")?;
//! assert_eq!(message.mapped_address(), Some(mapped));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `my_address` does this with a real socket.
//!
//! # What it implements
//!
//! - RFC 8489, sections 5 to 7: messages of all classes and methods, retransmission, answers to unknown attributes
//!   ([`Builder::refuse_unknown`]), FINGERPRINT.
//! - RFC 8489, section 9: short-term credentials; long-term credentials with password algorithms, hashed usernames and
//!   protection against bid-down ([`credentials::LongTerm`]).
//! - RFC 8489, section 14: every attribute. Those of RFC 8445 (ICE), RFC 8656 and RFC 6062 (TURN), RFC 5780 (behaviour
//!   discovery).
//! - RFC 7064 and RFC 7065: URIs ([`uri`]). RFC 7983: what is STUN among other protocols ([`is_stun`]).
//!
//! # What it leaves out on purpose
//!
//! - RFC 8489, section 8 (DNS discovery): looking up names is the business of who has a resolver.
//! - RFC 8489, section 10 (ALTERNATE-SERVER): the attribute is read; whether to follow it is the usage's decision.
//! - RFC 8489, section 11 (RFC 3489): messages without the magic cookie are not STUN here.
//! - The OpaqueString profile (RFC 8265) for user names and passwords that are not ASCII; see [`credentials`].
//! - A server: ICE answers checks by itself.

mod attribute;
mod builder;
pub mod credentials;
mod header;
mod integrity;
mod message;
mod transaction;
pub mod uri;
mod value;

pub use attribute::{Attribute, kind};
pub use builder::Builder;
pub use header::{Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId, is_stun, message_length};
pub use integrity::{FingerprintError, IntegrityError, IntegrityKey};
pub use message::{Attributes, Message};
pub use transaction::{Action, Retransmission, RoundTrip, Schedule, Transaction};
pub use uri::Uri;
pub use value::{
    AddressErrorCode, AddressFamily, ChangeRequest, ErrorCode, Icmp, Kinds, PasswordAlgorithm, PasswordAlgorithms,
};
