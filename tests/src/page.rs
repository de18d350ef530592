//! The test page: one `RTCPeerConnection` in a browser, called from Rust.

use std::net::SocketAddr;

use axum::{Router, http::header, response::Html, routing::get};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    Failure,
    browser::{Browser, Settings},
};

/// Serves the test pages on loopback; stops when dropped.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start() -> Result<Self, Failure> {
        let script = ([(header::CONTENT_TYPE, "text/javascript")], include_str!("../pages/peer.js"));
        let router = Router::new()
            .route("/", get(|| async { Html(include_str!("../pages/peer.html")) }))
            .route("/peer.js", get(move || async move { script }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // It fails only when the listener does, and then no page loads and the test says so.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// The page's address. Its host is `localhost`, which browsers take for a secure context.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}/", self.address.port())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A browser that has the test page open with a fresh connection.
pub struct Page {
    /// The browser.
    pub browser: Browser,
    _server: Server,
}

/// A call that runs in the page; [`Page::join`] waits for its result.
#[derive(Debug)]
pub struct Job(Value);

impl Page {
    /// Starts a browser, opens the page and creates its connection without any ICE server.
    ///
    /// # Errors
    ///
    /// When the browser does not start or the page does not load.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        let server = Server::start().await?;
        let browser = Browser::launch(settings).await?;
        browser.client().goto(&server.url()).await?;
        let page = Self { browser, _server: server };
        let _: bool = page.call("create", json!([null])).await?;
        Ok(page)
    }

    /// Calls `peer[name](...arguments)` and waits for its result.
    ///
    /// # Errors
    ///
    /// What the page threw, or what WebDriver says.
    pub async fn call<T: DeserializeOwned>(&self, name: &str, arguments: Value) -> Result<T, Failure> {
        const SCRIPT: &str = "const [name, args, done] = arguments;
            Promise.resolve().then(() => peer[name](...args))
                .then((value) => done({ value: value ?? null }), (error) => done({ error: String(error) }));";
        let result = self.browser.client().execute_async(SCRIPT, vec![json!(name), arguments]).await?;
        if let Some(error) = result.get("error") {
            return Err(format!("peer.{name}: {error}").into());
        }
        let value = result.get("value").cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|error| format!("peer.{name} returned {result}: {error}").into())
    }

    /// Begins a call that goes on in the page while others are made: WebDriver runs one script at a time.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub async fn start(&self, name: &str, arguments: Value) -> Result<Job, Failure> {
        Ok(Job(self.call("start", json!([name, arguments])).await?))
    }

    /// Waits for the result of what [`Page::start`] began.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub async fn join<T: DeserializeOwned>(&self, job: Job) -> Result<T, Failure> {
        self.call("join", json!([job.0])).await
    }
}
