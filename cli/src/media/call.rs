//! The demo page's call: the browser's camera comes back to it, beside a clip that is played from here.
//!
//! All of it goes through relays that lose as many datagrams as the page likes.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::Response;
use container::Repeat;
use tokio::task::JoinSet;
use visavis::{Codec, Error, Frame, LocalTrack, MediaKind, PeerConnection, RemoteTrack, TransceiverOptions};

use super::clip::Clip;
use super::send::{Playing, Programme};
use super::visit::{self, Part};
use crate::serve::Door;

/// Pictures that move and count, and a beep each second.
const PICTURES: &[u8] = include_bytes!("../../media/clip.ivf");
const SOUND: &[u8] = include_bytes!("../../media/clip.opus");

/// All calls of the page.
pub(crate) struct Calls {
    programme: Arc<Programme>,
    door: Door,
}

impl Calls {
    /// At most so many at once.
    pub(crate) fn new(places: usize) -> Result<Self, String> {
        let stream =
            vec![Arc::new(Clip::built_in("clip", PICTURES, "ivf")?), Arc::new(Clip::built_in("beep", SOUND, "opus")?)];
        Ok(Self { programme: Arc::new(Programme::new(stream, Repeat::Loop)), door: Door::new(places) })
    }

    pub(crate) fn answer(&self, headers: &HeaderMap, upgrade: WebSocketUpgrade) -> Response {
        let call = Call { playing: Playing::new(self.programme.clone()), back: None, echo: JoinSet::new() };
        // Relays stand before this machine's own addresses only, so there is nothing to ask STUN servers for.
        self.door.admit(headers, upgrade, move |socket| visit::run(socket, Vec::new(), call))
    }
}

struct Call {
    playing: Playing,
    /// The way back for what the camera sends.
    back: Option<LocalTrack>,
    echo: JoinSet<()>,
}

impl Part for Call {
    const VISITOR: &'static str = "A caller";
    const HAS_RELAYS: bool = true;

    async fn prepare(&mut self, connection: &PeerConnection) -> Result<(), Error> {
        let options = TransceiverOptions {
            track: Some("echo".into()),
            streams: vec!["echo".into()],
            // What comes back is what was sent, so both directions have one codec, and every browser has this one.
            codecs: vec![Codec::vp8()],
            ..TransceiverOptions::default()
        };
        self.back = Some(connection.add_transceiver(MediaKind::Video, options).await?);
        self.playing.prepare(connection).await
    }

    async fn agreed(&mut self, connection: &PeerConnection) -> Result<Vec<String>, Error> {
        self.playing.agreed(connection).await
    }

    fn connected(&mut self) {
        self.playing.start();
    }

    fn track(&mut self, track: RemoteTrack) {
        if let Some(back) = &self.back
            && track.transceiver() == back.transceiver()
        {
            self.echo.spawn(echo(track, back.clone()));
        }
    }

    async fn finish(self) {}
}

/// Sends back what comes, and passes on requests for key frames to where key frames are made.
async fn echo(from: RemoteTrack, to: LocalTrack) {
    let mut needs_key_frame = true;
    loop {
        tokio::select! {
            frame = from.recv_frame() => {
                let Some(frame) = frame else { return };
                // What builds upon a lost frame would show garbage, which is worse than a picture that stands.
                let was_lost = frame.follows_loss && !frame.is_key_frame;
                needs_key_frame = (needs_key_frame || was_lost) && !frame.is_key_frame;
                if needs_key_frame && !was_lost {
                    continue;
                }
                let frame = Frame {
                    data: frame.data,
                    timestamp: frame.timestamp,
                    duration: frame.duration,
                    is_key_frame: frame.is_key_frame,
                    rid: None,
                };
                if !needs_key_frame {
                    match to.send_frame(frame).await {
                        Ok(()) => continue,
                        Err(Error::ConnectionClosed { .. }) => return,
                        Err(error) => tracing::debug!(%error, "a frame was not sent back"),
                    }
                    needs_key_frame = true;
                }
            }
            request = to.key_frame_requested() => {
                if request.is_none() {
                    return;
                }
            }
        }
        if from.request_key_frame(None).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Calls;

    #[test]
    fn the_clip_can_be_played() {
        assert!(Calls::new(1).is_ok());
    }
}
