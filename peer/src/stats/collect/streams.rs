//! Streams, their codecs, and what the peer reports of them.

use std::time::Duration;

use session::rtp::{NtpTime, receive, send};
use session::{Codec, InboundStats, MediaKind, OutboundStats};

use super::{Collector, milliseconds};
use crate::stats::{
    CodecStats, InboundRtpStats, OutboundRtpStats, RemoteInboundRtpStats, RemoteOutboundRtpStats, StatsEntry, ids,
};

impl Collector {
    fn codec(&mut self, payload_type: u8, codec: &Codec) -> String {
        let id = ids::codec(payload_type, codec);
        self.report.push(StatsEntry::Codec(CodecStats {
            id: id.clone(),
            timestamp: self.timestamp(),
            payload_type,
            transport_id: ids::TRANSPORT.to_owned(),
            mime_type: format!("{}/{}", codec.kind.name(), codec.name),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            sdp_fmtp_line: Some(codec.parameters.clone()).filter(|line| !line.is_empty()),
        }));
        id
    }

    pub(super) fn inbound(&mut self, stream: &InboundStats, track_identifier: String) {
        let codec_id = self.codec(stream.payload_type, &stream.codec);
        let (id, remote_id) =
            (ids::stream("inbound-rtp", stream.ssrc), ids::stream("remote-outbound-rtp", stream.ssrc));
        let received = &stream.received;
        // What only pictures have.
        let video = |count: u64| (stream.kind == MediaKind::Video).then_some(count);
        let repaired = |count: u64| stream.has_rtx.then_some(count);
        let video_time = |time: Duration| (stream.kind == MediaKind::Video).then_some(time.as_secs_f64());
        if let Some(remote) = &stream.remote {
            self.remote_outbound(stream, remote, (&id, &remote_id, &codec_id));
        }
        self.report.push(StatsEntry::InboundRtp(InboundRtpStats {
            id,
            timestamp: self.timestamp(),
            transceiver: stream.transceiver,
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id,
            track_identifier,
            mid: stream.mid.clone(),
            packets_received: received.packets_received,
            packets_lost: received.packets_lost,
            jitter: f64::from(received.jitter) / f64::from(stream.codec.clock_rate.max(1)),
            bytes_received: received.bytes_received,
            header_bytes_received: received.header_bytes_received,
            packets_discarded: received.packets_discarded,
            nack_count: received.nack_count,
            rid: stream.rid.as_deref().map(str::to_owned),
            remote_id: stream.remote.map(|_| remote_id),
            retransmitted_packets_received: repaired(received.retransmitted_packets_received),
            retransmitted_bytes_received: repaired(received.retransmitted_bytes_received),
            rtx_ssrc: stream.rtx_ssrc,
            last_packet_received_timestamp: received.last_packet_received.map(|at| self.moment(at)),
            fir_count: video(stream.fir_count),
            pli_count: video(received.pli_count.saturating_sub(stream.fir_count)),
            frames_received: video(received.frames_received),
            frames_dropped: video(received.frames_dropped),
            frame_width: stream.frame_size.map(|(width, _)| width),
            frame_height: stream.frame_size.map(|(_, height)| height),
            freeze_count: video(received.freeze_count),
            total_freezes_duration: video_time(received.total_freezes_duration),
            jitter_buffer_delay: video_time(received.buffer_delay),
            jitter_buffer_emitted_count: video(received.frames_received),
            frames_assembled_from_multiple_packets: video(received.frames_assembled_from_multiple_packets),
            total_assembly_time: video_time(received.total_assembly_time),
        }));
    }

    pub(super) fn outbound(&mut self, stream: &OutboundStats) {
        let codec_id = self.codec(stream.payload_type, &stream.codec);
        let (id, remote_id) =
            (ids::stream("outbound-rtp", stream.ssrc), ids::stream("remote-inbound-rtp", stream.ssrc));
        let sent = &stream.sent;
        let video = |count: u64| (stream.kind == MediaKind::Video).then_some(count);
        if let Some(remote) = &stream.remote {
            self.remote_inbound(stream, remote, (&id, &remote_id, &codec_id));
        }
        self.report.push(StatsEntry::OutboundRtp(OutboundRtpStats {
            id,
            timestamp: self.timestamp(),
            transceiver: stream.transceiver,
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id,
            mid: stream.mid.clone(),
            packets_sent: sent.packets_sent,
            bytes_sent: sent.bytes_sent,
            header_bytes_sent: stream.header_bytes,
            retransmitted_packets_sent: sent.retransmitted_packets_sent,
            retransmitted_bytes_sent: sent.retransmitted_bytes_sent,
            total_packet_send_delay: sent.total_packet_send_delay.as_secs_f64(),
            nack_count: sent.nack_count,
            active: sent.active,
            remote_id: stream.remote.as_ref().map(|_| remote_id),
            rid: stream.rid.clone(),
            rtx_ssrc: stream.rtx_ssrc,
            target_bitrate: sent.target_bitrate.map(|rate| rate as f64),
            fir_count: video(sent.fir_count),
            pli_count: video(sent.pli_count),
            frames_sent: video(sent.frames_sent),
            frame_width: stream.frame_size.map(|(width, _)| width),
            frame_height: stream.frame_size.map(|(_, height)| height),
        }));
    }

    /// How the peer sends a stream that is received; the names are those of the stream, of this object and of the codec.
    fn remote_outbound(
        &mut self,
        stream: &InboundStats,
        remote: &receive::RemoteStats,
        (id, remote_id, codec_id): (&str, &str, &str),
    ) {
        self.report.push(StatsEntry::RemoteOutboundRtp(RemoteOutboundRtpStats {
            id: remote_id.to_owned(),
            timestamp: self.moment(remote.received),
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id: codec_id.to_owned(),
            local_id: id.to_owned(),
            packets_sent: remote.info.packets.into(),
            bytes_sent: remote.info.octets.into(),
            reports_sent: remote.reports_received,
            // A sender without a clock says zero (RFC 3550, section 6.4.1).
            remote_timestamp: (remote.info.ntp != NtpTime::default())
                .then(|| milliseconds(remote.info.ntp.since_unix_epoch())),
        }));
    }

    /// How the peer receives a stream that is sent; the names are as above.
    fn remote_inbound(
        &mut self,
        stream: &OutboundStats,
        remote: &send::RemoteStats,
        (id, remote_id, codec_id): (&str, &str, &str),
    ) {
        self.report.push(StatsEntry::RemoteInboundRtp(RemoteInboundRtpStats {
            id: remote_id.to_owned(),
            timestamp: remote.last_report.map_or_else(|| self.timestamp(), |at| self.moment(at)),
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id: codec_id.to_owned(),
            local_id: id.to_owned(),
            packets_received: remote.packets_received,
            packets_lost: remote.packets_lost,
            jitter: remote.jitter.as_secs_f64(),
            fraction_lost: remote.fraction_lost,
            total_round_trip_time: remote.total_round_trip_time.as_secs_f64(),
            round_trip_time_measurements: remote.round_trip_time_measurements,
            round_trip_time: remote.round_trip_time.map(|time| time.as_secs_f64()),
        }));
    }
}
