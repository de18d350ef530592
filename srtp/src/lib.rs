//! Protection of RTP and RTCP, in place (RFC 3711, RFC 7714). An [`Outbound`] encrypts and authenticates packets at the
//! end of the buffer they were written to; an [`Inbound`] takes datagrams and lends those that are authentic and new,
//! in clear. Their keys come from a DTLS handshake (RFC 5764).
//!
//! # What it implements
//!
//! - RFC 3711: packet index and rollover counter per SSRC (3.3.1), replay windows of 1984 packets for RTP and 128 for
//!   RTCP (3.3.2), SRTCP (3.4), AES in counter mode (4.1.1), HMAC-SHA1 (4.2.1), key derivation (4.3), lifetimes of
//!   keys (9.2).
//! - RFC 7714: AES-GCM with keys of 128 and 256 bits for RTP (8) and RTCP (9).
//! - RFC 6188, section 3: key derivation with AES-256.
//! - RFC 5764, section 4: protection profiles, keys from the exporter.
//!
//! # What is left out on purpose
//!
//! - Master key identifiers and new master keys in mid-stream: WebRTC has one key per handshake and direction
//!   (RFC 8827, section 6.5). A key derivation rate, AES in f8-mode, the NULL cipher: no profile here has them.
//! - Sending unencrypted SRTCP. What a peer sends so is taken, as it is authenticated.
//! - Encrypted header extensions (RFC 6904, RFC 9335).
//! - Telling RTP from RTCP (RFC 5761, section 4): who reads the datagram's first bytes anyway does that.
//!
//! # Use
//!
//! ```
//! # use visavis_srtp as srtp;
//! use srtp::{EXPORTER_LABEL, Profile, Session};
//!
//! // Both sides get this from their DTLS connections, for `EXPORTER_LABEL`.
//! let profile = Profile::AeadAes128Gcm;
//! let material = vec![7; profile.exporter_length()];
//! let (mut outbound, _) = Session::from_exporter(profile, &material, true).expect("as many bytes as it takes");
//! let (_, mut inbound) = Session::from_exporter(profile, &material, false).expect("as many bytes as it takes");
//!
//! // An RTP packet behind whatever the buffer holds already: header of 12 bytes, payload.
//! let mut buf = b"the datagram before".to_vec();
//! let start = buf.len();
//! buf.extend([0x80, 111, 0, 1, 0, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe]);
//! buf.extend(b"sound");
//! outbound.protect_rtp(&mut buf, start)?;
//! assert_eq!(buf.len(), start + 12 + 5 + profile.rtp_overhead());
//!
//! let mut datagram = buf.split_off(start);
//! let mut replayed = datagram.clone();
//! let packet = inbound.unprotect_rtp(&mut datagram).expect("authentic and new");
//! assert_eq!(&packet[12..], b"sound");
//! assert!(inbound.unprotect_rtp(&mut replayed).is_none());
//! assert_eq!((inbound.stats().rtp, inbound.stats().replayed), (1, 1));
//! # assert_eq!(EXPORTER_LABEL, "EXTRACTOR-dtls_srtp");
//! # Ok::<(), srtp::Error>(())
//! ```

mod cipher;
mod config;
mod derivation;
mod error;
mod header;
mod inbound;
mod index;
mod outbound;
mod profile;
mod replay;
mod session;
mod stats;

pub use config::Config;
pub use error::Error;
pub use inbound::Inbound;
pub use outbound::Outbound;
pub use profile::Profile;
pub use session::{EXPORTER_LABEL, Keys, Session};
pub use stats::Stats;
