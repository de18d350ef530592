//! Transceivers and tracks, as the application asks for them.

use std::time::{Duration, Instant};

use sdp::Direction;

use super::Session;
use crate::media::{Encoding, Engine, MediaParameters, Origin, Told, Transceiver};
use crate::negotiation::TrackChange;
use crate::{
    Codec, Door, Error, Event, Frame, FrameError, LayerBitrate, MediaKind, Packet, ReceivedFrame, ReceivedPacket,
    ToneError, TransceiverId, TransceiverInfo, TransceiverOptions,
};

impl Session {
    /// Makes a transceiver, whose media section comes with the next offer (W3C WebRTC 1.0, `addTransceiver`).
    pub fn add_transceiver(
        &mut self,
        _now: Instant,
        kind: MediaKind,
        options: TransceiverOptions,
    ) -> Result<TransceiverId, Error> {
        self.check_open()?;
        check_options(kind, &options)?;
        let id = self.negotiation.add_transceiver(kind, Origin::Transceiver, options)?;
        self.check_negotiation_needed();
        Ok(id)
    }

    /// Sends a track of this name over a transceiver that is free to, or over a new one (W3C WebRTC 1.0, `addTrack`).
    pub fn add_track(
        &mut self,
        _now: Instant,
        kind: MediaKind,
        track: String,
        streams: Vec<String>,
    ) -> Result<TransceiverId, Error> {
        self.check_open()?;
        let options = TransceiverOptions { track: Some(track.clone()), streams, ..TransceiverOptions::default() };
        check_options(kind, &options)?;
        if self.negotiation.transceivers.iter().any(|one| one.track.as_ref() == Some(&track) && !one.stopped) {
            return Err(Error::Track(format!("the track `{track}` is sent already; give another one another name")));
        }
        let id = match self.negotiation.transceivers.reusable(kind) {
            Some(one) => {
                one.track = options.track;
                one.streams = options.streams;
                one.direction = Direction::new(true, one.direction.receives());
                one.id
            }
            None => self.negotiation.add_transceiver(kind, Origin::Track, options)?,
        };
        self.check_negotiation_needed();
        Ok(id)
    }

    /// Ceases to send the track of a transceiver (W3C WebRTC 1.0, `removeTrack`); what comes from the peer goes on.
    pub fn remove_track(&mut self, now: Instant, id: TransceiverId) -> Result<(), Error> {
        self.change(now, id, |one| {
            one.track = None;
            one.direction = Direction::new(false, one.direction.receives());
        })
    }

    /// Sends another track from now on, without negotiation (W3C WebRTC 1.0, `replaceTrack`).
    pub fn replace_track(&mut self, now: Instant, id: TransceiverId, track: Option<String>) -> Result<(), Error> {
        self.change(now, id, |one| one.track = track)
    }

    /// What this side would like a transceiver to do, after the next exchange.
    pub fn set_direction(&mut self, now: Instant, id: TransceiverId, direction: Direction) -> Result<(), Error> {
        self.change(now, id, |one| one.direction = direction)
    }

    /// Which codecs a transceiver may use, by preference, after the next exchange; none stands for all.
    pub fn set_codec_preferences(&mut self, now: Instant, id: TransceiverId, codecs: Vec<Codec>) -> Result<(), Error> {
        let kind = self.transceiver(id).ok_or_else(unknown)?.kind;
        check_codecs(kind, &codecs)?;
        self.change(now, id, |one| one.codecs = codecs)
    }

    /// Ends a transceiver: nothing is sent or received any more, and the next exchange refuses its section.
    pub fn stop_transceiver(&mut self, now: Instant, id: TransceiverId) -> Result<(), Error> {
        self.change(now, id, |one| {
            one.stopped = true;
            one.direction = Direction::Inactive;
        })?;
        if let Some(engine) = &mut self.media {
            engine.silence(id);
        }
        Ok(())
    }

    /// What is known of a transceiver; nothing once it is over.
    pub fn transceiver(&self, id: TransceiverId) -> Option<TransceiverInfo> {
        self.negotiation.transceivers.by_id(id).map(Transceiver::info)
    }

    /// All transceivers that are not over, in the order in which they were made.
    pub fn transceivers(&self) -> impl Iterator<Item = TransceiverInfo> {
        self.negotiation.transceivers.iter().map(Transceiver::info)
    }

    /// Sends a whole encoded frame now. What the path does not take at once waits in a bounded queue.
    pub fn send_frame(&mut self, now: Instant, id: TransceiverId, frame: &Frame) -> Result<(), FrameError> {
        if self.transceiver(id).is_none_or(|one| one.stopped) {
            return Err(FrameError::NoTransceiver);
        }
        self.media.as_mut().ok_or(FrameError::NotReady)?.send_frame(now, id, frame)
    }

    /// Sends a packet that was made elsewhere, for those who forward. What the path does not take at once waits in the
    /// same queue as the packets of frames.
    ///
    /// # Errors
    /// [`FrameError`] says what does not fit; nothing was sent then.
    pub fn send_packet(&mut self, now: Instant, id: TransceiverId, packet: &Packet) -> Result<(), FrameError> {
        if self.transceiver(id).is_none_or(|one| one.stopped) {
            return Err(FrameError::NoTransceiver);
        }
        self.media.as_mut().ok_or(FrameError::NotReady)?.send_packet(now, id, packet)
    }

    /// The next whole frame that a transceiver received, if one is there.
    pub fn read_frame(&mut self, now: Instant, id: TransceiverId) -> Option<ReceivedFrame> {
        self.media.as_mut()?.read_frame(now, id)
    }

    /// The next packet that a transceiver received, if [`set_door`](Self::set_door) asked for packets.
    pub fn read_packet(&mut self, _now: Instant, id: TransceiverId) -> Option<ReceivedPacket> {
        self.media.as_mut()?.read_packet(id)
    }

    /// Whether a transceiver hands out frames or packets from now on.
    pub fn set_door(&mut self, id: TransceiverId, door: Door) {
        if let Some(engine) = &mut self.media {
            engine.set_door(id, door);
        }
    }

    /// Asks the peer for a frame that a decoder can begin with, of one layer or of all.
    pub fn request_keyframe(&mut self, now: Instant, id: TransceiverId, rid: Option<&str>) {
        if let Some(engine) = &mut self.media {
            engine.request_keyframe(now, id, rid);
        }
    }

    /// What each layer that a transceiver sends may take now, in the order of its encodings.
    pub fn layer_bitrates(&self, id: TransceiverId) -> Vec<LayerBitrate> {
        self.media.as_ref().map(|engine| engine.layer_bitrates(id)).unwrap_or_default()
    }

    /// Changes what the layers of a transceiver may take and which of them are sent, without negotiation (W3C WebRTC
    /// 1.0, `setParameters`).
    ///
    /// # Errors
    ///
    /// When the transceiver is over, or its layers are not these by number, name and order.
    pub fn set_encodings(&mut self, now: Instant, id: TransceiverId, encodings: Vec<Encoding>) -> Result<(), Error> {
        self.check_open()?;
        let one = self.negotiation.transceivers.by_id_mut(id).filter(|one| !one.stopped).ok_or_else(unknown)?;
        if !one.layers.iter().map(|layer| &layer.encoding.rid).eq(encodings.iter().map(|one| &one.rid)) {
            return Err(Error::Track("the layers of a transceiver stay those it was made with".into()));
        }
        if let Some(engine) = &mut self.media {
            engine.set_encodings(now, id, &encodings);
        }
        for (layer, encoding) in one.layers.iter_mut().zip(encodings) {
            layer.encoding = encoding;
        }
        Ok(())
    }

    /// Sends these tones beside the sound of a transceiver (`RTCDTMFSender.insertDTMF`, W3C WebRTC 1.0, section 7.2): 0 to
    /// 9, A to D, `#` and `*`, with pauses of two seconds for commas. They replace those that wait; one that sounds goes
    /// on. A tone lasts 40 ms to 6 s, and the silence behind it at least 30 ms; other values are taken for the nearest of
    /// these. [`Event::ToneChange`] tells of each.
    ///
    /// # Errors
    /// [`ToneError`] says what does not fit; nothing has changed then.
    pub fn insert_dtmf(
        &mut self,
        now: Instant,
        id: TransceiverId,
        tones: &str,
        duration: Duration,
        gap: Duration,
    ) -> Result<(), ToneError> {
        if self.transceiver(id).is_none_or(|one| one.stopped) {
            return Err(ToneError::NoTransceiver);
        }
        self.media.as_mut().ok_or(ToneError::NotReady)?.insert_dtmf(now, id, tones, duration, gap)
    }

    /// Whether tones can be sent now (`canInsertDTMF`).
    pub fn can_insert_dtmf(&self, id: TransceiverId) -> bool {
        self.media.as_ref().is_some_and(|engine| engine.can_insert_dtmf(id))
    }

    /// The tones that wait to be sent (`toneBuffer`).
    pub fn tone_buffer(&self, id: TransceiverId) -> String {
        self.media.as_ref().map(|engine| engine.tone_buffer(id)).unwrap_or_default()
    }

    /// Nothing is sent any more, and the peer is told so.
    pub(super) fn close_media(&mut self, now: Instant) {
        if let Some(engine) = &mut self.media {
            engine.close(now);
        }
    }

    /// What the path carries for media, in bits per second, as far as media has found out: all of it but what data
    /// channels take, and what is sent again.
    pub fn bandwidth(&self) -> Option<u64> {
        self.media.as_ref().map(|engine| engine.estimate())
    }

    /// Both sides agree on media. The first of it brings the engine to life.
    pub(super) fn configure_media(&mut self, now: Instant, all: Vec<MediaParameters>) {
        if all.is_empty() && self.media.is_none() {
            return;
        }
        let (config, began, seed) = (&self.media_config, self.began, self.media_seed);
        let cname = self.negotiation.cname();
        let engine =
            self.media.get_or_insert_with(|| Box::new(Engine::new(config.clone(), now, began, cname.to_owned(), seed)));
        engine.set_rtt(self.transport.rtt());
        engine.configure(now, all);
        self.give_media_keys(now);
    }

    pub(super) fn give_media_keys(&mut self, _now: Instant) {
        if let Some(engine) = &mut self.media
            && !engine.has_keys()
            && let Some(keys) = self.transport.media_keys()
        {
            engine.set_rtt(self.transport.rtt());
            engine.set_keys(keys);
        }
    }

    pub(super) fn poll_media_event(&mut self) -> Option<Event> {
        Some(match self.media.as_mut()?.poll_told()? {
            Told::Readable(id) => Event::MediaReadable(id),
            Told::KeyframeRequested(transceiver, rid) => Event::KeyframeRequested { transceiver, rid },
            Told::Bandwidth(estimate) => Event::Bandwidth(estimate),
            Told::Layers(transceiver) => Event::LayerBitrates { transceiver, layers: self.layer_bitrates(transceiver) },
            Told::ToneChange(transceiver, tone) => Event::ToneChange { transceiver, tone },
            Told::Tone(transceiver, tone) => Event::Tone { transceiver, tone },
            Told::Muted(transceiver, true) => Event::TrackMuted(transceiver),
            Told::Muted(transceiver, false) => Event::TrackUnmuted(transceiver),
        })
    }

    fn change(&mut self, _now: Instant, id: TransceiverId, change: impl FnOnce(&mut Transceiver)) -> Result<(), Error> {
        self.check_open()?;
        let one = self.negotiation.transceivers.by_id_mut(id).filter(|one| !one.stopped).ok_or_else(unknown)?;
        change(one);
        self.check_negotiation_needed();
        Ok(())
    }

    pub(super) fn tell_tracks(&mut self, changes: Vec<TrackChange>) {
        for change in changes {
            self.tell(match change {
                TrackChange::Added { transceiver, kind, track, streams } => {
                    Event::Track { transceiver, kind, track, streams }
                }
                TrackChange::Removed { transceiver } => Event::TrackRemoved(transceiver),
            });
        }
    }
}

fn unknown() -> Error {
    Error::Track("the transceiver is over; make a new one".into())
}

/// The longest name that fits a header extension (RFC 8852, section 3.1).
const MAX_RID: usize = 255;
const MAX_LAYERS: usize = 8;

fn check_options(kind: MediaKind, options: &TransceiverOptions) -> Result<(), Error> {
    let is_id = |text: &str| !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(id) = options.track.iter().chain(&options.streams).find(|id| !is_id(id)) {
        let problem = "names of tracks and streams are 1 to 256 visible ASCII characters without spaces";
        return Err(Error::Track(format!("`{}` is no name: {problem}", id.escape_debug())));
    }
    check_codecs(kind, &options.codecs)?;
    check_encodings(kind, &options.encodings)
}

fn check_codecs(kind: MediaKind, codecs: &[Codec]) -> Result<(), Error> {
    let all = Codec::all(kind);
    match codecs.iter().find(|codec| all.iter().all(|known| !known.name.eq_ignore_ascii_case(&codec.name))) {
        Some(codec) => Err(Error::Track(format!("`{}` is no {kind} codec that can be packetised here", codec.name))),
        None if !codecs.is_empty() && codecs.iter().all(|codec| codec.format().is_none()) => {
            Err(Error::Track("the preferences name no codec that carries media by itself".into()))
        }
        None => Ok(()),
    }
}

fn check_encodings(kind: MediaKind, encodings: &[Encoding]) -> Result<(), Error> {
    if encodings.len() > MAX_LAYERS {
        return Err(Error::Track(format!("{} layers are asked for; {MAX_LAYERS} are possible", encodings.len())));
    }
    if encodings.len() < 2 && encodings.iter().all(|one| one.rid.is_none()) {
        return Ok(());
    }
    if kind == MediaKind::Audio {
        return Err(Error::Track("audio has one layer, without a rid".into()));
    }
    let is_rid = |rid: &str| {
        (1..=MAX_RID).contains(&rid.len()) && rid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    for (index, one) in encodings.iter().enumerate() {
        let Some(rid) = one.rid.as_deref().filter(|rid| is_rid(rid)) else {
            return Err(Error::Track("each of several layers has a rid of letters, digits, `-` and `_`".into()));
        };
        if encodings.iter().take(index).any(|other| other.rid.as_deref() == Some(rid)) {
            return Err(Error::Track(format!("two layers have the rid `{rid}`")));
        }
    }
    Ok(())
}
