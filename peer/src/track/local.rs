//! Tracks that are sent.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use session::{Encoding, Frame, LayerBitrate, MediaKind, Packet, TransceiverId};
use tokio::sync::watch;

use crate::connection::Handle;
use crate::driver::Driver;
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
    /// What each layer may send.
    pub(crate) layers: watch::Sender<Vec<LayerBitrate>>,
    pub(crate) tones: Mutex<Tones>,
}

/// The tones that began to be sent since the application last looked; nothing stands for the end of all.
#[derive(Default)]
pub(crate) struct Tones {
    begun: VecDeque<Option<char>>,
    wakers: Wakers,
    has_ended: bool,
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

    pub(crate) fn begin_tone(&self, tone: Option<char>) {
        let wakers = {
            let mut tones = lock(&self.tones);
            if tones.begun.len() >= MAX_TONES {
                tones.begun.pop_front();
            }
            tones.begun.push_back(tone);
            tones.wakers.take()
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
        let wakers = {
            let mut tones = lock(&self.tones);
            tones.has_ended = true;
            tones.wakers.take()
        };
        wakers.wake();
    }
}

/// How many tones wait for those who want to know of them before the oldest give way.
pub(super) const MAX_TONES: usize = 256;

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

    /// Sends a packet that was made elsewhere, such as one that another connection received: for those who forward. It
    /// is sent under the payload type that is agreed here for its codec. Packets that bring their sequence numbers keep
    /// their gaps; a track takes frames and packets in turn, but those of one stream should not be mixed.
    ///
    /// To forward one of several streams or layers see [`Forwarder`](crate::Forwarder).
    ///
    /// ```no_run
    /// # async fn relay(received: visavis::RemoteTrack, sent: visavis::LocalTrack) -> Result<(), visavis::Error> {
    /// received.receive_packets().await?;
    /// loop {
    ///     tokio::select! {
    ///         packet = received.recv_packet() => match packet {
    ///             // What one viewer does not take is no reason to end.
    ///             Some(packet) => match sent.send_packet(packet.into()).await {
    ///                 Err(visavis::Error::Media(error)) => eprintln!("{error}"),
    ///                 result => result?,
    ///             },
    ///             None => return Ok(()),
    ///         },
    ///         // What the viewer needs, the source is asked for.
    ///         Some(_) = sent.key_frame_requested() => received.request_key_frame(None).await?,
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Media`] as for frames, when the peer did not agree to the packet's codec, and when it is too long or its
    /// number was used before; [`Error::ConnectionClosed`].
    pub async fn send_packet(&self, packet: Packet) -> Result<(), Error> {
        let id = self.inner.transceiver;
        let sent = self.handle.shared.call(move |driver, now| driver.session.send_packet(now, id, &packet)).await?;
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

    /// Sends these keys of a telephone beside the sound (`RTCDTMFSender.insertDTMF`): 0 to 9, A to D, `#` and `*`; a comma
    /// is a pause of two seconds. They replace those that wait, so that an empty text ends it. Browsers take 100 ms for
    /// the duration of a tone and 70 ms for the gap behind it where nothing is said; 40 ms to 6 s are possible, and at
    /// least 30 ms.
    ///
    /// # Errors
    ///
    /// [`Error::Tones`] for other characters, and when both sides have not agreed on sound with telephone events (or not
    /// yet); [`Error::ConnectionClosed`].
    pub async fn insert_dtmf(&self, tones: &str, duration: Duration, gap: Duration) -> Result<(), Error> {
        let (id, tones) = (self.inner.transceiver, tones.to_owned());
        let insert = move |driver: &mut Driver, now| driver.session.insert_dtmf(now, id, &tones, duration, gap);
        Ok(self.handle.shared.call(insert).await??)
    }

    /// Whether [`LocalTrack::insert_dtmf`] would do something now (`canInsertDTMF`).
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn can_insert_dtmf(&self) -> Result<bool, Error> {
        let id = self.inner.transceiver;
        self.handle.shared.call(move |driver, _| driver.session.can_insert_dtmf(id)).await
    }

    /// The keys that wait to be sent (`toneBuffer`).
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn tone_buffer(&self) -> Result<String, Error> {
        let id = self.inner.transceiver;
        self.handle.shared.call(move |driver, _| driver.session.tone_buffer(id)).await
    }

    /// Waits until the next key begins to sound, and says which (`tonechange`): `Some(None)` when all were sent. `None`
    /// when there will be no more.
    pub async fn tone_changed(&self) -> Option<Option<char>> {
        poll_fn(|cx| {
            let mut tones = lock(&self.inner.tones);
            match tones.begun.pop_front() {
                Some(tone) => Poll::Ready(Some(tone)),
                None if tones.has_ended => Poll::Ready(None),
                None => {
                    tones.wakers.register(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What the path carries for media, in bits per second, to be watched: all tracks together are to stay below it.
    pub fn watch_bandwidth(&self) -> watch::Receiver<u64> {
        self.handle.shared.bandwidth.subscribe()
    }

    /// What each layer of this track may send, to be watched, in the order of its encodings; one without a name where
    /// there is only one, and nothing for sound, or before it is agreed that the track is sent. A layer that may send 0
    /// is to pause; when it resumes a key frame of it is asked for, by [`key_frame_requested`](Self::key_frame_requested).
    pub fn watch_bitrates(&self) -> watch::Receiver<Vec<LayerBitrate>> {
        self.inner.layers.subscribe()
    }

    /// Changes what the layers may take and which of them are sent, without negotiation (W3C WebRTC 1.0,
    /// `setParameters`). They are as many as the track was made with, of the same names and in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] when these are other layers, or the transceiver is over; [`Error::ConnectionClosed`].
    pub async fn set_encodings(&self, encodings: Vec<Encoding>) -> Result<(), Error> {
        let id = self.inner.transceiver;
        let set = move |driver: &mut Driver, now| driver.session.set_encodings(now, id, encodings);
        Ok(self.handle.shared.call(set).await??)
    }

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
