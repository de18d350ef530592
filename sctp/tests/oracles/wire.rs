//! Whether what is sent is allowed: TSNs one after the other, and no more than the peer has room for.

use sctp::packet::{Chunk, Packet};
use sctp::{Config, Tsn};
use visavis_sctp as sctp;

#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The window that the peer told last.
    window: usize,
    /// New payload bytes since.
    since: usize,
    next: Option<Tsn>,
    /// The highest that the peer has acknowledged.
    cumulative: Option<Tsn>,
    abandoned: u64,
    /// Packets that came.
    pub(crate) heard: u64,
    /// Payload bytes and chunks, each counted once, sent and received.
    bytes: u64,
    chunks: u64,
    received: u64,
}

impl Watch {
    pub(crate) fn heard(&mut self, datagram: &[u8]) {
        self.heard += 1;
        // What is altered on the way is not for us to judge.
        let Ok(packet) = Packet::decode(datagram) else { return };
        for chunk in packet.chunks().flatten() {
            if let Chunk::Sack(sack) = chunk {
                // One that was overtaken by a later one counts no more.
                let cumulative = *self.cumulative.get_or_insert(sack.cumulative_tsn_ack);
                if sack.cumulative_tsn_ack.0.wrapping_sub(cumulative.0) < 1 << 31 {
                    self.cumulative = Some(sack.cumulative_tsn_ack);
                    (self.window, self.since) = (sack.a_rwnd as usize, 0);
                }
            } else if let Chunk::Shutdown { .. } = chunk {
                // It acknowledges what probed the window, and does not say whether that has opened.
                self.since = 0;
            } else if let Chunk::Init(init) | Chunk::InitAck(init) = chunk {
                (self.window, self.since) = (init.a_rwnd as usize, 0);
            } else if let Chunk::Data(_) | Chunk::IData(_) = chunk {
                self.received += 1;
            }
        }
    }

    /// `abandoned` is how many messages were given up so far.
    pub(crate) fn sent(&mut self, datagram: &[u8], config: &Config, abandoned: u64) {
        if self.abandoned != abandoned {
            // What is given up is outstanding no more (RFC 3758, section 3.5).
            (self.abandoned, self.since) = (abandoned, 0);
        }
        let packet = Packet::decode(datagram).expect("a packet of ours");
        for chunk in packet.chunks() {
            let chunk = chunk.expect("a chunk of ours");
            let (tsn, length) = if let Chunk::Data(data) = chunk {
                (data.tsn, data.payload.len())
            } else if let Chunk::IData(data) = chunk {
                (data.tsn, data.payload.len())
            } else {
                if let Chunk::Init(init) | Chunk::InitAck(init) = chunk {
                    self.next.get_or_insert(init.initial_tsn);
                }
                continue;
            };
            assert!(length > 0, "data without data");
            let next = *self.next.get_or_insert(tsn);
            let ahead = tsn.0.wrapping_sub(next.0);
            if ahead >= 1 << 31 {
                continue;
            }
            // What was given up before it was sent took TSNs along.
            assert!(ahead < 1000, "{tsn:?} after {next:?}");
            self.next = Some(Tsn(tsn.0.wrapping_add(1)));
            self.since += length;
            self.bytes += length as u64;
            self.chunks += 1;
            // One chunk may probe a closed window.
            let most = self.window + config.max_packet;
            assert!(self.since <= most, "{} bytes into a window of {}", self.since, self.window);
        }
    }

    /// Packets that it may take at most to say this, and to acknowledge that, on the worst of paths.
    pub(crate) fn needed(&self, max_packet: usize) -> u64 {
        let full = self.bytes / (max_packet as u64 - 60) + 1;
        4 * (full + self.chunks) + 2 * self.received + self.heard
    }
}
