//! Starting and ending headless browsers through their W3C WebDriver programs.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, wd::TimeoutConfiguration};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{Failure, isolation};

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chromium through chromedriver.
    Chromium,
    /// Firefox through geckodriver.
    Firefox,
}

/// Whether a page's candidates name its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// As a person's browser does it: `.local` names that mDNS resolves.
    Default,
    /// The addresses themselves.
    Plain,
}

/// How a browser is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which browser.
    pub kind: Kind,
    /// Whether its candidates name its addresses.
    pub privacy: Privacy,
    /// Whether pages have a camera and a microphone, which are fakes: a moving picture and beeps.
    pub devices: bool,
    /// Further command line arguments.
    pub arguments: Vec<String>,
    /// Further preferences of Firefox.
    pub preferences: Vec<(String, Value)>,
}

impl Settings {
    /// The usual settings of a kind of browser, with plain addresses.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, privacy: Privacy::Plain, devices: false, arguments: Vec::new(), preferences: Vec::new() }
    }

    /// With the privacy that people have.
    #[must_use]
    pub fn with_default_privacy(mut self) -> Self {
        self.privacy = Privacy::Default;
        self
    }

    /// With a camera and a microphone.
    #[must_use]
    pub fn with_devices(mut self) -> Self {
        self.devices = true;
        self
    }

    /// As people have it who prefer dark colours.
    #[must_use]
    pub fn with_dark_colours(mut self) -> Self {
        // 0 is dark there.
        self.arguments.extend((self.kind == Kind::Chromium).then(|| "--blink-settings=preferredColorScheme=0".into()));
        self.preferences.push(("ui.systemUsesDarkTheme".into(), json!(1)));
        self
    }

    /// Scripts may open windows, as they may in Chromium under WebDriver anyway.
    #[must_use]
    pub fn with_popups(mut self) -> Self {
        self.preferences.push(("dom.disable_open_during_load".into(), json!(false)));
        self
    }

    fn capabilities(&self, profile: &str) -> Value {
        match self.kind {
            Kind::Chromium => json!({ "goog:chromeOptions": { "args": self.chromium_arguments(profile) } }),
            Kind::Firefox => {
                let mut arguments = vec!["-headless".to_owned()];
                arguments.extend(self.arguments.iter().cloned());
                json!({ "moz:firefoxOptions": { "args": arguments, "prefs": self.firefox_preferences() } })
            }
        }
    }

    fn chromium_arguments(&self, profile: &str) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox", // it refuses to run as root otherwise
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ]
        .map(String::from)
        .into();
        arguments.push(format!("--user-data-dir={profile}"));
        if self.privacy == Privacy::Plain {
            arguments.push("--disable-features=WebRtcHideLocalIpsWithMdns".into());
        }
        if self.devices {
            let devices = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
            arguments.extend(devices.map(String::from));
            arguments.push("--autoplay-policy=no-user-gesture-required".into());
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    fn firefox_preferences(&self) -> Map<String, Value> {
        let mut preferences: Map<String, Value> = [
            "app.normandy.enabled",
            "app.update.auto",
            "datareporting.policy.dataSubmissionEnabled",
            "media.gmp-manager.updateEnabled",
            "network.captive-portal-service.enabled",
            "network.connectivity-service.enabled",
        ]
        .into_iter()
        .map(|name| (name.to_owned(), json!(false)))
        .collect();
        if self.privacy == Privacy::Plain {
            preferences.insert("media.peerconnection.ice.obfuscate_host_addresses".to_owned(), json!(false));
        }
        if self.devices {
            preferences.insert("media.navigator.streams.fake".to_owned(), json!(true));
            preferences.insert("media.navigator.permission.disabled".to_owned(), json!(true));
            preferences.insert("media.autoplay.default".to_owned(), json!(0));
        }
        preferences.extend(self.preferences.iter().cloned());
        preferences
    }
}

/// A running browser with one tab. Dropping it kills it.
pub struct Browser {
    client: Client,
    driver: Child,
    kind: Kind,
}

impl Browser {
    /// Starts a driver and a browser. Only inside [`isolation::isolated`], whose namespace ends them at the latest.
    ///
    /// # Errors
    ///
    /// When the driver or the browser is not installed, or does not start.
    pub async fn launch(settings: &Settings) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let profile = isolation::scratch().join(format!("profile-{unique}"));
        let (program, port_argument) = match settings.kind {
            Kind::Chromium => ("chromedriver", "--port=0"),
            Kind::Firefox => ("geckodriver", "--port=0"),
        };
        let mut driver = Command::new(program)
            .arg(port_argument)
            .env("HOME", isolation::scratch())
            .env("TMPDIR", isolation::scratch())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} does not start (is it installed?): {error}"))?;
        let stdout = driver.stdout.take().ok_or("the driver has no standard output")?;
        let port = announced_port(stdout).await?;
        let Value::Object(capabilities) = settings.capabilities(&profile.to_string_lossy()) else {
            return Err("capabilities are an object".into());
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let address = format!("http://127.0.0.1:{port}");
        let client = ClientBuilder::new(connector).capabilities(capabilities).connect(&address).await?;
        let long = Some(Duration::from_secs(300));
        client.update_timeouts(TimeoutConfiguration::new(long, long, None)).await?;
        Ok(Self { client, driver, kind: settings.kind })
    }

    /// Which browser this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The WebDriver session.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Kills every process of the browser at once, as a crash or a lost machine would: nothing says goodbye.
    ///
    /// # Errors
    ///
    /// When no process could be found or killed.
    pub async fn kill(mut self) -> Result<(), Failure> {
        // The driver goes first, or it would end the browser in an orderly way.
        let driver = self.driver.id().ok_or("the driver has ended already")?;
        let browser = descendants(driver)?;
        if browser.is_empty() {
            return Err("the driver has no browser".into());
        }
        self.driver.kill().await?;
        let pids = browser.iter().map(u32::to_string);
        let status = Command::new("kill").arg("-KILL").args(pids).status().await?;
        // Some helpers end by themselves as soon as their parent is gone, so not every pid is still there.
        println!("killed {} processes: {status}", browser.len());
        Ok(())
    }

    /// Ends the browser in an orderly way.
    ///
    /// # Errors
    ///
    /// When the driver does not answer.
    pub async fn close(self) -> Result<(), Failure> {
        self.client.clone().close().await?;
        Ok(())
    }
}

/// Both drivers say on their standard output where they listen, each in its own words; the port is the last number.
async fn announced_port(stdout: tokio::process::ChildStdout) -> Result<u16, Failure> {
    let mut lines = BufReader::new(stdout).lines();
    let mut port = None;
    while let Some(line) = lines.next_line().await? {
        if line.contains("started successfully on port") || line.contains("Listening on") {
            let digits: Vec<&str> = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect();
            port = digits.last().map(|digits| digits.parse()).transpose()?;
            break;
        }
    }
    // What else it says must be read, or it blocks on a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    port.ok_or_else(|| "the driver ended without saying where it listens".into())
}

/// All processes below `root`, from /proc: children and theirs.
fn descendants(root: u32) -> Result<Vec<u32>, Failure> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // "pid (name) state parent …": the name may hold anything, but the last parenthesis ends it.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let Some(Ok(parent)) = rest.split_whitespace().nth(1).map(str::parse::<u32>) else { continue };
        parents.push((pid, parent));
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}
