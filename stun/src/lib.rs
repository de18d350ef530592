//! STUN messages, integrity, fingerprint and transactions (RFC 8489).

mod attribute;
mod builder;
pub mod credentials;
mod header;
mod integrity;
mod message;
mod transaction;
mod value;

pub use attribute::{Attribute, kind};
pub use builder::Builder;
pub use header::{Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId, is_stun, message_length};
pub use integrity::{FingerprintError, IntegrityError, IntegrityKey};
pub use message::{Attributes, Message};
pub use transaction::{Action, Retransmission, Schedule, Transaction};
pub use value::{
    AddressErrorCode, AddressFamily, ChangeRequest, ErrorCode, Icmp, Kinds, PasswordAlgorithm, PasswordAlgorithms,
};
