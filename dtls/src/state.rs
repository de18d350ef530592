use crate::alert::Alert;
use crate::handshake::{Awaiting, Established};

/// The life of a connection.
///
/// ```text
/// Handshaking ──▶ Connected ──▶ Closed
///      └───────────────────────────▲
/// ```
pub(crate) enum State {
    /// Waiting for a handshake message.
    Handshaking(Box<Awaiting>),
    /// Application data may flow.
    Connected(Box<Established>),
    /// Over.
    Closed(Farewell),
}

impl State {
    /// Takes the state out to be consumed; what stays is closed, until it is replaced.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Closed(Farewell::new(None)))
    }
}

/// The last alert, which may have been lost: nothing acknowledges alerts (RFC 6347, section 4.2.7). If the peer goes on
/// talking it is said again, a few times.
pub(crate) struct Farewell {
    alert: Option<Alert>,
    repetitions: u8,
}

impl Farewell {
    const REPETITIONS: u8 = 3;

    pub(crate) const fn new(alert: Option<Alert>) -> Self {
        Self { alert, repetitions: Self::REPETITIONS }
    }

    /// The alert, if it is to be said again now.
    pub(crate) fn repeat(&mut self) -> Option<Alert> {
        self.repetitions = self.repetitions.checked_sub(1)?;
        self.alert
    }
}
