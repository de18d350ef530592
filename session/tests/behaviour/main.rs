//! Whole sessions against each other over a simulated network, in virtual time.

mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod descriptions;
#[cfg(test)]
mod endurance;
mod exchange;
#[cfg(test)]
mod frames;
mod hostile;
#[cfg(test)]
mod insider;
#[cfg(test)]
mod insiders;
#[cfg(test)]
mod media;
mod negotiation;
mod paths;
mod restart;
#[cfg(test)]
mod silence;
