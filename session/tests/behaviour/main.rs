//! Whole sessions against each other over a simulated network, in virtual time.

#[cfg(test)]
mod bandwidth;
mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod descriptions;
mod exchange;
#[cfg(test)]
mod frames;
mod hostile;
#[cfg(test)]
mod media;
mod negotiation;
mod paths;
mod restart;
