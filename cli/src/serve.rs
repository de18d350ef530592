//! The page and its signalling: a WebSocket for each browser carries descriptions and candidates, and its end frees
//! what the browser held.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast};

use crate::files::Store;
use crate::media::call;
use crate::{page, rtc};

/// Ports tried after one that is taken.
const NEXT_PORTS: u16 = 20;
/// The longest signalling message, in bytes: a description with many candidates is a tenth of this.
const LONGEST_SIGNAL: usize = 128 << 10;

/// What every page is served with.
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    pub(crate) peers: usize,
    pub(crate) stun_servers: Vec<String>,
}

/// What all browsers' sessions share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) stun_servers: Vec<String>,
    /// Lines typed into the terminal.
    pub(crate) terminal: broadcast::Sender<String>,
    door: Door,
    /// Calls have connections of their own.
    calls: call::Calls,
}

pub(crate) async fn run(site: Site, store: Store) -> Result<(), Box<dyn std::error::Error>> {
    let listener = listen(site.listen).await?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared {
        store,
        stun_servers: site.stun_servers,
        terminal: broadcast::Sender::new(64),
        door: Door::new(site.peers),
        calls: call::Calls::new(site.peers)?,
    });
    println!();
    println!("Open http://{address} in a browser, and it becomes the other peer. Ctrl-C ends.");
    println!("Files from it are written to {}; files put there are offered to it.", shared.store.directory().display());
    println!("Lines typed here go to every browser that is connected.");
    tokio::spawn(read_terminal(shared.clone()));
    let router = Router::new()
        .route("/", get(page::index))
        .route("/style.css", get(page::style))
        .route("/app.js", get(page::app))
        .route("/connection.js", get(page::connection))
        .route("/sha256.js", get(page::sha256))
        .route("/transfer.js", get(page::transfer))
        .route("/chart.js", get(page::chart))
        .route("/media.js", get(page::media))
        .route("/call.js", get(page::call))
        .route("/signal", get(signal))
        .route("/call", get(calls))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler for Ctrl-C the system's own default ends the program.
        std::future::pending::<()>().await;
    }
    // Browsers keep their WebSocket open for as long as they like; there is nothing to wait for.
    println!();
    std::process::exit(0);
}

/// Binds the address, or the same one with one of the next ports.
pub(crate) async fn listen(wanted: SocketAddr) -> io::Result<TcpListener> {
    let mut address = wanted;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let next = address.port().checked_add(1).filter(|next| next - wanted.port() <= NEXT_PORTS);
                let Some(next) = next else {
                    let text = format!("{wanted} and the {NEXT_PORTS} ports after it are taken; give another --listen");
                    return Err(io::Error::new(ErrorKind::AddrInUse, text));
                };
                eprintln!("visavis: {address} is taken by another program; trying port {next}");
                address.set_port(next);
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("cannot serve the page at {address}: {error}")));
            }
        }
    }
}

/// Lets so many browsers in at once, and only those that have this program's own page open.
pub(crate) struct Door {
    places: Arc<Semaphore>,
    all: u32,
}

impl Door {
    pub(crate) fn new(places: usize) -> Self {
        let all = u32::try_from(places.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self { places: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Answers a request for a WebSocket, which has its place until `serve` has ended.
    pub(crate) fn admit<F: Future<Output = ()> + Send + 'static>(
        &self,
        headers: &HeaderMap,
        upgrade: WebSocketUpgrade,
        serve: impl FnOnce(WebSocket) -> F + Send + 'static,
    ) -> Response {
        if !is_same_origin(headers) {
            return (StatusCode::FORBIDDEN, "only this program's own page may connect").into_response();
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let text = "as many browsers as --peers allows are connected";
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        upgrade.max_message_size(LONGEST_SIGNAL).on_upgrade(move |socket| async move {
            serve(socket).await;
            drop(place);
        })
    }

    /// Lets nobody in any more, and waits until all have left.
    pub(crate) async fn close(&self) {
        // It is never closed, so all places are given back.
        drop(self.places.acquire_many(self.all).await);
    }
}

/// A browser asks for a peer.
async fn signal(State(shared): State<Arc<Shared>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let of_session = shared.clone();
    shared.door.admit(&headers, upgrade, |socket| rtc::run(socket, of_session))
}

/// A browser asks for a call.
async fn calls(State(shared): State<Arc<Shared>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    shared.calls.answer(&headers, upgrade)
}

/// Other pages in the same browser can open WebSockets here too; they are refused by their origin. A page that has its
/// own name resolved to this machine ("DNS rebinding") is refused by that name: here, only addresses and `localhost`
/// are names.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, origin)| origin == host) && is_address(host)
        }
        (None, _) | (_, None) => false,
    }
}

/// Whether a `Host` is an address or `localhost`, with a port or without.
fn is_address(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    inner.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

async fn read_terminal(shared: Arc<Shared>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = line.trim();
        // Nobody connected is nobody to tell.
        if !line.is_empty() && shared.terminal.send(line.to_owned()).is_err() {
            println!("(no browser is connected)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_same_origin;
    use axum::http::{HeaderMap, HeaderValue, header};

    fn headers(origin: &'static str, host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers
    }

    #[test]
    fn only_the_own_page_may_connect() {
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:8080", "localhost:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("https://192.0.2.7", "192.0.2.7"),
        ] {
            assert!(is_same_origin(&headers(origin, host)), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://evil.example", "127.0.0.1:8080"),
            ("http://rebound.example:8080", "rebound.example:8080"),
            ("null", "127.0.0.1:8080"),
            ("http://127.0.0.1:9090", "127.0.0.1:8080"),
        ] {
            assert!(!is_same_origin(&headers(origin, host)), "{origin} at {host}");
        }
        assert!(!is_same_origin(&HeaderMap::new()));
    }
}
