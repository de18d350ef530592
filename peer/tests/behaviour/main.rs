//! Peers over real sockets on loopback: one file per behaviour.

mod channels;
mod close;
mod config;
mod errors;
mod events;
mod examples;
mod json;
mod many;
mod messages;
mod pressure;
mod restart;
mod support;
mod trickle;
