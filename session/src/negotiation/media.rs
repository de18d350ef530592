//! What descriptions mean for transceivers (RFC 8829, sections 5.9 to 5.11).

use sdp::Direction;

use crate::media::{
    Agreed, Layer, LocalMedia, MediaKind, MediaParameters, Origin, ReceiveParameters, RemoteMedia, SendParameters,
    TransceiverId, TransceiverOptions,
};

use super::remote::Remote;
use super::{Negotiation, Section};

/// A track of the peer comes or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrackChange {
    /// The peer wants to send, and we want to receive.
    Added { transceiver: TransceiverId, kind: MediaKind, track: Option<String>, streams: Vec<String> },
    /// It no longer does, or the transceiver is over.
    Removed { transceiver: TransceiverId },
}

impl Negotiation {
    /// Finds or makes a transceiver for every section of audio or video that the peer offers.
    pub(super) fn associate(&mut self, remote: &mut Remote) {
        let mut taken = Vec::new();
        for section in &mut remote.sections {
            let by_mid = section.section.mid.as_deref().and_then(|mid| self.transceivers.by_mid(mid));
            let known = by_mid.map(|one| (one.id, one.kind));
            let Some(media) = &section.media else {
                // A refused section stops its transceiver.
                if let Some(one) = known.and_then(|(id, _)| self.transceivers.by_id_mut(id))
                    && !std::mem::replace(&mut one.stopped, true)
                {
                    self.stopped_by_offer.push(one.id);
                }
                continue;
            };
            let Some(mid) = section.section.mid.clone() else { continue };
            let id = match known {
                Some((id, kind)) if kind == media.kind => Some(id),
                Some(_) => None,
                None => self.transceivers.unassociated(media.kind, &taken).or_else(|| self.add_for_peer(media.kind)),
            };
            if let Some(one) = id.and_then(|id| self.transceivers.by_id_mut(id)) {
                one.mid = Some(mid);
                taken.push(one.id);
                section.transceiver = Some(one.id);
            }
        }
    }

    fn add_for_peer(&mut self, kind: MediaKind) -> Option<TransceiverId> {
        if self.transceivers.len() >= self.max_transceivers {
            tracing::debug!(limit = self.max_transceivers, "more media sections than transceivers are allowed");
            return None;
        }
        let options = TransceiverOptions { direction: Direction::RecvOnly, ..TransceiverOptions::default() };
        Some(self.transceivers.add(&mut self.rng, kind, Origin::Peer, options))
    }

    /// The sections of our offer name its transceivers from now on.
    pub(super) fn name_sections(&mut self, sections: &[Section]) {
        for section in sections {
            if let Some(media) = section.media()
                && let Some(one) = self.transceivers.by_id_mut(media.transceiver)
            {
                one.mid.clone_from(&section.mid);
            }
        }
    }

    /// The peer's answer belongs to the transceivers of our offer.
    pub(super) fn associate_answer(&self, remote: &mut Remote) {
        let offered = self.pending_local.as_ref().map(|local| local.sections.as_slice()).unwrap_or_default();
        for (theirs, ours) in remote.sections.iter_mut().zip(offered) {
            theirs.transceiver = ours.media().map(|media| media.transceiver);
        }
    }

    /// Which tracks come and go with a description of the peer.
    pub(super) fn track_changes(&mut self, remote: &Remote) -> Vec<TrackChange> {
        let mut changes = Vec::new();
        for section in &remote.sections {
            let Some(one) = section.transceiver.and_then(|id| self.transceivers.by_id_mut(id)) else { continue };
            let media = section.media.as_ref();
            let is_sent =
                media.is_some_and(|media| media.direction.sends()) && !one.stopped && one.direction.receives();
            match (media, is_sent, std::mem::replace(&mut one.is_receiving, is_sent)) {
                (Some(media), true, false) => changes.push(TrackChange::Added {
                    transceiver: one.id,
                    kind: one.kind,
                    track: media.track.clone(),
                    streams: media.streams.clone(),
                }),
                (_, false, true) => changes.push(TrackChange::Removed { transceiver: one.id }),
                (Some(_) | None, true | false, true | false) => {}
            }
        }
        changes
    }

    /// Both sides agree: what each transceiver does from now on. Those whose section is refused are over.
    pub(super) fn agree(&mut self, we_offered: bool) -> (Vec<MediaParameters>, Vec<TrackChange>) {
        let Some(remote) = &self.current_remote else { return Default::default() };
        let mut all = Vec::new();
        for (ours, theirs) in self.sections.iter().zip(&remote.sections) {
            let (Some(local), Some(media), Some(mid)) = (ours.media(), &theirs.media, &ours.mid) else { continue };
            let Some(one) = self.transceivers.by_id_mut(local.transceiver) else { continue };
            let parameters = parameters(mid, local, media, we_offered);
            let direction = Direction::new(parameters.send.is_some(), parameters.receive.is_some());
            one.current_direction = Some(direction);
            one.send_codec = parameters.send.as_ref().and_then(SendParameters::best).map(|best| best.codec.clone());
            one.agreed = Some(Agreed {
                local: local.direction,
                remote: media.direction.reversed(),
                we_offered,
                streams: local.streams.clone(),
            });
            self.numbers.learn(&local.types);
            self.numbers.learn(&media.common_types(&one.allowed_codecs()));
            self.extensions.learn(&local.extensions);
            all.push(parameters);
        }
        (all, self.retire())
    }

    /// Forgets the transceivers whose section both sides know to be refused.
    fn retire(&mut self) -> Vec<TrackChange> {
        let sections = &self.sections;
        let is_refused = |mid: &Option<String>| {
            mid.is_some() && sections.iter().any(|section| section.is_refused() && section.mid == *mid)
        };
        let over = self.transceivers.iter().filter(|one| is_refused(&one.mid) || (one.stopped && one.mid.is_none()));
        let over: Vec<(TransceiverId, bool)> = over.map(|one| (one.id, one.is_receiving)).collect();
        self.transceivers.retain(|one| over.iter().all(|(id, _)| *id != one.id));
        let heard = over.into_iter().filter(|(_, is_receiving)| *is_receiving);
        heard.map(|(transceiver, _)| TrackChange::Removed { transceiver }).collect()
    }

    /// An exchange was taken back: sections that it would have brought are none, and what the peer's offer made goes.
    pub(super) fn dissociate(&mut self) -> Vec<TrackChange> {
        let mut changes = Vec::new();
        for id in std::mem::take(&mut self.stopped_by_offer) {
            if let Some(one) = self.transceivers.by_id_mut(id) {
                one.stopped = false;
            }
        }
        for one in self.transceivers.iter_mut() {
            let is_agreed = one.mid.is_some() && self.sections.iter().any(|section| section.mid == one.mid);
            if !is_agreed {
                one.mid = None;
            }
            let receives = one.current_direction.is_some_and(Direction::receives);
            if one.is_receiving && !receives {
                one.is_receiving = false;
                changes.push(TrackChange::Removed { transceiver: one.id });
            }
        }
        self.transceivers.retain(|one| one.mid.is_some() || one.origin != Origin::Peer || one.track.is_some());
        changes
    }
}

/// What follows for one section from what both sides say of it.
fn parameters(mid: &str, local: &LocalMedia, remote: &RemoteMedia, we_offered: bool) -> MediaParameters {
    // The answerer's order counts, and the answerer's word on what is left.
    let direction = if we_offered { remote.direction.reversed().and(local.direction) } else { local.direction };
    let ours: Vec<_> = local.types.iter().map(|one| one.codec.clone()).collect();
    let types = if we_offered { remote.common_types(&ours) } else { local.types.clone() };
    let can_talk = types.iter().any(|one| one.codec.format().is_some());
    let extensions: Vec<_> = local.extensions.iter().filter(|ours| remote.extensions.contains(ours)).cloned().collect();
    let numbers = extensions.iter().map(|(id, _)| *id);
    let silent_extensions = numbers.filter(|id| !remote.receives_extension(*id)).collect();
    let mut heard = types.clone();
    // What we offered may come under our own numbers too (RFC 3264, section 5.1).
    heard.extend(local.types.iter().filter(|one| types.iter().all(|other| other.number != one.number)).cloned());
    MediaParameters {
        transceiver: local.transceiver,
        kind: remote.kind,
        mid: mid.to_owned(),
        extensions,
        silent_extensions,
        has_reduced_size: local.has_reduced_size && remote.has_reduced_size,
        send: (can_talk && direction.sends())
            .then(|| SendParameters { types, layers: sent_layers(local, remote, we_offered) }),
        receive: (can_talk && direction.receives()).then(|| ReceiveParameters {
            types: heard,
            sources: remote.sources.clone(),
            rids: if we_offered { remote.send_rids.clone() } else { local.received_rids() },
        }),
    }
}

/// The layers that the peer takes. One that knows nothing of simulcast gets the first.
fn sent_layers(local: &LocalMedia, remote: &RemoteMedia, we_offered: bool) -> Vec<Layer> {
    let has_rids = local.layers.iter().any(|layer| layer.encoding.rid.is_some());
    if !we_offered || !has_rids {
        return local.layers.clone();
    }
    let is_taken = |layer: &&Layer| layer.encoding.rid.as_ref().is_some_and(|rid| remote.receive_rids.contains(rid));
    let taken: Vec<Layer> = local.layers.iter().filter(is_taken).cloned().collect();
    if !taken.is_empty() {
        return taken;
    }
    let mut first: Vec<Layer> = local.layers.iter().take(1).cloned().collect();
    first.iter_mut().for_each(|layer| layer.encoding.rid = None);
    first
}
