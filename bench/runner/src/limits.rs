//! What the machine itself can do, measured in the same run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use contest::{Line, Report};
use relay::{Path, Relay};

use crate::contestants::program;
use crate::scenarios::Unit;
use crate::{Cell, Outcome};

/// One limit.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    mode: &'static str,
    /// With the relay between, on a path without delay or limit.
    is_relayed: bool,
}

/// All of them.
pub(crate) const ALL: [Limit; 5] = [
    limit("UDP, a system call for each datagram of 1200 bytes", Unit::Throughput, "plain", false),
    limit("UDP with GSO and GRO", Unit::Throughput, "offload", false),
    limit(PIPELINE, Unit::Throughput, "pipeline", false),
    limit("UDP with GSO and GRO through the relay", Unit::Throughput, "offload", true),
    limit(TRIPS, Unit::RoundTrip, "trips", false),
];

/// The transfer without SCTP that ours is compared with.
pub(crate) const PIPELINE: &str = "copied, sealed with AES-GCM, UDP with GSO and GRO, opened, copied";
/// The round trip that ours is compared with.
pub(crate) const TRIPS: &str = "UDP round trip of 64 bytes, blocking";

const fn limit(name: &'static str, unit: Unit, mode: &'static str, is_relayed: bool) -> Limit {
    Limit { name, unit, mode, is_relayed }
}

/// Measures a limit several times.
pub(crate) fn measure(limit: &Limit, rounds: usize, seconds: f64) -> Cell {
    let mut runs = Vec::new();
    for _ in 0..rounds {
        let outcome = match measure_once(limit, seconds) {
            Ok((sender, receiver)) => Outcome::Measured(sender, receiver),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        runs.push(outcome);
    }
    Cell { contestant: limit.name.into(), runs }
}

fn measure_once(limit: &Limit, seconds: f64) -> Result<(Report, Report)> {
    let mode = limit.mode;
    let mut receiver = Ended(start(&["receive", mode])?);
    let mut lines = BufReader::new(receiver.0.stdout.take().context("it has an output")?).lines();
    let Line::Answer(port) = hear(&mut lines)? else { bail!("a port was expected") };
    let called = SocketAddr::from(([127, 0, 0, 1], port.parse()?));
    let relay = if limit.is_relayed { Some(Relay::start(called, Path::default(), 1)?) } else { None };
    let port = relay.as_ref().map_or(port, |relay| relay.address().port().to_string());
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
    Ok(Command::new(program("raw")).args(arguments).stdout(Stdio::piped()).spawn()?)
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
