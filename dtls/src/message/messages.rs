use wire::{Malformed, Put, Reader};

use super::extension::U16s;
use super::whole;

/// The server wants its cookie back before it remembers anything (RFC 6347, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloVerifyRequest<'a> {
    /// DTLS 1.0, whatever is negotiated afterwards.
    pub version: u16,
    /// Up to 255 bytes to send back.
    pub cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "HelloVerifyRequest", |reader| {
            Ok(Self { version: reader.u16("server_version")?, cookie: reader.sub_u8("cookie")?.rest() })
        })
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u16(self.version);
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.cookie));
    }
}

/// A certificate chain, the sender's own certificate first (RFC 5246, section 7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The sender's own certificate in DER; nothing if it has none.
    pub leaf: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads a whole body. Certificates behind the first are skipped over: nobody here validates chains.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "Certificate", |reader| {
            let mut list = reader.sub_u24("certificate list")?;
            let mut leaf = None;
            while !list.is_empty() {
                let certificate = list.sub_u24("certificate")?.rest();
                if certificate.is_empty() {
                    return Err(Malformed::new("certificate"));
                }
                leaf = leaf.or(Some(certificate));
            }
            Ok(Self { leaf })
        })
    }

    /// Appends a body with a whole chain, own certificate first.
    pub fn encode<'c>(chain: impl Iterator<Item = &'c [u8]>, buf: &mut Vec<u8>) {
        buf.put_prefixed_u24(|buf| {
            for certificate in chain {
                buf.put_prefixed_u24(|buf| buf.put_bytes(certificate));
            }
        });
    }
}

/// The server's half of an ECDHE key exchange, signed (RFC 8422, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeyExchange<'a> {
    /// The bytes of curve type, group and point, over which the signature goes (after both randoms).
    pub parameters: &'a [u8],
    /// The named group.
    pub group: u16,
    /// The server's public key in that group.
    pub public_key: &'a [u8],
    /// The signature scheme.
    pub scheme: u16,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> ServerKeyExchange<'a> {
    /// `named_curve`, the only curve type left (RFC 8422, section 5.4).
    const NAMED_CURVE: u8 = 3;

    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "ServerKeyExchange", |reader| {
            if reader.u8("curve type")? != Self::NAMED_CURVE {
                return Err(Malformed::new("curve type"));
            }
            let group = reader.u16("named group")?;
            let public_key = reader.sub_u8("public key")?.rest();
            let length = body.len().saturating_sub(reader.remaining());
            Ok(Self {
                parameters: body.get(..length).ok_or(Malformed::new("ServerKeyExchange"))?,
                group,
                public_key,
                scheme: reader.u16("signature scheme")?,
                signature: reader.sub_u16("signature")?.rest(),
            })
        })
    }

    /// Appends the part of the body that is signed.
    pub fn encode_parameters(group: u16, public_key: &[u8], buf: &mut Vec<u8>) {
        buf.put_u8(Self::NAMED_CURVE);
        buf.put_u16(group);
        buf.put_prefixed_u8(|buf| buf.put_bytes(public_key));
    }

    /// Appends a body of signed parameters and their signature.
    pub fn encode(parameters: &[u8], scheme: u16, signature: &[u8], buf: &mut Vec<u8>) {
        buf.put_bytes(parameters);
        CertificateVerify { scheme, signature }.encode(buf);
    }
}

/// The server wants the client's certificate (RFC 5246, section 7.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// Kinds of key: `rsa_sign` 1, `ecdsa_sign` 64.
    pub certificate_types: &'a [u8],
    /// Signature schemes that the server verifies.
    pub schemes: U16s<'a>,
}

impl<'a> CertificateRequest<'a> {
    /// Reads a whole body. The names of authorities are skipped over: certificates here are self-signed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "CertificateRequest", |reader| {
            let certificate_types = reader.sub_u8("certificate types")?.rest();
            let schemes = U16s::decode(reader)?;
            reader.sub_u16("certificate authorities")?;
            Ok(Self { certificate_types, schemes })
        })
    }

    /// Appends a body that names no authorities.
    pub fn encode(certificate_types: &[u8], schemes: impl Iterator<Item = u16>, buf: &mut Vec<u8>) {
        buf.put_prefixed_u8(|buf| buf.put_bytes(certificate_types));
        U16s::encode(schemes, buf);
        buf.put_u16(0);
    }
}

/// The client's half of an ECDHE key exchange (RFC 8422, section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeyExchange<'a> {
    /// The client's public key in the group that the server chose.
    pub public_key: &'a [u8],
}

impl<'a> ClientKeyExchange<'a> {
    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let public_key = |reader: &mut Reader<'a>| Ok(reader.sub_u8("public key")?.rest());
        whole(body, "ClientKeyExchange", public_key).map(|public_key| Self { public_key })
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_prefixed_u8(|buf| buf.put_bytes(self.public_key));
    }
}

/// A signature over all messages before it (RFC 5246, section 7.4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateVerify<'a> {
    /// The signature scheme.
    pub scheme: u16,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> CertificateVerify<'a> {
    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "CertificateVerify", |reader| {
            Ok(Self { scheme: reader.u16("signature scheme")?, signature: reader.sub_u16("signature")?.rest() })
        })
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u16(self.scheme);
        buf.put_prefixed_u16(|buf| buf.put_bytes(self.signature));
    }
}

/// A hash over all messages before it, under the master secret (RFC 5246, section 7.4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<'a> {
    /// Twelve bytes in DTLS 1.2.
    pub verify_data: &'a [u8],
}

impl<'a> Finished<'a> {
    /// Bytes of `verify_data` in DTLS 1.2.
    pub const SIZE: usize = 12;

    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        whole(body, "Finished", |reader| Ok(Self { verify_data: reader.bytes(Self::SIZE, "verify_data")? }))
    }

    /// Appends a body.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_bytes(self.verify_data);
    }
}
