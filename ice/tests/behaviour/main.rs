//! How agents behave, each file one aspect: two of them on a simulated network, in virtual time.

mod handshake;
mod nat;
mod world;
