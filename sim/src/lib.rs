//! A deterministic network in virtual time: loss, delay, jitter, reordering, duplication, rate, MTU and NATs.
