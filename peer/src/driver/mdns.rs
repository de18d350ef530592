//! Names of browsers' candidates: looked up by multicast DNS when there are any.

use std::task::{Context, Poll};
use std::time::Instant;

use super::Driver;

/// Lookups under way, and the sockets for them.
#[derive(Default)]
pub(super) struct Mdns {}

impl Mdns {
    pub(super) fn poll_readable(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

impl Driver {
    pub(super) fn resolve(&mut self, now: Instant, name: String) {
        self.session.handle_resolved(now, &name, None);
    }

    pub(super) fn drain_mdns(&mut self, _now: Instant) {}
}
