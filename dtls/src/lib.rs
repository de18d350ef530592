//! DTLS 1.2 for WebRTC: client and server without I/O. Bytes go in and out by method calls, time is an argument, and
//! records are encrypted and decrypted in place. A [`Connection`] cannot be made without the fingerprint of the peer's
//! certificate, and tells [`Event::Connected`] only when the peer has proved that it holds that certificate's key.
//!
//! # Use
//!
//! ```
//! # use visavis_dtls as dtls;
//! use dtls::{Config, Connection, Event, HashAlgorithm, Identity, Role};
//! use std::time::Instant;
//!
//! /// Hands over all that one side has to send. A program would use a socket.
//! fn deliver(now: Instant, from: &mut Connection, to: &mut Connection) -> bool {
//!     let mut datagram = Vec::new();
//!     let mut any = false;
//!     while from.poll_transmit(now, &mut datagram) {
//!         to.handle_datagram(now, &mut datagram, |plaintext| println!("{} bytes", plaintext.len()));
//!         datagram.clear();
//!         any = true;
//!     }
//!     any
//! }
//!
//! // Each side tells the other its fingerprint, in a session description.
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let (alices, bobs) = (alice.fingerprint(HashAlgorithm::Sha256), bob.fingerprint(HashAlgorithm::Sha256));
//!
//! let now = Instant::now();
//! let mut client = Connection::new(Config::new(alice, Role::Client, vec![bobs]), now, [1; 32])?;
//! let mut server = Connection::new(Config::new(bob, Role::Server, vec![alices]), now, [2; 32])?;
//! // A program would also call `handle_timeout` at `poll_timeout`, so that what gets lost is repeated.
//! while deliver(now, &mut client, &mut server) || deliver(now, &mut server, &mut client) {}
//! assert_eq!(client.poll_event(), Some(Event::Connected));
//! assert_eq!(server.poll_event(), Some(Event::Connected));
//!
//! // Application data is appended straight into the datagram, and sealed there.
//! let mut datagram = Vec::new();
//! assert!(client.seal(&mut datagram, |buf| {
//!     buf.extend_from_slice(b"hello");
//!     true
//! }));
//! let mut received = Vec::new();
//! server.handle_datagram(now, &mut datagram, |plaintext| received.extend_from_slice(plaintext));
//! assert_eq!(received, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is implemented
//!
//! - RFC 6347: records, epochs, replay window (section 4.1), cookies (4.2.1), fragments, flights and their repetition
//!   (4.2.2 to 4.2.4), alerts.
//! - RFC 5246: the full handshake with certificates on both sides (7.3, 7.4), PRF and key block (5, 6.3), Finished.
//! - RFC 8422: ECDHE with X25519, P-256 and P-384; ECDSA and Ed25519. RSA, PKCS #1 and PSS, of 2048 bits and more.
//! - RFC 5288, RFC 5289, RFC 7905: AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305.
//! - RFC 7627 (extended master secret, required unless [`Config`] says otherwise), RFC 5746 (renegotiation info),
//!   RFC 5764 (`use_srtp`), RFC 5705 (exporter), RFC 8122 (fingerprints), RFC 8827, section 6.5, RFC 8449 (the peer's
//!   limit of records is told, and ours is that of the protocol).
//! - A client that offers DTLS 1.3 first, in a ClientHello of two datagrams in any order, is answered with 1.2.
//!
//! # What a changed byte does
//!
//! Records that make no sense are dropped and counted (RFC 6347, section 4.1.2.7), and so is a handshake message in
//! clear that fails a check: its repetition is awaited, as if the network had lost it. One that fails again with the
//! same bytes in another record is meant, and ends the connection with its error. An alert in clear is believed when
//! two seconds (or four of the timer's first intervals, at most eight seconds) bring nothing better. [`Stats`] counts
//! both as doubted. What is protected is believed at once.
//!
//! Some changes make another message that the peer could have sent, and are believed: in a ClientHello or a
//! ServerHello the version, the random, and whatever is offered or chosen; in a CertificateRequest the lists; in a
//! ClientKeyExchange the public key. Only what covers the whole handshake can tell: the signatures in
//! ServerKeyExchange (both randoms) and CertificateVerify, and Finished. The handshake cannot succeed then, and ends
//! with [`Error::BadSignature`] or [`Error::BadFinished`], or with [`Error::HandshakeTimeout`] if the two sides do not
//! even get the same keys. A cookie ([`Config::require_cookie`]) covers the ClientHello too, and repairs it.
//!
//! # What is left out
//!
//! On purpose: renegotiation (refused with a warning), resumption, compression, key exchange other than
//! ECDHE, ciphers other than AEADs, SHA-1, validation of certificate chains (the fingerprint decides), and heartbeats.
//! DTLS 1.2 cannot change keys, so no limit on records per key is enforced below the 2^48 of an epoch.
//!
//! Nothing protects a handshake from being stopped. All before ChangeCipherSpec is in clear, so whoever is on the path
//! can change a byte of a ClientHello or a ServerHello, or send a changed copy of any message in two records, and the
//! handshake ends. No implementation can prevent that: they could as well drop every datagram. They get no further:
//! nobody is connected with anybody else, and a connection that stands is not ended by forgeries.

mod alert;
mod config;
mod connection;
mod crypto;
mod doubt;
mod early;
mod error;
mod fingerprint;
mod flight;
mod handshake;
mod identity;
pub mod message;
mod protection;
mod reassembly;
mod record;
mod record_limit;
mod replay;
mod srtp;
mod state;
mod stats;
mod x509;

pub use alert::{Alert, AlertDescription, AlertLevel};
pub use config::{Config, ConfigError, Role};
pub use connection::{Connection, Event, ExportError, MAX_OVERHEAD, Version};
pub use error::Error;
pub use fingerprint::{Fingerprint, FingerprintError, HashAlgorithm};
pub use identity::{Identity, IdentityError, KeyAlgorithm};
pub use record::{ContentType, RecordHeader};
/// The cryptography library, for [`Config::provider`], [`Config::key_log`] and private keys.
pub use rustls;
pub use rustls::KeyLog;
pub use srtp::SrtpProfile;
pub use stats::Stats;

/// Seeds the source of keys. That happens by itself with the first key, once in each process; it takes tens of
/// milliseconds of one processor, which this lets a program spend when it likes.
pub fn warm_up() {
    // A failure shows, with its reason, when a key is made.
    let _ = aws_lc_rs::rand::fill(&mut [0; 32]);
}
