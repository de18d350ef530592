//! Peers over real sockets on loopback: one file per behaviour.

#[cfg(test)]
#[cfg(target_os = "linux")]
mod batches;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod close;
#[cfg(test)]
mod config;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod events;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod json;
#[cfg(test)]
mod many;
#[cfg(test)]
mod mdns;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod parts;
mod path_mtu;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trickle;
