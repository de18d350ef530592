#![no_main]
//! Decodes arbitrary bytes as each handshake message, chosen by the first byte: nothing panics, and what is decoded
//! means the same when it is encoded and decoded again. Fingerprints, which come in texts, are here too.

use dtls::message::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, ClientKeyExchange, ExtensionType, Finished,
    HelloVerifyRequest, ServerHello, ServerKeyExchange, U16s,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    let mut written = Vec::new();
    match kind % 11 {
        0 => {
            let Ok(hello) = ClientHello::decode(body) else { return };
            extensions(&hello.extensions);
            hello.encode(&mut written);
            assert_eq!(ClientHello::decode(&written), Ok(hello));
        }
        1 => {
            let Ok(hello) = ServerHello::decode(body) else { return };
            extensions(&hello.extensions);
            hello.encode(&mut written);
            assert_eq!(ServerHello::decode(&written), Ok(hello));
        }
        2 => {
            let Ok(request) = HelloVerifyRequest::decode(body) else { return };
            request.encode(&mut written);
            assert_eq!(written, body);
        }
        3 => {
            let Ok(certificate) = Certificate::decode(body) else { return };
            Certificate::encode(certificate.leaf.into_iter(), &mut written);
            assert_eq!(Certificate::decode(&written), Ok(certificate));
        }
        4 => {
            let Ok(exchange) = ServerKeyExchange::decode(body) else { return };
            ServerKeyExchange::encode(exchange.parameters, exchange.scheme, exchange.signature, &mut written);
            assert_eq!(written, body);
            let mut parameters = Vec::new();
            ServerKeyExchange::encode_parameters(exchange.group, exchange.public_key, &mut parameters);
            assert_eq!(parameters, exchange.parameters);
        }
        5 => {
            let Ok(request) = CertificateRequest::decode(body) else { return };
            CertificateRequest::encode(request.certificate_types, request.schemes.iter(), &mut written);
            assert_eq!(CertificateRequest::decode(&written), Ok(request));
        }
        6 => {
            let Ok(exchange) = ClientKeyExchange::decode(body) else { return };
            exchange.encode(&mut written);
            assert_eq!(written, body);
        }
        7 => {
            let Ok(verify) = CertificateVerify::decode(body) else { return };
            verify.encode(&mut written);
            assert_eq!(written, body);
        }
        8 => {
            let Ok(finished) = Finished::decode(body) else { return };
            finished.encode(&mut written);
            assert_eq!(written, body);
        }
        9 => {
            let Ok(text) = std::str::from_utf8(body) else { return };
            let Ok(fingerprint) = text.parse::<dtls::Fingerprint>() else { return };
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
        _ => U16s::encode(U16s::new(body.get(..60_000).unwrap_or(body)).iter(), &mut written),
    }
});

fn extensions(extensions: &dtls::message::Extensions<'_>) {
    for extension in extensions.iter() {
        assert_eq!(extensions.find(extension.kind), Some(extension.value));
        _ = extensions.bytes(extension.kind);
    }
    if let Ok(Some(groups)) = extensions.numbers(ExtensionType::SUPPORTED_GROUPS) {
        assert!(groups.iter().all(|group| groups.contains(group)));
    }
}
