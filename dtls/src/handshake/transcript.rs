use crate::message::{FragmentHeader, HandshakeType};
use crate::reassembly::Message;

/// All handshake messages of both sides, each as if it had come in one piece (RFC 6347, section 4.2.6). Kept whole, not
/// hashed, because the hash of a CertificateVerify is known only when it comes. A few kilobytes, until the handshake ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript {
    bytes: Vec<u8>,
}

impl Transcript {
    pub(super) fn add(&mut self, kind: HandshakeType, sequence: u16, body: &[u8]) {
        let length = body.len() as u32;
        FragmentHeader { kind, length, sequence, offset: 0, fragment_length: length }.encode(&mut self.bytes);
        self.bytes.extend_from_slice(body);
    }

    pub(super) fn add_message(&mut self, message: &Message) {
        self.add(message.kind, message.sequence, &message.body);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
