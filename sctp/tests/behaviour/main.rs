//! Loss recovery and congestion control in virtual time, over links that lose, reorder, delay and queue.

#![allow(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

#[path = "../common/mod.rs"]
mod common;

mod congestion;
mod fairness;
mod path_mtu;
mod recovery;
mod sacks;
mod silence;
