//! Files that are played to every browser that opens the page.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use container::{FrameRate, Repeat};
use tokio::task::JoinSet;
use visavis::{Direction, Error, LocalTrack, MediaKind, PeerConnection, TransceiverOptions};

use super::clip::Clip;
use super::deck::Deck;
use super::visit::{self, Part};
use crate::page;
use crate::serve::{self, Door, Site};

/// What is played: each stream is a video, a sound, or one of each that belong together.
pub(crate) struct Programme {
    streams: Vec<Vec<Arc<Clip>>>,
    repeat: Repeat,
}

impl Programme {
    /// Looks through all files. The first video and the first sound play together, and so do the second ones.
    fn open(paths: &[PathBuf], repeat: Repeat, frame_rate: FrameRate) -> Result<Self, String> {
        let mut clips = Vec::new();
        for path in paths {
            clips.push(Arc::new(Clip::open(path, frame_rate)?));
        }
        let of = |kind| clips.iter().filter(move |clip| clip.kind() == kind).cloned();
        let (mut videos, mut sounds) = (of(MediaKind::Video), of(MediaKind::Audio));
        let mut streams = Vec::new();
        loop {
            let stream: Vec<_> = videos.next().into_iter().chain(sounds.next()).collect();
            if stream.is_empty() {
                return Ok(Self { streams, repeat });
            }
            streams.push(stream);
        }
    }

    /// One stream that is part of the program.
    pub(super) fn new(stream: Vec<Arc<Clip>>, repeat: Repeat) -> Self {
        Self { streams: vec![stream], repeat }
    }
}

struct Shared {
    programme: Arc<Programme>,
    stun_servers: Vec<String>,
    door: Door,
}

/// Serves the page until Ctrl-C.
pub(crate) async fn run(
    site: Site,
    paths: Vec<PathBuf>,
    repeat: Repeat,
    frame_rate: FrameRate,
) -> Result<(), Box<dyn std::error::Error>> {
    let programme = tokio::task::block_in_place(|| Programme::open(&paths, repeat, frame_rate))?;
    println!("To be played{}:", if repeat == Repeat::Loop { " in a loop" } else { "" });
    for clip in programme.streams.iter().flatten() {
        println!("  {}", clip.describe());
    }
    let listener = serve::listen(site.listen).await?;
    println!("Open http://{} in a browser, and it plays there. Ctrl-C ends.", listener.local_addr()?);
    let shared = Arc::new(Shared {
        programme: Arc::new(programme),
        stun_servers: site.stun_servers,
        door: Door::new(site.peers),
    });
    let router = Router::new()
        .route("/", get(page::play))
        .route("/style.css", get(page::style))
        .route("/play.js", get(page::play_script))
        .route("/media.js", get(page::media))
        .route("/signal", get(signal))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(serve::interrupted()).await?;
    Ok(())
}

async fn signal(State(shared): State<Arc<Shared>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let stun_servers = shared.stun_servers.clone();
    let part = Playing::new(shared.programme.clone());
    shared.door.admit(&headers, upgrade, move |socket| visit::run(socket, stun_servers, Viewing(part)))
}

/// A viewer of the page.
struct Viewing(Playing);

impl Part for Viewing {
    const VISITOR: &'static str = "A viewer";

    async fn prepare(&mut self, connection: &PeerConnection) -> Result<(), Error> {
        self.0.prepare(connection).await
    }

    async fn agreed(&mut self, connection: &PeerConnection) -> Result<Vec<String>, Error> {
        self.0.agreed(connection).await
    }

    fn connected(&mut self) {
        self.0.start();
    }

    async fn ended(&mut self) {
        self.0.ended().await;
    }

    async fn finish(self) {}
}

/// A programme on its way to one browser.
pub(super) struct Playing {
    programme: Arc<Programme>,
    /// As in the programme; without what the browser cannot play.
    tracks: Vec<Vec<(Arc<Clip>, LocalTrack)>>,
    decks: JoinSet<()>,
    has_started: bool,
}

impl Playing {
    pub(super) fn new(programme: Arc<Programme>) -> Self {
        Self { programme, tracks: Vec::new(), decks: JoinSet::new(), has_started: false }
    }

    pub(super) async fn prepare(&mut self, connection: &PeerConnection) -> Result<(), Error> {
        for (number, stream) in self.programme.streams.iter().enumerate() {
            let mut tracks = Vec::new();
            for clip in stream {
                let options = TransceiverOptions {
                    direction: Direction::SendOnly,
                    track: Some(clip.name().to_owned()),
                    // What is in one stream plays in step.
                    streams: vec![format!("clip-{}", number + 1)],
                    codecs: clip.offered().to_vec(),
                    ..TransceiverOptions::default()
                };
                tracks.push((clip.clone(), connection.add_transceiver(clip.kind(), options).await?));
            }
            self.tracks.push(tracks);
        }
        Ok(())
    }

    /// Sees what the browser takes, and says what it does not.
    pub(super) async fn agreed(&mut self, connection: &PeerConnection) -> Result<Vec<String>, Error> {
        let transceivers = connection.transceivers().await?;
        let mut problems = Vec::new();
        for tracks in &mut self.tracks {
            tracks.retain(|(clip, track)| {
                let is_sent = transceivers
                    .iter()
                    .any(|one| one.id == track.transceiver() && one.current_direction.is_some_and(Direction::sends));
                if !is_sent {
                    problems.push(format!(
                        "this browser has no {}, so {} is not played; convert it: {}",
                        clip.codec(),
                        clip.name(),
                        clip.advice()
                    ));
                }
                is_sent
            });
        }
        Ok(problems)
    }

    /// Plays each stream in a task of its own.
    pub(super) fn start(&mut self) {
        self.has_started = true;
        for tracks in self.tracks.iter().filter(|tracks| !tracks.is_empty()) {
            let repeat = self.programme.repeat;
            match Deck::new(tracks) {
                Ok(deck) => drop(self.decks.spawn(async move {
                    if let Err(error) = deck.play(repeat).await {
                        tracing::debug!(%error, "playing ended");
                    }
                })),
                // It could be read when the program began.
                Err(error) => eprintln!("visavis: cannot play: {error}"),
            }
        }
    }

    /// Waits until all was played.
    pub(super) async fn ended(&mut self) {
        if !self.has_started {
            std::future::pending::<()>().await;
        }
        while self.decks.join_next().await.is_some() {}
    }
}
