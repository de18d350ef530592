//! Data channels over simulated links, one module per behaviour.

mod buffering;
mod closing;
mod common;
mod hostile;
mod messages;
mod opening;
mod parts;
mod priorities;
mod rough;
