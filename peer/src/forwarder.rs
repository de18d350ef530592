//! One of several incoming layers, sent on as one unbroken stream.

use std::sync::Arc;
use std::time::Instant;

use session::rtp::SequenceNumber;
use session::rtp::forward::{self, Incoming};
use session::{Packet, ReceivedPacket};

/// Turns one of several incoming layers into one unbroken stream, as a server does that gives each viewer the layer that
/// suits it.
///
/// A layer begins with a key frame only, and until that has come the one before goes on. Sequence numbers, timestamps
/// and the counters of VP8 and VP9 go on from one layer to the next; what the path lost stays missing, so that the viewer
/// asks for it. One forwarder belongs to one outgoing track, from its first packet to its last.
///
/// ```no_run
/// # use std::time::Instant;
/// use visavis::{Error, Forwarder, LocalTrack, RemoteTrack};
///
/// async fn forward(received: RemoteTrack, sent: LocalTrack) -> Result<(), Error> {
///     received.receive_packets().await?;
///     let mut forwarder = Forwarder::new();
///     forwarder.choose(Some("low")); // whenever another layer suits better, choose that one
///     loop {
///         tokio::select! {
///             packet = received.recv_packet() => {
///                 let Some(packet) = packet else { return Ok(()) };
///                 if let Some(packet) = forwarder.forward(&packet) {
///                     sent.send_packet(packet).await?;
///                 }
///             }
///             Some(_) = sent.key_frame_requested() => forwarder.request_key_frame(),
///         }
///         if let Some(rid) = forwarder.wants_key_frame(Instant::now()) {
///             received.request_key_frame(rid).await?;
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Forwarder {
    inner: forward::Forwarder,
    chosen: Option<Option<Arc<str>>>,
    /// The layer that is forwarded, and the source that it is of.
    current: Option<(u64, Option<Arc<str>>)>,
    /// The sources of the layers that were heard.
    known: Vec<(u64, Option<Arc<str>>)>,
}

impl Default for Forwarder {
    fn default() -> Self {
        Self::new()
    }
}

impl Forwarder {
    /// Nothing is forwarded yet.
    pub fn new() -> Self {
        // The track adds to both what is random (RFC 3550, section 5.1).
        Self { inner: forward::Forwarder::new(SequenceNumber(0), 0), chosen: None, current: None, known: Vec::new() }
    }

    /// Chooses the layer of this name, or the only one, which has none. It comes with its next key frame, which
    /// [`wants_key_frame`](Self::wants_key_frame) wants then.
    pub fn choose(&mut self, rid: Option<&str>) {
        if self.chosen.as_ref().is_none_or(|chosen| chosen.as_deref() != rid) {
            self.chosen = Some(rid.map(Arc::from));
            let known = self.known.iter().find(|(_, known)| known.as_deref() == rid);
            self.inner.choose(known.map_or(UNKNOWN, |(source, _)| *source));
        }
    }

    /// The layer that is chosen; it is forwarded when its key frame has come.
    pub fn chosen(&self) -> Option<Option<&str>> {
        self.chosen.as_ref().map(Option::as_deref)
    }

    /// The layer that is forwarded now.
    pub fn current(&self) -> Option<Option<&str>> {
        self.current.as_ref().map(|(_, rid)| rid.as_deref())
    }

    /// What is to be sent for a packet of any of the layers, if anything is: see
    /// [`LocalTrack::send_packet`](crate::LocalTrack::send_packet).
    pub fn forward(&mut self, packet: &ReceivedPacket) -> Option<Packet> {
        // The source rather than the name: a layer whose encoder restarts has another one.
        let source = u64::from(packet.header.ssrc);
        self.know(source, packet.rid.as_ref());
        if self.chosen.as_ref().is_some_and(|chosen| *chosen == packet.rid) {
            self.inner.choose(source);
        }
        let incoming = Incoming {
            source,
            format: packet.codec.format(),
            clock_rate: packet.codec.clock_rate,
            header: packet.header,
            payload: packet.payload.clone(),
        };
        let forwarded = self.inner.forward(packet.received, &incoming)?;
        if self.current.as_ref().is_none_or(|(current, _)| *current != source) {
            self.current = Some((source, packet.rid.clone()));
        }
        Some(Packet {
            payload: forwarded.payload,
            codec: packet.codec.clone(),
            marker: forwarded.header.marker,
            timestamp: forwarded.header.timestamp,
            sequence: Some(forwarded.header.sequence.0),
            is_key_frame: forwarded.is_key_frame,
            captured: Some(packet.received),
            rid: None,
        })
    }

    /// Remembers the source of a layer.
    fn know(&mut self, source: u64, rid: Option<&Arc<str>>) {
        if let Some((known, _)) = self.known.iter_mut().find(|(_, known)| known.as_ref() == rid) {
            *known = source;
        } else if self.known.len() < MAX_LAYERS {
            self.known.push((source, rid.cloned()));
        }
    }

    /// Notes that the viewer needs a key frame: see
    /// [`LocalTrack::key_frame_requested`](crate::LocalTrack::key_frame_requested).
    pub const fn request_key_frame(&mut self) {
        self.inner.request_key_frame();
    }

    /// The layer that is to be asked for a key frame now, to be given to
    /// [`RemoteTrack::request_key_frame`](crate::RemoteTrack::request_key_frame): the chosen one until its key frame has
    /// come, twice a second; otherwise the one that is forwarded, once for each request of the viewer. To be looked at
    /// after each packet.
    pub fn wants_key_frame(&mut self, now: Instant) -> Option<Option<&str>> {
        self.inner.wants_key_frame(now)?;
        // Both are the same where it is not the chosen one that is awaited.
        self.chosen()
    }
}

/// The source of a layer of which nothing has come yet; sources have 32 bits.
const UNKNOWN: u64 = u64::MAX;
/// The sources of so many layers are remembered.
const MAX_LAYERS: usize = 64;
