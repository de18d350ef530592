/// What became of the peer's records, and how often this side repeated itself. Counts only go up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records of application data that were delivered.
    pub delivered: u64,
    /// Datagrams or records that make no sense.
    pub malformed: u64,
    /// Protected records that were not authentic.
    pub forged: u64,
    /// Records that were seen before, or are too old to tell.
    pub replayed: u64,
    /// Records that came too early and found no room, or for which there never were keys.
    pub dropped: u64,
    /// Records in clear that only count when protected: application data always, alerts after the handshake.
    pub unprotected: u64,
    /// Handshake messages, or pieces of them, that brought nothing: repeated, out of place, too far ahead.
    pub ignored: u64,
    /// Handshake messages in clear that failed a check, and alerts in clear during a handshake: anybody can have written
    /// or changed them, so they are not believed at once.
    pub doubted: u64,
    /// Flights that were sent again.
    pub retransmitted: u64,
}
