//! What a session tells of all its parts at once.

use std::time::Instant;

use super::Session;
use crate::{PairReport, Report, SecurityReport};

impl Session {
    /// All that is known of the session's parts. It is put together when asked for, so ask now and then, not for every
    /// datagram.
    pub fn report(&self, now: Instant) -> Report {
        let (ice, channels) = (&self.transport.ice, &self.channels);
        let streams = self.media.as_ref().map(|engine| engine.streams()).unwrap_or_default();
        let known = channels.ids().filter_map(|id| Some((id, channels.info(id)?)));
        let known: Vec<_> = known.filter(|(_, info)| info.state != datachannel::State::Closed).collect();
        let open = known.iter().filter(|(_, info)| info.state == datachannel::State::Open).count() as u64;
        let stats = ice.stats();
        Report {
            unix_time: self.began.1.plus(now.saturating_duration_since(self.began.0)).since_unix_epoch(),
            bandwidth: self.bandwidth().filter(|_| !streams.outbound.is_empty()),
            inbound: streams.inbound,
            outbound: streams.outbound,
            channels_opened: channels.stats().ever_open,
            channels_closed: channels.stats().ever_open.saturating_sub(open),
            channels: known,
            traffic: self.transport.traffic.total(),
            ice_role: ice.remote_ufrag().map(|_| ice.role()),
            ice_state: ice.state(),
            local_ufrag: ice.local_credentials().ufrag.clone(),
            remote_ufrag: ice.remote_ufrag().map(str::to_owned),
            selections: stats.totals.selections,
            pairs: self.pairs(&stats.pairs),
            local_candidates: ice.local_candidates().cloned().collect(),
            remote_candidates: ice.remote_candidates().cloned().collect(),
            dtls_state: self.dtls_state,
            certificate: self.transport.certificate().to_vec(),
            security: self.security(),
        }
    }

    fn pairs(&self, pairs: &[ice::PairStats]) -> Vec<PairReport> {
        let report = |checks: &ice::PairStats| {
            let (local, remote) = self.transport.ice.pair(checks.route)?;
            Some(PairReport { checks: *checks, local, remote, traffic: self.transport.traffic.path(checks.route) })
        };
        pairs.iter().filter_map(report).collect()
    }

    fn security(&self) -> Option<SecurityReport> {
        let (role, dtls) = (self.transport.connected_role()?, self.transport.dtls()?);
        Some(SecurityReport {
            role,
            version: dtls.version().map(dtls::Version::number),
            // IANA's names do not tell the version.
            cipher_suite: dtls.cipher_suite().map(|suite| format!("{suite:?}").replace("TLS13_", "TLS_")),
            srtp_profile: dtls.srtp_profile(),
            peer_certificate: dtls.peer_certificate().map(<[u8]>::to_vec),
        })
    }
}
