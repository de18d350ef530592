//! How much may be sent: all parts together.

use super::acknowledged::Acknowledged;
use super::delay::{DelayBased, Queue};
use super::drain::{self, Drain};
use super::grouping::Timing;
use super::limited::ApplicationLimited;
use super::loss::{self, LossBased};
use super::measurement::Measurements;
use super::probing::{Prober, Situation};
use super::{Bitrate, Cluster, Config, Probe, SentPackets};
use crate::SequenceNumber;
use crate::rtcp::TransportFeedback;
use std::time::{Duration, Instant};

/// Without transport-wide feedback for so long, receiver reports count.
const FEEDBACK_GONE: Duration = Duration::from_secs(5);
/// Sending goes on, but feedback does not: after so long, and a round trip, the estimate falls, and again each time.
const SILENCE: Duration = Duration::from_secs(1);
const AFTER_SILENCE: f64 = 0.8;
/// How recent the last packet must be for silence to mean anything.
const STILL_SENDING: Duration = Duration::from_millis(500);
/// In this time from the first packet on, an estimate of the receiver's is taken at its word.
const START: Duration = Duration::from_secs(2);
/// After a probe that raised the estimate by more than this, what arrived before it says nothing.
const CHANGED: f64 = 1.2;
/// The weight of a new round-trip time, and the longest that counts.
const ROUND_TRIP_WEIGHT: u32 = 8;
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(3);

/// What an [`Estimator`] has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The estimate is another one now.
    Target(Bitrate),
}

/// Estimates how much the path carries, from what the receiver says of the packets sent.
///
/// | method | when |
/// | --- | --- |
/// | [`on_sent`](Self::on_sent) | for every packet with a transport-wide sequence number |
/// | [`handle_feedback`](Self::handle_feedback), [`handle_remb`](Self::handle_remb), [`handle_loss`](Self::handle_loss) | as feedback comes |
/// | [`handle_timeout`](Self::handle_timeout) | at [`poll_timeout`](Self::poll_timeout) |
/// | [`poll_probe`](Self::poll_probe), [`poll_event`](Self::poll_event) | after each of these |
///
/// Where the peer sends no transport-wide feedback, it is to be made without
/// [`probing`](Config::probing): nobody would tell what became of the probes.
#[derive(Debug)]
pub struct Estimator {
    config: Config,
    epoch: Instant,
    sent: SentPackets,
    acknowledged: Acknowledged,
    delay: DelayBased,
    drain: Drain,
    loss: LossBased,
    limited: ApplicationLimited,
    measurements: Measurements,
    prober: Prober,
    round_trip: Option<Duration>,
    remb: Option<Bitrate>,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    heard: Option<Instant>,
    /// When silence was answered last.
    lowered: Option<Instant>,
    /// When a receiver report came last, and the bytes sent since.
    reported: Option<Instant>,
    sent_since_report: u64,
    target: Bitrate,
    announced: Bitrate,
}

impl Estimator {
    /// An estimator for a path of which nothing is known.
    pub fn new(config: Config, now: Instant) -> Self {
        let target = config.clamp(config.initial);
        Self {
            config,
            epoch: now,
            sent: SentPackets::new(config.history),
            acknowledged: Acknowledged::default(),
            delay: DelayBased::new(config),
            drain: Drain::default(),
            loss: LossBased::new(config),
            limited: ApplicationLimited::new(),
            measurements: Measurements::default(),
            prober: Prober::new(config),
            round_trip: None,
            remb: None,
            first_sent: None,
            last_sent: None,
            heard: None,
            lowered: None,
            reported: None,
            sent_since_report: 0,
            target,
            announced: target,
        }
    }

    /// Notes a packet that leaves now, of `size` bytes with all headers, and returns the transport-wide sequence number
    /// it is to carry. `cluster` is that of the probe under way ([`Pacer::cluster`](super::Pacer::cluster)).
    pub fn on_sent(&mut self, now: Instant, size: usize, cluster: Option<Cluster>) -> SequenceNumber {
        self.first_sent.get_or_insert(now);
        self.last_sent = Some(now);
        self.sent_since_report = self.sent_since_report.saturating_add(size as u64);
        self.prober.start(now);
        if self.limited.on_sent(now, size, self.target) {
            self.acknowledged.forget();
        }
        self.sent.on_sent(now, size, cluster)
    }

    /// Notes bytes that leave now beside what is estimated for, on the same path and with all headers, and that nobody
    /// tells the fate of: the estimate is of both together then. What else is sent must keep within it as well.
    pub fn on_sent_beside(&mut self, now: Instant, size: usize) {
        // What leaves while nothing of ours does is nobody's business.
        if self.last_sent.is_none_or(|sent| now.saturating_duration_since(sent) > STILL_SENDING) {
            return;
        }
        self.sent.on_sent_beside(size);
        if self.limited.on_sent(now, size, self.target) {
            self.acknowledged.forget();
        }
    }

    /// Takes transport-wide feedback in. What it repeats, and packets nobody sent, make no difference.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        if self.sent.handle_feedback(feedback).is_empty() {
            return;
        }
        self.heard = Some(now);
        self.delay.begin(now);
        let Self { sent, acknowledged, delay, loss, measurements, epoch, .. } = self;
        let since_epoch = |moment: Instant| micros(moment.saturating_duration_since(*epoch));
        let mut newest = None;
        let mut least_delay = None;
        for packet in sent.results_by_arrival() {
            let Some(arrived) = packet.arrival else {
                loss.add(true);
                continue;
            };
            if packet.was_lost {
                loss.add_late();
            } else {
                loss.add(false);
            }
            newest = newest.max(Some(packet.sent));
            // Where feedback is lost, what it would have told of is taken to have arrived.
            let bytes = packet.size.saturating_add(packet.skipped).saturating_add(packet.beside);
            acknowledged.add(arrived, bytes);
            let timing = Timing { sent: since_epoch(packet.sent), arrived, now: since_epoch(now) };
            delay.add(timing);
            let taken = timing.arrived.saturating_sub(timing.sent);
            least_delay = Some(least_delay.map_or(taken, |least: i64| least.min(taken)));
            if let Some(cluster) = packet.cluster {
                measurements.add(cluster, packet, arrived);
            }
        }
        if let Some(newest) = newest {
            self.handle_round_trip(now.saturating_duration_since(newest));
        }
        if let Some(delay) = least_delay {
            self.drain.update(now, delay);
        }
        self.conclude(now);
    }

    /// The receiver's own estimate (REMB, draft-alvestrand-rmcat-remb-03): the target is no higher, until another comes.
    pub fn handle_remb(&mut self, now: Instant, rate: Bitrate) {
        self.remb = Some(rate);
        let is_start = self.first_sent.is_none_or(|first| now.saturating_duration_since(first) < START);
        if is_start && self.heard.is_none() {
            self.delay.control.set(now, rate);
        }
        self.retarget(now);
    }

    /// The loss that a receiver report tells of, in 256ths (RFC 3550, section 6.4.1). Where there is transport-wide
    /// feedback, that counts instead.
    pub fn handle_loss(&mut self, now: Instant, fraction_lost: u8) {
        let elapsed = self.reported.map(|reported| now.saturating_duration_since(reported));
        self.reported = Some(now);
        let sent = std::mem::take(&mut self.sent_since_report);
        if self.has_feedback(now) {
            return;
        }
        let Some(sent) = elapsed.and_then(|elapsed| Bitrate::of(sent, elapsed)) else { return };
        let seconds = elapsed.unwrap_or_default().as_secs_f64().min(5.0);
        let fraction = f64::from(fraction_lost) / 256.0;
        let rate = self.target;
        if fraction > loss::HIGH {
            self.delay.control.set(now, rate.scaled(loss::after_loss(fraction)));
        } else if fraction < loss::LOW {
            // Nobody says what arrives: no further than what is sent bears out.
            let limit = sent.scaled(1.5).max(rate);
            self.delay.control.set(now, rate.scaled(1.08_f64.powf(seconds)).min(limit));
        }
        self.retarget(now);
    }

    /// A round-trip time measured otherwise, as from receiver reports; transport-wide feedback gives its own.
    pub fn handle_round_trip(&mut self, round_trip: Duration) {
        let sample = round_trip.min(LONGEST_ROUND_TRIP);
        let smoothed = self
            .round_trip
            .map_or(sample, |smoothed| (smoothed * (ROUND_TRIP_WEIGHT - 1) + sample) / ROUND_TRIP_WEIGHT);
        self.round_trip = Some(smoothed);
        self.delay.control.set_round_trip(smoothed);
    }

    /// What the application can use at most: no probe goes beyond twice that. `None` is no limit.
    pub const fn set_wanted(&mut self, rate: Option<Bitrate>) {
        self.prober.set_wanted(rate);
    }

    /// Lets time pass. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.silence_ends().is_some_and(|end| end <= now) {
            self.lowered = Some(now);
            let rate = self.target.scaled(AFTER_SILENCE);
            self.delay.control.set(now, rate);
            self.retarget(now);
        }
        let situation = self.situation();
        self.prober.handle_timeout(now, &situation);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.silence_ends().into_iter().chain(self.prober.poll_timeout(&self.situation())).min()
    }

    /// A probe to send now, for [`Pacer::start_probe`](super::Pacer::start_probe).
    pub fn poll_probe(&mut self, _now: Instant) -> Option<Probe> {
        let probe = self.prober.poll()?;
        self.measurements.expect(probe);
        Some(probe)
    }

    /// What has happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.announced == self.target {
            return None;
        }
        self.announced = self.target;
        Some(Event::Target(self.target))
    }

    /// How much may be sent, all headers, padding and retransmissions included.
    pub const fn target(&self) -> Bitrate {
        self.target
    }

    /// The rate at which packets arrive, once it is known.
    pub fn acknowledged(&self) -> Option<Bitrate> {
        self.acknowledged.rate()
    }

    /// The smoothed round-trip time, with the time that feedback was waited for; once it is known.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Bytes that were sent and that no feedback has told of.
    pub const fn in_flight(&self) -> usize {
        self.sent.in_flight()
    }

    /// Whether the application sends less than it might.
    pub const fn is_application_limited(&self) -> bool {
        self.limited.since().is_some()
    }

    /// Draws the conclusions from what feedback has added.
    fn conclude(&mut self, now: Instant) {
        let probed = self.measurements.take();
        let before = self.delay.control.rate();
        let queue = match (self.drain.is_draining(), self.drain.is_full() && self.loss.is_notable()) {
            (true, _) => Queue::Draining,
            (false, true) => Queue::Full,
            (false, false) if self.drain.is_queued() => Queue::Standing,
            (false, false) => Queue::Unknown,
        };
        let recovered = self.delay.update(now, self.acknowledged.rate(), probed, queue);
        if probed.is_some() && self.delay.control.rate() > before.scaled(CHANGED) {
            self.acknowledged.forget();
        }
        let round_trip = self.round_trip.unwrap_or_default();
        let (unlimited, arriving) = (self.delay.control.rate(), self.acknowledged.rate());
        self.loss.update(now, self.target, unlimited, arriving, round_trip);
        if let Some(probed) = probed {
            self.loss.handle_probe(probed);
        }
        self.retarget(now);
        if recovered {
            self.prober.handle_recovery(now, self.limited.is_recent(now));
        }
    }

    fn retarget(&mut self, now: Instant) {
        let rate = self.delay.control.rate();
        let rate = self.loss.limit().map_or(rate, |limit| limit.min(rate));
        let rate = self.remb.map_or(rate, |limit| limit.min(rate));
        // That less is sent until a queue is gone is no other estimate of the path.
        self.prober.handle_estimate(now, self.config.clamp(rate));
        let rate = if self.drain.is_draining() { rate.scaled(drain::FACTOR) } else { rate };
        self.target = self.config.clamp(rate);
    }

    fn has_feedback(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < FEEDBACK_GONE)
    }

    /// When feedback has been missing for too long, if there was any, and packets go on being sent.
    fn silence_ends(&self) -> Option<Instant> {
        let since = self.heard?.max(self.sent.oldest_in_flight()?);
        let since = self.lowered.map_or(since, |lowered| lowered.max(since));
        let end = since + SILENCE + self.round_trip.unwrap_or_default();
        self.last_sent.filter(|sent| *sent + STILL_SENDING >= end).map(|_| end)
    }

    fn situation(&self) -> Situation {
        Situation {
            limited_since: self.limited.since(),
            decreased: self.delay.control.decreased(),
            sent: self.last_sent,
            is_bad: self.heard.is_none() || !self.is_calm(),
        }
    }

    /// Whether nothing speaks against sending more.
    fn is_calm(&self) -> bool {
        !self.delay.is_overusing() && !self.drain.is_queued() && !self.loss.is_high() && !self.remb_limits()
    }

    /// Whether the receiver's estimate is what holds the target down.
    fn remb_limits(&self) -> bool {
        self.remb.is_some_and(|limit| limit <= self.target)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
