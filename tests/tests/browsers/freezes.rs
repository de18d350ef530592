//! How steady a picture is, by the statistics that a page noted at many moments.

use serde_json::{Value, json};
use visavis_tests::page::Page;

/// How often statistics are noted, in milliseconds. Chromium makes new ones no more often.
const INTERVAL: f64 = 50.0;

/// A picture that stands for longer than this, in milliseconds, is frozen: 150 ms more than usual, at 20 frames in a
/// second (the definition of `freezeCount` in the statistics of the W3C).
const FREEZE: f64 = 200.0;

/// A camera that encodes nothing for longer than this, in milliseconds, has left out two frames of 20 in a second.
const STALL: f64 = 120.0;

/// The statistics of all streams of video that a page sends or receives, in the order of time.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    /// `inbound-rtp` or `outbound-rtp`.
    kind: &'static str,
    all: Vec<(f64, Vec<Value>)>,
}

/// The page's clock, in milliseconds.
pub(crate) async fn clock(page: &Page) -> f64 {
    page.call("clock", json!([])).await.unwrap()
}

impl Samples {
    /// Has the page note its statistics of this type from now on.
    pub(crate) async fn watch(page: &Page, kind: &'static str) -> Self {
        let _: bool = page.call("sample", json!([kind, INTERVAL])).await.unwrap();
        Self { kind, all: Vec::new() }
    }

    /// Adds what the page has noted since it was asked last.
    pub(crate) async fn take(&mut self, page: &Page) {
        let samples: Vec<Value> = page.call("sampled", json!([self.kind])).await.unwrap();
        for sample in samples {
            let at = sample["at"].as_f64().unwrap();
            // What is the same as before was not made anew.
            if self.all.last().is_none_or(|(last, _)| *last < at) {
                self.all.push((at, sample["streams"].as_array().unwrap().clone()));
            }
        }
    }

    /// A counter at the moments from `from` to `to`, over all streams or those of one layer.
    fn counts(&self, name: &str, rid: Option<&str>, from: f64, to: f64) -> Vec<(f64, f64)> {
        let is_meant = |one: &&Value| rid.is_none_or(|rid| one["rid"] == rid);
        let sum = |streams: &[Value]| streams.iter().filter(is_meant).filter_map(|one| one[name].as_f64()).sum();
        let within = self.all.iter().filter(|(at, _)| (from..=to).contains(at));
        within.map(|(at, streams)| (*at, sum(streams))).collect()
    }

    /// Whether the page counts this at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.iter().flat_map(|(_, streams)| streams).any(|one| one[name].is_number())
    }

    /// How much more a counter became between two moments, over all streams or that of one layer.
    #[track_caller]
    pub(crate) fn more(&self, name: &str, rid: Option<&str>, from: f64, to: f64) -> f64 {
        let counts = self.counts(name, rid, from, to);
        let [first, last] = [counts.first(), counts.last()].map(|one| one.expect("statistics of that time").1);
        last - first
    }

    /// The pauses in which a counter of all streams stood, in milliseconds. What the page did not look at counts no
    /// further than it usually looks.
    fn pauses(&self, name: &str, from: f64, to: f64) -> Vec<f64> {
        let mut pauses = Vec::new();
        let mut since: Option<(f64, f64)> = None;
        let mut last = from;
        for (at, count) in self.counts(name, None, from, to) {
            match since {
                Some((_, before)) if before == count => {}
                Some((began, _)) => {
                    pauses.push(last.max(began) - began + (at - last).min(INTERVAL));
                    since = Some((at, count));
                }
                None => since = Some((at, count)),
            }
            last = at;
        }
        pauses.extend(since.map(|(began, _)| last - began));
        pauses
    }

    /// The longest of them.
    pub(crate) fn longest_pause(&self, name: &str, from: f64, to: f64) -> f64 {
        self.pauses(name, from, to).into_iter().fold(0.0, f64::max)
    }

    /// For how many milliseconds a counter stood in pauses longer than so much.
    fn stood(&self, name: &str, longer_than: f64, from: f64, to: f64) -> f64 {
        let long = self.pauses(name, from, to).into_iter().filter(|pause| *pause > longer_than);
        long.fold(0.0, |sum, pause| sum + pause)
    }

    /// For how many milliseconds the camera whose statistics these are encoded nothing, as on a machine that is busy.
    pub(crate) fn stalled(&self, from: f64, to: f64) -> f64 {
        // What it left out before `from` may be missing after it.
        let stalled = self.stood("framesEncoded", STALL, from - 500.0, to);
        println!("the camera stood for {stalled} ms");
        stalled
    }

    /// Asserts that what is received was frozen for less than this part of the time, and for so many milliseconds
    /// besides, by the browser's own count where it has one, and otherwise by the frames that it decoded.
    #[track_caller]
    pub(crate) fn expect_unfrozen(&self, from: f64, to: f64, part: f64, besides: f64) {
        let own = self.has("totalFreezesDuration").then(|| self.more("totalFreezesDuration", None, from, to) * 1_000.0);
        let seen = self.stood("framesDecoded", FREEZE, from, to);
        println!("frozen for {own:?} ms by the browser's count, {seen} ms by the frames, of {} ms", to - from);
        let frozen = own.unwrap_or(seen);
        assert!(frozen < (to - from) * part + besides, "frozen for {frozen} ms of {}", to - from);
    }
}
