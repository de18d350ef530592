//! Browsers beside visavis: the package `browsers` measures, in a namespace where nothing leaves the machine.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::contestants::{build_package, program};
use crate::{Arguments, table::median};

const ROUNDS: usize = 3;
const SECONDS: f64 = 5.0;
const KINDS: [&str; 2] = ["chromium", "firefox"];

/// What one browser does.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) browser: String,
    /// MB/s between two of its pages, from a page to visavis, and back, in all rounds.
    pub(crate) rates: Rates,
    pub(crate) problem: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rates {
    pub(crate) pages: Vec<f64>,
    pub(crate) from_page: Vec<f64>,
    pub(crate) to_page: Vec<f64>,
}

impl Row {
    /// What visavis does in a direction beside what two pages do.
    pub(crate) fn ratios(&self) -> Option<(f64, f64)> {
        let pages = median(&self.rates.pages)?;
        Some((median(&self.rates.from_page)? / pages, median(&self.rates.to_page)? / pages))
    }
}

/// How long it takes, starting browsers included.
pub(crate) fn expected(rounds: usize) -> Duration {
    let rounds = rounds.min(ROUNDS) as u32;
    (Duration::from_secs_f64(SECONDS + 2.5) * 3 * rounds + Duration::from_secs(10)) * 2
}

/// Both browsers.
pub(crate) fn measure(arguments: &Arguments) -> Vec<Row> {
    let built = if arguments.no_build { Ok(()) } else { build_package("browsers") };
    let one = |kind: &&str| {
        let rates = match &built {
            Ok(()) => run(kind, arguments.rounds.min(ROUNDS)),
            Err(problem) => Err(anyhow::anyhow!(problem.clone())),
        };
        let row = match rates {
            Ok(rates) => Row { browser: (*kind).into(), rates, problem: None },
            Err(error) => Row { browser: (*kind).into(), rates: Rates::default(), problem: Some(format!("{error:#}")) },
        };
        eprintln!("{row:?}");
        row
    };
    KINDS.iter().map(one).collect()
}

fn run(kind: &str, rounds: usize) -> Result<Rates> {
    let output = Command::new("timeout")
        .args(["--kill-after=5", "180"])
        .arg(program("browsers"))
        .args([kind, &rounds.to_string(), &SECONDS.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("timeout (coreutils) does not run")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rfind(|line| line.starts_with('{')).context("it says nothing")?;
    Ok(serde_json::from_str(line)?)
}
