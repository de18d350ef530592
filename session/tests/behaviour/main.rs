//! Whole sessions against each other over a simulated network, in virtual time.

#[cfg(test)]
#[cfg(test)]
mod bandwidth;
mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod descriptions;
#[cfg(test)]
mod durations;
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
#[cfg(test)]
mod packets;
mod paths;
#[cfg(test)]
mod perfect;
#[cfg(test)]
mod profiles;
mod restart;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod stats;
#[cfg(test)]
mod unequal;
