use crate::serial::Tsn;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{Duration, Instant};
use wire::{Malformed, Put, Reader};

/// Bytes of the authentication code.
const MAC_LENGTH: usize = 32;

/// Why a cookie was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadCookie {
    /// Not ours, or altered.
    Forged,
    /// Ours, and too old by this much.
    Stale(Cookie, Duration),
}

/// All that is needed to set up an association from COOKIE ECHO alone (RFC 9260, section 5.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    /// Since the association object was made.
    pub(super) created: Duration,
    pub(super) local_tag: u32,
    pub(super) peer_tag: u32,
    pub(super) local_initial_tsn: Tsn,
    pub(super) peer_initial_tsn: Tsn,
    pub(super) peer_window: u32,
    pub(super) peer_outbound_streams: u16,
    pub(super) peer_inbound_streams: u16,
    pub(super) forward_tsn: bool,
    pub(super) reconfig: bool,
    pub(super) interleaving: bool,
    pub(super) zero_checksum: bool,
    /// Extra life that the peer asked for.
    pub(super) extra: Duration,
    /// The tags of the association that existed when the cookie was made, or 0.
    pub(super) local_tie_tag: u32,
    pub(super) peer_tie_tag: u32,
}

/// Makes cookies and knows its own.
pub(super) struct CookieJar {
    secret: [u8; 32],
    epoch: Instant,
    lifetime: Duration,
}

impl CookieJar {
    pub(super) const fn new(secret: [u8; 32], epoch: Instant, lifetime: Duration) -> Self {
        Self { secret, epoch, lifetime }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    fn mac(&self, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(content);
        mac
    }

    /// The cookie with its authentication code.
    pub(super) fn seal(&self, cookie: &Cookie) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        cookie.encode(&mut bytes);
        let mac = self.mac(&bytes).finalize().into_bytes();
        bytes.put_bytes(&mac);
        bytes
    }

    /// Authenticates first, reads then (section 5.1.5).
    pub(super) fn open(&self, now: Instant, bytes: &[u8]) -> Result<Cookie, BadCookie> {
        let at = bytes.len().checked_sub(MAC_LENGTH).ok_or(BadCookie::Forged)?;
        let (content, mac) = bytes.split_at_checked(at).ok_or(BadCookie::Forged)?;
        let is_ours = self.mac(content).verify_slice(mac).is_ok();
        // A fuzzer does not guess codes: all pass, so that it reaches what cookies can do.
        if !is_ours && !cfg!(fuzzing) {
            return Err(BadCookie::Forged);
        }
        let mut reader = Reader::new(content);
        let cookie = Cookie::decode(&mut reader).map_err(|_| BadCookie::Forged)?;
        let life = self.lifetime.saturating_add(cookie.extra);
        match self.age(now).saturating_sub(cookie.created).checked_sub(life) {
            Some(excess) if excess > Duration::ZERO => Err(BadCookie::Stale(cookie, excess)),
            Some(_) | None => Ok(cookie),
        }
    }
}

impl Cookie {
    fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u64(self.created.as_micros() as u64);
        buf.put_u64(self.extra.as_micros() as u64);
        buf.put_u32(self.local_tag);
        buf.put_u32(self.peer_tag);
        buf.put_u32(self.local_initial_tsn.0);
        buf.put_u32(self.peer_initial_tsn.0);
        buf.put_u32(self.peer_window);
        buf.put_u16(self.peer_outbound_streams);
        buf.put_u16(self.peer_inbound_streams);
        buf.put_u8(u8::from(self.forward_tsn));
        buf.put_u8(u8::from(self.reconfig));
        buf.put_u8(u8::from(self.interleaving));
        buf.put_u8(u8::from(self.zero_checksum));
        buf.put_u32(self.local_tie_tag);
        buf.put_u32(self.peer_tie_tag);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            created: Duration::from_micros(reader.u64("created")?),
            extra: Duration::from_micros(reader.u64("extra life")?),
            local_tag: reader.u32("local tag")?,
            peer_tag: reader.u32("peer tag")?,
            local_initial_tsn: Tsn(reader.u32("local initial TSN")?),
            peer_initial_tsn: Tsn(reader.u32("peer initial TSN")?),
            peer_window: reader.u32("window")?,
            peer_outbound_streams: reader.u16("outbound streams")?,
            peer_inbound_streams: reader.u16("inbound streams")?,
            forward_tsn: reader.u8("FORWARD TSN")? != 0,
            reconfig: reader.u8("RE-CONFIG")? != 0,
            interleaving: reader.u8("I-DATA")? != 0,
            zero_checksum: reader.u8("zero checksum")? != 0,
            local_tie_tag: reader.u32("local tie tag")?,
            peer_tie_tag: reader.u32("peer tie tag")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: Cookie = Cookie {
        created: Duration::from_secs(5),
        local_tag: 1,
        peer_tag: 2,
        local_initial_tsn: Tsn(3),
        peer_initial_tsn: Tsn(4),
        peer_window: 5,
        peer_outbound_streams: 6,
        peer_inbound_streams: 7,
        forward_tsn: true,
        reconfig: false,
        interleaving: true,
        zero_checksum: false,
        extra: Duration::ZERO,
        local_tie_tag: 8,
        peer_tie_tag: 9,
    };

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn jar() -> (CookieJar, Instant) {
        let epoch = Instant::now();
        (CookieJar::new([7; 32], epoch, Duration::from_secs(60)), epoch)
    }

    #[test]
    fn a_cookie_opens_until_its_life_is_over() {
        let (jar, epoch) = jar();
        let bytes = jar.seal(&COOKIE);
        assert_eq!(jar.open(epoch + Duration::from_secs(6), &bytes), Ok(COOKIE));
        assert_eq!(jar.open(epoch + Duration::from_secs(65), &bytes), Ok(COOKIE));
        let late = jar.open(epoch + Duration::from_secs(67), &bytes);
        assert_eq!(late, Err(BadCookie::Stale(COOKIE, Duration::from_secs(2))));
    }

    #[test]
    fn any_flipped_bit_and_any_other_secret_is_a_forgery() {
        let (jar, epoch) = jar();
        let bytes = jar.seal(&COOKIE);
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(jar.open(epoch, &forged), Err(BadCookie::Forged), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert_eq!(jar.open(epoch, &bytes[..length]), Err(BadCookie::Forged), "{length} bytes");
        }
        let other = CookieJar::new([8; 32], epoch, Duration::from_secs(60));
        assert_eq!(other.open(epoch, &bytes), Err(BadCookie::Forged));
    }
}
