//! Plays a video and its sound to one viewer: by the clock, in step with each other, and on from a key frame when the
//! viewer has lost the thread.

use std::sync::Arc;
use std::time::Duration;

use container::{Frame, Reader, Repeat, Timeline};
use tokio::time::Instant;
use visavis::{Error, FrameError, LocalTrack};

use super::clip::{Clip, Input, outgoing};

/// How long it takes at most until a request for a key frame is seen where frames are further apart.
const LOOK: Duration = Duration::from_millis(100);
/// A key frame that is due within this is waited for. For as long, the one that was sent last is the answer to all
/// requests: a viewer that it does not reach asks again.
const NEAR: Duration = Duration::from_secs(1);

/// How long the end is given to be received and shown.
const LINGER: Duration = Duration::from_millis(500);

/// What plays together, on one line of time, by which each frame has its timestamp too: the viewer's clock never jumps.
pub(super) struct Deck {
    lanes: Vec<Lane>,
    /// How long a round lasts: as the longest of the files.
    length: Duration,
    timeline: Timeline,
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
        Ok(Self { lanes, length, timeline: Timeline::new(now()) })
    }

    /// Plays until the end, or until the connection closes.
    pub(super) async fn play(mut self, repeat: Repeat) -> Result<(), Error> {
        self.timeline = Timeline::new(now());
        self.begin_round(Duration::ZERO);
        loop {
            let Some(next) = self.next_place() else {
                wait_until(self.timeline.due(self.length)).await;
                if repeat == Repeat::Once {
                    tokio::time::sleep(LINGER).await;
                    return Ok(());
                }
                self.begin_round(self.length);
                continue;
            };
            wait_until(self.timeline.due(next).min(now() + LOOK)).await;
            self.send_due(next).await?;
            if self.lanes.iter().any(|lane| lane.wants_key_frame(Instant::now())) {
                self.recover(repeat);
            }
        }
    }

    /// The place in the files of what is sent next.
    fn next_place(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(|lane| lane.next.as_ref()).map(|next| next.timestamp).min()
    }

    /// Sends what is due, of which `next` is the first.
    async fn send_due(&mut self, next: Duration) -> Result<(), Error> {
        let now = now();
        self.timeline.catch_up(now, next);
        for lane in &mut self.lanes {
            while let Some(next) = &lane.next
                && self.timeline.due(next.timestamp) <= now
            {
                let timestamp = self.timeline.time(next.timestamp);
                lane.send(timestamp).await?;
            }
        }
        Ok(())
    }

    /// The first frame is due when `from` would have been, whatever time the files give it.
    fn begin_round(&mut self, from: Duration) {
        self.go_on_from(from, Duration::ZERO);
        if let Some(first) = self.next_place() {
            self.timeline.jump(Duration::ZERO, first);
        }
    }

    /// What stands at `to` is due when `from` would have been.
    fn go_on_from(&mut self, from: Duration, to: Duration) {
        self.timeline.jump(from, to);
        self.seek(to);
    }

    fn seek(&mut self, to: Duration) {
        self.lanes.iter_mut().for_each(|lane| lane.seek(to));
    }

    /// A file cannot make a key frame, so playing goes on from the next one that is there: after a short wait, or
    /// further on at once, sound included. Behind the last one it begins again; or, where it does not, it goes back to
    /// the last one, so that the end is seen.
    fn recover(&mut self, repeat: Repeat) {
        let place = self.timeline.place(now());
        let Some(video) = self.lanes.iter_mut().find(|lane| lane.clip.codec().is_video()) else { return };
        match (video.clip.key_frame_after(place), repeat) {
            (Some(next), _) if next - place <= NEAR => {
                video.needs_key_frame = true;
                if video.next.as_ref().is_some_and(|frame| !frame.is_key_frame) {
                    video.advance(Duration::ZERO);
                }
            }
            (Some(next), _) => self.go_on_from(place, next),
            (None, Repeat::Loop) => self.begin_round(place),
            (None, Repeat::Once) => {
                let last = video.clip.key_frame_before(place).unwrap_or_default();
                self.go_on_from(place, last);
            }
        }
    }
}

/// The clock that playing goes by.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn wait_until(due: std::time::Instant) {
    tokio::time::sleep_until(due.into()).await;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use container::{FrameRate, Writer};
    use visavis::{Config, Direction, Initiator, ReceivedFrame, Receiver, RemoteTrack, TransceiverOptions};

    use super::*;

    /// Pictures in the file, one each 100 ms; the numbers of those that are key frames.
    const PICTURES: u8 = 40;
    const KEY_FRAMES: [u8; 2] = [0, 30];

    /// A picture that is nothing but a VP8 header (RFC 6386, section 9.1) and its number.
    fn picture(number: u8) -> Frame {
        let header: &[u8] =
            if KEY_FRAMES.contains(&number) { &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0] } else { &[0x11, 0, 0] };
        let data = [header, &[number]].concat();
        let step = Duration::from_millis(100);
        Frame { data, timestamp: step * number.into(), duration: step, is_key_frame: header.len() > 3 }
    }

    /// 20 ms of sound that is nothing but the number of the picture that goes with it.
    fn sound(number: u32) -> Frame {
        let step = Duration::from_millis(20);
        Frame { data: vec![(number / 5) as u8; 160], timestamp: step * number, duration: step, is_key_frame: true }
    }

    fn write(path: &Path, codec: container::Codec, frames: impl Iterator<Item = Frame>) -> Arc<Clip> {
        let mut writer = Writer::create(path, codec, None).unwrap();
        frames.for_each(|frame| writer.write(&frame).unwrap());
        let path = writer.path().to_owned();
        writer.finish().unwrap();
        Arc::new(Clip::open(&path, FrameRate::default()).unwrap())
    }

    /// A deck with both, and what the other side receives.
    async fn connected(clips: Vec<Arc<Clip>>) -> (Initiator, Receiver, Deck, Vec<RemoteTrack>) {
        let config = Config { include_loopback: true, ..Config::default() };
        let (initiator, receiver) = (Initiator::new(config.clone()).unwrap(), Receiver::new(config).unwrap());
        let mut sent = Vec::new();
        for clip in clips {
            let (direction, codecs) = (Direction::SendOnly, clip.offered().to_vec());
            let options = TransceiverOptions { direction, codecs, ..TransceiverOptions::default() };
            let track = initiator.peer_connection().add_transceiver(clip.kind(), options).await.unwrap();
            sent.push((clip, track));
        }
        let answer = receiver.process_offer(initiator.create_track_offer().await.unwrap()).await.unwrap();
        initiator.process_answer(answer).await.unwrap();
        let mut received = Vec::new();
        for _ in &sent {
            received.push(receiver.peer_connection().accept_track().await.unwrap());
        }
        initiator.peer_connection().connected().await.unwrap();
        let deck = Deck::new(&sent).unwrap();
        (initiator, receiver, deck, received)
    }

    fn number(frame: &ReceivedFrame) -> u8 {
        frame.data.last().copied().unwrap()
    }

    /// Asks for a key frame until one comes. Returns the frames from the last one before that.
    async fn ask(track: &RemoteTrack) -> [ReceivedFrame; 2] {
        let mut before = track.recv_frame().await.unwrap();
        loop {
            track.request_key_frame(None).await.unwrap();
            let next = track.recv_frame().await.unwrap();
            if next.is_key_frame && number(&before) > 2 {
                return [before, next];
            }
            before = next;
        }
    }

    /// The clock of the viewer does not jump with the place in the file.
    fn is_soon_after([before, next]: &[ReceivedFrame; 2]) -> bool {
        next.timestamp > before.timestamp && next.timestamp - before.timestamp < Duration::from_millis(500)
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("visavis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_needs_a_key_frame_gets_the_next_one_with_its_sound() {
        let folder = folder("jump");
        let video = write(&folder.join("video"), container::Codec::Vp8, (0..PICTURES).map(picture));
        let audio = write(&folder.join("audio"), container::Codec::Pcmu, (0..u32::from(PICTURES) * 5).map(sound));
        let (_initiator, _receiver, deck, tracks) = connected(vec![video, audio]).await;
        let playing = tokio::spawn(deck.play(Repeat::Loop));
        let [video, audio] = &tracks[..] else { panic!("two tracks") };
        let first = video.recv_frame().await.unwrap();
        assert_eq!((number(&first), first.is_key_frame), (0, true));

        // On: the key frame after, two seconds early.
        let jump = ask(video).await;
        assert!(number(&jump[0]) < 20 && number(&jump[1]) == 30, "{} to {}", number(&jump[0]), number(&jump[1]));
        assert!(is_soon_after(&jump), "{jump:?}");
        let mut heard = Vec::new();
        while heard.last() != Some(&31) {
            heard.push(number(&audio.recv_frame().await.unwrap()));
        }
        let last = number(&jump[0]);
        assert!(heard.iter().all(|one| *one <= last + 1 || *one >= 30), "sound that was skipped: {heard:?}");

        // Behind the last one: from the beginning, early again.
        let jump = ask(video).await;
        assert!((31..40).contains(&number(&jump[0])) && number(&jump[1]) == 0);
        assert!(is_soon_after(&jump), "{jump:?}");
        playing.abort();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_plays_once_goes_back_to_the_last_key_frame_and_ends() {
        let folder = folder("once");
        // Nothing but the first is a key frame before the end.
        let video = write(&folder.join("video"), container::Codec::Vp8, (0..20).map(picture));
        let (_initiator, _receiver, deck, tracks) = connected(vec![video]).await;
        let playing = tokio::spawn(deck.play(Repeat::Once));
        let jump = ask(&tracks[0]).await;
        assert!(number(&jump[0]) >= 5 && number(&jump[1]) == 0, "{} to {}", number(&jump[0]), number(&jump[1]));
        assert!(is_soon_after(&jump), "{jump:?}");
        for expected in 1..20 {
            assert_eq!(number(&tracks[0].recv_frame().await.unwrap()), expected);
        }
        playing.await.unwrap().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_is_followed_by_the_beginning() {
        let folder = folder("loop");
        let video = write(&folder.join("video"), container::Codec::Vp8, (0..6).map(picture));
        let (_initiator, _receiver, deck, tracks) = connected(vec![video]).await;
        let playing = tokio::spawn(deck.play(Repeat::Loop));
        for count in 0..15_u8 {
            let frame = tracks[0].recv_frame().await.unwrap();
            assert_eq!(number(&frame), count % 6);
            assert_eq!(frame.timestamp, Duration::from_millis(100) * count.into(), "the viewer's clock goes on");
        }
        playing.abort();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
