//! Plays a video and its sound to one viewer: by the clock, in step with each other, and on from a key frame when the
//! viewer has lost the thread.

use std::sync::Arc;
use std::time::Duration;

use container::{Frame, Reader};
use tokio::time::Instant;
use visavis::{Error, FrameError, LocalTrack};

use super::clip::{Clip, Input, outgoing};

/// How long it takes at most until a request for a key frame is seen where frames are further apart.
const LOOK: Duration = Duration::from_millis(100);
/// A key frame that is due within this is waited for. For as long, the one that was sent last is the answer to all
/// requests: a viewer that it does not reach asks again.
const NEAR: Duration = Duration::from_secs(1);

/// Whether to begin again at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Loop,
    Once,
}

/// What plays together. The sum of `round` and a frame's own time, less `skipped`, is when it is due, counted from when
/// playing began; and that is its timestamp too, so that the viewer's clock never jumps.
pub(super) struct Deck {
    lanes: Vec<Lane>,
    /// How long a round lasts: as the longest of the files.
    length: Duration,
    began: Instant,
    /// When the present round began.
    round: Duration,
    /// How much was left out to get to key frames.
    skipped: Duration,
}

/// One file on its way to one track.
struct Lane {
    clip: Arc<Clip>,
    reader: Reader<Box<dyn Input>>,
    track: LocalTrack,
    next: Option<Frame>,
    /// What the viewer has is not what the next frames build upon.
    needs_key_frame: bool,
    /// When a key frame was sent last.
    key_frame_sent: Option<Instant>,
}

impl Lane {
    /// Reads the next frame that can be of use.
    fn advance(&mut self, from: Duration) {
        // Files may be on slow disks.
        self.next = tokio::task::block_in_place(|| {
            loop {
                match self.reader.next_frame() {
                    Ok(Some(frame)) if frame.timestamp < from => {}
                    Ok(Some(frame)) if self.needs_key_frame && !frame.is_key_frame => {}
                    Ok(next) => return next,
                    Err(error) => {
                        // It was read to its end when the program began, and was changed since.
                        tracing::warn!(name = self.clip.name(), %error, "cannot read on");
                        return None;
                    }
                }
            }
        });
    }

    fn seek(&mut self, to: Duration) {
        if self.next.as_ref().is_none_or(|next| next.timestamp > to)
            && let Err(error) = self.reader.rewind()
        {
            tracing::warn!(name = self.clip.name(), %error, "cannot begin again");
        }
        self.needs_key_frame = self.clip.codec().is_video();
        if self.next.as_ref().is_none_or(|next| next.timestamp != to) {
            self.advance(to);
        }
    }

    /// Sends the next frame.
    async fn send(&mut self, timestamp: Duration) -> Result<(), Error> {
        let Some(frame) = self.next.take() else { return Ok(()) };
        let is_key_frame = frame.is_key_frame;
        match self.track.send_frame(outgoing(frame, timestamp)).await {
            Ok(()) => {
                if is_key_frame {
                    self.needs_key_frame = false;
                    self.key_frame_sent = Some(Instant::now());
                }
            }
            Err(error @ Error::ConnectionClosed { .. }) => return Err(error),
            Err(error) => {
                // What follows a frame that was not sent is of no use, but for sound.
                self.needs_key_frame = self.clip.codec().is_video();
                if !matches!(error, Error::Media(FrameError::Full { .. })) {
                    tracing::debug!(name = self.clip.name(), %error, "a frame was not sent");
                }
            }
        }
        self.advance(Duration::ZERO);
        Ok(())
    }

    /// Whether the viewer cannot go on without a key frame. A request is answered by what was sent just before.
    fn wants_key_frame(&self, now: Instant) -> bool {
        self.track.take_key_frame_request() && self.key_frame_sent.is_none_or(|sent| now - sent > NEAR)
    }
}

impl Deck {
    /// Nothing is sent yet.
    pub(super) fn new(clips: &[(Arc<Clip>, LocalTrack)]) -> Result<Self, container::Error> {
        let lane = |(clip, track): &(Arc<Clip>, LocalTrack)| {
            let reader = clip.read()?;
            let (clip, track) = (clip.clone(), track.clone());
            Ok(Lane { clip, reader, track, next: None, needs_key_frame: false, key_frame_sent: None })
        };
        let lanes = clips.iter().map(lane).collect::<Result<Vec<_>, container::Error>>()?;
        let length = clips.iter().map(|(clip, _)| clip.length()).max().unwrap_or_default();
        let (began, round, skipped) = (Instant::now(), Duration::ZERO, Duration::ZERO);
        Ok(Self { lanes, length, began, round, skipped })
    }

    /// Plays until the end, or until the connection closes.
    pub(super) async fn play(mut self, repeat: Repeat) -> Result<(), Error> {
        self.began = Instant::now();
        self.seek(Duration::ZERO);
        loop {
            let Some(next) = self.next_due() else {
                self.wait_until(self.due(self.length)).await;
                if repeat == Repeat::Once {
                    return Ok(());
                }
                self.begin_round(self.round + self.length);
                continue;
            };
            let now = self.now();
            self.wait_until(next.min(now.saturating_add(LOOK))).await;
            self.send_due().await?;
            if self.lanes.iter().any(|lane| lane.wants_key_frame(Instant::now())) {
                self.recover(repeat);
            }
        }
    }

    /// The time since playing began.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    async fn wait_until(&self, due: Duration) {
        tokio::time::sleep_until(self.began + due).await;
    }

    /// When what stands at this place in the files is due.
    fn due(&self, place: Duration) -> Duration {
        self.round.saturating_add(place).saturating_sub(self.skipped)
    }

    /// The place in the files that is due now.
    fn place(&self) -> Duration {
        self.now().saturating_add(self.skipped).saturating_sub(self.round)
    }

    fn next_due(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(|lane| lane.next.as_ref()).map(|next| self.due(next.timestamp)).min()
    }

    async fn send_due(&mut self) -> Result<(), Error> {
        let now = self.now();
        let (round, skipped) = (self.round, self.skipped);
        for lane in &mut self.lanes {
            while let Some(next) = &lane.next {
                let due = round.saturating_add(next.timestamp).saturating_sub(skipped);
                if due > now {
                    break;
                }
                lane.send(due).await?;
            }
        }
        Ok(())
    }

    fn begin_round(&mut self, at: Duration) {
        self.round = at;
        self.seek(Duration::ZERO);
    }

    fn seek(&mut self, to: Duration) {
        self.lanes.iter_mut().for_each(|lane| lane.seek(to));
    }

    /// A file cannot make a key frame, so playing goes on from the next one that is there: after a short wait, or
    /// further on at once, sound included. Behind the last one it begins again; or, where it does not, it goes back to
    /// the last one, so that the end is seen.
    fn recover(&mut self, repeat: Repeat) {
        let place = self.place();
        let Some(video) = self.lanes.iter_mut().find(|lane| lane.clip.codec().is_video()) else { return };
        match (video.clip.key_frame_after(place), repeat) {
            (Some(next), _) if next - place <= NEAR => {
                video.needs_key_frame = true;
                if video.next.as_ref().is_some_and(|frame| !frame.is_key_frame) {
                    video.advance(Duration::ZERO);
                }
            }
            (Some(next), _) => {
                self.skipped = self.skipped.saturating_add(next - place);
                self.seek(next);
            }
            (None, Repeat::Loop) => self.begin_round(self.round.saturating_add(place)),
            (None, Repeat::Once) => {
                let last = video.clip.key_frame_before(place).unwrap_or_default();
                self.round = self.round.saturating_add(place.saturating_sub(last));
                self.seek(last);
            }
        }
    }
}
