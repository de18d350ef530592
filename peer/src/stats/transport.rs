//! The transport, and who the two sides are.

use super::entry::dictionary;

dictionary! {
    /// The transport that carries everything (`RTCTransportStats`).
    TransportStats {
        /// Datagrams sent, connectivity checks apart.
        packets_sent: u64,
        /// Datagrams received, connectivity checks apart.
        packets_received: u64,
        /// Bytes in those sent.
        bytes_sent: u64,
        /// Bytes in those received.
        bytes_received: u64,
        /// `controlling`, `controlled` or `unknown`.
        ice_role: &'static str,
        /// The user name fragment of this side.
        ice_local_username_fragment: String,
        /// How far ICE is: `new`, `checking`, `connected`, `completed`, `disconnected`, `failed` or `closed`.
        ice_state: &'static str,
        /// How far DTLS is: `new`, `connecting`, `connected`, `closed` or `failed`.
        dtls_state: String,
        /// `client`, `server` or `unknown`.
        dtls_role: &'static str,
        /// How often the pair of candidates in use changed, the first one included.
        selected_candidate_pair_changes: u64,
        ..
        /// The pair of candidates in use.
        selected_candidate_pair_id: String,
        /// The certificate of this side.
        local_certificate_id: String,
        /// The certificate of the peer.
        remote_certificate_id: String,
        /// The version of DTLS as on the wire, in four hexadecimal digits.
        tls_version: String,
        /// The cipher suite, by its name in IANA's registry.
        dtls_cipher: String,
        /// How media is protected, by its name in IANA's registry.
        srtp_cipher: String,
    }
}

dictionary! {
    /// A certificate (`RTCCertificateStats`).
    CertificateStats {
        /// The hash, in hexadecimal digits with colons between.
        fingerprint: String,
        /// The hash function.
        fingerprint_algorithm: &'static str,
        /// The certificate in DER, in base 64.
        base64_certificate: String,
        ..
    }
}
