//! When frames are due: files that are played by the clock of the machine, which is an argument here.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::time::{Duration, Instant};

use crate::{Error, Frame, Reader};

/// How late frames may be and still be handed out at once, so that playing catches up. Beyond that it pauses instead: a
/// machine that slept for an hour does not make up for it with an hour's frames.
pub const MAX_LATE: Duration = Duration::from_millis(500);

/// A round of a file that says of itself that it takes no time still takes some.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);

/// What lies further ahead is due then.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Whether to begin again at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// The end is the end.
    #[default]
    Once,
    /// The end is followed by the beginning.
    Loop,
}

/// Which place of a file, or of files that play together, is due when.
///
/// A *place* is a moment of the file ([`Frame::timestamp`]), a *time* one since playing began. Times never go back, through
/// all rounds and jumps, so that they serve as timestamps of what is sent. All that is due is counted from the one moment
/// at which playing began: however long that was ago, nothing drifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    began: Instant,
    /// What is added to a place to get its time: rounds that were played, and pauses.
    played: Duration,
    /// What is taken away from it: places that were left out.
    skipped: Duration,
}

impl Timeline {
    /// Begins with place zero now.
    pub const fn new(now: Instant) -> Self {
        Self { began: now, played: Duration::ZERO, skipped: Duration::ZERO }
    }

    /// The time of a place, counted from when playing began. Zero for one that was left out at the beginning.
    pub const fn time(&self, place: Duration) -> Duration {
        self.played.saturating_add(place).saturating_sub(self.skipped)
    }

    /// When a place is due; in a hundred years if that is later.
    pub fn due(&self, place: Duration) -> Instant {
        self.began.checked_add(self.time(place).min(CENTURY)).unwrap_or(self.began)
    }

    /// The place that is due at `now`.
    pub fn place(&self, now: Instant) -> Duration {
        let time = now.saturating_duration_since(self.began);
        time.saturating_add(self.skipped).saturating_sub(self.played)
    }

    /// From now on `to` is due when `from` was: for the beginning behind the end, and for jumps in both directions.
    pub const fn jump(&mut self, from: Duration, to: Duration) {
        self.skipped = self.skipped.saturating_add(to.saturating_sub(from));
        self.played = self.played.saturating_add(from.saturating_sub(to));
    }

    /// `next` is the place that comes next. If it was due more than [`MAX_LATE`] ago, it is due now, and all that follows
    /// is as much later, times included. Says how much later that is: zero where playing is in time.
    pub fn catch_up(&mut self, now: Instant, next: Duration) -> Duration {
        let late = now.saturating_duration_since(self.due(next));
        if late <= MAX_LATE {
            return Duration::ZERO;
        }
        self.played = self.played.saturating_add(late);
        late
    }
}

/// A file that hands out each frame when it is due. The first one is due at once, whatever time the file gives it.
///
/// ```no_run
/// # use visavis_container as container;
/// # use std::time::Instant;
/// # fn send(_: container::Frame) {}
/// # fn main() -> Result<(), container::Error> {
/// use container::{Paced, Reader, Repeat};
///
/// let mut clip = Paced::new(Reader::open("clip.ivf")?, Repeat::Once);
/// loop {
///     while let Some(frame) = clip.poll_frame(Instant::now())? {
///         send(frame);
///     }
///     let Some(due) = clip.poll_timeout() else { break };
///     // A program that does other things besides would wait in another way.
///     std::thread::sleep(due.saturating_duration_since(Instant::now()));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Paced<R = BufReader<File>> {
    reader: Reader<R>,
    repeat: Repeat,
    /// Since the first call.
    timeline: Option<Timeline>,
    ahead: Ahead,
    /// Where the frames of this round end that were read; `None` before its first.
    end: Option<Duration>,
}

/// What comes next.
enum Ahead {
    Frame(Frame),
    /// The file could not be read, and nobody was told yet.
    Failed(Error),
    /// Nothing, but the last frame may still be shown.
    End,
    /// That is over as well, or nothing was read yet.
    Nothing,
}

impl<R: Read + Seek> Paced<R> {
    /// Reads nothing yet: playing begins with the first call of [`poll_frame`](Self::poll_frame).
    pub const fn new(reader: Reader<R>, repeat: Repeat) -> Self {
        Self { reader, repeat, timeline: None, ahead: Ahead::Nothing, end: None }
    }

    /// What is read from, for what it says of the file.
    pub const fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// The next frame if it is due. Its timestamp is the time since playing began, which goes on through all rounds of a
    /// loop. Where the calls come late, frames come one behind the other until they are in time again, or if that is more
    /// than [`MAX_LATE`], playing goes on from there, as after a pause.
    ///
    /// # Errors
    /// What the reader says, when the frame that could not be read would have been due at the earliest. It is the end.
    pub fn poll_frame(&mut self, now: Instant) -> Result<Option<Frame>, Error> {
        if self.timeline.is_none() {
            let timeline = self.timeline.insert(Timeline::new(now));
            self.ahead = Ahead::read(&mut self.reader);
            if let Ahead::Frame(first) = &self.ahead {
                timeline.jump(Duration::ZERO, first.timestamp);
            }
        }
        let Some(timeline) = &mut self.timeline else { return Ok(None) };
        let place = self.ahead.place(self.end);
        if let Ahead::Frame(frame) = &self.ahead {
            timeline.catch_up(now, frame.timestamp);
        }
        if timeline.due(place) > now {
            return Ok(None);
        }
        match std::mem::replace(&mut self.ahead, Ahead::Nothing) {
            Ahead::Frame(frame) => {
                let timestamp = timeline.time(place);
                let end = place.saturating_add(frame.duration);
                self.end = Some(self.end.map_or(end, |before| before.max(end)));
                self.read_on();
                Ok(Some(Frame { timestamp, ..frame }))
            }
            Ahead::Failed(error) => Err(error),
            Ahead::End | Ahead::Nothing => Ok(None),
        }
    }

    /// When to call [`poll_frame`](Self::poll_frame) again: when the next frame is due, and behind the last one when that
    /// has been shown. `None` once all is over, and before the first call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeline = self.timeline.filter(|_| !matches!(self.ahead, Ahead::Nothing))?;
        Some(timeline.due(self.ahead.place(self.end)))
    }

    /// Reads the frame behind one that is handed out.
    fn read_on(&mut self) {
        self.ahead = Ahead::read(&mut self.reader);
        let (Ahead::End, Repeat::Loop, Some(end)) = (&self.ahead, self.repeat, self.end) else { return };
        if let Err(error) = self.reader.rewind() {
            self.ahead = Ahead::Failed(error);
            return;
        }
        // What was changed into a file without frames is at its end.
        self.ahead = Ahead::read(&mut self.reader);
        if let (Ahead::Frame(first), Some(timeline)) = (&self.ahead, &mut self.timeline) {
            let end = end.max(first.timestamp.saturating_add(SHORTEST_ROUND));
            timeline.jump(end, first.timestamp);
            self.end = None;
        }
    }
}

impl Ahead {
    fn read<R: Read + Seek>(reader: &mut Reader<R>) -> Self {
        match reader.next_frame() {
            Ok(Some(frame)) => Self::Frame(frame),
            Ok(None) => Self::End,
            Err(error) => Self::Failed(error),
        }
    }

    /// Where in the file it is; what is no frame is behind the last one.
    fn place(&self, end: Option<Duration>) -> Duration {
        match self {
            Self::Frame(frame) => frame.timestamp,
            Self::Failed(_) | Self::End | Self::Nothing => end.unwrap_or_default(),
        }
    }
}
