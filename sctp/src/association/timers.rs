use std::time::Instant;

/// The timers of RFC 9260, RFC 6525 and RFC 8985.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// T1-init and T1-cookie.
    Init,
    /// T2-shutdown.
    Shutdown,
    /// T5-shutdown-guard.
    Guard,
    /// What has been overtaken counts as lost (RFC 8985, section 6.2).
    Reorder,
    /// A tail-loss probe (RFC 8985, section 7).
    Probe,
    /// The pace lets the next packet go.
    Pace,
    /// T3-rtx, also for window probes.
    Retransmit,
    /// A delayed acknowledgement.
    Sack,
    /// The next heartbeat.
    Heartbeat,
    /// A re-configuration request.
    Reconfig,
    /// An unanswered probe of the path's MTU, or the next search.
    PathMtu,
}

impl Timer {
    pub(super) const ALL: [Self; 11] = [
        Self::Init,
        Self::Shutdown,
        Self::Guard,
        Self::Reorder,
        Self::Probe,
        Self::Pace,
        Self::Retransmit,
        Self::Sack,
        Self::Heartbeat,
        Self::Reconfig,
        Self::PathMtu,
    ];
}

/// When each timer fires. Starting and stopping costs a store; there are few enough to look at all of them.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    pub(super) fn start(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.start(timer, None);
    }

    pub(super) fn stop_all(&mut self) {
        self.0 = Default::default();
    }

    pub(super) fn is_running(&self, timer: Timer) -> bool {
        self.0.get(timer as usize).is_some_and(Option::is_some)
    }

    /// Whether the timer is due; if so, it is stopped.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.0.get(timer as usize).copied().flatten().is_some_and(|at| at <= now);
        if due {
            self.stop(timer);
        }
        due
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().copied().flatten().min()
    }
}
