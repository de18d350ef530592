//! The handshake of DTLS 1.2 (RFC 5246, section 7.3; RFC 6347, section 4.2), one struct per awaited message. Each is
//! consumed by the message it awaits and becomes the next, so a message out of turn has nowhere to go.
//!
//! ```text
//! Client                                        Server
//!                        ClientHello   ───────▶ AwaitClientHello
//! AwaitServerHello ◀───  HelloVerifyRequest     (if a cookie is asked for)
//!                        ClientHello   ───────▶ AwaitClientHello
//! AwaitServerHello ◀───  ServerHello
//! AwaitCertificate ◀───  Certificate
//! AwaitServerKeyExchange ◀─ ServerKeyExchange
//! AwaitServerHelloDone ◀─── CertificateRequest
//! AwaitServerHelloDone ◀─── ServerHelloDone
//!                        Certificate   ───────▶ AwaitCertificate
//!                        ClientKeyExchange ───▶ AwaitClientKeyExchange
//!                        CertificateVerify ───▶ AwaitCertificateVerify
//!                        [ChangeCipherSpec]
//!                        Finished      ───────▶ AwaitFinished
//!                        [ChangeCipherSpec]
//! AwaitFinished    ◀───  Finished
//! ```

mod client;
mod cookie;
mod server;
mod transcript;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::config::Config;
use crate::crypto::secrets::Secrets;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::flight::Flight;
use crate::message::{Certificate, HandshakeType};
use crate::protection::Records;
use crate::reassembly::Message;
use crate::srtp::SrtpProfile;
use crate::x509;
use transcript::Transcript;

/// The epoch of everything that is protected: there is only one in DTLS 1.2 without renegotiation.
pub(crate) const PROTECTED: u16 = 1;

/// What every step of a handshake works on.
pub(crate) struct Context<'c> {
    pub(crate) config: &'c Config,
    pub(crate) rng: &'c mut StdRng,
    pub(crate) records: &'c mut Records,
    pub(crate) flight: &'c mut Flight,
}

impl Context<'_> {
    /// Puts a message into the flight, and into the transcript.
    fn send(&mut self, kind: HandshakeType, transcript: &mut Transcript, body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        body(&mut bytes);
        let epoch = self.records.write_epoch();
        transcript.add(kind, self.flight.next_sequence(), &bytes);
        self.flight.push(epoch, kind, bytes);
    }

    fn random(&mut self) -> [u8; 32] {
        self.rng.random()
    }
}

/// What one awaited message does, in two steps: it is looked at, which changes nothing, and then believed. A message in
/// clear may have been changed on its way, so one that fails leaves the handshake as it was, and its repetition is
/// awaited.
trait Step: Sized {
    /// What was found in a message that passes.
    type Found<'m>;

    /// Decodes a message and checks all that can be checked.
    fn check<'m>(&self, config: &Config, message: &'m Message) -> Result<Self::Found<'m>, Error>;

    /// Goes on. What fails from here on is no fault of the message's, or could not have been seen before.
    fn accept(self, context: &mut Context<'_>, message: &Message, found: Self::Found<'_>) -> Result<Awaiting, Error>;
}

/// A message that does not bring the handshake forward.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    /// The handshake as it was before the message; none if it cannot go on.
    pub(crate) before: Option<Awaiting>,
}

/// Takes one step; `wrap` makes what is awaited of `state` again if the message fails.
fn step<S: Step>(
    state: S,
    wrap: fn(S) -> Awaiting,
    context: &mut Context<'_>,
    message: &Message,
) -> Result<Awaiting, Box<Refusal>> {
    match state.check(context.config, message) {
        Ok(found) => state.accept(context, message, found).map_err(|error| Box::new(Refusal { error, before: None })),
        Err(error) => Err(Box::new(Refusal { error, before: Some(wrap(state)) })),
    }
}

/// What the handshake waits for.
pub(crate) enum Awaiting {
    ServerHello(client::AwaitServerHello),
    ServerCertificate(client::AwaitCertificate),
    ServerKeyExchange(client::AwaitServerKeyExchange),
    ServerHelloDone(client::AwaitServerHelloDone),
    ServerFinished(client::AwaitFinished),
    ClientHello(server::AwaitClientHello),
    ClientCertificate(server::AwaitCertificate),
    ClientKeyExchange(server::AwaitClientKeyExchange),
    CertificateVerify(server::AwaitCertificateVerify),
    ClientFinished(server::AwaitFinished),
    /// Nothing more: the handshake is complete.
    Nothing(Established),
}

/// What a handshake leaves behind.
pub(crate) struct Established {
    pub(crate) secrets: Secrets,
    pub(crate) srtp_profile: Option<SrtpProfile>,
    pub(crate) peer_certificate: Vec<u8>,
}

impl Awaiting {
    /// The client says its hello at once.
    pub(crate) fn client(context: &mut Context<'_>) -> Self {
        Self::ServerHello(client::AwaitServerHello::start(context))
    }

    /// The server waits for it.
    pub(crate) fn server(context: &mut Context<'_>) -> Self {
        Self::ClientHello(server::AwaitClientHello::new(context))
    }

    /// Takes the next message.
    pub(crate) fn handle(self, context: &mut Context<'_>, message: &Message) -> Result<Self, Box<Refusal>> {
        match self {
            Self::ServerHello(state) => step(state, Self::ServerHello, context, message),
            Self::ServerCertificate(state) => step(state, Self::ServerCertificate, context, message),
            Self::ServerKeyExchange(state) => step(state, Self::ServerKeyExchange, context, message),
            Self::ServerHelloDone(state) => step(state, Self::ServerHelloDone, context, message),
            Self::ServerFinished(state) => step(state, Self::ServerFinished, context, message),
            Self::ClientHello(state) => step(state, Self::ClientHello, context, message),
            Self::ClientCertificate(state) => step(state, Self::ClientCertificate, context, message),
            Self::ClientKeyExchange(state) => step(state, Self::ClientKeyExchange, context, message),
            Self::CertificateVerify(state) => step(state, Self::CertificateVerify, context, message),
            Self::ClientFinished(state) => step(state, Self::ClientFinished, context, message),
            Self::Nothing(_) => {
                let error = Error::UnexpectedMessage(message.kind, "nothing");
                Err(Box::new(Refusal { error, before: None }))
            }
        }
    }
}

/// Whether a message of this kind may come in records of this epoch: Finished is always protected, all others never. A
/// HelloRequest belongs nowhere: a handshake is going on already (RFC 5246, section 7.4.1.1).
pub(crate) fn belongs(kind: HandshakeType, epoch: u16) -> bool {
    kind != HandshakeType::HELLO_REQUEST && epoch == if kind == HandshakeType::FINISHED { PROTECTED } else { 0 }
}

/// Refuses a message of any kind but the one awaited.
fn expect(message: &Message, kind: HandshakeType, name: &'static str) -> Result<(), Error> {
    if message.kind == kind { Ok(()) } else { Err(Error::UnexpectedMessage(message.kind, name)) }
}

/// The peer's certificate, which its fingerprint vouches for, and the key in it.
struct PeerCertificate {
    der: Vec<u8>,
    public_key: Vec<u8>,
}

impl PeerCertificate {
    /// Compares with the fingerprints first: nothing else of the certificate matters if it is the wrong one.
    fn new(config: &Config, certificate: &Certificate<'_>) -> Result<Self, Error> {
        let der = certificate.leaf.ok_or(Error::NoCertificate)?;
        if !Fingerprint::any_matches(&config.peer_fingerprints, der) {
            return Err(Error::FingerprintMismatch);
        }
        let public_key = x509::subject_public_key_info(der).map_err(Error::BadCertificate)?;
        Ok(Self { der: der.to_vec(), public_key: public_key.to_vec() })
    }
}
