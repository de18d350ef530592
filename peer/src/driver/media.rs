//! Tracks on the driver's side: from the session to those who wait for frames.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use session::{MediaKind, ToneEvent, TransceiverId};

use super::Driver;
use crate::events::{ConnectionEvent, TrackEvent, TrackMuteEvent};
use crate::track::{Local, Remote, RemoteTrack};

/// All tracks that are sent or received.
#[derive(Default)]
pub(super) struct Tracks {
    local: HashMap<TransceiverId, Arc<Local>>,
    remote: HashMap<TransceiverId, Arc<Remote>>,
}

impl Tracks {
    /// The name of the track that a transceiver receives.
    pub(super) fn remote_name(&self, transceiver: TransceiverId) -> Option<String> {
        self.remote.get(&transceiver).map(|track| track.id.clone())
    }
}

impl Driver {
    /// Sends a track of this name.
    pub(crate) fn add_track(
        &mut self,
        now: Instant,
        kind: MediaKind,
        id: String,
        streams: Vec<String>,
    ) -> Result<Arc<Local>, session::Error> {
        let transceiver = self.session.add_track(now, kind, id.clone(), streams)?;
        Ok(self.keep_local(transceiver, kind, id))
    }

    pub(crate) fn add_transceiver(
        &mut self,
        now: Instant,
        kind: MediaKind,
        options: session::TransceiverOptions,
    ) -> Result<Arc<Local>, session::Error> {
        let id = options.track.clone().unwrap_or_default();
        let transceiver = self.session.add_transceiver(now, kind, options)?;
        Ok(self.keep_local(transceiver, kind, id))
    }

    fn keep_local(&mut self, transceiver: TransceiverId, kind: MediaKind, id: String) -> Arc<Local> {
        let layers = tokio::sync::watch::Sender::new(self.session.layer_bitrates(transceiver));
        let (keyframes, tones) = (Mutex::default(), Mutex::default());
        let local = Arc::new(Local { id, kind, transceiver, keyframes, layers, tones });
        if let Some(old) = self.tracks.local.insert(transceiver, local.clone()) {
            old.end();
        }
        local
    }

    /// Ceases to send a track.
    pub(crate) fn remove_track(&mut self, now: Instant, transceiver: TransceiverId) -> Result<(), session::Error> {
        self.session.remove_track(now, transceiver)?;
        if let Some(old) = self.tracks.local.remove(&transceiver) {
            old.end();
        }
        Ok(())
    }

    /// Ends a transceiver, and what is sent over it.
    pub(crate) fn stop_transceiver(&mut self, now: Instant, transceiver: TransceiverId) -> Result<(), session::Error> {
        self.session.stop_transceiver(now, transceiver)?;
        if let Some(old) = self.tracks.local.remove(&transceiver) {
            old.end();
        }
        Ok(())
    }

    /// The peer no longer sends a track.
    pub(super) fn remove_remote(&mut self, transceiver: TransceiverId) {
        if let Some(track) = self.tracks.remote.remove(&transceiver) {
            track.end();
            self.shared.emit(&ConnectionEvent::TrackRemoved(transceiver));
        }
    }

    /// Hands what arrived to those who wait for it.
    pub(super) fn deliver_media(&mut self, now: Instant, transceiver: TransceiverId) {
        if let Some(track) = self.tracks.remote.get(&transceiver) {
            track.deliver_frames(|| self.session.read_frame(now, transceiver));
            track.deliver_packets(|| self.session.read_packet(now, transceiver));
        }
    }

    /// What the layers of a track may send has changed.
    pub(super) fn tell_layers(&self, transceiver: TransceiverId, layers: Vec<session::LayerBitrate>) {
        if let Some(track) = self.tracks.local.get(&transceiver) {
            track.layers.send_replace(layers);
        }
    }

    /// The peer needs a key frame of a track.
    pub(super) fn ask_for_keyframe(&self, transceiver: TransceiverId, rid: Option<String>) {
        if let Some(track) = self.tracks.local.get(&transceiver) {
            track.request_keyframe(rid);
        }
    }

    /// A key begins to sound, or all have.
    pub(super) fn change_tone(&self, transceiver: TransceiverId, tone: Option<char>) {
        if let Some(track) = self.tracks.local.get(&transceiver) {
            track.begin_tone(tone);
        }
    }

    /// The peer pressed a key, or let it go.
    pub(super) fn deliver_tone(&self, transceiver: TransceiverId, tone: ToneEvent) {
        if let Some(track) = self.tracks.remote.get(&transceiver) {
            track.deliver_tone(tone);
        }
    }

    /// The peer ended what it sent, or sends again.
    pub(super) fn mute(&self, transceiver: TransceiverId, is_muted: bool) {
        if let Some(track) = self.tracks.remote.get(&transceiver) {
            track.set_muted(is_muted);
        }
        let mute = TrackMuteEvent { transceiver, is_muted };
        self.shared.emit(&ConnectionEvent::TrackMute(mute));
    }

    /// The peer sends a track.
    pub(super) fn add_remote(
        &mut self,
        transceiver: TransceiverId,
        kind: MediaKind,
        track: Option<String>,
        streams: Vec<String>,
    ) {
        // A peer that gives no name gets one that is unique here.
        let id = track.unwrap_or_else(|| format!("{kind}-{}", transceiver.number()));
        let limit = self.shared.config.frame_queue;
        let remote = Arc::new(Remote::new(id, kind, transceiver, streams, limit));
        if let Some(old) = self.tracks.remote.insert(transceiver, remote.clone()) {
            old.end();
        }
        let track = RemoteTrack { inner: remote, shared: self.shared.clone() };
        let streams = track.streams().to_vec();
        self.shared.emit(&ConnectionEvent::Track(TrackEvent { track: track.clone(), streams, transceiver }));
        self.shared.announce_track(track);
    }

    /// At the end of the connection nobody waits for frames or requests any more.
    pub(super) fn end_tracks(&mut self) {
        self.tracks.remote.drain().for_each(|(_, track)| track.end());
        self.tracks.local.drain().for_each(|(_, track)| track.end());
    }
}
