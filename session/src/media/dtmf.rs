//! Keys of a telephone, as the application sends and hears them (W3C WebRTC 1.0, section 7; RFC 4733).

use std::time::Duration;

pub use rtp::payload::telephone_event::Event as ToneEvent;

/// How long a tone may last (W3C WebRTC 1.0, section 7.2).
pub(crate) const DURATIONS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(6));
/// How long the silence behind it may be.
pub(crate) const GAPS: (Duration, Duration) = (Duration::from_millis(30), Duration::from_secs(6));
/// What a comma stands for.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// Why tones were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToneError {
    /// The transceiver is over, or there never was one.
    #[error("the transceiver is over; make a new one")]
    NoTransceiver,
    /// Both sides have not agreed that this transceiver sends sound, and with it telephone events.
    #[error("no tones can be sent here: sound with telephone events is not agreed, or not yet")]
    NotReady,
    /// A character that stands for no tone.
    #[error("{0:?} is no tone: 0 to 9, A to D, # and * are, and a comma waits for two seconds")]
    Character(char),
    /// More than are kept.
    #[error("{count} tones are more than the {limit} that `MediaConfig::max_tones` allows")]
    TooMany {
        /// How many were given.
        count: usize,
        /// How many are kept.
        limit: usize,
    },
}
