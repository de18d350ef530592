//! What media may send, split among tracks, and what a track may send among its layers.
//!
//! Tracks get equal parts, weighted by their priority; what one has no use for is the others'. Within a track the lower
//! layers come first; a higher one is sent whole or not at all, and one that is not is told to pause.

use std::time::{Duration, Instant};

use rtp::bandwidth::{Bitrate, Layer, allocate};

use super::outbound::Outbound;
use super::{Engine, Section, Told};
use crate::media::{Encoding, LayerBitrate, TransceiverId};

/// How often what is allotted is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a layer that was told to pause does so at least.
const PAUSE: Duration = Duration::from_secs(3);
/// The most that the highest of several layers is given where nothing else was said, in bits per second: enough for
/// 1280 by 720 pixels. Each lower one has half as many each way.
const HIGHEST: u64 = 2_500_000;
const LOWER: u64 = 100;
const THAN_HIGHER: u64 = 28;

/// What a layer was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allotted {
    bitrate: u64,
    /// Since when it is told to pause, if it is.
    paused: Option<Instant>,
}

impl Allotted {
    /// Takes another rate; whether that is news, and whether the layer is to begin again.
    fn set(&mut self, now: Instant, bitrate: u64) -> (bool, bool) {
        let resumes = self.bitrate == 0 && bitrate > 0;
        let pauses = self.bitrate > 0 && bitrate == 0;
        if pauses {
            self.paused = Some(now);
        }
        let is_news = resumes || pauses || self.bitrate.abs_diff(bitrate) > self.bitrate / 20;
        if is_news {
            self.bitrate = bitrate;
        }
        (is_news, resumes)
    }

    fn may_resume(&self, now: Instant) -> bool {
        self.bitrate > 0 || self.paused.is_none_or(|paused| now.saturating_duration_since(paused) >= PAUSE)
    }
}

/// What a layer needs and can use: the lowest of `count` comes first.
fn needs(encoding: &Encoding, place: usize, count: usize) -> Layer {
    let default = if count < 2 {
        u64::MAX
    } else {
        (place + 1..count).fold(HIGHEST, |rate, _| rate.saturating_mul(THAN_HIGHER) / LOWER)
    };
    let max = encoding.max_bitrate.unwrap_or(default);
    let min = encoding.min_bitrate.unwrap_or(if count < 2 { 0 } else { max / 4 }).min(max);
    let target = max - max / 4;
    Layer { min: Bitrate(min), target: Bitrate(target.max(min)), max: Bitrate(max), active: true, sending: false }
}

/// Splits a rate by weight among those who can each use no more than so much.
fn split(total: u64, wants: &[(u64, u64)]) -> Vec<u64> {
    let mut parts = vec![0; wants.len()];
    // Whoever can use least for its weight is served first, so that what is left over goes to the rest.
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by_key(|place| wants.get(*place).map(|(weight, most)| most / (*weight).max(1)));
    let mut left = total;
    let mut weights: u64 = wants.iter().map(|(weight, _)| *weight).sum();
    for place in order {
        let (Some((weight, most)), Some(part)) = (wants.get(place), parts.get_mut(place)) else { continue };
        let fair = u128::from(left) * u128::from(*weight) / u128::from(weights.max(1));
        *part = u64::try_from(fair).unwrap_or(left).min(*most);
        left -= *part;
        weights -= weight;
    }
    parts
}

impl Engine {
    /// Tells each layer what it may send, where that is news.
    pub(super) fn allot(&mut self, now: Instant, is_due: bool) {
        let is_time = self.allotted.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if !is_due && !is_time {
            return;
        }
        self.allotted = Some(now);
        let total = self.bandwidth.for_video(now);
        let is_meant = |section: &&mut Section| !section.is_audio() && !section.outbound.is_empty();
        let wants: Vec<(u64, u64)> = self.sections.iter_mut().filter(is_meant).map(|section| section.wants()).collect();
        let parts = split(total, &wants);
        let mut told = Vec::new();
        for (section, part) in self.sections.iter_mut().filter(is_meant).zip(parts) {
            section.allot(now, part, &mut told);
        }
        told.into_iter().for_each(|told| self.tell(told));
    }

    /// What each layer of a transceiver may send, the first of its encodings first.
    pub(crate) fn layer_bitrates(&self, id: TransceiverId) -> Vec<LayerBitrate> {
        let section = self.sections.iter().find(|section| section.parameters.transceiver == id);
        let mut streams: Vec<&Outbound> = section.into_iter().flat_map(|section| &section.outbound).collect();
        streams.sort_by_key(|stream| stream.place);
        let given = |stream: &&Outbound| LayerBitrate { rid: stream.rid.clone(), bitrate: stream.allotted.bitrate };
        streams.iter().map(given).collect()
    }

    /// Other limits for the layers of a transceiver.
    pub(crate) fn set_encodings(&mut self, now: Instant, id: TransceiverId, encodings: &[Encoding]) {
        let Some(section) = self.section_mut(id) else { return };
        for stream in &mut section.outbound {
            // Where there turned out to be one layer only, it has no name.
            let is_only = stream.rid.is_none();
            if let Some(encoding) = encodings.iter().find(|one| is_only || one.rid == stream.rid) {
                stream.encoding = encoding.clone();
            }
        }
        self.allot(now, true);
    }
}

impl Section {
    /// The weight of the track, and the most it can use.
    fn wants(&self) -> (u64, u64) {
        let active = || self.outbound.iter().filter(|stream| stream.encoding.active);
        let weight = active().map(|stream| u64::from(stream.encoding.priority.0)).max().unwrap_or(1);
        let most = active().map(|stream| needs(&stream.encoding, stream.place, self.outbound.len()).max.0);
        (weight, most.fold(0, u64::saturating_add))
    }

    fn allot(&mut self, now: Instant, total: u64, told: &mut Vec<Told>) {
        let count = self.outbound.len();
        let layer = |stream: &Outbound| {
            let (active, sending) = (stream.encoding.active, stream.allotted.bitrate > 0);
            Layer { active, sending, ..needs(&stream.encoding, stream.place, count) }
        };
        // The order of encodings says nothing where their limits do.
        let mut layers: Vec<(usize, Layer)> = self.outbound.iter().map(layer).enumerate().collect();
        layers.sort_by_key(|(index, layer)| (layer.max, self.outbound.get(*index).map(|stream| stream.place)));
        // What is above a layer that pauses waits as well.
        let mut is_held = false;
        for (index, layer) in layers.iter_mut().filter(|(_, layer)| layer.active).skip(1) {
            is_held |= self.outbound.get(*index).is_some_and(|stream| !stream.allotted.may_resume(now));
            layer.active = !is_held;
        }
        let needed: Vec<Layer> = layers.iter().map(|(_, layer)| *layer).collect();
        let (id, is_first) = (self.parameters.transceiver, !std::mem::replace(&mut self.was_allotted, true));
        let mut has_news = false;
        for ((index, _), rate) in layers.iter().zip(allocate(Bitrate(total), &needed)) {
            let Some(stream) = self.outbound.get_mut(*index) else { continue };
            let (is_news, resumes) = stream.allotted.set(now, rate.0);
            has_news |= is_news;
            if resumes && !is_first && count > 1 {
                told.push(Told::KeyframeRequested(id, stream.rid.clone()));
            }
        }
        if has_news {
            told.push(Told::Layers(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_get_parts_by_weight_and_what_one_leaves_is_the_others() {
        assert_eq!(split(900, &[]), [0; 0]);
        assert_eq!(split(900, &[(2, u64::MAX), (2, u64::MAX), (2, u64::MAX)]), [300, 300, 300]);
        assert_eq!(split(900, &[(2, u64::MAX), (2, 100), (4, u64::MAX)]), [267, 100, 533]);
        assert_eq!(split(900, &[(1, 200), (8, 300)]), [200, 300]);
        assert_eq!(split(u64::MAX, &[(1, u64::MAX), (1, 0)]), [u64::MAX, 0]);
    }

    #[test]
    fn layers_need_what_browsers_give_theirs() {
        let all = [0, 1, 2].map(|place| needs(&Encoding::default(), place, 3));
        let kilobits = |rate: Bitrate| rate.0 / 1000;
        assert_eq!(all.map(|layer| kilobits(layer.min)), [49, 175, 625]);
        assert_eq!(all.map(|layer| kilobits(layer.target)), [147, 525, 1875]);
        assert_eq!(all.map(|layer| kilobits(layer.max)), [196, 700, 2500]);
    }
}
