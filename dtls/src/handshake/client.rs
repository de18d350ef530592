use rustls::crypto::{ActiveKeyExchange, SupportedKxGroup};

use super::transcript::Transcript;
use super::{Awaiting, Context, Established, PROTECTED, PeerCertificate, Step, expect};
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
use crate::record_limit;
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
}

/// What the server says to the hello.
pub(super) enum Reply<'m> {
    VerifyRequest { cookie: &'m [u8] },
    Hello { agreed: Agreed, srtp_profile: Option<SrtpProfile> },
}

impl Step for AwaitServerHello {
    type Found<'m> = Reply<'m>;

    fn check<'m>(&self, config: &Config, message: &'m Message) -> Result<Reply<'m>, Error> {
        if message.kind == HandshakeType::HELLO_VERIFY_REQUEST {
            let cookie = HelloVerifyRequest::decode(&message.body)?.cookie;
            let patient = self.verify_requests < MAX_VERIFY_REQUESTS;
            let refused = Error::UnexpectedMessage(message.kind, "ServerHello");
            return if patient { Ok(Reply::VerifyRequest { cookie }) } else { Err(refused) };
        }
        expect(message, HandshakeType::SERVER_HELLO, "ServerHello")?;
        let hello = ServerHello::decode(&message.body)?;
        // A downgrade sentinel in the random is no concern of a client that offered nothing above 1.2 (RFC 8446,
        // section 4.1.3).
        if hello.version != DTLS_1_2 {
            return Err(Error::UnsupportedVersion);
        }
        let suite = Suite::find(&config.provider, hello.cipher_suite);
        let suite = suite.ok_or(Error::IllegalParameter("cipher suite"))?;
        if hello.compression_method != 0 {
            return Err(Error::IllegalParameter("compression method"));
        }
        let answers = Answers::new(config, &hello.extensions)?;
        let agreed = Agreed {
            suite,
            client_random: self.client_random,
            server_random: hello.random,
            extended_master_secret: answers.extended_master_secret,
            record_limit: answers.record_limit,
        };
        Ok(Reply::Hello { agreed, srtp_profile: answers.srtp_profile })
    }

    fn accept(mut self, context: &mut Context<'_>, message: &Message, reply: Reply<'_>) -> Result<Awaiting, Error> {
        match reply {
            // The hello is said again with the cookie; the first exchange is not part of the transcript (RFC 6347,
            // section 4.2.1).
            Reply::VerifyRequest { cookie } => {
                let transcript = send_hello(context, &self.client_random, cookie);
                let verify_requests = self.verify_requests + 1;
                Ok(Awaiting::ServerHello(Self { transcript, verify_requests, ..self }))
            }
            Reply::Hello { agreed, srtp_profile } => {
                self.transcript.add_message(message);
                let transcript = self.transcript;
                Ok(Awaiting::ServerCertificate(AwaitCertificate { agreed, srtp_profile, transcript }))
            }
        }
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
    record_limit::encode(buf);
    if !config.srtp_profiles.is_empty() {
        Extension::encode(ExtensionType::USE_SRTP, buf, |buf| srtp::encode(&config.srtp_profiles, buf));
    }
}

/// What the server's extensions say.
struct Answers {
    extended_master_secret: bool,
    srtp_profile: Option<SrtpProfile>,
    record_limit: Option<usize>,
}

impl Answers {
    fn new(config: &Config, extensions: &Extensions<'_>) -> Result<Self, Error> {
        let mut answers = Self { extended_master_secret: false, srtp_profile: None, record_limit: None };
        for Extension { kind, value } in extensions.iter() {
            match kind {
                ExtensionType::EXTENDED_MASTER_SECRET => answers.extended_master_secret = true,
                // One byte of length, nothing behind it (RFC 5746, section 3.4).
                ExtensionType::RENEGOTIATION_INFO if value == [0] => {}
                ExtensionType::RENEGOTIATION_INFO => return Err(Error::IllegalParameter("renegotiation_info")),
                ExtensionType::RECORD_SIZE_LIMIT => answers.record_limit = record_limit::find(extensions)?,
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

impl Step for AwaitCertificate {
    type Found<'m> = PeerCertificate;

    fn check(&self, config: &Config, message: &Message) -> Result<PeerCertificate, Error> {
        expect(message, HandshakeType::CERTIFICATE, "Certificate")?;
        PeerCertificate::new(config, &Certificate::decode(&message.body)?)
    }

    fn accept(mut self, _: &mut Context<'_>, message: &Message, peer: PeerCertificate) -> Result<Awaiting, Error> {
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

/// The server's public key and its group.
pub(super) type KeyShare<'m> = (&'static dyn SupportedKxGroup, &'m [u8]);

impl Step for AwaitServerKeyExchange {
    type Found<'m> = KeyShare<'m>;

    fn check<'m>(&self, config: &Config, message: &'m Message) -> Result<KeyShare<'m>, Error> {
        expect(message, HandshakeType::SERVER_KEY_EXCHANGE, "ServerKeyExchange")?;
        let parameters = ServerKeyExchange::decode(&message.body)?;
        self.check_signature(config, &parameters)?;
        let group = config.groups().find(|group| u16::from(group.name()) == parameters.group);
        Ok((group.ok_or(Error::IllegalParameter("named group"))?, parameters.public_key))
    }

    fn accept(mut self, _: &mut Context<'_>, message: &Message, found: KeyShare<'_>) -> Result<Awaiting, Error> {
        let (group, public_key) = found;
        let exchange = group.start().map_err(|_| Error::Provider("key exchange"))?;
        self.transcript.add_message(message);
        Ok(Awaiting::ServerHelloDone(AwaitServerHelloDone {
            agreed: self.agreed,
            srtp_profile: self.srtp_profile,
            transcript: self.transcript,
            peer: self.peer,
            exchange,
            server_public_key: public_key.to_vec(),
            request: None,
        }))
    }
}

impl AwaitServerKeyExchange {
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

impl Step for AwaitServerHelloDone {
    type Found<'m> = ();

    fn check(&self, config: &Config, message: &Message) -> Result<(), Error> {
        if message.kind == HandshakeType::CERTIFICATE_REQUEST && self.request.is_none() {
            let schemes = CertificateRequest::decode(&message.body)?.schemes;
            // When the time comes to sign, it is too late to ask for the message again.
            return signature::signer(&config.identity, &schemes, |_| true).map(|_| ());
        }
        expect(message, HandshakeType::SERVER_HELLO_DONE, "ServerHelloDone")?;
        Ok(wire::Reader::new(&message.body).finish("ServerHelloDone")?)
    }

    fn accept(mut self, context: &mut Context<'_>, message: &Message, (): ()) -> Result<Awaiting, Error> {
        self.transcript.add_message(message);
        if message.kind == HandshakeType::CERTIFICATE_REQUEST {
            self.request = Some(message.body.clone());
            return Ok(Awaiting::ServerHelloDone(self));
        }
        self.answer(context)
    }
}

impl AwaitServerHelloDone {
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

impl Step for AwaitFinished {
    type Found<'m> = ();

    fn check(&self, _: &Config, message: &Message) -> Result<(), Error> {
        expect(message, HandshakeType::FINISHED, "Finished")?;
        let finished = Finished::decode(&message.body)?;
        self.secrets.check_finished(Role::Server, self.transcript.bytes(), &finished)
    }

    fn accept(self, context: &mut Context<'_>, _: &Message, (): ()) -> Result<Awaiting, Error> {
        // The server has all it waited for.
        context.flight.stop();
        let Self { secrets, srtp_profile, peer, .. } = self;
        Ok(Awaiting::Nothing(Established { secrets, srtp_profile, peer_certificate: peer.der }))
    }
}
