//! Whole sessions over a simulated network, in virtual time: no sockets, no clock, and the same seed is the same run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

mod flips;
mod host;
mod nats;
mod rough;
mod strangers;
mod world;
