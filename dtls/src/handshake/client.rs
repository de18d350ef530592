use rustls::crypto::ActiveKeyExchange;

use super::transcript::Transcript;
use super::{Awaiting, Context, Established, PROTECTED, PeerCertificate, expect};
use crate::config::{Config, Role};
use crate::crypto::secrets::{Agreed, Secrets};
use crate::crypto::signature;
use crate::crypto::suite::Suite;
use crate::error::Error;
use crate::flight::Repeats;
use crate::message::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, ClientKeyExchange, DTLS_1_2, Extension,
    ExtensionType, Extensions, Finished, HandshakeType, HelloVerifyRequest, ServerHello, ServerKeyExchange, U16s,
};
use crate::reassembly::Message;
use crate::srtp::{self, SrtpProfile};

/// A server that asks for a cookie again and again is not going to be satisfied.
const MAX_VERIFY_REQUESTS: u8 = 4;

/// ClientHello is out.
pub(crate) struct AwaitServerHello {
    client_random: [u8; 32],
    transcript: Transcript,
    verify_requests: u8,
}

impl AwaitServerHello {
    pub(super) fn start(context: &mut Context<'_>) -> Self {
        let client_random = context.random();
        let transcript = send_hello(context, &client_random, &[]);
        Self { client_random, transcript, verify_requests: 0 }
    }

    pub(super) fn handle(self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        if message.kind == HandshakeType::HELLO_VERIFY_REQUEST {
            return self.handle_verify_request(context, message);
        }
        expect(message, HandshakeType::SERVER_HELLO, "ServerHello")?;
        let Self { client_random, mut transcript, .. } = self;
        let hello = ServerHello::decode(&message.body)?;
        // A downgrade sentinel in the random is no concern of a client that offered nothing above 1.2 (RFC 8446,
        // section 4.1.3).
        if hello.version != DTLS_1_2 {
            return Err(Error::UnsupportedVersion);
        }
        let suite = Suite::find(&context.config.provider, hello.cipher_suite);
        let suite = suite.ok_or(Error::IllegalParameter("cipher suite"))?;
        if hello.compression_method != 0 {
            return Err(Error::IllegalParameter("compression method"));
        }
        let answers = Answers::new(context.config, &hello.extensions)?;
        transcript.add_message(message);
        let agreed = Agreed {
            suite,
            client_random,
            server_random: hello.random,
            extended_master_secret: answers.extended_master_secret,
        };
        Ok(Awaiting::ServerCertificate(AwaitCertificate { agreed, srtp_profile: answers.srtp_profile, transcript }))
    }

    /// Says the hello again with the cookie. The first exchange is not part of the transcript (RFC 6347, section
    /// 4.2.1).
    fn handle_verify_request(self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        let request = HelloVerifyRequest::decode(&message.body)?;
        let verify_requests = self.verify_requests + 1;
        if verify_requests > MAX_VERIFY_REQUESTS {
            return Err(Error::UnexpectedMessage(message.kind, "ServerHello"));
        }
        let transcript = send_hello(context, &self.client_random, request.cookie);
        Ok(Awaiting::ServerHello(Self { transcript, verify_requests, ..self }))
    }
}

fn send_hello(context: &mut Context<'_>, client_random: &[u8; 32], cookie: &[u8]) -> Transcript {
    let mut transcript = Transcript::default();
    let config = context.config;
    let mut suites = Vec::new();
    U16s::encode(Suite::all(&config.provider).map(|suite| suite.id()), &mut suites);
    let mut extensions = Vec::new();
    offer(config, &mut extensions);
    context.flight.begin(Repeats::OnTimeout);
    context.send(HandshakeType::CLIENT_HELLO, &mut transcript, |buf| {
        ClientHello {
            version: DTLS_1_2,
            random: *client_random,
            session_id: &[],
            cookie,
            cipher_suites: U16s::new(suites.get(2..).unwrap_or_default()),
            compression_methods: &[0],
            extensions: Extensions::new(&extensions),
        }
        .encode(buf);
    });
    transcript
}

/// The extensions of the ClientHello.
fn offer(config: &Config, buf: &mut Vec<u8>) {
    Extension::encode(ExtensionType::EXTENDED_MASTER_SECRET, buf, |_| {});
    // An empty renegotiation_info says that this is no renegotiation (RFC 5746, section 3.4).
    Extension::encode(ExtensionType::RENEGOTIATION_INFO, buf, |buf| buf.push(0));
    Extension::encode(ExtensionType::SUPPORTED_GROUPS, buf, |buf| {
        U16s::encode(config.groups().map(|group| group.name().into()), buf);
    });
    // Uncompressed points only.
    Extension::encode(ExtensionType::EC_POINT_FORMATS, buf, |buf| buf.extend([1, 0]));
    Extension::encode(ExtensionType::SIGNATURE_ALGORITHMS, buf, |buf| {
        U16s::encode(signature::verifiable(&config.provider), buf);
    });
    if !config.srtp_profiles.is_empty() {
        Extension::encode(ExtensionType::USE_SRTP, buf, |buf| srtp::encode(&config.srtp_profiles, buf));
    }
}

/// What the server's extensions say.
struct Answers {
    extended_master_secret: bool,
    srtp_profile: Option<SrtpProfile>,
}

impl Answers {
    fn new(config: &Config, extensions: &Extensions<'_>) -> Result<Self, Error> {
        let mut answers = Self { extended_master_secret: false, srtp_profile: None };
        for Extension { kind, value } in extensions.iter() {
            match kind {
                ExtensionType::EXTENDED_MASTER_SECRET => answers.extended_master_secret = true,
                // One byte of length, nothing behind it (RFC 5746, section 3.4).
                ExtensionType::RENEGOTIATION_INFO if value == [0] => {}
                ExtensionType::RENEGOTIATION_INFO => return Err(Error::IllegalParameter("renegotiation_info")),
                ExtensionType::EC_POINT_FORMATS => super::server::check_point_formats(extensions)?,
                ExtensionType::USE_SRTP if !config.srtp_profiles.is_empty() => {
                    answers.srtp_profile = Some(Self::srtp_profile(config, value)?);
                }
                // Servers may not answer with groups, but some do (RFC 8446, section 4.2.7, allows for them).
                ExtensionType::SUPPORTED_GROUPS => {}
                unasked => return Err(Error::UnsupportedExtension(unasked.0)),
            }
        }
        if config.require_extended_master_secret && !answers.extended_master_secret {
            return Err(Error::ExtendedMasterSecretRequired);
        }
        Ok(answers)
    }

    /// Exactly one profile, and one that was offered, and no master key identifier, as was offered (RFC 5764, section
    /// 4.1.1).
    fn srtp_profile(config: &Config, value: &[u8]) -> Result<SrtpProfile, Error> {
        let chosen = srtp::decode(value)?;
        match chosen.profiles.as_slice() {
            [profile] if config.srtp_profiles.contains(profile) && chosen.mki.is_empty() => Ok(*profile),
            _ => Err(Error::IllegalParameter("use_srtp")),
        }
    }
}

/// ServerHello is here.
pub(crate) struct AwaitCertificate {
    agreed: Agreed,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
}

impl AwaitCertificate {
    pub(super) fn handle(mut self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        expect(message, HandshakeType::CERTIFICATE, "Certificate")?;
        let peer = PeerCertificate::new(context.config, &Certificate::decode(&message.body)?)?;
        self.transcript.add_message(message);
        let Self { agreed, srtp_profile, transcript } = self;
        Ok(Awaiting::ServerKeyExchange(AwaitServerKeyExchange { agreed, srtp_profile, transcript, peer }))
    }
}

/// The server's certificate is here, and is the one expected.
pub(crate) struct AwaitServerKeyExchange {
    agreed: Agreed,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    peer: PeerCertificate,
}

impl AwaitServerKeyExchange {
    pub(super) fn handle(mut self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        expect(message, HandshakeType::SERVER_KEY_EXCHANGE, "ServerKeyExchange")?;
        let parameters = ServerKeyExchange::decode(&message.body)?;
        self.check_signature(context.config, &parameters)?;
        let group = context.config.groups().find(|group| u16::from(group.name()) == parameters.group);
        let group = group.ok_or(Error::IllegalParameter("named group"))?;
        let exchange = group.start().map_err(|_| Error::Provider("key exchange"))?;
        self.transcript.add_message(message);
        Ok(Awaiting::ServerHelloDone(AwaitServerHelloDone {
            agreed: self.agreed,
            srtp_profile: self.srtp_profile,
            transcript: self.transcript,
            peer: self.peer,
            exchange,
            server_public_key: parameters.public_key.to_vec(),
            request: None,
        }))
    }

    /// The signature covers both randoms, so that it is good for this handshake only (RFC 8422, section 5.4).
    fn check_signature(&self, config: &Config, parameters: &ServerKeyExchange<'_>) -> Result<(), Error> {
        if !self.agreed.suite.signs_with(parameters.scheme.into()) {
            return Err(Error::IllegalParameter("signature scheme"));
        }
        let mut signed = [self.agreed.client_random, self.agreed.server_random].concat();
        signed.extend_from_slice(parameters.parameters);
        let ServerKeyExchange { scheme, signature, .. } = *parameters;
        signature::verify(&config.provider, &self.peer.public_key, scheme, &signed, signature)
    }
}

/// The server's half of the key exchange is here.
pub(crate) struct AwaitServerHelloDone {
    agreed: Agreed,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    peer: PeerCertificate,
    exchange: Box<dyn ActiveKeyExchange>,
    server_public_key: Vec<u8>,
    /// The body of a CertificateRequest, if one came.
    request: Option<Vec<u8>>,
}

impl AwaitServerHelloDone {
    pub(super) fn handle(mut self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        if message.kind == HandshakeType::CERTIFICATE_REQUEST && self.request.is_none() {
            CertificateRequest::decode(&message.body)?;
            self.transcript.add_message(message);
            self.request = Some(message.body.clone());
            return Ok(Awaiting::ServerHelloDone(self));
        }
        expect(message, HandshakeType::SERVER_HELLO_DONE, "ServerHelloDone")?;
        wire::Reader::new(&message.body).finish("ServerHelloDone")?;
        self.transcript.add_message(message);
        self.answer(context)
    }

    /// Sends the client's last flight.
    fn answer(self, context: &mut Context<'_>) -> Result<Awaiting, Error> {
        let Self { agreed, srtp_profile, mut transcript, peer, exchange, server_public_key, request } = self;
        context.flight.begin(Repeats::OnTimeout);
        if request.is_some() {
            let chain = context.config.identity.chain().iter().map(AsRef::as_ref);
            context.send(HandshakeType::CERTIFICATE, &mut transcript, |buf| Certificate::encode(chain, buf));
        }
        context.send(HandshakeType::CLIENT_KEY_EXCHANGE, &mut transcript, |buf| {
            ClientKeyExchange { public_key: exchange.pub_key() }.encode(buf);
        });
        let secrets = Secrets::new(agreed, exchange, &server_public_key, transcript.bytes())?;
        if let Some(request) = request {
            let schemes = CertificateRequest::decode(&request)?.schemes;
            let (scheme, signature) =
                signature::sign(&context.config.identity, &schemes, |_| true, transcript.bytes())?;
            context.send(HandshakeType::CERTIFICATE_VERIFY, &mut transcript, |buf| {
                CertificateVerify { scheme, signature: &signature }.encode(buf);
            });
        }
        context.flight.push_change_cipher_spec(context.records.write_epoch());
        let keys = secrets.keys()?;
        context.records.install_write(PROTECTED, keys.client);
        context.records.install_read(PROTECTED, keys.server);
        let verify_data = secrets.verify_data(Role::Client, transcript.bytes());
        context.send(HandshakeType::FINISHED, &mut transcript, |buf| {
            Finished { verify_data: &verify_data }.encode(buf);
        });
        Ok(Awaiting::ServerFinished(AwaitFinished { secrets, srtp_profile, transcript, peer }))
    }
}

/// All that the client has to say is out.
pub(crate) struct AwaitFinished {
    secrets: Secrets,
    srtp_profile: Option<SrtpProfile>,
    transcript: Transcript,
    peer: PeerCertificate,
}

impl AwaitFinished {
    pub(super) fn handle(self, context: &mut Context<'_>, message: &Message) -> Result<Awaiting, Error> {
        expect(message, HandshakeType::FINISHED, "Finished")?;
        let finished = Finished::decode(&message.body)?;
        self.secrets.check_finished(Role::Server, self.transcript.bytes(), &finished)?;
        // The server has all it waited for.
        context.flight.stop();
        let Self { secrets, srtp_profile, peer, .. } = self;
        Ok(Awaiting::Nothing(Established { secrets, srtp_profile, peer_certificate: peer.der }))
    }
}
