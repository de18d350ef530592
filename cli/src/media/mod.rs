//! Sound and pictures between the program and its pages: the demo's call, files that are played, visitors that are
//! recorded.

pub(crate) mod call;
mod clip;
mod codec;
mod deck;
pub(crate) mod record;
mod recording;
mod relays;
pub(crate) mod send;
pub(crate) mod visit;
