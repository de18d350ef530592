/// Bounds of one direction. Made by [`Config::default`]; every field may be changed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The most SSRCs whose counters are kept, of RTP and of RTCP each: 1024 unless changed, about 300 KiB when full.
    ///
    /// None is ever forgotten for another. A sender that forgot would count its turns anew and use nonces twice; a
    /// receiver would let old packets in again. Whoever is beyond the bound is refused, and that hits the right one:
    /// only who knows the keys can fill the table, as nothing is kept of a packet that was not authentic.
    pub max_streams: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_streams: 1024 }
    }
}
