//! How agents behave, each file one aspect: two of them on a simulated network, in virtual time.

mod aggressive;
mod consent;
mod gathering;
mod handshake;
mod hostile;
mod lite;
mod names;
mod nat;
mod restart;
mod roles;
mod script;
mod trickle;
mod world;
