//! Names of browsers' candidates, which are not looked up yet: each is as good as unknown.

use std::task::{Context, Poll};
use std::time::Instant;

use super::Driver;

/// Lookups under way.
#[derive(Default)]
pub(super) struct Mdns {}

impl Mdns {
    pub(super) const fn poll_readable(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

impl Driver {
    pub(super) fn resolve(&mut self, now: Instant, name: &str) {
        self.session.handle_resolved(now, name, None);
    }

    pub(super) const fn advance_mdns(&mut self, _now: Instant) {}
}
