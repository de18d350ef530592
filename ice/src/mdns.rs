//! Multicast DNS (RFC 6762), as far as ICE needs it: asking for the address behind a name.
//!
//! Browsers hide the addresses of their host candidates from web pages: in place of an address, a candidate bears a
//! random name such as `1f4712db-ea17-4bcf-a596-105139dfd8bf.local`, which only the local network can resolve.
//! [`Resolver`] resolves such names, without I/O; [`Message`] and its parts read and write what is on the wire.
//!
//! ```
//! # use std::time::Instant;
//! # use visavis_ice as ice;
//! use ice::mdns::{Answer, Config, HostName, Resolver};
//!
//! # let (now, seed) = (Instant::now(), [7; 32]);
//! let name = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
//! let mut resolver = Resolver::new(Config::default(), now, seed);
//! resolver.resolve(now, name)?;
//! let mut buf = Vec::new();
//! while resolver.poll_transmit(now, &mut buf) {
//!     buf.clear(); // one query each: to `mdns::GROUP_V4`, and to `mdns::GROUP_V6` on every interface
//! }
//!
//! // Somebody answers.
//! let mut response = Vec::new();
//! Answer { id: 0, name: &name.parse::<HostName>()?, address: [192, 0, 2, 1].into(), ttl: 120 }.encode(&mut response);
//! resolver.handle_datagram(now, &response);
//! let resolved = resolver.poll_event().expect("it was answered");
//! assert_eq!((resolved.name.as_str(), resolved.address), (name, Some([192, 0, 2, 1].into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out on purpose: answering for names of our own, service discovery, known answers and caches; a name is asked
//! for once, when its candidate comes.

mod message;
mod name;
mod resolver;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

pub use message::{Answer, Data, Message, Query, Question, Record, Section};
pub use name::{HostName, HostNameError, Name};
pub use resolver::{Config, ResolveError, Resolved, Resolver, Stats};

/// The port of multicast DNS (RFC 6762, section 3).
pub const PORT: u16 = 5353;
/// Where queries go in IPv4 (RFC 6762, section 3).
pub const GROUP_V4: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), PORT));
/// Where queries go in IPv6, on the link that the scope id names (RFC 6762, section 3).
pub const GROUP_V6: SocketAddr =
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb), PORT, 0, 0));
