//! The report: objects by their names.

use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use session::TransceiverId;

use super::{
    CandidatePairStats, InboundRtpStats, OutboundRtpStats, RemoteInboundRtpStats, RemoteOutboundRtpStats, StatsEntry,
    TransportStats,
};

/// Statistics in the shape of the W3C ([WebRTC Statistics](https://www.w3.org/TR/webrtc-stats/)), as a browser's
/// `getStats()` gives them: objects that refer to each other by name. Members that nobody here can know, as what only
/// a decoder sees, are absent. Made by [`PeerConnection::stats_report`](crate::PeerConnection::stats_report).
///
/// In JSON it is one object with the others by their names, as `Object.fromEntries(report)` is of a browser's report.
/// Times are in seconds, moments in milliseconds since the Unix epoch, sizes in bytes, rates in bits per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatsReport {
    entries: Vec<StatsEntry>,
}

impl StatsReport {
    pub(super) fn push(&mut self, entry: StatsEntry) {
        // What two others refer to comes once.
        if self.get(entry.id()).is_none() {
            self.entries.push(entry);
        }
    }

    /// The objects, those first that others refer to.
    pub fn iter(&self) -> impl Iterator<Item = &StatsEntry> {
        self.entries.iter()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The object of this name.
    pub fn get(&self, id: &str) -> Option<&StatsEntry> {
        self.iter().find(|entry| entry.id() == id)
    }

    /// The streams that are received.
    pub fn inbound_rtp(&self) -> impl Iterator<Item = &InboundRtpStats> {
        self.iter().filter_map(|entry| if let StatsEntry::InboundRtp(stats) = entry { Some(stats) } else { None })
    }

    /// The streams that are sent.
    pub fn outbound_rtp(&self) -> impl Iterator<Item = &OutboundRtpStats> {
        self.iter().filter_map(|entry| if let StatsEntry::OutboundRtp(stats) = entry { Some(stats) } else { None })
    }

    /// How the peer receives a stream that is sent, once it has told.
    pub fn remote_inbound_rtp(&self, local: &OutboundRtpStats) -> Option<&RemoteInboundRtpStats> {
        let entry = self.get(local.remote_id.as_deref()?)?;
        if let StatsEntry::RemoteInboundRtp(stats) = entry { Some(stats) } else { None }
    }

    /// How the peer sends a stream that is received, once it has told.
    pub fn remote_outbound_rtp(&self, local: &InboundRtpStats) -> Option<&RemoteOutboundRtpStats> {
        let entry = self.get(local.remote_id.as_deref()?)?;
        if let StatsEntry::RemoteOutboundRtp(stats) = entry { Some(stats) } else { None }
    }

    /// The transport that carries everything.
    pub fn transport(&self) -> Option<&TransportStats> {
        self.iter().find_map(|entry| if let StatsEntry::Transport(stats) = entry { Some(stats) } else { None })
    }

    /// The pair of candidates that is in use.
    pub fn selected_candidate_pair(&self) -> Option<&CandidatePairStats> {
        let entry = self.get(self.transport()?.selected_candidate_pair_id.as_deref()?)?;
        if let StatsEntry::CandidatePair(stats) = entry { Some(stats) } else { None }
    }

    /// What concerns the streams that a transceiver sends: these, and all that they refer to (WebRTC 1.0, section 8.5).
    pub(crate) fn of_sender(self, transceiver: TransceiverId) -> Self {
        self.select(|entry| matches!(entry, StatsEntry::OutboundRtp(stats) if stats.transceiver == transceiver))
    }

    /// The same for the streams that a transceiver receives.
    pub(crate) fn of_receiver(self, transceiver: TransceiverId) -> Self {
        self.select(|entry| matches!(entry, StatsEntry::InboundRtp(stats) if stats.transceiver == transceiver))
    }

    /// Keeps what is wanted, and all that this refers to, directly or not.
    fn select(mut self, is_wanted: impl Fn(&StatsEntry) -> bool) -> Self {
        let mut kept = HashSet::new();
        let mut next: Vec<&str> = self.iter().filter(|entry| is_wanted(entry)).map(StatsEntry::id).collect();
        // Each name is followed once, so this ends.
        while let Some(id) = next.pop() {
            if kept.insert(id.to_owned()) {
                next.extend(self.get(id).into_iter().flat_map(StatsEntry::references));
            }
        }
        self.entries.retain(|entry| kept.contains(entry.id()));
        self
    }
}

impl Serialize for StatsReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for entry in self.iter() {
            map.serialize_entry(entry.id(), entry)?;
        }
        map.end()
    }
}

impl IntoIterator for StatsReport {
    type Item = StatsEntry;
    type IntoIter = std::vec::IntoIter<StatsEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
