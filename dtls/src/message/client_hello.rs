use wire::{Malformed, Put, Reader};

use super::extension::{Extensions, U16s};

/// The client's offer (RFC 5246, section 7.4.1.2, with the cookie of RFC 6347, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The highest version of those before 1.3; 1.3 is offered in an extension.
    pub version: u16,
    /// Thirty-two bytes of randomness.
    pub random: [u8; 32],
    /// The session to resume: up to 32 bytes, empty for a new one.
    pub session_id: &'a [u8],
    /// What a HelloVerifyRequest asked back: up to 255 bytes, at first empty.
    pub cookie: &'a [u8],
    /// Cipher suites by preference.
    pub cipher_suites: U16s<'a>,
    /// Compression methods; 0, none, must be among them.
    pub compression_methods: &'a [u8],
    /// All else.
    pub extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        super::whole(body, "ClientHello", |reader| {
            Ok(Self {
                version: reader.u16("client_version")?,
                random: reader.array("client random")?,
                session_id: session_id(reader)?,
                cookie: reader.sub_u8("cookie")?.rest(),
                cipher_suites: U16s::decode(reader)?,
                compression_methods: reader.sub_u8("compression methods")?.rest(),
                extensions: Extensions::decode(reader)?,
            })
        })
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u16(self.version);
        buf.put_bytes(&self.random);
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.session_id));
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.cookie));
        U16s::encode(self.cipher_suites.iter(), buf);
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.compression_methods));
        self.extensions.encode(buf);
    }
}

/// A session id of at most 32 bytes.
pub(super) fn session_id<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let id = reader.sub_u8("session_id")?.rest();
    if id.len() <= 32 { Ok(id) } else { Err(Malformed::new("session_id")) }
}
