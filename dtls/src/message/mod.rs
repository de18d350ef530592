//! Handshake messages as they stand on the wire (RFC 5246, section 7.4; RFC 6347, section 4.2).
//!
//! Decoding borrows and says what the bytes are; whether that is allowed is decided by the state machine. Each
//! `decode` takes a whole message body, without the handshake header, and refuses trailing bytes; each `encode`
//! appends a body.

mod client_hello;
mod extension;
mod messages;
mod server_hello;

use std::fmt;

use wire::{Malformed, Put, Reader};

pub use client_hello::ClientHello;
pub use extension::{Extension, ExtensionType, Extensions, U16s};
pub use messages::{
    Certificate, CertificateRequest, CertificateVerify, ClientKeyExchange, Finished, HelloVerifyRequest,
    ServerKeyExchange,
};
pub use server_hello::ServerHello;

/// DTLS 1.0 on the wire, in `HelloVerifyRequest` and in records before the version is agreed.
pub const DTLS_1_0: u16 = 0xfeff;
/// DTLS 1.2 on the wire.
pub const DTLS_1_2: u16 = 0xfefd;

/// The type of a handshake message. Numbers without a name are kept as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandshakeType(pub u8);

impl HandshakeType {
    /// A server asks for a renegotiation.
    pub const HELLO_REQUEST: Self = Self(0);
    /// The client's offer.
    pub const CLIENT_HELLO: Self = Self(1);
    /// The server's choice.
    pub const SERVER_HELLO: Self = Self(2);
    /// The server wants its cookie back first (RFC 6347, section 4.2.1).
    pub const HELLO_VERIFY_REQUEST: Self = Self(3);
    /// A certificate chain.
    pub const CERTIFICATE: Self = Self(11);
    /// The server's half of the key exchange, signed.
    pub const SERVER_KEY_EXCHANGE: Self = Self(12);
    /// The server wants the client's certificate.
    pub const CERTIFICATE_REQUEST: Self = Self(13);
    /// The server has said all it had to say.
    pub const SERVER_HELLO_DONE: Self = Self(14);
    /// The client proves that it holds the key of its certificate.
    pub const CERTIFICATE_VERIFY: Self = Self(15);
    /// The client's half of the key exchange.
    pub const CLIENT_KEY_EXCHANGE: Self = Self(16);
    /// A hash over all that went before.
    pub const FINISHED: Self = Self(20);

    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::HELLO_REQUEST => "HelloRequest",
            Self::CLIENT_HELLO => "ClientHello",
            Self::SERVER_HELLO => "ServerHello",
            Self::HELLO_VERIFY_REQUEST => "HelloVerifyRequest",
            Self::CERTIFICATE => "Certificate",
            Self::SERVER_KEY_EXCHANGE => "ServerKeyExchange",
            Self::CERTIFICATE_REQUEST => "CertificateRequest",
            Self::SERVER_HELLO_DONE => "ServerHelloDone",
            Self::CERTIFICATE_VERIFY => "CertificateVerify",
            Self::CLIENT_KEY_EXCHANGE => "ClientKeyExchange",
            Self::FINISHED => "Finished",
            _ => return None,
        })
    }
}

impl fmt::Display for HandshakeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "handshake message {}", self.0),
        }
    }
}

/// The header in front of every piece of a handshake message (RFC 6347, section 4.2.2). DTLS 1.3 has the same.
///
/// ```text
/// | type 1 | length 3 | message_seq 2 | fragment_offset 3 | fragment_length 3 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// What message this is a piece of.
    pub kind: HandshakeType,
    /// Bytes in the whole message body, below 2^24.
    pub length: u32,
    /// The message's number, counted by each side from 0.
    pub sequence: u16,
    /// Where in the body this piece belongs.
    pub offset: u32,
    /// Bytes in this piece.
    pub fragment_length: u32,
}

impl FragmentHeader {
    /// Bytes of a header.
    pub const SIZE: usize = 12;

    /// Reads a header and the piece behind it. A piece that reaches beyond its message is malformed.
    pub fn decode<'a>(reader: &mut Reader<'a>) -> Result<(Self, &'a [u8]), Malformed> {
        let header = Self {
            kind: HandshakeType(reader.u8("handshake type")?),
            length: reader.u24("handshake length")?,
            sequence: reader.u16("handshake message_seq")?,
            offset: reader.u24("handshake fragment_offset")?,
            fragment_length: reader.u24("handshake fragment_length")?,
        };
        // Both are below 2^24, so the sum cannot overflow.
        if header.offset + header.fragment_length > header.length {
            return Err(Malformed::new("handshake fragment_length"));
        }
        let body = reader.bytes(header.fragment_length as usize, "handshake fragment")?;
        Ok((header, body))
    }

    /// Appends the header.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u8(self.kind.0);
        buf.put_u24(self.length);
        buf.put_u16(self.sequence);
        buf.put_u24(self.offset);
        buf.put_u24(self.fragment_length);
    }
}

/// Reads a whole body with `decode` and refuses trailing bytes.
fn whole<'a, T>(
    body: &'a [u8],
    what: &'static str,
    decode: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(body);
    let message = decode(&mut reader)?;
    reader.finish(what)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_piece_beyond_its_message_is_refused() {
        let mut buf = Vec::new();
        let header =
            FragmentHeader { kind: HandshakeType::FINISHED, length: 12, sequence: 3, offset: 8, fragment_length: 5 };
        header.encode(&mut buf);
        buf.extend_from_slice(&[0; 5]);
        let refused = FragmentHeader::decode(&mut Reader::new(&buf));
        assert_eq!(refused, Err(Malformed::new("handshake fragment_length")));
    }

    /// The body of the ClientHello that Chromium sent in two datagrams: each has record header, handshake header, piece.
    fn chromium() -> Vec<u8> {
        let first = include_bytes!("../../tests/data/chromium-client-hello-1.bin");
        let second = include_bytes!("../../tests/data/chromium-client-hello-2.bin");
        [&first[25..], &second[25..]].concat()
    }

    #[test]
    fn a_captured_client_hello_is_understood() {
        let body = chromium();
        let hello = ClientHello::decode(&body).unwrap();
        assert_eq!(hello.version, DTLS_1_2);
        assert!(hello.session_id.is_empty() && hello.cookie.is_empty());
        assert!(hello.cipher_suites.contains(0xc02b) && hello.cipher_suites.contains(0x1301));
        assert_eq!(hello.compression_methods, [0]);
        let groups = hello.extensions.numbers(ExtensionType::SUPPORTED_GROUPS).unwrap().unwrap();
        assert_eq!(groups.iter().collect::<Vec<_>>(), [0x11ec, 29, 23, 24], "X25519MLKEM768 first");
        assert_eq!(hello.extensions.find(ExtensionType::EXTENDED_MASTER_SECRET), Some(&[][..]));
        assert_eq!(hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS), Some(&[4, 0xfe, 0xfc, 0xfe, 0xfd][..]));
        let mut again = Vec::new();
        hello.encode(&mut again);
        assert_eq!(again, body);
    }

    #[test]
    fn a_client_hello_cut_short_or_with_more_behind_it_is_refused() {
        let mut body = chromium();
        let without_extensions = {
            let hello = ClientHello::decode(&body).unwrap();
            body.len() - hello.extensions.iter().map(|extension| 4 + extension.value.len()).sum::<usize>() - 2
        };
        for length in (0..body.len()).filter(|length| *length != without_extensions) {
            assert!(ClientHello::decode(&body[..length]).is_err(), "{length}");
        }
        // The extensions may be left away as a whole (RFC 5246, section 7.4.1.2).
        assert!(ClientHello::decode(&body[..without_extensions]).is_ok());
        body.push(0);
        assert!(ClientHello::decode(&body).is_err());
    }

    #[test]
    fn impossible_values_are_refused() {
        // A session id of 33 bytes, a curve type that is not named, a certificate of no bytes, a Finished too long.
        let mut hello = vec![0xfe, 0xfd];
        hello.resize(34, 7);
        hello.push(33);
        hello.resize(80, 7);
        assert_eq!(ServerHello::decode(&hello), Err(Malformed::new("session_id")));
        assert_eq!(ServerKeyExchange::decode(&[1, 0, 29, 0, 4, 3, 0, 0]), Err(Malformed::new("curve type")));
        assert_eq!(Certificate::decode(&[0, 0, 3, 0, 0, 0]), Err(Malformed::new("certificate")));
        assert_eq!(Finished::decode(&[0; 13]), Err(Malformed::new("Finished")));
        assert_eq!(Certificate::decode(&[0, 0, 0]).map(|certificate| certificate.leaf), Ok(None));
    }

    proptest! {
        #[test]
        fn headers_survive_the_wire(kind: u8, sequence: u16, before in 0u32..100, piece: Vec<u8>, after in 0u32..100) {
            let header = FragmentHeader {
                kind: HandshakeType(kind),
                length: before + piece.len() as u32 + after,
                sequence,
                offset: before,
                fragment_length: piece.len() as u32,
            };
            let mut buf = Vec::new();
            header.encode(&mut buf);
            prop_assert_eq!(buf.len(), FragmentHeader::SIZE);
            buf.extend_from_slice(&piece);
            prop_assert_eq!(FragmentHeader::decode(&mut Reader::new(&buf)), Ok((header, &piece[..])));
        }

        #[test]
        fn hellos_survive_the_wire(
            random: [u8; 32],
            session_id in prop::collection::vec(any::<u8>(), 0..=32),
            cookie in prop::collection::vec(any::<u8>(), 0..=255),
            suites in prop::collection::vec(any::<u16>(), 1..50),
            extensions in prop::collection::btree_map(any::<u16>(), prop::collection::vec(any::<u8>(), 0..50), 0..20),
        ) {
            let (mut list, mut encoded) = (Vec::new(), Vec::new());
            suites.iter().for_each(|suite| list.put_u16(*suite));
            for (kind, value) in &extensions {
                Extension::encode(ExtensionType(*kind), &mut encoded, |buf| buf.put_bytes(value));
            }
            let client = ClientHello {
                version: DTLS_1_2,
                random,
                session_id: &session_id,
                cookie: &cookie,
                cipher_suites: U16s::new(&list),
                compression_methods: &[0],
                extensions: Extensions::new(&encoded),
            };
            let mut buf = Vec::new();
            client.encode(&mut buf);
            prop_assert_eq!(ClientHello::decode(&buf), Ok(client));
            prop_assert_eq!(client.cipher_suites.iter().collect::<Vec<_>>(), suites.clone());
            prop_assert_eq!(client.extensions.iter().count(), extensions.len());
            let server = ServerHello {
                version: DTLS_1_2,
                random,
                session_id: &session_id,
                cipher_suite: suites[0],
                compression_method: 0,
                extensions: Extensions::new(&encoded),
            };
            buf.clear();
            server.encode(&mut buf);
            prop_assert_eq!(ServerHello::decode(&buf), Ok(server));
        }

        #[test]
        fn messages_survive_the_wire(
            short in prop::collection::vec(any::<u8>(), 0..=255),
            long in prop::collection::vec(any::<u8>(), 1..600),
            scheme: u16,
            chain in 1usize..4,
        ) {
            let mut buf = Vec::new();
            let request = HelloVerifyRequest { version: DTLS_1_0, cookie: &short };
            request.encode(&mut buf);
            prop_assert_eq!(HelloVerifyRequest::decode(&buf), Ok(request));

            buf.clear();
            Certificate::encode(std::iter::repeat_n(&long[..], chain), &mut buf);
            prop_assert_eq!(Certificate::decode(&buf), Ok(Certificate { leaf: Some(&long) }));

            let mut parameters = Vec::new();
            ServerKeyExchange::encode_parameters(29, &short, &mut parameters);
            buf.clear();
            ServerKeyExchange::encode(&parameters, scheme, &long, &mut buf);
            let expected =
                ServerKeyExchange { parameters: &parameters, group: 29, public_key: &short, scheme, signature: &long };
            prop_assert_eq!(ServerKeyExchange::decode(&buf), Ok(expected));

            buf.clear();
            CertificateRequest::encode(&short, [scheme, 7].into_iter(), &mut buf);
            let request = CertificateRequest::decode(&buf).unwrap();
            prop_assert_eq!(request.certificate_types, &short[..]);
            prop_assert_eq!(request.schemes.iter().collect::<Vec<_>>(), [scheme, 7]);

            buf.clear();
            let exchange = ClientKeyExchange { public_key: &short };
            exchange.encode(&mut buf);
            prop_assert_eq!(ClientKeyExchange::decode(&buf), Ok(exchange));

            buf.clear();
            let verify = CertificateVerify { scheme, signature: &long };
            verify.encode(&mut buf);
            prop_assert_eq!(CertificateVerify::decode(&buf), Ok(verify));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while FragmentHeader::decode(&mut reader).is_ok() {}
            let _ = ClientHello::decode(&bytes);
            let _ = ServerHello::decode(&bytes);
            let _ = HelloVerifyRequest::decode(&bytes);
            let _ = Certificate::decode(&bytes);
            let _ = ServerKeyExchange::decode(&bytes);
            let _ = CertificateRequest::decode(&bytes);
            let _ = ClientKeyExchange::decode(&bytes);
            let _ = CertificateVerify::decode(&bytes);
            let _ = Finished::decode(&bytes);
        }
    }
}
