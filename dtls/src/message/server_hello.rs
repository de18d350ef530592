use wire::{Malformed, Put};

use super::client_hello::session_id;
use super::extension::Extensions;

/// The server's choice (RFC 5246, section 7.4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The version of the connection.
    pub version: u16,
    /// Thirty-two bytes of randomness.
    pub random: [u8; 32],
    /// A name for the session, or nothing if it cannot be resumed.
    pub session_id: &'a [u8],
    /// The cipher suite, one of those offered.
    pub cipher_suite: u16,
    /// The compression method: 0, none.
    pub compression_method: u8,
    /// Answers to extensions that were offered.
    pub extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        super::whole(body, "ServerHello", |reader| {
            Ok(Self {
                version: reader.u16("server_version")?,
                random: reader.array("server random")?,
                session_id: session_id(reader)?,
                cipher_suite: reader.u16("cipher suite")?,
                compression_method: reader.u8("compression method")?,
                extensions: Extensions::decode(reader)?,
            })
        })
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u16(self.version);
        buf.put_bytes(&self.random);
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.session_id));
        buf.put_u16(self.cipher_suite);
        buf.put_u8(self.compression_method);
        self.extensions.encode(buf);
    }
}
