//! Tracks and transceivers of a connection.

use std::future::poll_fn;

use session::sdp::Direction;
use session::{Codec, MediaKind, TransceiverId, TransceiverInfo, TransceiverOptions};

use super::PeerConnection;
use crate::error::Error;
use crate::track::{LocalTrack, RemoteTrack};

impl PeerConnection {
    /// Sends a track, over a transceiver that is free to or over a new one; `negotiationneeded` follows. `id` is the
    /// track's name and `streams` those of the streams it belongs to, which the peer is told.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] says what does not fit; [`Error::ConnectionClosed`].
    pub async fn add_track(
        &self,
        kind: MediaKind,
        id: impl Into<String>,
        streams: &[&str],
    ) -> Result<LocalTrack, Error> {
        let (id, streams) = (id.into(), streams.iter().map(ToString::to_string).collect());
        let inner = self.call(move |driver, now| driver.add_track(now, kind, id, streams)).await??;
        Ok(LocalTrack { inner, handle: self.handle.clone() })
    }

    /// Makes a transceiver, to receive without sending, to send several layers at once, or with codecs of one's choice.
    /// What it sends goes through the track that is returned.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn add_transceiver(&self, kind: MediaKind, options: TransceiverOptions) -> Result<LocalTrack, Error> {
        let inner = self.call(move |driver, now| driver.add_transceiver(now, kind, options)).await??;
        Ok(LocalTrack { inner, handle: self.handle.clone() })
    }

    /// Ceases to send a track; what its transceiver receives goes on. `negotiationneeded` follows.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn remove_track(&self, track: &LocalTrack) -> Result<(), Error> {
        let id = track.transceiver();
        Ok(self.call(move |driver, now| driver.remove_track(now, id)).await??)
    }

    /// The next track that the peer sends and nobody accepted yet.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn accept_track(&self) -> Result<RemoteTrack, Error> {
        let track = poll_fn(|cx| self.shared().poll_track(cx)).await;
        track.ok_or_else(|| self.shared().closed_error())
    }

    /// All transceivers that are not over, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn transceivers(&self) -> Result<Vec<TransceiverInfo>, Error> {
        self.call(|driver, _| driver.session.transceivers().collect()).await
    }

    /// What this side would like a transceiver to do; `negotiationneeded` follows where that is news.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] when the transceiver is over; [`Error::ConnectionClosed`].
    pub async fn set_direction(&self, id: TransceiverId, direction: Direction) -> Result<(), Error> {
        Ok(self.call(move |driver, now| driver.session.set_direction(now, id, direction)).await??)
    }

    /// Which codecs a transceiver may use after the next exchange, by preference; none stands for all.
    ///
    /// # Errors
    ///
    /// As above, and when a codec is not one that can be sent.
    pub async fn set_codec_preferences(&self, id: TransceiverId, codecs: Vec<Codec>) -> Result<(), Error> {
        Ok(self.call(move |driver, now| driver.session.set_codec_preferences(now, id, codecs)).await??)
    }

    /// Ends a transceiver; `negotiationneeded` follows, and the next exchange refuses its section.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn stop_transceiver(&self, id: TransceiverId) -> Result<(), Error> {
        Ok(self.call(move |driver, now| driver.stop_transceiver(now, id)).await??)
    }
}
