//! Tracks and transceivers, as the application holds them.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use session::{Frame, MediaKind, ReceivedFrame, ReceivedPacket, TransceiverId};
use tokio::sync::watch;

use crate::connection::{Handle, Shared};
use crate::error::Error;
use crate::stats::StatsReport;
use crate::sync::{Wakers, lock};

/// What a transceiver sends: whole encoded frames, that come from an encoder, a file or another peer.
///
/// Made by [`PeerConnection::add_track`](crate::PeerConnection::add_track). Clones are handles to the same track.
#[derive(Clone)]
pub struct LocalTrack {
    pub(crate) inner: Arc<Local>,
    pub(crate) handle: Arc<Handle>,
}

/// What handles and the driver share of a track that is sent.
pub(crate) struct Local {
    pub(crate) id: String,
    pub(crate) kind: MediaKind,
    pub(crate) transceiver: TransceiverId,
    pub(crate) keyframes: Mutex<Requests>,
}

/// The layers that the peer wants a key frame of.
#[derive(Default)]
pub(crate) struct Requests {
    /// Each layer once, however often it was asked for.
    waiting: VecDeque<Option<String>>,
    wakers: Wakers,
    has_ended: bool,
}

impl Local {
    pub(crate) fn request_keyframe(&self, rid: Option<String>) {
        let wakers = {
            let mut requests = lock(&self.keyframes);
            if !requests.waiting.contains(&rid) {
                requests.waiting.push_back(rid);
            }
            requests.wakers.take()
        };
        wakers.wake();
    }

    pub(crate) fn end(&self) {
        let wakers = {
            let mut requests = lock(&self.keyframes);
            requests.has_ended = true;
            requests.wakers.take()
        };
        wakers.wake();
    }
}

impl LocalTrack {
    /// The track's name, which the peer is told.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.inner.kind
    }

    /// The transceiver that sends it.
    pub fn transceiver(&self) -> TransceiverId {
        self.inner.transceiver
    }

    /// Sends a frame now: pacing by the clock is the caller's business, that by the network is done here.
    ///
    /// # Errors
    ///
    /// [`Error::Media`] before the connection is made and the peer has agreed to receive, when the frame is not what
    /// the codec's frames look like, and when the network takes less than is sent; [`Error::ConnectionClosed`].
    pub async fn send_frame(&self, frame: Frame) -> Result<(), Error> {
        let id = self.inner.transceiver;
        let sent = self.handle.shared.call(move |driver, now| driver.session.send_frame(now, id, &frame)).await?;
        Ok(sent?)
    }

    /// Waits until the peer needs a key frame, and says of which layer: the next frame sent should be one.
    /// `None` when there will be no more requests.
    pub async fn key_frame_requested(&self) -> Option<Option<String>> {
        poll_fn(|cx| {
            let mut requests = lock(&self.inner.keyframes);
            match requests.waiting.pop_front() {
                Some(rid) => Poll::Ready(Some(rid)),
                None if requests.has_ended => Poll::Ready(None),
                None => {
                    requests.wakers.register(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether a key frame is asked for, without waiting; the request is taken.
    pub fn take_key_frame_request(&self) -> bool {
        let mut requests = lock(&self.inner.keyframes);
        let is_wanted = !requests.waiting.is_empty();
        requests.waiting.clear();
        is_wanted
    }

    /// What the path carries, in bits per second, to be watched: encoders and layers are to stay below it.
    pub fn watch_bandwidth(&self) -> watch::Receiver<u64> {
        self.handle.shared.bandwidth.subscribe()
    }
}

impl LocalTrack {
    /// Statistics of the streams that carry the track, and of all that these refer to (`RTCRtpSender.getStats`).
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn stats_report(&self) -> Result<StatsReport, Error> {
        let report = self.handle.shared.call(|driver, now| driver.stats_report(now)).await?;
        Ok(report.of_sender(self.inner.transceiver))
    }
}

impl fmt::Debug for LocalTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTrack").field("id", &self.inner.id).field("kind", &self.inner.kind).finish_non_exhaustive()
    }
}

/// What the peer sends through a transceiver. Given by the `track` event and by
/// [`PeerConnection::accept_track`](crate::PeerConnection::accept_track); clones are handles to the same track.
#[derive(Clone)]
pub struct RemoteTrack {
    pub(crate) inner: Arc<Remote>,
    /// The connection, which a track does not keep open.
    pub(crate) shared: Arc<Shared>,
}

/// What handles and the driver share of a track that is received.
pub(crate) struct Remote {
    pub(crate) id: String,
    pub(crate) kind: MediaKind,
    pub(crate) transceiver: TransceiverId,
    pub(crate) streams: Vec<String>,
    pub(crate) inbox: Mutex<Inbox>,
    limit: usize,
}

#[derive(Default)]
pub(crate) struct Inbox {
    frames: VecDeque<ReceivedFrame>,
    packets: VecDeque<ReceivedPacket>,
    missed: u64,
    has_ended: bool,
    wakers: Wakers,
}

impl Remote {
    pub(crate) fn new(
        id: String,
        kind: MediaKind,
        transceiver: TransceiverId,
        streams: Vec<String>,
        limit: usize,
    ) -> Self {
        Self { id, kind, transceiver, streams, inbox: Mutex::default(), limit: limit.max(1) }
    }

    /// Hands over the frames that arrived. Where nobody takes them the oldest give way: media that waits is stale.
    pub(crate) fn deliver_frames(&self, mut next: impl FnMut() -> Option<ReceivedFrame>) {
        self.deliver(|inbox| {
            let Some(frame) = next() else { return false };
            let gave_way = push(&mut inbox.frames, frame, self.limit, &mut inbox.missed);
            // What is next cannot be decoded without what gave way.
            if gave_way && let Some(oldest) = inbox.frames.front_mut() {
                oldest.follows_loss = true;
            }
            true
        });
    }

    /// The same for packets.
    pub(crate) fn deliver_packets(&self, mut next: impl FnMut() -> Option<ReceivedPacket>) {
        let limit = self.limit.saturating_mul(PACKETS_PER_FRAME);
        self.deliver(|inbox| {
            let Some(packet) = next() else { return false };
            push(&mut inbox.packets, packet, limit, &mut inbox.missed);
            true
        });
    }

    fn deliver(&self, mut next: impl FnMut(&mut Inbox) -> bool) {
        let wakers = {
            let mut inbox = lock(&self.inbox);
            while next(&mut inbox) {}
            inbox.wakers.take()
        };
        wakers.wake();
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        let wakers = {
            let mut inbox = lock(&self.inbox);
            inbox.has_ended = true;
            inbox.wakers.take()
        };
        wakers.wake();
    }
}

/// Adds an item; whether another one gave way to it.
fn push<T>(queue: &mut VecDeque<T>, item: T, limit: usize, missed: &mut u64) -> bool {
    let gave_way = queue.len() >= limit && queue.pop_front().is_some();
    *missed = missed.saturating_add(u64::from(gave_way));
    queue.push_back(item);
    gave_way
}

/// What the bound on frames means for those who take packets.
const PACKETS_PER_FRAME: usize = 16;

impl RemoteTrack {
    /// The track's name, as the peer gave it.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.inner.kind
    }

    /// The names of the streams it belongs to.
    pub fn streams(&self) -> &[String] {
        &self.inner.streams
    }

    /// The transceiver that receives it.
    pub fn transceiver(&self) -> TransceiverId {
        self.inner.transceiver
    }

    /// The next whole frame, in order within its layer. `None` when the peer no longer sends, or the connection ended.
    pub async fn recv_frame(&self) -> Option<ReceivedFrame> {
        self.recv(|inbox| inbox.frames.pop_front()).await
    }

    /// The next packet, after [`RemoteTrack::receive_packets`]. `None` as above.
    pub async fn recv_packet(&self) -> Option<ReceivedPacket> {
        self.recv(|inbox| inbox.packets.pop_front()).await
    }

    async fn recv<T>(&self, mut take: impl FnMut(&mut Inbox) -> Option<T>) -> Option<T> {
        poll_fn(|cx| {
            let mut inbox = lock(&self.inner.inbox);
            match take(&mut inbox) {
                Some(item) => Poll::Ready(Some(item)),
                None if inbox.has_ended => Poll::Ready(None),
                None => {
                    inbox.wakers.register(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Hands out packets as they arrive from now on, instead of frames: for those who forward.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn receive_packets(&self) -> Result<(), Error> {
        let id = self.inner.transceiver;
        self.shared.call(move |driver, _| driver.session.set_door(id, session::Door::Packets)).await
    }

    /// Asks the peer for a frame that a decoder can begin with; of one layer, or of all.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn request_key_frame(&self, rid: Option<&str>) -> Result<(), Error> {
        let (id, rid) = (self.inner.transceiver, rid.map(str::to_owned));
        self.shared.call(move |driver, now| driver.session.request_keyframe(now, id, rid.as_deref())).await
    }

    /// How many frames or packets gave way because nobody took them in time.
    pub fn missed(&self) -> u64 {
        lock(&self.inner.inbox).missed
    }
}

impl RemoteTrack {
    /// Statistics of the streams that carry the track, and of all that these refer to (`RTCRtpReceiver.getStats`).
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn stats_report(&self) -> Result<StatsReport, Error> {
        let report = self.shared.call(|driver, now| driver.stats_report(now)).await?;
        Ok(report.of_receiver(self.inner.transceiver))
    }
}

impl fmt::Debug for RemoteTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTrack")
            .field("id", &self.inner.id)
            .field("kind", &self.inner.kind)
            .finish_non_exhaustive()
    }
}
