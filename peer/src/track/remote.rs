//! Tracks that are received.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use session::{MediaKind, ReceivedFrame, ReceivedPacket, ToneEvent, TransceiverId};

use super::local::MAX_TONES;
use crate::connection::Shared;
use crate::error::Error;
use crate::stats::StatsReport;
use crate::sync::{Wakers, lock};

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
    tones: VecDeque<ToneEvent>,
    is_muted: bool,
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

    /// The peer pressed a key, or let it go.
    pub(crate) fn deliver_tone(&self, tone: ToneEvent) {
        let mut tone = Some(tone);
        self.deliver(|inbox| {
            let Some(tone) = tone.take() else { return false };
            push(&mut inbox.tones, tone, MAX_TONES, &mut inbox.missed);
            true
        });
    }

    pub(crate) fn set_muted(&self, is_muted: bool) {
        lock(&self.inbox).is_muted = is_muted;
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

    /// The next key of a telephone that the peer presses or lets go, beside its sound (RFC 4733). `None` as above. Those
    /// that nobody takes give way to newer ones.
    pub async fn recv_tone(&self) -> Option<ToneEvent> {
        self.recv(|inbox| inbox.tones.pop_front()).await
    }

    /// Whether the peer said that it sends nothing for now (`muted`).
    pub fn is_muted(&self) -> bool {
        lock(&self.inner.inbox).is_muted
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
