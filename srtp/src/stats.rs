/// What became of the peer's packets; see [`Inbound::stats`](crate::Inbound::stats). Counts only go up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// RTP packets that were authentic and new.
    pub rtp: u64,
    /// RTCP packets that were authentic and new.
    pub rtcp: u64,
    /// Packets that are none: too short, another version, a header that does not end.
    pub malformed: u64,
    /// Packets whose tag was wrong: changed on the way, made by somebody else, or of a turn of the sequence number that
    /// this side lost count of.
    pub forged: u64,
    /// Packets that were seen before, or are too old to tell.
    pub replayed: u64,
    /// Packets of an SSRC for which there is no room, see [`Config::max_streams`](crate::Config::max_streams).
    pub crowded: u64,
}

/// Why a packet of the peer's is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed,
    Forged,
    Replayed,
    Crowded,
}

impl Stats {
    pub(crate) const fn count(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Malformed => self.malformed += 1,
            Refusal::Forged => self.forged += 1,
            Refusal::Replayed => self.replayed += 1,
            Refusal::Crowded => self.crowded += 1,
        }
    }
}

impl From<wire::Malformed> for Refusal {
    fn from(_: wire::Malformed) -> Self {
        Self::Malformed
    }
}
