//! What the machine itself can do, measured in the same run.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use contest::{Line, Report};

use crate::scenarios::Unit;
use crate::{Cell, Outcome};

/// One limit.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    mode: &'static str,
}

/// All of them.
pub(crate) const ALL: [Limit; 4] = [
    Limit { name: "UDP, a system call for each datagram of 1200 bytes", unit: Unit::Throughput, mode: "plain" },
    Limit { name: "UDP with offload", unit: Unit::Throughput, mode: "offload" },
    Limit { name: "copied, sealed, UDP with offload, opened, copied", unit: Unit::Throughput, mode: "pipeline" },
    Limit { name: "UDP round trip of 64 bytes, blocking", unit: Unit::RoundTrip, mode: "trips" },
];

/// Measures a limit several times.
pub(crate) fn measure(limit: &Limit, rounds: usize, seconds: f64) -> Cell {
    let mut runs = Vec::new();
    for _ in 0..rounds {
        let outcome = match measure_once(limit.mode, seconds) {
            Ok((sender, receiver)) => Outcome::Measured(sender, receiver),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        runs.push(outcome);
    }
    Cell { contestant: limit.name.into(), runs }
}

fn measure_once(mode: &str, seconds: f64) -> Result<(Report, Report)> {
    let mut receiver = Ended(start(&["receive", mode])?);
    let mut lines = BufReader::new(receiver.0.stdout.take().context("it has an output")?).lines();
    let Line::Answer(port) = hear(&mut lines)? else { bail!("a port was expected") };
    let mut sender = Ended(start(&["send", mode, &port, &seconds.to_string()])?);
    let mut said = BufReader::new(sender.0.stdout.take().context("it has an output")?).lines();
    let (Line::Report(sent), Line::Report(received)) = (hear(&mut said)?, hear(&mut lines)?) else {
        bail!("reports were expected")
    };
    // What counts is what arrives.
    Ok((Report { bytes: received.bytes, ..sent }, received))
}

fn hear(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<Line> {
    Ok(serde_json::from_str(&lines.next().context("it ended without a report")??)?)
}

fn start(arguments: &[&str]) -> Result<Child> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(Command::new(target.join("release/raw")).args(arguments).stdout(Stdio::piped()).spawn()?)
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
