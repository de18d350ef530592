use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use wire::Malformed;

use crate::cipher::Cipher;
use crate::config::Config;
use crate::derivation::{SessionKeys, Use};
use crate::error::Error;
use crate::header::{RtcpHeader, RtpHeader};
use crate::index;
use crate::profile::Profile;
use crate::replay::RtpWindow;

/// Protects what this side sends.
///
/// Packets are protected in the caller's buffer, where they grow by [`Profile::rtp_overhead`] or
/// [`Profile::rtcp_overhead`]; nothing is allocated but for an SSRC that is new, and where the buffer lacks room.
///
/// Sequence numbers may come in any order and with gaps, each once. The first of a stream should be below 2^15
/// (RFC 3711, section 3.3.1): a receiver that hears nothing before a wrap which comes early counts a turn too few, and
/// understands nothing, or not at once.
pub struct Outbound {
    profile: Profile,
    config: Config,
    rtp: Cipher,
    rtcp: Cipher,
    /// The packets sent, by SSRC.
    rtp_streams: BTreeMap<u32, RtpWindow>,
    /// The index of the next RTCP packet, by SSRC.
    rtcp_streams: BTreeMap<u32, u32>,
}

/// More than this no datagram carries, nor may one packet of AES in counter mode be longer than 2^20 bytes.
const LONGEST: usize = u16::MAX as usize;

/// The last index of RTCP (RFC 3711, section 9.2).
const LAST_RTCP: u32 = (1 << 31) - 1;

impl Outbound {
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

    /// Encrypts the RTP packet in `buf`, from `start` to the end, in place and appends its tag.
    ///
    /// # Errors
    ///
    /// When the packet is refused it is cut off the buffer, so that it cannot leave in clear.
    pub fn protect_rtp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let result = self.seal_rtp(buf, start);
        if result.is_err() {
            buf.truncate(start);
        }
        result
    }

    /// Encrypts the RTCP packet, compound or reduced, in `buf`, from `start` to the end, in place and appends E flag,
    /// index and tag. The first report's SSRC says whose packet it is.
    ///
    /// # Errors
    ///
    /// When the packet is refused it is cut off the buffer, so that it cannot leave in clear.
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let result = self.seal_rtcp(buf, start);
        if result.is_err() {
            buf.truncate(start);
        }
        result
    }

    /// The sender's side of RFC 3711, section 3.3.
    fn seal_rtp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let header = RtpHeader::decode(packet(buf, start)?)?;
        let has_room = self.rtp_streams.len() < self.config.max_streams;
        let window = match self.rtp_streams.entry(header.ssrc) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert(RtpWindow::new()),
            Entry::Vacant(_) => return Err(Error::TooManyStreams),
        };
        let nearest = index::nearest(window.highest(), header.sequence);
        let index = u64::try_from(nearest).map_err(|_| Error::Repeated)?;
        if index > index::LAST {
            return Err(Error::KeyUsedUp);
        }
        if !window.is_new(index) {
            return Err(Error::Repeated);
        }
        // Marked first: even a packet that failed half way has used its nonce.
        window.mark(index);
        self.rtp.protect_rtp(header, index, buf, start).ok_or(Error::Provider)
    }

    /// The sender's side of RFC 3711, section 3.4. All packets are encrypted (RFC 8827, section 6.5).
    fn seal_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let header = RtcpHeader::decode(packet(buf, start)?)?;
        let has_room = self.rtcp_streams.len() < self.config.max_streams;
        let next = match self.rtcp_streams.entry(header.ssrc) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert(0),
            Entry::Vacant(_) => return Err(Error::TooManyStreams),
        };
        let index = *next;
        if index > LAST_RTCP {
            return Err(Error::KeyUsedUp);
        }
        *next += 1;
        self.rtcp.protect_rtcp(header.ssrc, index, buf, start).ok_or(Error::Provider)
    }
}

fn packet(buf: &[u8], start: usize) -> Result<&[u8], Error> {
    let packet = buf.get(start..).ok_or(Malformed::new("start of the packet"))?;
    if packet.len() > LONGEST { Err(Error::TooLong) } else { Ok(packet) }
}

/// Without the keys.
impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTP: [u8; 13] = [0x80, 96, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 7, 1];
    const RTCP: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

    fn outbound() -> Outbound {
        Outbound::new(Profile::AeadAes128Gcm, &[1; 16], &[2; 12]).expect("keys")
    }

    #[test]
    fn a_key_ends_with_the_last_index_of_rtp() {
        let mut outbound = outbound();
        outbound.rtp_streams.entry(7).or_insert(RtpWindow::new()).mark(index::LAST - 1);
        let mut buf = RTP.to_vec();
        assert_eq!(outbound.protect_rtp(&mut buf, 0), Ok(()), "the last packet");
        let mut buf = RTP.to_vec();
        buf[2..4].fill(0);
        assert_eq!(outbound.protect_rtp(&mut buf, 0), Err(Error::KeyUsedUp));
        let mut buf = RTP.to_vec();
        buf[11] = 8;
        assert_eq!(outbound.protect_rtp(&mut buf, 0), Ok(()), "another stream has indices left");
    }

    #[test]
    fn a_key_ends_with_the_last_index_of_rtcp() {
        let mut outbound = outbound();
        outbound.rtcp_streams.insert(7, LAST_RTCP);
        let mut buf = RTCP.to_vec();
        assert_eq!(outbound.protect_rtcp(&mut buf, 0), Ok(()), "the last packet");
        assert_eq!(buf[buf.len() - 4..], [0xff; 4], "E flag and index");
        for _ in 0..3 {
            let mut buf = RTCP.to_vec();
            assert_eq!(outbound.protect_rtcp(&mut buf, 0), Err(Error::KeyUsedUp));
        }
    }
}
