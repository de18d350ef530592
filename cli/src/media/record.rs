//! Visitors of the page who share camera and microphone, and the files that these become.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use tokio::sync::watch;
use tokio::task::JoinSet;
use visavis::{Direction, Error, MediaKind, PeerConnection, RemoteTrack, TransceiverOptions};

use super::recording::{Place, Recording, Taken, next_visit};
use super::visit::{self, Part};
use crate::page;
use crate::serve::{self, Door, Site};

/// After this long without a frame, what was held back is written, and a missing key frame asked for once more.
const PAUSE: Duration = Duration::from_secs(1);
/// How long visitors have to leave when the program ends.
const GOODBYE: Duration = Duration::from_secs(15);

struct Shared {
    directory: PathBuf,
    next_visit: AtomicU32,
    stun_servers: Vec<String>,
    door: Door,
    /// Whether the program is to end.
    ending: watch::Sender<bool>,
}

/// Serves the page until Ctrl-C.
pub(crate) async fn run(site: Site, directory: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let next_visit = prepare(&directory)?;
    let listener = serve::listen(site.listen).await?;
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    // Asked once, so that from here on an interrupt does not just end the program.
    tokio::select! {
        biased;
        result = &mut interrupt => return Ok(result?),
        () = std::future::ready(()) => {}
    }
    println!("Open http://{} in a browser, and share camera and microphone there.", listener.local_addr()?);
    println!("Recordings are written to {}. Ctrl-C ends.", directory.display());
    let shared = Arc::new(Shared {
        directory,
        next_visit: AtomicU32::new(next_visit),
        stun_servers: site.stun_servers,
        door: Door::new(site.peers),
        ending: watch::Sender::new(false),
    });
    let router = Router::new()
        .route("/", get(page::record))
        .route("/style.css", get(page::style))
        .route("/record.js", get(page::record_script))
        .route("/media.js", get(page::media))
        .route("/signal", get(signal))
        .with_state(shared.clone());
    tokio::select! {
        result = axum::serve(listener, router) => result?,
        result = interrupt => result?,
    }
    println!();
    shared.ending.send_replace(true);
    // Files are complete without this as well; but visitors are told, and the last lines printed.
    if tokio::time::timeout(GOODBYE, shared.door.close()).await.is_err() {
        eprintln!("visavis: a visitor did not leave in time");
    }
    Ok(())
}

/// The folder, and the number of the first visit: nothing that is there has it.
fn prepare(directory: &Path) -> Result<u32, String> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).map_err(|error| format!("cannot use the folder {shown}: {error}"))?;
    let number = next_visit(directory).map_err(|error| format!("cannot look into the folder {shown}: {error}"))?;
    // That it cannot be written to is said now, not when somebody has come.
    let probe = directory.join(format!(".visavis-{}", std::process::id()));
    std::fs::File::create(&probe).map_err(|error| format!("cannot write to the folder {shown}: {error}"))?;
    if let Err(error) = std::fs::remove_file(&probe) {
        tracing::debug!(%error, "a file that was made to see whether one can be made");
    }
    Ok(number)
}

async fn signal(State(shared): State<Arc<Shared>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let stun_servers = shared.stun_servers.clone();
    let visitor = Visitor { shared: shared.clone(), number: None, tracks: JoinSet::new() };
    shared.door.admit(&headers, upgrade, move |socket| visit::run(socket, stun_servers, visitor))
}

struct Visitor {
    shared: Arc<Shared>,
    number: Option<u32>,
    tracks: JoinSet<()>,
}

impl Part for Visitor {
    const VISITOR: &'static str = "A visitor";

    async fn prepare(&mut self, connection: &PeerConnection) -> Result<(), Error> {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let options = TransceiverOptions { direction: Direction::RecvOnly, ..TransceiverOptions::default() };
            connection.add_transceiver(kind, options).await?;
        }
        Ok(())
    }

    fn track(&mut self, track: RemoteTrack) {
        let visit = *self.number.get_or_insert_with(|| self.shared.next_visit.fetch_add(1, Relaxed));
        let directory = self.shared.directory.clone();
        let place = Place { directory, visit, kind: track.kind() };
        self.tracks.spawn(record(track, Recording::new(place)));
    }

    async fn ended(&mut self) {
        let mut ending = self.shared.ending.subscribe();
        if ending.wait_for(|is_ending| *is_ending).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The tracks end with the connection, and the files with them.
    async fn finish(mut self) {
        while self.tracks.join_next().await.is_some() {}
    }
}

/// Writes a track until it ends, or the disk is full.
async fn record(track: RemoteTrack, mut recording: Recording) {
    let mut is_missing = track.kind() == MediaKind::Video;
    let mut asked: Option<Instant> = None;
    loop {
        if is_missing && asked.is_none_or(|asked| asked.elapsed() >= PAUSE) {
            asked = Some(Instant::now());
            if track.request_key_frame(None).await.is_err() {
                return;
            }
        }
        let next = tokio::time::timeout(PAUSE, track.recv_frame()).await;
        // Disks may be slow.
        let result = tokio::task::block_in_place(|| match &next {
            Ok(Some(frame)) => recording.take(frame).map(Some),
            Ok(None) => Ok(None),
            Err(_) => recording.pause().map(|()| None),
        });
        match (result, next) {
            (_, Ok(None)) => return,
            (Ok(Some(taken)), _) => {
                is_missing = taken == Taken::NeedsKeyFrame;
                asked = asked.filter(|_| is_missing);
            }
            (Ok(None), _) => {}
            (Err(error), _) => {
                eprintln!("visavis: the rest of this {} is not recorded: {error}", track.kind());
                return;
            }
        }
    }
}
