use std::collections::BTreeMap;
use std::{fmt, mem};

use crate::cipher::{Cipher, ENCRYPTED};
use crate::config::Config;
use crate::derivation::{SessionKeys, Use};
use crate::header::{RtcpHeader, RtpHeader};
use crate::index;
use crate::profile::Profile;
use crate::replay::{RtcpWindow, RtpWindow};
use crate::stats::{Refusal, Stats};

/// Opens what the peer sends.
///
/// Packets are opened in place, and nothing is allocated but for an SSRC that is new and has proved authentic, and once
/// for a copy when a stream is lost. What is not a packet, not authentic, or not new is counted and dropped, whoever
/// sent it.
pub struct Inbound {
    profile: Profile,
    config: Config,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: BTreeMap<u32, Stream>,
    rtcp_streams: BTreeMap<u32, RtcpWindow>,
    /// Stands for all SSRCs without an authentic packet so far, and becomes the stream of the next that has one.
    unknown: Stream,
    /// A copy of a packet that may have to be tried twice. Empty until a stream is lost.
    spare: Vec<u8>,
    stats: Stats,
}

/// What is known of the peer's RTP packets with one SSRC.
struct Stream {
    window: RtpWindow,
    /// Packets since the last good one, none of which was.
    misses: u32,
}

/// After how many packets that fit nothing it is asked whether a wrap was missed: a second of sound. Before, strays and
/// forged packets cost no second try.
const LOST: u32 = 64;

impl Stream {
    const fn new() -> Self {
        Self { window: RtpWindow::new(), misses: 0 }
    }

    /// The receiver's side of RFC 3711, section 3.3. Nothing moves before the packet is authentic, but for the count of
    /// misses.
    ///
    /// After an outage of more than half a turn, eleven seconds at three thousand packets each second, the nearest
    /// index is the wrong one, and would be for ever; so it would for a stream that began shortly before a wrap and was
    /// not heard before it. Section 3.3.1 leaves better schemes to the implementation: here, once nothing fits any
    /// more, packets are tried a turn later too.
    fn open(
        &mut self,
        cipher: &Cipher,
        header: RtpHeader,
        packet: &mut [u8],
        spare: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let nearest = index::nearest(self.window.highest(), header.sequence);
        let is_lost = self.misses >= LOST;
        if is_lost {
            spare.clear();
            spare.extend_from_slice(packet);
        }
        let mut result = self.open_at(nearest, cipher, header, packet);
        if is_lost && result.is_err() {
            // The first try has left garbage.
            packet.copy_from_slice(spare);
            result = self.open_at(nearest + index::TURN, cipher, header, packet).or(result);
        }
        self.misses = if result.is_ok() { 0 } else { self.misses.saturating_add(1) };
        result
    }

    /// Opens a packet as the one with this index.
    fn open_at(&mut self, index: i64, cipher: &Cipher, header: RtpHeader, packet: &mut [u8]) -> Result<(), Refusal> {
        // Before the first turn there is nothing, so that is as if behind the window.
        let index = u64::try_from(index).map_err(|_| Refusal::Replayed)?;
        if !self.window.is_new(index) {
            return Err(Refusal::Replayed);
        }
        if index > index::LAST {
            return Err(Refusal::Forged);
        }
        cipher.unprotect_rtp(header, index, packet).ok_or(Refusal::Forged)?;
        self.window.mark(index);
        Ok(())
    }
}

impl Inbound {
    /// With a master key and a master salt as long as [`Profile::key_and_salt`] says; otherwise nothing.
    pub fn new(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        let cipher = |purpose| {
            let keys = SessionKeys::derive(profile, purpose, master_key, master_salt)?;
            Cipher::new(profile, purpose, &keys)
        };
        Some(Self {
            profile,
            config: Config::default(),
            rtp: cipher(Use::Rtp)?,
            rtcp: cipher(Use::Rtcp)?,
            rtp_streams: BTreeMap::new(),
            rtcp_streams: BTreeMap::new(),
            unknown: Stream::new(),
            spare: Vec::new(),
            stats: Stats::default(),
        })
    }

    /// With other bounds.
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// How packets are protected.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// What became of all packets so far.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Opens an RTP packet in place and lends it, header and all, without its tag. Nothing if it is not authentic or
    /// not new; its bytes are garbage then.
    pub fn unprotect_rtp<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        match self.open_rtp(packet) {
            Ok(packet) => {
                self.stats.rtp += 1;
                Some(packet)
            }
            Err(refusal) => {
                self.stats.count(refusal);
                None
            }
        }
    }

    /// Opens an RTCP packet in place and lends it without what protected it. Nothing if it is not authentic or not new;
    /// its bytes are garbage then. The peer may have left it in clear, as its E flag says; it is authentic all the same.
    pub fn unprotect_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        match self.open_rtcp(packet) {
            Ok(packet) => {
                self.stats.rtcp += 1;
                Some(packet)
            }
            Err(refusal) => {
                self.stats.count(refusal);
                None
            }
        }
    }

    fn open_rtp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p mut [u8], Refusal> {
        let header = RtpHeader::decode(packet)?;
        let length = packet.len().checked_sub(self.profile.rtp_overhead()).ok_or(Refusal::Malformed)?;
        if length < header.length {
            return Err(Refusal::Malformed);
        }
        let has_room = self.rtp_streams.len() < self.config.max_streams;
        if let Some(stream) = self.rtp_streams.get_mut(&header.ssrc) {
            stream.open(&self.rtp, header, packet, &mut self.spare)?;
        } else if has_room {
            self.unknown.open(&self.rtp, header, packet, &mut self.spare)?;
            self.rtp_streams.insert(header.ssrc, mem::replace(&mut self.unknown, Stream::new()));
        } else {
            return Err(Refusal::Crowded);
        }
        packet.get_mut(..length).ok_or(Refusal::Malformed)
    }

    /// The receiver's side of RFC 3711, section 3.4.
    fn open_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p mut [u8], Refusal> {
        let ssrc = RtcpHeader::decode(packet)?.ssrc;
        if packet.len() < RtcpHeader::LENGTH + self.profile.rtcp_overhead() {
            return Err(Refusal::Malformed);
        }
        let word = self.rtcp.rtcp_word(packet).ok_or(Refusal::Malformed)?;
        let index = u64::from(word & !ENCRYPTED);
        let has_room = self.rtcp_streams.len() < self.config.max_streams;
        match self.rtcp_streams.get(&ssrc) {
            Some(window) if !window.is_new(index) => return Err(Refusal::Replayed),
            None if !has_room => return Err(Refusal::Crowded),
            Some(_) | None => {}
        }
        let packet = self.rtcp.unprotect_rtcp(ssrc, word, packet).ok_or(Refusal::Forged)?;
        self.rtcp_streams.entry(ssrc).or_insert(RtcpWindow::new()).mark(index);
        Ok(packet)
    }
}

/// Without the keys.
impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("profile", &self.profile).field("stats", &self.stats).finish_non_exhaustive()
    }
}
