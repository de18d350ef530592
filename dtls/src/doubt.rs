use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use crate::error::Error;
use crate::reassembly::Message;

/// What speaks against a handshake without being proved: records in clear, which anybody may have written and the network
/// may have changed. Records that make no sense are to be dropped (RFC 6347, section 4.1.2.7), but a peer that really
/// cannot go on should be believed before the handshake's time is up. So a message that fails is believed when the peer
/// repeats it, and an alert when nothing good comes for a while.
#[derive(Default)]
pub(crate) struct Doubts {
    /// The message that failed last.
    failed: Option<Failed>,
    alert: Option<Alarm>,
}

struct Failed {
    /// Of the message, header and body.
    digest: digest::Digest,
    /// The number of the record that completed it.
    record: u64,
    error: Error,
}

struct Alarm {
    error: Error,
    due: Instant,
}

/// How long an alert waits to be contradicted: this long, or a few of the timer's first intervals if that is longer, in
/// which a living peer repeats itself more than once; but a user should not wait for ever.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVALS: u32 = 4;
const LONGEST_PATIENCE: Duration = Duration::from_secs(8);

impl Doubts {
    /// Takes a message that failed with `error`. True if it failed before and these are the same bytes in another
    /// record: the peer means them. The network duplicates whole datagrams, with their records' numbers.
    pub(crate) fn is_repeated(&mut self, message: &Message, record: u64, error: &Error) -> bool {
        let digest = digest_of(message);
        let repeated = self.failed.as_ref().is_some_and(|failed| {
            failed.record != record && failed.error == *error && failed.digest.as_ref() == digest.as_ref()
        });
        self.failed = Some(Failed { digest, record, error: error.clone() });
        repeated
    }

    /// Takes an alert. The first one counts; more of them are no better proof.
    pub(crate) fn alert(&mut self, now: Instant, error: Error, interval: Duration) {
        self.alert.get_or_insert(Alarm { error, due: now + patience(interval) });
    }

    /// The peer goes on with the handshake as if it had sent no alert: its alert has to wait anew.
    pub(crate) fn postpone(&mut self, now: Instant, interval: Duration) {
        if let Some(alarm) = &mut self.alert {
            alarm.due = now + patience(interval);
        }
    }

    /// The alert that nothing has contradicted, if it has waited long enough.
    pub(crate) fn due(&self, now: Instant) -> Option<Error> {
        self.alert.as_ref().filter(|alarm| alarm.due <= now).map(|alarm| alarm.error.clone())
    }

    /// When an alert will have waited long enough.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.alert.as_ref().map(|alarm| alarm.due)
    }

    /// The most probable reason why the handshake does not get on.
    pub(crate) fn cause(&self) -> Option<Error> {
        let alert = self.alert.as_ref().map(|alarm| &alarm.error);
        alert.or(self.failed.as_ref().map(|failed| &failed.error)).cloned()
    }
}

fn patience(interval: Duration) -> Duration {
    interval.saturating_mul(INTERVALS).clamp(PATIENCE, LONGEST_PATIENCE)
}

fn digest_of(message: &Message) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[message.kind.0]);
    context.update(&message.sequence.to_be_bytes());
    context.update(&message.body);
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HandshakeType;

    fn message(kind: u8, sequence: u16, body: &[u8]) -> Message {
        Message { kind: HandshakeType(kind), sequence, epoch: 0, body: body.to_vec() }
    }

    #[test]
    fn only_the_same_bytes_in_another_record_are_a_repetition() {
        let mut doubts = Doubts::default();
        let (error, other) = (Error::BadSignature, Error::BadFinished);
        assert!(!doubts.is_repeated(&message(1, 2, b"body"), 7, &error));
        assert!(!doubts.is_repeated(&message(1, 2, b"body"), 7, &error), "a duplicate");
        assert!(doubts.is_repeated(&message(1, 2, b"body"), 8, &error));
        for (record, different, error) in [
            (9, message(1, 2, b"bodx"), &error),
            (10, message(1, 3, b"bodx"), &error),
            (11, message(2, 3, b"bodx"), &error),
            (12, message(2, 3, b"bodx"), &other),
        ] {
            assert!(!doubts.is_repeated(&different, record, error), "{record}");
        }
        assert_eq!(doubts.cause(), Some(other));
    }

    #[test]
    fn the_first_alert_is_believed_unless_the_peer_goes_on() {
        let start = sim::start();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let (first, second) = (Error::PeerClosed, Error::BadFinished);
        let mut doubts = Doubts::default();
        assert_eq!((doubts.poll_timeout(), doubts.due(at(9999))), (None, None));
        doubts.postpone(start, Duration::ZERO);
        doubts.alert(start, first.clone(), Duration::from_millis(100));
        doubts.alert(at(1000), second, Duration::from_millis(100));
        assert_eq!(doubts.poll_timeout(), Some(at(2000)));
        doubts.postpone(at(1500), Duration::from_secs(1));
        assert_eq!((doubts.poll_timeout(), doubts.due(at(5499))), (Some(at(5500)), None));
        assert_eq!(doubts.due(at(5500)), Some(first));
        doubts.postpone(start, Duration::from_secs(100));
        assert_eq!(doubts.poll_timeout(), Some(at(8000)));
    }
}
