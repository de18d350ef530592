//! Whole sessions against each other over a simulated network, in virtual time.

mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod descriptions;
mod exchange;
mod hostile;
mod negotiation;
mod paths;
mod restart;
