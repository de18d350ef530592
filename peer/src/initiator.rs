//! The peer that begins.

use std::sync::{Arc, Mutex};

use crate::channel::ChannelOptions;
use crate::config::Config;
use crate::connection::{OfferOptions, PeerConnection};
use crate::description::{SdpType, SessionDescription, SignalingState, expect_kind};
use crate::error::Error;
use crate::sync::lock;

/// The peer that makes the offer: it creates a data channel, offers it, and processes the answer.
#[derive(Clone, Debug)]
pub struct Initiator {
    connection: PeerConnection,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    New,
    Offered,
    Answered,
}

impl Initiator {
    /// An initiator with a new peer connection.
    ///
    /// # Errors
    ///
    /// Those of [`PeerConnection::new`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { connection: PeerConnection::new(config)?, progress: Arc::new(Mutex::new(Progress::New)) })
    }

    /// Creates an ordered, reliable data channel with this label and an offer for it, to be sent to the receiver.
    /// The offer is complete, candidates inside, unless [`Config::trickle`] is set.
    ///
    /// # Errors
    ///
    /// Those of [`PeerConnection::create_data_channel`] and [`PeerConnection::create_offer`].
    pub async fn create_data_channel_offer(
        &self,
        label: impl Into<String> + Send,
    ) -> Result<SessionDescription, Error> {
        self.create_data_channel_offer_with(label, ChannelOptions::default()).await
    }

    /// The same with a channel that is made otherwise.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn create_data_channel_offer_with(
        &self,
        label: impl Into<String> + Send,
        options: ChannelOptions,
    ) -> Result<SessionDescription, Error> {
        // The handle that this returns is not needed: the connection keeps the channel, and finds it by its label.
        drop(self.connection.create_data_channel(label, options)?);
        self.create_offer().await
    }

    /// Creates an offer for the tracks that were added to the peer connection, to be sent to the receiver. Complete
    /// as above. What was asked for besides, such as data channels, is in it too.
    ///
    /// # Errors
    ///
    /// [`Error::NoTrack`] when no track or transceiver was added; those of [`PeerConnection::create_offer`].
    pub async fn create_track_offer(&self) -> Result<SessionDescription, Error> {
        if self.connection.transceivers().await?.is_empty() {
            return Err(Error::NoTrack);
        }
        self.create_offer().await
    }

    /// A new offer for what is wanted by now, such as an ICE restart after [`PeerConnection::restart_ice`].
    ///
    /// # Errors
    ///
    /// Those of [`PeerConnection::create_offer`].
    pub async fn create_offer(&self) -> Result<SessionDescription, Error> {
        let offer = self.connection.create_offer(OfferOptions::default()).await?;
        let offer = complete(&self.connection, offer).await?;
        *lock(&self.progress) = Progress::Offered;
        Ok(offer)
    }

    /// Processes the receiver's answer, after which the two connect.
    ///
    /// # Errors
    ///
    /// [`Error::AnswerBeforeOffer`], [`Error::AnswerTwice`], [`Error::WrongKind`] when this is an offer;
    /// [`Error::Negotiation`] names what cannot be understood or used.
    pub async fn process_answer(&self, answer: SessionDescription) -> Result<(), Error> {
        if answer.kind != SdpType::Pranswer {
            expect_kind(&answer, SdpType::Answer, "an initiator makes offers itself; give this one to a `Receiver`")?;
        }
        match *lock(&self.progress) {
            Progress::New => return Err(Error::AnswerBeforeOffer),
            Progress::Answered => return Err(Error::AnswerTwice),
            Progress::Offered => {}
        }
        self.connection.set_remote_description(answer).await?;
        // A provisional answer leaves the offer open for another.
        if self.connection.signaling_state() == SignalingState::Stable {
            *lock(&self.progress) = Progress::Answered;
        }
        Ok(())
    }

    /// The connection beneath, with all that can be done with it.
    pub const fn peer_connection(&self) -> &PeerConnection {
        &self.connection
    }
}

/// Sets a local description and returns it as it shall be sent: with its candidates, unless they trickle.
pub(crate) async fn complete(
    connection: &PeerConnection,
    description: SessionDescription,
) -> Result<SessionDescription, Error> {
    connection.set_local_description(description.clone()).await?;
    if connection.config().trickle { Ok(description) } else { connection.gathered().await }
}
