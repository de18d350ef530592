//! Whole sessions against each other over a simulated network, in virtual time.

#[cfg(test)]
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
#[cfg(test)]
mod packets;
mod paths;
#[cfg(test)]
mod perfect;
mod restart;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod stats;
#[cfg(test)]
mod unequal;
