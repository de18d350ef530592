//! One path for media and data channels: who gets which part of it.
//!
//! SCTP fills the queues of the path until packets are lost, and media, whose estimate heeds delay, gives way until it
//! has nothing left. So while video is sent and the estimate is what limits it, data keeps to the estimate too: what
//! media leaves of it, and never less than its share. Media is told what data does not use, and never less than the rest.

use std::time::{Duration, Instant};

use rtp::bandwidth::Bitrate;

/// Rates are those of about so much time.
const WINDOW: Duration = Duration::from_millis(300);
/// Without video for so long, data is on its own.
const IDLE: Duration = Duration::from_secs(1);
/// After data had to wait, its share is kept for so long.
const BACKLOG: Duration = Duration::from_secs(1);
/// What may leave at once: what the rate carries in this time, and two packets at least.
const BURST: Duration = Duration::from_millis(10);
const LEAST_BURST: f64 = 2_400.0;
/// What left without asking is charged up to this time.
const DEBT: Duration = Duration::from_millis(250);
/// From this part of the highest estimate on, the path carries more than media will ever use.
const PLENTY: f64 = 0.9;

/// How much flows, with what is older counting less and less.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    bytes: f64,
    at: Option<Instant>,
}

impl Flow {
    fn left(&self, now: Instant) -> f64 {
        let age = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.bytes * (-age.as_secs_f64() / WINDOW.as_secs_f64()).exp()
    }

    fn add(&mut self, now: Instant, bytes: usize) {
        self.bytes = self.left(now) + bytes as f64;
        self.at = Some(now);
    }

    fn rate(&self, now: Instant) -> Bitrate {
        Bitrate((self.left(now) * 8.0 / WINDOW.as_secs_f64()) as u64)
    }
}

/// Divides the estimate between media and data channels.
#[derive(Debug)]
pub(super) struct Share {
    /// The part of the estimate that data is sure of.
    part: f64,
    /// The estimate, while it binds data too.
    estimate: Option<Bitrate>,
    media: Flow,
    /// What of media is sent again.
    repairs: Flow,
    audio: Flow,
    data: Flow,
    /// When video was sent last.
    video: Option<Instant>,
    /// When data had to wait last.
    waited: Option<Instant>,
    /// Bytes that data may send, fewer than none where it owes some, and when that was so.
    allowance: f64,
    counted: Option<Instant>,
    /// When data that has to wait may go on.
    release: Option<Instant>,
}

impl Share {
    pub(super) fn new(part: f64) -> Self {
        Self {
            part: if part.is_finite() { part.clamp(0.01, 0.99) } else { 0.5 },
            estimate: None,
            media: Flow::default(),
            repairs: Flow::default(),
            audio: Flow::default(),
            data: Flow::default(),
            video: None,
            waited: None,
            allowance: 0.0,
            counted: None,
            release: None,
        }
    }

    /// The estimate of what the path carries in all; nothing where there is no feedback that it comes from.
    pub(super) fn set_estimate(&mut self, estimate: Option<Bitrate>, max: Bitrate) {
        self.estimate = estimate.filter(|estimate| *estimate < max.scaled(PLENTY));
    }

    /// Media leaves.
    pub(super) fn on_media(&mut self, now: Instant, bytes: usize, is_video: bool) {
        self.media.add(now, bytes);
        if is_video {
            self.video = Some(now);
        } else {
            self.audio.add(now, bytes);
        }
    }

    /// What sound takes.
    pub(super) fn audio(&self, now: Instant) -> Bitrate {
        self.audio.rate(now)
    }

    /// What just left was sent again.
    pub(super) fn on_repair(&mut self, now: Instant, bytes: usize) {
        self.repairs.add(now, bytes);
    }

    /// What of `media` is left for what is new, as what is sent again comes first; half of it at least.
    pub(super) fn for_frames(&self, now: Instant, media: Bitrate) -> Bitrate {
        Bitrate(media.0.saturating_sub(self.repairs.rate(now).0)).max(media.scaled(0.5))
    }

    /// What of `estimate` is left for media.
    pub(super) fn for_media(&self, now: Instant, estimate: Bitrate) -> Bitrate {
        let share = estimate.scaled(self.part);
        let has_waited = self.waited.is_some_and(|waited| now.saturating_duration_since(waited) < BACKLOG);
        let data = if has_waited { share } else { self.data.rate(now).min(share) };
        Bitrate(estimate.0.saturating_sub(data.0))
    }

    /// Whether data may leave now.
    pub(super) fn lets_data(&mut self, now: Instant) -> bool {
        self.release = None;
        let Some(rate) = self.limit(now) else { return true };
        let most = (rate.0 as f64 / 8.0 * BURST.as_secs_f64()).max(LEAST_BURST);
        let elapsed = self.counted.map_or(BURST, |counted| now.saturating_duration_since(counted));
        self.counted = Some(now);
        self.allowance = (self.allowance + rate.0 as f64 / 8.0 * elapsed.as_secs_f64()).min(most);
        if self.allowance > 0.0 {
            return true;
        }
        let wait = rate.time_for((-self.allowance) as u64 + 1).max(Duration::from_millis(1));
        self.release = Some(now + wait);
        false
    }

    /// Data, or what else SCTP has to say, leaves.
    pub(super) fn on_data(&mut self, now: Instant, bytes: usize) {
        self.data.add(now, bytes);
        if let Some(rate) = self.limit(now) {
            let most = rate.0 as f64 / 8.0 * DEBT.as_secs_f64() + LEAST_BURST;
            self.allowance = (self.allowance - bytes as f64).max(-most);
        }
    }

    /// Data is there that has to wait until then.
    pub(super) const fn on_waiting(&mut self, now: Instant) {
        if self.release.is_some() {
            self.waited = Some(now);
        }
    }

    /// When data that has to wait may go on.
    pub(super) const fn release(&self) -> Option<Instant> {
        self.release
    }

    /// What binds data now, if anything does.
    fn limit(&self, now: Instant) -> Option<Bitrate> {
        let is_video_sent = self.video.is_some_and(|video| now.saturating_duration_since(video) < IDLE);
        let estimate = self.estimate.filter(|_| is_video_sent)?;
        let left = estimate.0.saturating_sub(self.media.rate(now).0);
        Some(Bitrate(left).max(estimate.scaled(self.part)))
    }
}
