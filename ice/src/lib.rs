//! Interactive Connectivity Establishment: a full agent without I/O.

mod agent;
mod candidate;
mod config;
mod credentials;
mod event;
pub mod mdns;
mod priority;
mod stats;

pub use agent::Agent;
pub use candidate::{Candidate, CandidateAddress, CandidateError, CandidateKind, TcpType, Transport};
pub use config::{Config, Role};
pub use credentials::Credentials;
pub use event::{ConnectionState, Event, GatheringState, Route};
pub use stats::{Drops, PairState, PairStats, Stats, Totals};
