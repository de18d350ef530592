//! Streams of media, and their codecs.

use session::TransceiverId;

use super::entry::dictionary;

dictionary! {
    /// A codec that a stream uses (`RTCCodecStats`).
    CodecStats {
        /// The number that packets call it by.
        payload_type: u8,
        /// The transport.
        transport_id: String,
        /// Kind and name, as `video/VP8`.
        mime_type: String,
        /// Ticks of the RTP timestamp in a second.
        clock_rate: u32,
        ..
        /// How many channels of sound, where the description says so.
        channels: u8,
        /// Its parameters as they stand in `a=fmtp`.
        sdp_fmtp_line: String,
    }
}

dictionary! {
    /// A stream that is received (`RTCInboundRtpStreamStats`).
    InboundRtpStats {
        /// The transceiver that receives it; not in JSON.
        #[serde(skip)]
        transceiver: TransceiverId,
        /// The source.
        ssrc: u32,
        /// `audio` or `video`.
        kind: &'static str,
        /// The transport.
        transport_id: String,
        /// The codec of the last packet.
        codec_id: String,
        /// The name of the track, as [`RemoteTrack::id`](crate::RemoteTrack::id) has it.
        track_identifier: String,
        /// The name of the media section.
        mid: String,
        /// Packets, those sent again and duplicates too.
        packets_received: u64,
        /// Expected less received; what was sent again as another stream does not count as received (RFC 3550, appendix A.3).
        packets_lost: i64,
        /// Variation of the interarrival time in seconds.
        jitter: f64,
        /// Bytes of payload.
        bytes_received: u64,
        /// Bytes of headers and padding.
        header_bytes_received: u64,
        /// Packets that came too late or were of no use.
        packets_discarded: u64,
        /// Requests for packets to be sent again (generic NACK).
        nack_count: u64,
        ..
        /// The layer of simulcast it is, where there are several; not in JSON, as browsers receive no layers.
        #[serde(skip)]
        rid: String,
        /// What the sender reports of it.
        remote_id: String,
        /// Packets that were sent again, which can be told where they come as a stream of their own (RFC 4588). Those that
        /// filled a probe of the path are among them.
        retransmitted_packets_received: u64,
        /// Bytes of payload in these.
        retransmitted_bytes_received: u64,
        /// The source of what is sent again.
        rtx_ssrc: u32,
        /// When the last packet came, in milliseconds since the Unix epoch.
        last_packet_received_timestamp: f64,
        /// Video: requests for a key frame (FIR).
        fir_count: u64,
        /// Video: requests for a key frame (PLI).
        pli_count: u64,
        /// Video: whole frames.
        frames_received: u64,
        /// Video: frames of which only parts came, or that could not be handed out.
        frames_dropped: u64,
        /// Video: the width in pixels, as the last key frame says.
        frame_width: u32,
        /// Video: the height in pixels.
        frame_height: u32,
        /// Video: times that no frame could be handed out for long.
        freeze_count: u64,
        /// Video: how long that was in all, in seconds.
        total_freezes_duration: f64,
        /// Video: the time that frames waited, from their first packet until they were whole and in order, in seconds.
        jitter_buffer_delay: f64,
        /// Video: how many frames that is the sum of.
        jitter_buffer_emitted_count: u64,
        /// Video: frames that came in more than one packet.
        frames_assembled_from_multiple_packets: u64,
        /// Video: the time from the first to the last packet of these, in seconds.
        total_assembly_time: f64,
    }
}

dictionary! {
    /// A stream that is sent (`RTCOutboundRtpStreamStats`).
    OutboundRtpStats {
        /// The transceiver that sends it; not in JSON.
        #[serde(skip)]
        transceiver: TransceiverId,
        /// The source.
        ssrc: u32,
        /// `audio` or `video`.
        kind: &'static str,
        /// The transport.
        transport_id: String,
        /// The codec.
        codec_id: String,
        /// The name of the media section.
        mid: String,
        /// Packets, those sent again and padding included.
        packets_sent: u64,
        /// Bytes of payload in these.
        bytes_sent: u64,
        /// Bytes of headers and padding.
        header_bytes_sent: u64,
        /// Packets sent again.
        retransmitted_packets_sent: u64,
        /// Bytes of payload in these.
        retransmitted_bytes_sent: u64,
        /// The time that packets waited to be sent, in seconds.
        total_packet_send_delay: f64,
        /// Requests for packets to be sent again that came (generic NACK).
        nack_count: u64,
        /// Whether it is not paused.
        active: bool,
        ..
        /// What the receiver reports of it.
        remote_id: String,
        /// The layer of simulcast.
        rid: String,
        /// The source of what is sent again.
        rtx_ssrc: u32,
        /// What the encoder is asked to keep to, in bits per second.
        target_bitrate: f64,
        /// Video: requests for a key frame that came (FIR).
        fir_count: u64,
        /// Video: requests for a key frame that came (PLI).
        pli_count: u64,
        /// Video: frames.
        frames_sent: u64,
        /// Video: the width in pixels, as the last key frame says.
        frame_width: u32,
        /// Video: the height in pixels.
        frame_height: u32,
    }
}

dictionary! {
    /// A stream that is sent, as the peer receives it (`RTCRemoteInboundRtpStreamStats`). Its timestamp is when the last
    /// report came.
    RemoteInboundRtpStats {
        /// The source.
        ssrc: u32,
        /// `audio` or `video`.
        kind: &'static str,
        /// The transport.
        transport_id: String,
        /// The codec.
        codec_id: String,
        /// The stream on this side.
        local_id: String,
        /// Packets that arrived.
        packets_received: u64,
        /// Packets that did not; negative where duplicates outnumber them.
        packets_lost: i64,
        /// Variation of the interarrival time in seconds.
        jitter: f64,
        /// The part lost since the report before, 0 to 1.
        fraction_lost: f64,
        /// The sum of all round trips that were measured, in seconds.
        total_round_trip_time: f64,
        /// How many were measured.
        round_trip_time_measurements: u64,
        ..
        /// The last round trip, in seconds.
        round_trip_time: f64,
    }
}

dictionary! {
    /// A stream that is received, as the peer sends it (`RTCRemoteOutboundRtpStreamStats`). Its timestamp is when the
    /// last report came.
    RemoteOutboundRtpStats {
        /// The source.
        ssrc: u32,
        /// `audio` or `video`.
        kind: &'static str,
        /// The transport.
        transport_id: String,
        /// The codec.
        codec_id: String,
        /// The stream on this side.
        local_id: String,
        /// Packets sent, without what was sent again as another stream; wraps at 2^32.
        packets_sent: u64,
        /// Bytes of payload in these; wraps at 2^32.
        bytes_sent: u64,
        /// Reports that came.
        reports_sent: u64,
        ..
        /// When the last report was made, in milliseconds since the Unix epoch, by the peer's clock.
        remote_timestamp: f64,
    }
}
