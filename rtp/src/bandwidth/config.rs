use super::Bitrate;

/// Bounds of the estimate, and of what an [`Estimator`](super::Estimator) remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The estimate before anything is known.
    pub initial: Bitrate,
    /// The estimate never falls below this.
    pub min: Bitrate,
    /// The estimate never rises above this.
    pub max: Bitrate,
    /// How many packets are remembered until they are reported of; at most 32,768, half of all numbers.
    pub history: usize,
    /// Whether probes are sent. Without them, a path that has become better is found out slowly.
    pub probing: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            initial: Bitrate::kilobits(300),
            min: Bitrate::kilobits(30),
            max: Bitrate::kilobits(50_000),
            history: 8192,
            probing: true,
        }
    }
}

impl Config {
    /// The nearest rate within the bounds; of contrary bounds, the upper one counts.
    pub(super) fn clamp(&self, rate: Bitrate) -> Bitrate {
        rate.max(self.min).min(self.max)
    }
}
