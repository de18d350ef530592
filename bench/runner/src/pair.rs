//! Two processes that talk to each other, and the path between them.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use contest::{Line, Report, Settings, Task, Workload};
use relay::{Path, Relay};

use crate::contestants::Contestant;
use crate::scenarios::Scenario;

/// How long a run may take beyond what the workload says.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a scenario once.
pub(crate) fn run(contestant: &Contestant, scenario: &Scenario, seed: u64) -> Result<(Report, Report)> {
    if let Some(problem) = &contestant.problem {
        bail!("{problem}");
    }
    let settings = Settings { unordered: scenario.unordered, variant: contestant.variant };
    let task = serde_json::to_string(&Task { workload: scenario.workload, settings })?;
    let (say, hear) = channel();
    if matches!(scenario.workload, Workload::Pairs { .. }) {
        let _alone = Process::start(contestant, "pairs", &task, 0, &say)?;
        let report = expect_report(&hear, Instant::now() + PATIENCE)?;
        return Ok((report, Report::default()));
    }
    let mut offering = Process::start(contestant, "offer", &task, 0, &say)?;
    let mut answering = Process::start(contestant, "answer", &task, 1, &say)?;
    // Between the two: whoever answers is called through it.
    let mut relays = Vec::new();
    let mut reports = [None, None];
    let deadline = Instant::now() + PATIENCE + scenario.expected_time();
    while reports.iter().any(Option::is_none) {
        match next(&hear, deadline)? {
            (_, Line::Offer(offer)) => {
                let offer = if scenario.path.is_some() { without_candidates(&offer) } else { offer };
                answering.tell(&Line::Offer(offer))?;
            }
            (_, Line::Answer(answer)) => {
                let answer = match scenario.path {
                    Some(path) => through_relay(&answer, path, seed, &mut relays)?,
                    None => answer,
                };
                offering.tell(&Line::Answer(answer))?;
            }
            (place, Line::Report(report)) => reports[place] = Some(report),
        }
    }
    let [first, second] = reports;
    first.zip(second).context("both have reported")
}

fn expect_report(hear: &Receiver<(usize, Result<Line>)>, deadline: Instant) -> Result<Report> {
    match next(hear, deadline)?.1 {
        Line::Report(report) => Ok(report),
        line => bail!("a report was expected, not {line:?}"),
    }
}

fn next(hear: &Receiver<(usize, Result<Line>)>, deadline: Instant) -> Result<(usize, Line)> {
    let left = deadline.saturating_duration_since(Instant::now());
    match hear.recv_timeout(left) {
        Ok((place, line)) => Ok((place, line?)),
        Err(RecvTimeoutError::Timeout) => bail!("it did not come to an end in time"),
        Err(RecvTimeoutError::Disconnected) => bail!("both programs ended"),
    }
}

/// A running program, which is ended with this.
struct Process {
    child: Child,
    input: ChildStdin,
}

impl Process {
    fn start(
        contestant: &Contestant,
        role: &str,
        task: &str,
        place: usize,
        say: &Sender<(usize, Result<Line>)>,
    ) -> Result<Self> {
        let mut command = contestant.command();
        let mut child = command
            .args([role, task])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?} does not start"))?;
        let input = child.stdin.take().context("it has an input")?;
        let output = child.stdout.take().context("it has an output")?;
        let errors = child.stderr.take().context("it has an output for errors")?;
        let (say, role) = (say.clone(), role.to_owned());
        std::thread::spawn(move || {
            // Some libraries print to standard output too.
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let mut has_reported = false;
            for line in lines.filter_map(|line| serde_json::from_str::<Line>(&line).ok()) {
                has_reported |= matches!(line, Line::Report(_));
                if say.send((place, Ok(line))).is_err() {
                    return;
                }
            }
            if !has_reported {
                let said: Vec<String> = BufReader::new(errors).lines().map_while(Result::ok).collect();
                let last = said.iter().rfind(|line| !line.trim().is_empty()).cloned().unwrap_or_default();
                // Nobody may be listening any more.
                let _ = say.send((place, Err(anyhow!("the program that is to {role} ended without a report: {last}"))));
            }
        });
        Ok(Self { child, input })
    }

    fn tell(&mut self, line: &Line) -> Result<()> {
        writeln!(self.input, "{}", serde_json::to_string(line)?)?;
        Ok(self.input.flush()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its input is closed with this, which ends it too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever hears this waits to be called.
fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate")).collect()
}

/// The same description, with one way to its author: through a relay.
fn through_relay(sdp: &str, path: Path, seed: u64, relays: &mut Vec<Relay>) -> Result<String> {
    let mut text = String::new();
    for line in sdp.split_inclusive('\n') {
        if !line.starts_with("a=candidate") {
            text.push_str(line);
        } else if relays.is_empty()
            && let Some(called) = udp_address(line)
        {
            let relay = Relay::start(called, path, seed)?;
            let address = relay.address();
            text.push_str(&format!("a=candidate:1 1 UDP 2122260223 {} {} typ host\r\n", address.ip(), address.port()));
            relays.push(relay);
        }
    }
    if relays.is_empty() {
        bail!("the answer names no UDP address");
    }
    Ok(text)
}

/// The address of a candidate line (RFC 8839, section 5.1).
fn udp_address(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace().skip(2);
    words.next().filter(|transport| transport.eq_ignore_ascii_case("udp"))?;
    let (address, port) = (words.nth(1)?, words.next()?);
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}
