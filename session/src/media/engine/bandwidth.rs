//! What the path carries: feedback both ways, the estimate, and the pacer.

use std::time::{Duration, Instant};

use rtp::SequenceNumber;
use rtp::bandwidth::{Arrivals, ArrivalsConfig, Bitrate, Config, Estimator, Pacer, PacerConfig};
use rtp::rtcp::TransportFeedback;

use super::MediaConfig;
use super::share::Share;

/// All streams of a session together: they share one path.
pub(super) struct Bandwidth {
    config: Config,
    estimator: Estimator,
    pacer: Pacer,
    arrivals: Arrivals,
    share: Share,
    /// A source that arrived; feedback names one.
    ssrc: u32,
    /// The estimate as it was told last.
    told: u64,
    /// When something was last done here, as what is due depends on it.
    now: Instant,
}

impl Bandwidth {
    pub(super) fn new(config: &MediaConfig, now: Instant) -> Self {
        let share_of_data = config.share_of_data;
        let config = Config {
            initial: Bitrate(config.start_bitrate),
            min: Bitrate(config.min_bitrate),
            max: Bitrate(config.max_bitrate),
            // Only who is told what became of probes sends any.
            probing: false,
            ..Config::default()
        };
        let estimator = Estimator::new(config, now);
        let pacer = Pacer::new(PacerConfig::default(), estimator.target());
        let arrivals = Arrivals::new(ArrivalsConfig::default(), now);
        let share = Share::new(share_of_data);
        Self { config, estimator, pacer, arrivals, share, ssrc: 0, told: 0, now }
    }

    /// Whether the peer reports what arrives, by what was negotiated.
    pub(super) fn set_feedback(&mut self, now: Instant, has_feedback: bool) {
        if self.config.probing != has_feedback {
            self.config.probing = has_feedback;
            self.config.initial = self.estimator.target();
            self.estimator = Estimator::new(self.config, now);
        }
        self.advance(now);
    }

    /// What encoders may make: what the path carries, but for what data channels and repairs take of it.
    pub(super) fn estimate(&self) -> u64 {
        let media = self.share.for_media(self.now, self.estimator.target());
        self.share.for_frames(self.now, media).0
    }

    /// What of it is left for video.
    pub(super) fn for_video(&self, now: Instant) -> u64 {
        self.estimate().saturating_sub(self.share.audio(now).0)
    }

    /// What the path carries, for all that is sent.
    pub(super) const fn total(&self) -> u64 {
        self.estimator.target().0
    }

    /// The estimate, where it differs from what was last told by more than a twentieth.
    pub(super) fn take_news(&mut self) -> Option<u64> {
        let estimate = self.estimate();
        if self.told.abs_diff(estimate) <= self.told / 20 {
            return None;
        }
        self.told = estimate;
        Some(estimate)
    }

    /// What waits to be sent, and since when, before a packet of it asks whether it may leave.
    pub(super) fn can_send(&mut self, now: Instant, queued: usize, oldest: Option<Instant>) -> bool {
        self.now = now;
        self.pacer.set_queue(now, queued as u64, oldest);
        self.pacer.can_send(now)
    }

    /// Whether a probe is to be filled up with padding.
    pub(super) fn is_probing(&self) -> bool {
        self.pacer.is_probing()
    }

    /// A packet leaves; gives its number among all of the transport.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize, is_video: bool) -> SequenceNumber {
        let sequence = self.estimator.on_sent(now, bytes, self.pacer.cluster());
        self.pacer.on_sent(now, bytes);
        self.share.on_media(now, bytes, is_video);
        self.advance(now);
        sequence
    }

    /// What was told of last by [`on_sent`](Self::on_sent) had been sent before.
    pub(super) fn on_repair(&mut self, now: Instant, bytes: usize) {
        self.share.on_repair(now, bytes);
    }

    /// Whether data channels may send now.
    pub(super) fn lets_data(&mut self, now: Instant) -> bool {
        self.now = now;
        self.share.lets_data(now)
    }

    /// A packet of the data channels has left.
    pub(super) fn on_data_sent(&mut self, now: Instant, bytes: usize) {
        self.estimator.on_sent_beside(now, bytes);
        self.share.on_data(now, bytes);
    }

    /// Data channels have something to send, and are not let.
    pub(super) const fn on_data_waiting(&mut self, now: Instant) {
        self.share.on_waiting(now);
    }

    /// When data channels may go on.
    pub(super) const fn data_release(&self) -> Option<Instant> {
        self.share.release()
    }

    pub(super) fn handle_arrival(&mut self, now: Instant, ssrc: u32, sequence: SequenceNumber, bytes: usize) {
        self.ssrc = ssrc;
        self.arrivals.record(now, sequence, bytes);
    }

    pub(super) fn handle_remb(&mut self, now: Instant, bitrate: u64) {
        self.estimator.handle_remb(now, Bitrate(bitrate));
        self.advance(now);
    }

    pub(super) fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        if let Some(round_trip) = round_trip {
            self.estimator.handle_round_trip(round_trip);
        }
        self.estimator.handle_loss(now, fraction_lost);
        self.advance(now);
    }

    /// Hears the peer's report of arrivals; whether it made sense.
    pub(super) fn handle_feedback(&mut self, now: Instant, body: &[u8]) -> bool {
        let Ok(feedback) = TransportFeedback::decode_body(body) else { return false };
        self.estimator.handle_feedback(now, &feedback);
        self.advance(now);
        true
    }

    /// Appends a report of what arrived, if one is due; whether it did.
    pub(super) fn write_feedback(&mut self, now: Instant, own: u32, buf: &mut Vec<u8>) -> bool {
        self.arrivals.poll_feedback(now, own, self.ssrc, buf)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.estimator.handle_timeout(now);
        self.advance(now);
    }

    /// What the estimator has to say to the pacer.
    fn advance(&mut self, now: Instant) {
        self.now = now;
        let target = self.estimator.target();
        self.share.set_estimate(Some(target).filter(|_| self.config.probing), self.config.max);
        self.pacer.set_target(now, self.share.for_media(now, target));
        while let Some(probe) = self.estimator.poll_probe(now) {
            self.pacer.start_probe(now, probe);
        }
    }

    /// `has_queued` is whether anything waits for the pacer.
    pub(super) fn poll_timeout(&self, has_queued: bool) -> Option<Instant> {
        let waits = has_queued || self.pacer.is_probing();
        let paced = waits.then(|| self.pacer.poll_timeout(self.now)).flatten();
        [paced, self.estimator.poll_timeout(), self.arrivals.poll_timeout()].into_iter().flatten().min()
    }
}
