//! From the datagram to the chunk: who may say what (RFC 9260, sections 8.4 and 8.5).

use super::Association;
use super::data::Arrival;
use super::phase::{Phase, Stage};
use crate::event::Closed;
use crate::inbound::Fragment;
use crate::packet::{
    Cause, Causes, Chunk, Chunks, Packet, RawChunk, code, has_valid_checksum, has_zero_checksum, kind,
};
use std::time::Instant;

/// Whether to go on with the next chunk of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Stop,
}

impl Association {
    /// Takes one datagram: an SCTP packet, as DTLS delivered it. Bytes that make no sense, or that are not allowed, are
    /// counted in [`stats`](Self::stats) and dropped. The checksum field is overwritten.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.stats.packets_received += 1;
        if !self.takes_without_checksum(datagram) && !has_valid_checksum(datagram) {
            self.stats.bad_checksum += 1;
            return;
        }
        let Ok(packet) = Packet::decode(datagram) else {
            self.stats.malformed += 1;
            return;
        };
        tracing::trace!(?packet.header, "received");
        if packet.header.source_port != self.config.remote_port
            || packet.header.destination_port != self.config.local_port
        {
            self.stats.bad_tag += 1;
            return;
        }
        self.handle_packet(now, &packet);
        self.settle(now);
    }

    /// A checksum of zero counts once we have announced that it may (RFC 9653, section 5.3). Packets that begin an
    /// association have the right one.
    fn takes_without_checksum(&self, datagram: &[u8]) -> bool {
        self.config.zero_checksum && !matches!(self.phase, Phase::Idle) && has_zero_checksum(datagram)
    }

    fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let tag = packet.header.verification_tag;
        let mut chunks = packet.chunks();
        if let Phase::CookieEchoed(..) | Phase::Open(..) = self.phase
            && chunks.begins_with_data()
        {
            self.handle_chunks(now, tag, chunks);
            return;
        }
        match chunks.next() {
            // INIT comes alone and with tag 0 (section 8.5.1, A).
            Some(Ok(Chunk::Init(init))) => {
                if tag == 0 && chunks.next().is_none() {
                    self.on_init(now, &init);
                } else {
                    self.stats.bad_tag += 1;
                }
            }
            Some(Ok(Chunk::CookieEcho(cookie))) => {
                if self.on_cookie_echo(now, tag, cookie) {
                    self.handle_chunks(now, tag, chunks);
                }
            }
            Some(Ok(_)) => match &self.phase {
                Phase::Idle | Phase::Ended(_) => self.answer_out_of_the_blue(tag, packet),
                Phase::CookieWait(_) | Phase::CookieEchoed(..) | Phase::Open(..) => {
                    self.handle_chunks(now, tag, packet.chunks());
                }
            },
            Some(Err(_)) | None => self.stats.malformed += 1,
        }
    }

    fn handle_chunks(&mut self, now: Instant, tag: u32, mut chunks: Chunks<'_>) {
        let mut arrival = Arrival::default();
        loop {
            if tag == self.local_tag {
                self.take_data(now, &mut chunks, &mut arrival);
            }
            let Some(chunk) = chunks.next().filter(|_| !self.is_closed()) else { break };
            let Ok(chunk) = chunk else {
                self.stats.malformed += 1;
                break;
            };
            if !self.has_right_tag(tag, &chunk) {
                self.stats.bad_tag += 1;
                break;
            }
            if self.handle_chunk(now, tag, chunk, &mut arrival) == Flow::Stop || self.is_closed() {
                break;
            }
        }
        if !self.is_closed() {
            self.schedule_sack(now, arrival);
        }
    }

    /// Handles all data up to the next chunk of another kind, or one that is malformed.
    fn take_data(&mut self, now: Instant, chunks: &mut Chunks<'_>, arrival: &mut Arrival) {
        while !self.is_closed() {
            if let Some(data) = chunks.next_idata() {
                self.on_data(now, &Fragment::from(&data), true, arrival);
            } else if let Some(data) = chunks.next_data() {
                self.on_data(now, &Fragment::from(&data), false, arrival);
            } else {
                return;
            }
        }
    }

    /// Section 8.5: ours, or for ABORT and SHUTDOWN COMPLETE the peer's, reflected.
    fn has_right_tag(&self, tag: u32, chunk: &Chunk<'_>) -> bool {
        match chunk {
            Chunk::Abort { reflected: true, .. } | Chunk::ShutdownComplete { reflected: true } => {
                self.phase.peer().is_some_and(|peer| peer.tag == tag)
            }
            // Before the association is open, it belongs to an earlier one, and so does its tag (section 8.5.1, E).
            Chunk::ShutdownAck => tag == self.local_tag || self.is_opening(),
            Chunk::Data(_)
            | Chunk::Init(_)
            | Chunk::InitAck(_)
            | Chunk::Sack(_)
            | Chunk::Heartbeat(_)
            | Chunk::HeartbeatAck(_)
            | Chunk::Abort { .. }
            | Chunk::Shutdown { .. }
            | Chunk::Error(_)
            | Chunk::CookieEcho(_)
            | Chunk::CookieAck
            | Chunk::ShutdownComplete { .. }
            | Chunk::ReConfig(_)
            | Chunk::ForwardTsn(_)
            | Chunk::IData(_)
            | Chunk::IForwardTsn(_)
            | Chunk::Pad(_)
            | Chunk::Unknown(_) => tag == self.local_tag,
        }
    }

    const fn is_opening(&self) -> bool {
        matches!(self.phase, Phase::CookieWait(_) | Phase::CookieEchoed(..))
    }

    fn handle_chunk(&mut self, now: Instant, tag: u32, chunk: Chunk<'_>, arrival: &mut Arrival) -> Flow {
        match chunk {
            // All that had the right tag has been taken.
            Chunk::Data(_) | Chunk::IData(_) => {}
            Chunk::Sack(sack) => self.on_sack(now, &sack),
            Chunk::ForwardTsn(forward) => self.on_forward_tsn(now, &forward, arrival),
            Chunk::IForwardTsn(forward) => self.on_i_forward_tsn(now, &forward, arrival),
            Chunk::InitAck(init) => {
                self.on_init_ack(now, &init);
                return Flow::Stop;
            }
            Chunk::CookieAck => self.on_cookie_ack(now),
            Chunk::Heartbeat(info) => self.on_heartbeat(info),
            Chunk::HeartbeatAck(info) => self.on_heartbeat_ack(now, info),
            Chunk::Abort { causes, .. } => {
                self.on_abort(now, causes);
                return Flow::Stop;
            }
            Chunk::Shutdown { cumulative_tsn_ack } => self.on_shutdown(now, cumulative_tsn_ack),
            Chunk::ShutdownAck => {
                if self.is_opening() {
                    self.reply(tag, &Chunk::ShutdownComplete { reflected: true });
                } else {
                    self.on_shutdown_ack(now);
                }
            }
            Chunk::ShutdownComplete { .. } => self.on_shutdown_complete(now),
            Chunk::Error(causes) => self.on_error(now, causes),
            Chunk::ReConfig(parameters) => {
                if matches!(self.phase, Phase::Open(..)) {
                    self.on_reconfig(now, parameters);
                }
            }
            Chunk::Pad(_) => {}
            // Neither may be anywhere but first.
            Chunk::Init(_) | Chunk::CookieEcho(_) => {
                self.stats.refused += 1;
                return Flow::Stop;
            }
            Chunk::Unknown(raw) => return self.on_unknown(raw),
        }
        Flow::Next
    }

    /// A chunk of unknown type: its highest bits say what to do (section 3.2).
    fn on_unknown(&mut self, raw: RawChunk<'_>) -> Flow {
        self.stats.unknown_chunks += 1;
        if matches!(raw.kind, kind::ECNE | kind::CWR) {
            // Nobody agreed on ECN, and its bits do not reach us through DTLS; the rest of the packet counts.
            return Flow::Next;
        }
        let action = raw.unrecognized();
        if action.report && matches!(self.phase, Phase::Open(..)) {
            let mut whole = Vec::new();
            Chunk::Unknown(raw).encode(&mut whole);
            let mut causes = Vec::new();
            Cause { code: code::UNRECOGNIZED_CHUNK_TYPE, value: &whole }.encode(&mut causes);
            self.control(&Chunk::Error(Causes::new(&causes)));
        }
        if action.skip { Flow::Next } else { Flow::Stop }
    }

    /// HEARTBEAT is answered from the first moment on and until the end is near (section 8.3).
    fn on_heartbeat(&mut self, info: &[u8]) {
        match &self.phase {
            Phase::CookieEchoed(..)
            | Phase::Open(Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived, _) => {
                self.control(&Chunk::HeartbeatAck(info));
            }
            Phase::Open(Stage::ShutdownSent | Stage::ShutdownAckSent, _)
            | Phase::Idle
            | Phase::CookieWait(_)
            | Phase::Ended(_) => {}
        }
    }

    fn on_abort(&mut self, now: Instant, causes: Causes<'_>) {
        let (code, reason) = causes.iter().next().map_or_else(
            || (0, String::new()),
            |cause| (cause.code, String::from_utf8_lossy(cause.value.get(..256).unwrap_or(cause.value)).into_owned()),
        );
        self.close(now, Closed::PeerAborted { code, reason });
    }

    fn on_error(&mut self, now: Instant, causes: Causes<'_>) {
        for cause in causes.iter().take(8) {
            tracing::debug!(cause.code, "the peer reports an error");
            if cause.code == code::STALE_COOKIE {
                self.on_stale_cookie(now, cause.value);
                break;
            }
        }
    }

    /// A packet for no association (section 8.4).
    fn answer_out_of_the_blue(&mut self, tag: u32, packet: &Packet<'_>) {
        self.stats.refused += 1;
        for chunk in packet.chunks() {
            match chunk {
                Ok(Chunk::ShutdownAck) => {
                    self.reply(tag, &Chunk::ShutdownComplete { reflected: true });
                    return;
                }
                Ok(
                    Chunk::Abort { .. }
                    | Chunk::ShutdownComplete { .. }
                    | Chunk::Error(_)
                    | Chunk::CookieAck
                    | Chunk::Init(_)
                    | Chunk::CookieEcho(_),
                )
                | Err(_) => return,
                Ok(
                    Chunk::Data(_)
                    | Chunk::InitAck(_)
                    | Chunk::Sack(_)
                    | Chunk::Heartbeat(_)
                    | Chunk::HeartbeatAck(_)
                    | Chunk::Shutdown { .. }
                    | Chunk::ReConfig(_)
                    | Chunk::ForwardTsn(_)
                    | Chunk::IData(_)
                    | Chunk::IForwardTsn(_)
                    | Chunk::Pad(_)
                    | Chunk::Unknown(_),
                ) => {}
            }
        }
        self.reply(tag, &Chunk::Abort { reflected: true, causes: Causes::new(&[]) });
    }
}
