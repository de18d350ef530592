//! Session descriptions: what two peers tell each other before they can talk.
//!
//! A [`Description`] is read from text, asked what it says, changed, and written again. The attributes of WebRTC are
//! typed ([`Attribute`]), and so is every line of the grammar ([`Field`]). What was read is written back byte for
//! byte, lines that nobody here knows and line ends included.
//!
//! Implemented: RFC 8866 (all of its grammar); the attributes of RFC 5888 and 9143 (groups, BUNDLE), 8839 and 8840
//! (ICE), 4145, 8122 and 8842 (DTLS), 8841 (SCTP), 8866, 4585, 8285, 3605, 5761, 5506 and 8858 (RTP), 5576 and 8830
//! (sources and tracks), 8851 and 8853 (simulcast).
//!
//! Left out on purpose: meaning that belongs to others (candidates, fingerprints and SCTP chunks stay text; offers
//! and answers are made where the peer connection is); types for attributes that WebRTC does not use (`cat`, `keywds`,
//! `tool`, `orient`, `type`, `charset`, `lang`, `sdplang`, `crypto`, `imageattr` are [`Attribute::Other`] and lose
//! nothing); texts in other encodings than UTF-8; numbers beyond 64 bits; more than 256 formats in
//! a section.
//!
//! ```
//! use sdp::{Attribute, Connection, Description, Group, Media, Setup};
//! # use visavis_sdp as sdp;
//!
//! // An offer of data channels.
//! let mut offer = Description::new(4_611_731_400_430_051_336, 2);
//! offer.push(Attribute::Group(Group::bundle(["0"])));
//! let mut media = Media::data_channels(9);
//! media
//!     .set_connection(Connection::new("0.0.0.0"))
//!     .push(Attribute::Mid("0".into()))
//!     .push(Attribute::IceUfrag("lffX".into()))
//!     .push(Attribute::IcePwd("xtbJ3jDtCuJM4r/X+atIRS4B".into()))
//!     .push(Attribute::Setup(Setup::Actpass))
//!     .push(Attribute::SctpPort(5000));
//! offer.media.push(media);
//!
//! // The other side reads it.
//! let read: Description = offer.to_string().parse()?;
//! let media = read.media.iter().find(|media| media.is_data_channels()).expect("data channels");
//! assert_eq!(read.setup(media), Some(Setup::Actpass));
//! assert_eq!(read.ice_ufrag(read.transport(media)), Some("lffX"));
//! assert_eq!(read, offer);
//!
//! // A line that breaks the grammar is named.
//! let error = offer.to_string().replace("actpass", "whoever").parse::<Description>().unwrap_err();
//! assert_eq!(error.line, 11);
//! assert_eq!(error.expected, "a=setup: with active, passive, actpass or holdconn");
//! # Ok::<(), sdp::Error>(())
//! ```

mod attribute;
mod description;
mod error;
mod fields;
mod grammar;
mod line;
mod media;
mod parse;
mod rtp;
mod simulcast;
mod times;
mod transport;

pub use attribute::Attribute;
pub use description::Description;
pub use error::{Error, Expected};
pub use fields::{Bandwidth, Connection, Key, MediaLine, Origin};
pub use line::{Field, Line, LineEnd};
pub use media::Media;
pub use parse::Limits;
pub use rtp::{Extmap, Fmtp, Msid, MsidSemantic, Rtcp, RtcpFb, Rtpmap, Ssrc, SsrcGroup};
pub use simulcast::{Rid, Simulcast, SimulcastRid, Way};
pub use times::{Active, Adjustment, Duration, Repeat, Unit, Zones};
pub use transport::{Direction, DtlsConnection, Group, RemoteCandidate, Sctpmap, Setup};
