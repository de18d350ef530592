//! A path that can be made bad under way: a relay before each address of the Rust peer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use relay::{Path, Relay};
use visavis::SessionDescription;

/// The relays of one connection. All of its datagrams go through them.
pub(super) struct Relays {
    relays: Vec<Relay>,
}

impl Relays {
    /// Starts a relay for each address that a description names, and puts the relays' addresses in their place.
    pub(super) fn start(description: SessionDescription) -> io::Result<(Self, SessionDescription)> {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let (mut relays, mut sdp) = (Vec::new(), String::with_capacity(description.sdp.len()));
        let mut started: Vec<(SocketAddr, SocketAddr)> = Vec::new();
        for line in description.sdp.split_inclusive('\n') {
            if !is_candidate(line) {
                sdp.push_str(line);
                continue;
            }
            // Others are left out: they would lead around the relays.
            let Some(called) = host(line) else { continue };
            let address = match started.iter().find(|(known, _)| *known == called) {
                Some((_, address)) => *address,
                None => {
                    let relay = Relay::start(called, Path::default(), SEED.fetch_add(2, Relaxed))?;
                    let address = relay.address();
                    started.push((called, address));
                    relays.push(relay);
                    address
                }
            };
            sdp.push_str(&with_address(line, address));
        }
        Ok((Self { relays }, SessionDescription { sdp, ..description }))
    }

    /// Of so many of a hundred datagrams one is lost, either way, from now on.
    pub(super) fn set_loss(&self, percent: f64) {
        let loss = if percent.is_finite() { (percent / 100.0).clamp(0.0, 1.0) } else { 0.0 };
        self.relays.iter().for_each(|relay| relay.set_path(Path { loss, ..Path::default() }));
    }
}

/// The same description without any way to its author, who has to call instead.
pub(super) fn without_candidates(description: SessionDescription) -> SessionDescription {
    let sdp = description.sdp.split_inclusive('\n').filter(|line| !is_candidate(line)).collect();
    SessionDescription { sdp, ..description }
}

fn is_candidate(line: &str) -> bool {
    line.starts_with("a=candidate:")
}

/// The address of a host candidate (RFC 8839, section 5.1).
fn host(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let is_udp = words.next()?.eq_ignore_ascii_case("udp");
    let (ip, port) = (words.nth(1)?.parse::<IpAddr>().ok()?, words.next()?.parse().ok()?);
    let is_host = words.next()? == "typ" && words.next()? == "host";
    (is_udp && is_host).then_some(SocketAddr::new(ip, port))
}

fn with_address(line: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let words = line.split_ascii_whitespace().enumerate().map(|(place, word)| match place {
        4 => &*ip,
        5 => &*port,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host generation 0\r\n\
        a=candidate:2 1 udp 1694498815 203.0.113.5 40000 typ srflx raddr 127.0.0.1 rport 40000\r\n\
        a=candidate:3 1 tcp 2105524479 127.0.0.1 9 typ host tcptype active\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host generation 0\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn only_the_relays_are_named() {
        let (relays, description) = Relays::start(SessionDescription::offer(SDP)).unwrap();
        assert_eq!(relays.relays.len(), 1, "one for each address, however often it is named");
        let port = relays.relays[0].address().port();
        assert_ne!(port, 40000);
        let expected = format!("a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host generation 0\r\n");
        assert_eq!(
            description.sdp,
            format!("v=0\r\n{expected}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{expected}a=end-of-candidates\r\n")
        );
        let without = without_candidates(description).sdp;
        assert_eq!(without, "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=end-of-candidates\r\n");
    }
}
