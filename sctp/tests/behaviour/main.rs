//! Loss recovery and congestion control in virtual time, over links that lose, reorder, delay and queue.

#[path = "../common/mod.rs"]
mod common;

mod congestion;
mod fairness;
mod recovery;
