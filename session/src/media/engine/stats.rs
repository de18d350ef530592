//! What was counted of each stream.

use std::sync::Arc;

use rtp::payload::{Format, av1, h264, vp8};
use rtp::{receive, send};

use super::super::{Codec, MediaKind, TransceiverId};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{Engine, Section};

/// A stream of the peer from which something has come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InboundStats {
    /// Which transceiver receives it.
    pub transceiver: TransceiverId,
    /// The name of its media section.
    pub mid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The source.
    pub ssrc: u32,
    /// Whether retransmissions come as another stream.
    pub has_rtx: bool,
    /// The source of that, once known.
    pub rtx_ssrc: Option<u32>,
    /// Which layer it is, where there are several.
    pub rid: Option<Arc<str>>,
    /// The payload type that came last.
    pub payload_type: u8,
    /// Its codec.
    pub codec: Arc<Codec>,
    /// Counts. Its key frame requests are those of both kinds.
    pub received: receive::Stats,
    /// Full intra requests among the key frame requests (RFC 5104, section 4.3.1).
    pub fir_count: u64,
    /// Width and height in pixels, as the last key frame that was handed out says.
    pub frame_size: Option<(u32, u32)>,
    /// What the sender reports, once it has.
    pub remote: Option<receive::RemoteStats>,
}

/// A stream that is sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundStats {
    /// Which transceiver sends it.
    pub transceiver: TransceiverId,
    /// The name of its media section.
    pub mid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The source.
    pub ssrc: u32,
    /// The source of retransmissions, where there are any.
    pub rtx_ssrc: Option<u32>,
    /// Which layer it is, where there are several.
    pub rid: Option<String>,
    /// The payload type.
    pub payload_type: u8,
    /// The codec.
    pub codec: Codec,
    /// Counts.
    pub sent: send::Stats,
    /// Bytes of headers and padding, exactly; those among the counts are an estimate.
    pub header_bytes: u64,
    /// Width and height in pixels, as the last key frame says.
    pub frame_size: Option<(u32, u32)>,
    /// What the receiver reports, once it has.
    pub remote: Option<send::RemoteStats>,
}

/// All streams of a session.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) inbound: Vec<InboundStats>,
    pub(crate) outbound: Vec<OutboundStats>,
}

impl Engine {
    /// What was counted of each stream. Collects, so not for every packet.
    pub(crate) fn streams(&self) -> Streams {
        let mut streams = Streams::default();
        for section in &self.sections {
            streams.inbound.extend(section.inbound.iter().filter_map(|stream| section.inbound_stats(stream)));
            // Layers take turns in being sent; what is told keeps its order.
            let layers = section.parameters.send.iter().flat_map(|send| &send.layers);
            let sent = layers.filter_map(|layer| section.outbound.iter().find(|stream| stream.ssrc == layer.ssrc));
            streams.outbound.extend(sent.filter_map(|stream| section.outbound_stats(stream)));
        }
        streams
    }
}

impl Section {
    fn inbound_stats(&self, stream: &Inbound) -> Option<InboundStats> {
        let (receiver, (payload_type, codec)) = (stream.receiver()?, stream.codec()?);
        Some(InboundStats {
            transceiver: self.parameters.transceiver,
            mid: self.parameters.mid.clone(),
            kind: self.parameters.kind,
            ssrc: stream.ssrc,
            has_rtx: self.received_type(payload_type).is_some_and(|one| one.rtx.is_some()),
            rtx_ssrc: stream.rtx_ssrc,
            rid: stream.rid.clone(),
            payload_type,
            codec: codec.clone(),
            received: receiver.stats(),
            fir_count: stream.fir_count,
            frame_size: stream.frame_size,
            remote: receiver.remote_stats(),
        })
    }

    fn outbound_stats(&self, stream: &Outbound) -> Option<OutboundStats> {
        let mut types = self.parameters.send.iter().flat_map(|send| &send.types);
        let sent = types.find(|one| one.number == stream.payload_type)?;
        let remote = stream.sender.remote_stats();
        Some(OutboundStats {
            transceiver: self.parameters.transceiver,
            mid: self.parameters.mid.clone(),
            kind: self.parameters.kind,
            ssrc: stream.ssrc,
            rtx_ssrc: stream.sender.config().rtx.map(|rtx| rtx.ssrc),
            rid: stream.rid.clone(),
            payload_type: stream.payload_type,
            codec: sent.codec.clone(),
            sent: stream.sender.stats(),
            header_bytes: stream.header_bytes,
            frame_size: stream.frame_size,
            remote: (remote.reports_received > 0).then(|| remote.clone()),
        })
    }
}

impl Codec {
    /// Width and height of a key frame, where its header says so and is understood here.
    pub(super) fn frame_size(&self, frame: &[u8]) -> Option<(u32, u32)> {
        let wide = |(width, height): (u16, u16)| (width.into(), height.into());
        match self.format()? {
            Format::Vp8 => vp8::dimensions(frame).map(wide),
            Format::Av1 => av1::dimensions(frame).map(wide),
            Format::H264 => h264::SequenceParameterSet::of_frame(frame).map(|set| (set.width, set.height)),
            Format::Vp9 | Format::H265 | Format::Opus | Format::Pcmu | Format::Pcma => None,
        }
    }
}
