//! The names of objects, made of what they are, so that they stay the same from report to report.

use session::{Codec, Report, ice};

pub(super) const TRANSPORT: &str = "transport";
pub(super) const PEER_CONNECTION: &str = "peer-connection";

/// The side that something belongs to.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Local,
    Remote,
}

/// Payload types mean the same for all streams, but not always the same both ways; so the parameters are part of it.
pub(super) fn codec(payload_type: u8, codec: &Codec) -> String {
    let Codec { name, parameters, .. } = codec;
    let separator = if parameters.is_empty() { "" } else { "-" };
    format!("codec-{payload_type}-{name}{separator}{parameters}")
}

/// `kind` is the type of the object.
pub(super) fn stream(kind: &str, ssrc: u32) -> String {
    format!("{kind}-{ssrc}")
}

pub(super) fn candidate(side: Side, candidate: &ice::Candidate, ufrag: &str) -> String {
    let side = match side {
        Side::Local => "local",
        Side::Remote => "remote",
    };
    let kind = candidate.kind;
    let address = match &candidate.address {
        ice::CandidateAddress::Ip(address) => address.to_string(),
        ice::CandidateAddress::Name(name, port) => format!("{name}:{port}"),
    };
    let transport = &candidate.transport;
    let base = candidate.related.map(|base| format!("-{base}")).unwrap_or_default();
    format!("{side}-candidate-{ufrag}-{transport}-{kind}-{address}{base}")
}

/// A restart by either side begins new pairs of the same addresses.
pub(super) fn pair(report: &Report, route: ice::Route) -> String {
    let (ours, theirs) = (&report.local_ufrag, report.remote_ufrag.as_deref().unwrap_or_default());
    format!("candidate-pair-{ours}-{theirs}-{}-{}", route.local, route.remote)
}
