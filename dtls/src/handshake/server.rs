use aws_lc_rs::hmac;
use rustls::SignatureScheme;
use rustls::crypto::{ActiveKeyExchange, SupportedKxGroup};

use super::cookie::Cookies;
use super::transcript::Transcript;
use super::{Awaiting, Context, Established, PROTECTED, PeerCertificate, Step, expect};
use crate::config::{Config, Role};
use crate::crypto::secrets::{Agreed, Secrets, check_public_key};
use crate::crypto::signature;
use crate::crypto::suite::Suite;
use crate::error::Error;
use crate::flight::Repeats;
use crate::message::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, ClientKeyExchange, DTLS_1_0, DTLS_1_2, Extension,
    ExtensionType, Extensions, Finished, HandshakeType, HelloVerifyRequest, ServerHello, ServerKeyExchange, U16s,
};
use crate::reassembly::Message;
use crate::record_limit;
use crate::srtp::{self, SrtpProfile};

/// `rsa_sign` and `ecdsa_sign` (RFC 5246, section 7.4.4; RFC 8422, section 5.5).
const CERTIFICATE_TYPES: [u8; 2] = [1, 64];
/// Stands for an empty renegotiation_info among the cipher suites (RFC 5746, section 3.3).
const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// A client that does not bring its cookie back after so many requests is not going to.
const MAX_VERIFY_REQUESTS: u8 = 4;

/// Nothing is here yet, or no cookie.
pub(crate) struct AwaitClientHello {
    /// None: no cookie is asked for.
    cookies: Option<Cookies>,
    verify_requests: u8,
}

impl AwaitClientHello {
    pub(super) fn new(context: &mut Context<'_>) -> Self {
        let cookies = context.config.require_cookie.then(|| Cookies::new(context.random()));
        Self { cookies, verify_requests: 0 }
    }
}

/// What the server says to a hello.
pub(super) enum Reply<'m> {
    /// HelloVerifyRequest with this cookie.
    AskBack(hmac::Tag),
    /// The server's flight.
    Answer { hello: ClientHello<'m>, schemes: U16s<'m>, choice: Choice },
}

impl Step for AwaitClientHello {
    type Found<'m> = Reply<'m>;

    fn check<'m>(&self, config: &Config, message: &'m Message) -> Result<Reply<'m>, Error> {
        expect(message, HandshakeType::CLIENT_HELLO, "ClientHello")?;
        let hello = ClientHello::decode(&message.body)?;
        check_version(&hello)?;
        if let Some(cookies) = self.cookies.as_ref().filter(|cookies| !cookies.check(&hello)) {
            let patient = self.verify_requests < MAX_VERIFY_REQUESTS;
            return if patient {
                Ok(Reply::AskBack(cookies.make(&hello)))
            } else {
                Err(Error::IllegalParameter("cookie"))
            };
        }
        let schemes = hello.extensions.numbers(ExtensionType::SIGNATURE_ALGORITHMS)?;
        // Without the list SHA-1 would be meant (RFC 5246, section 7.4.1.4.1), which nobody should sign with.
        let schemes = schemes.ok_or(Error::NothingInCommon("signature scheme"))?;
        Ok(Reply::Answer { hello, schemes, choice: Choice::new(config, &hello, &schemes)? })
    }

    fn accept(self, context: &mut Context<'_>, message: &Message, reply: Reply<'_>) -> Result<Awaiting, Error> {
        match reply {
            // No timer repeats this: the client repeats its hello (RFC 6347, section 4.2.1).
            Reply::AskBack(cookie) => {
                context.flight.begin(Repeats::OnDemand);
                context.send(HandshakeType::HELLO_VERIFY_REQUEST, &mut Transcript::default(), |buf| {
                    HelloVerifyRequest { version: DTLS_1_0, cookie: cookie.as_ref() }.encode(buf);
                });
                let verify_requests = self.verify_requests + 1;
                Ok(Awaiting::ClientHello(Self { verify_requests, ..self }))
            }
            Reply::Answer { hello, schemes, choice } => answer(context, message, &hello, &schemes, &choice),
        }
    }
}

/// DTLS 1.2 must be on offer. A client of 1.3 lists its versions; one that lists only 1.3 would refuse the answer, so it
/// is told at once (RFC 8446, section 4.2.1). DTLS versions count downwards.
fn check_version(hello: &ClientHello<'_>) -> Result<(), Error> {
    let listed = match hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS) {
        Some(list) => {
            let mut list = wire::Reader::new(list).sub_u8("supported_versions")?;
            let mut listed = false;
            while !list.is_empty() {
                listed |= list.u16("supported_versions")? == DTLS_1_2;
            }
            listed
        }
        None => true,
    };
    if listed && hello.version >> 8 == 0xfe && hello.version <= DTLS_1_2 {
        Ok(())
    } else {
        Err(Error::UnsupportedVersion)
    }
}

/// What of the client's offer is taken.
pub(super) struct Choice {
    suite: Suite,
    group: &'static dyn SupportedKxGroup,
    srtp_profile: Option<SrtpProfile>,
    extended_master_secret: bool,
    /// Whether the client knows RFC 5746, and wants to read it from the answer.
    renegotiation_info: bool,
    point_formats: bool,
    record_limit: Option<usize>,
}

impl Choice {
    fn new(config: &Config, hello: &ClientHello<'_>, schemes: &U16s<'_>) -> Result<Self, Error> {
        if !hello.compression_methods.contains(&0) {
            return Err(Error::IllegalParameter("compression methods"));
        }
        let extensions = &hello.extensions;
        check_point_formats(extensions)?;
        let extended_master_secret = extensions.find(ExtensionType::EXTENDED_MASTER_SECRET).is_some();
        if config.require_extended_master_secret && !extended_master_secret {
            return Err(Error::ExtendedMasterSecretRequired);
        }
        let renegotiation_info = match extensions.bytes(ExtensionType::RENEGOTIATION_INFO)? {
            Some([]) => true,
            Some(_) => return Err(Error::IllegalParameter("renegotiation_info")),
            None => hello.cipher_suites.contains(RENEGOTIATION_SCSV),
        };
        Ok(Self {
            suite: choose_suite(config, hello, schemes)?,
            group: choose_group(config, extensions)?,
            srtp_profile: choose_srtp_profile(config, extensions)?,
            extended_master_secret,
            renegotiation_info,
            point_formats: extensions.find(ExtensionType::EC_POINT_FORMATS).is_some(),
            record_limit: record_limit::find(extensions)?,
        })
    }

    /// The extensions of the ServerHello: only answers to what was offered.
    fn encode_extensions(&self, buf: &mut Vec<u8>) {
        if self.extended_master_secret {
            Extension::encode(ExtensionType::EXTENDED_MASTER_SECRET, buf, |_| {});
        }
        if self.renegotiation_info {
            Extension::encode(ExtensionType::RENEGOTIATION_INFO, buf, |buf| buf.push(0));
        }
        if self.point_formats {
            Extension::encode(ExtensionType::EC_POINT_FORMATS, buf, |buf| buf.extend([1, 0]));
        }
        if self.record_limit.is_some() {
            record_limit::encode(buf);
        }
        if let Some(profile) = self.srtp_profile {
            Extension::encode(ExtensionType::USE_SRTP, buf, |buf| srtp::encode(&[profile], buf));
        }
    }
}

/// Uncompressed points must be among the formats, if they are listed (RFC 8422, section 5.1.2).
pub(super) fn check_point_formats(extensions: &Extensions<'_>) -> Result<(), Error> {
    match extensions.bytes(ExtensionType::EC_POINT_FORMATS)? {
        Some(formats) if !formats.contains(&0) => Err(Error::IllegalParameter("ec_point_formats")),
        Some(_) | None => Ok(()),
    }
}

/// The client's favourite of those that fit the own key: it knows which its hardware does fast.
fn choose_suite(config: &Config, hello: &ClientHello<'_>, schemes: &U16s<'_>) -> Result<Suite, Error> {
    let offered: Vec<SignatureScheme> = schemes.iter().map(SignatureScheme::from).collect();
    let fits = |suite: &Suite| {
        let schemes: Vec<SignatureScheme> = suite.schemes().iter().copied().filter(|s| offered.contains(s)).collect();
        config.identity.signing_key().choose_scheme(&schemes).is_some()
    };
    let mut suites = hello.cipher_suites.iter().filter_map(|id| Suite::find(&config.provider, id));
    suites.find(fits).ok_or(Error::NothingInCommon("cipher suite"))
}

/// Our favourite of the client's groups. A client that lists none can do them all (RFC 8422, section 4).
fn choose_group(config: &Config, extensions: &Extensions<'_>) -> Result<&'static dyn SupportedKxGroup, Error> {
    let offered = extensions.numbers(ExtensionType::SUPPORTED_GROUPS)?;
    let mut common = config.groups().filter(|group| offered.is_none_or(|list| list.contains(group.name().into())));
    common.next().ok_or(Error::NothingInCommon("key exchange group"))
}

/// Our favourite of the client's profiles; no common one is no reason to end the handshake (RFC 5764, section 4.1.1).
fn choose_srtp_profile(config: &Config, extensions: &Extensions<'_>) -> Result<Option<SrtpProfile>, Error> {
    let Some(value) = extensions.find(ExtensionType::USE_SRTP) else { return Ok(None) };
    let offered = srtp::decode(value)?.profiles;
    Ok(config.srtp_profiles.iter().copied().find(|profile| offered.contains(profile)))
}

/// Sends the server's flight.
fn answer(
    context: &mut Context<'_>,
    message: &Message,
    hello: &ClientHello<'_>,
    schemes: &U16s<'_>,
    choice: &Choice,
) -> Result<Awaiting, Error> {
    let config = context.config;
    // A server that does not know 1.3 sets no downgrade sentinel: the random is nothing but random.
    let server_random = context.random();
    let mut transcript = Transcript::default();
    transcript.add_message(message);
    context.flight.begin(Repeats::OnTimeout);
    let mut extensions = Vec::new();
    choice.encode_extensions(&mut extensions);
    context.send(HandshakeType::SERVER_HELLO, &mut transcript, |buf| {
        ServerHello {
            version: DTLS_1_2,
            random: server_random,
            session_id: &[],
            cipher_suite: choice.suite.id(),
            compression_method: 0,
            extensions: Extensions::new(&extensions),
        }
        .encode(buf);
    });
    let chain = config.identity.chain().iter().map(AsRef::as_ref);
    context.send(HandshakeType::CERTIFICATE, &mut transcript, |buf| Certificate::encode(chain, buf));
    let exchange = choice.group.start().map_err(|_| Error::Provider("key exchange"))?;
    let agreed = Agreed {
        suite: choice.suite,
        client_random: hello.random,
        server_random,
        extended_master_secret: choice.extended_master_secret,
        record_limit: choice.record_limit,
    };
    send_key_exchange(context, &mut transcript, &agreed, &*exchange, schemes)?;
    context.send(HandshakeType::CERTIFICATE_REQUEST, &mut transcript, |buf| {
        CertificateRequest::encode(&CERTIFICATE_TYPES, signature::verifiable(&config.provider), buf);
    });
    context.send(HandshakeType::SERVER_HELLO_DONE, &mut transcript, |_| {});
    let srtp_profile = choice.srtp_profile;
    Ok(Awaiting::ClientCertificate(AwaitCertificate { agreed, srtp_profile, transcript, exchange }))
}

/// Signs the own half of the key exchange and sends it.
fn send_key_exchange(
    context: &mut Context<'_>,
    transcript: &mut Transcript,
    agreed: &Agreed,
    exchange: &dyn ActiveKeyExchange,
    schemes: &U16s<'_>,
) -> Result<(), Error> {
    let mut parameters = Vec::new();
    ServerKeyExchange::encode_parameters(exchange.group().into(), exchange.pub_key(), &mut parameters);
    let mut signed = [agreed.client_random, agreed.server_random].concat();
    signed.extend_from_slice(&parameters);
    let allowed = |scheme| agreed.suite.signs_with(scheme);
    let (scheme, signature) = signature::sign(&context.config.identity, schemes, allowed, &signed)?;
    context.send(HandshakeType::SERVER_KEY_EXCHANGE, transcript, |buf| {
        ServerKeyExchange::encode(&parameters, scheme, &signature, buf);
    });
    Ok(())
}

/// The server's flight is out.
pub(crate) struct AwaitCertificate {
    agreed: Agreed,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    exchange: Box<dyn ActiveKeyExchange>,
}

impl Step for AwaitCertificate {
    type Found<'m> = PeerCertificate;

    fn check(&self, config: &Config, message: &Message) -> Result<PeerCertificate, Error> {
        if message.kind == HandshakeType::CLIENT_KEY_EXCHANGE {
            return Err(Error::NoCertificate);
        }
        expect(message, HandshakeType::CERTIFICATE, "Certificate")?;
        PeerCertificate::new(config, &Certificate::decode(&message.body)?)
    }

    fn accept(mut self, _: &mut Context<'_>, message: &Message, peer: PeerCertificate) -> Result<Awaiting, Error> {
        self.transcript.add_message(message);
        let Self { agreed, srtp_profile, transcript, exchange } = self;
        Ok(Awaiting::ClientKeyExchange(AwaitClientKeyExchange { agreed, srtp_profile, transcript, exchange, peer }))
    }
}

/// The client's certificate is here, and is the one expected.
pub(crate) struct AwaitClientKeyExchange {
    agreed: Agreed,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    exchange: Box<dyn ActiveKeyExchange>,
    peer: PeerCertificate,
}

impl Step for AwaitClientKeyExchange {
    type Found<'m> = &'m [u8];

    fn check<'m>(&self, config: &Config, message: &'m Message) -> Result<&'m [u8], Error> {
        expect(message, HandshakeType::CLIENT_KEY_EXCHANGE, "ClientKeyExchange")?;
        let public_key = ClientKeyExchange::decode(&message.body)?.public_key;
        check_public_key(config, self.exchange.group(), public_key)?;
        Ok(public_key)
    }

    fn accept(self, context: &mut Context<'_>, message: &Message, public_key: &[u8]) -> Result<Awaiting, Error> {
        let Self { agreed, srtp_profile, mut transcript, exchange, peer } = self;
        transcript.add_message(message);
        let secrets = Secrets::new(agreed, exchange, public_key, transcript.bytes())?;
        let keys = secrets.keys()?;
        // Finished may overtake CertificateVerify, so it must be readable already.
        context.records.install_read(PROTECTED, keys.client);
        let write = keys.server;
        Ok(Awaiting::CertificateVerify(AwaitCertificateVerify { secrets, write, srtp_profile, transcript, peer }))
    }
}

/// The client's half of the key exchange is here.
pub(crate) struct AwaitCertificateVerify {
    secrets: Secrets,
    write: crate::crypto::aead::Key,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    peer: PeerCertificate,
}

impl Step for AwaitCertificateVerify {
    type Found<'m> = ();

    fn check(&self, config: &Config, message: &Message) -> Result<(), Error> {
        expect(message, HandshakeType::CERTIFICATE_VERIFY, "CertificateVerify")?;
        let CertificateVerify { scheme, signature } = CertificateVerify::decode(&message.body)?;
        signature::verify(&config.provider, &self.peer.public_key, scheme, self.transcript.bytes(), signature)
    }

    fn accept(mut self, _: &mut Context<'_>, message: &Message, (): ()) -> Result<Awaiting, Error> {
        self.transcript.add_message(message);
        let Self { secrets, write, srtp_profile, transcript, peer } = self;
        Ok(Awaiting::ClientFinished(AwaitFinished { secrets, write, srtp_profile, transcript, peer }))
    }
}

/// The client has proved that it is the one expected.
pub(crate) struct AwaitFinished {
    secrets: Secrets,
    write: crate::crypto::aead::Key,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    peer: PeerCertificate,
}

impl Step for AwaitFinished {
    type Found<'m> = ();

    fn check(&self, _: &Config, message: &Message) -> Result<(), Error> {
        expect(message, HandshakeType::FINISHED, "Finished")?;
        let finished = Finished::decode(&message.body)?;
        self.secrets.check_finished(Role::Client, self.transcript.bytes(), &finished)
    }

    fn accept(self, context: &mut Context<'_>, message: &Message, (): ()) -> Result<Awaiting, Error> {
        let Self { secrets, write, srtp_profile, mut transcript, peer } = self;
        transcript.add_message(message);
        // The last flight: repeated when the client repeats its own, which says that this one got lost.
        context.flight.begin(Repeats::OnDemand);
        context.flight.push_change_cipher_spec(context.records.write_epoch());
        context.records.install_write(PROTECTED, write);
        let verify_data = secrets.verify_data(Role::Server, transcript.bytes());
        context.send(HandshakeType::FINISHED, &mut transcript, |buf| {
            Finished { verify_data: &verify_data }.encode(buf);
        });
        Ok(Awaiting::Nothing(Established { secrets, srtp_profile, peer_certificate: peer.der }))
    }
}
