//! Two processes that talk to each other, and the path between them.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use contest::{Line, Report, Settings, Task, Workload};
use relay::{Path, Relay};

use crate::contestants::{Contestant, Kind};
use crate::scenarios::{Scenario, Unit};
use crate::tools::Counting;

/// How long a run may take beyond what is expected.
const PATIENCE: Duration = Duration::from_secs(25);

/// Runs a scenario once.
pub(crate) fn run(contestant: &Contestant, scenario: &Scenario, seed: u64) -> Result<(Report, Report)> {
    if let Some(problem) = &contestant.problem {
        bail!("{problem}");
    }
    let Unit::Count(tool) = scenario.unit else {
        return match contestant.kind {
            Kind::Tcp(controller) => tcp(contestant, controller, scenario, seed),
            Kind::Cargo(_) | Kind::Npm(_) => stack(contestant, scenario, seed, None),
        };
    };
    let whole = Counting::new(tool)?;
    let (mut first, second) = stack(contestant, scenario, seed, Some(&whole))?;
    first.counted = whole.count()?;
    if tool.has_much_to_begin_with() {
        // What a connection takes that sends nothing is not what a megabyte takes.
        let mut nothing = scenario.clone();
        nothing.workload = Workload::Bulk { message: 1, warm_up: 0.0, seconds: 0.0, overlap: 0.0 };
        let base = Counting::new(tool)?;
        stack(contestant, &nothing, seed, Some(&base))?;
        first.counted -= base.count()?;
    }
    Ok((first, second))
}

fn stack(
    contestant: &Contestant,
    scenario: &Scenario,
    seed: u64,
    counting: Option<&Counting>,
) -> Result<(Report, Report)> {
    let message = match scenario.workload {
        Workload::Bulk { message, .. } | Workload::RoundTrips { message, .. } => message,
        Workload::Open { .. } | Workload::Pairs { .. } => 0,
    };
    let (unordered, is_far) = (scenario.unordered, scenario.path.is_some());
    let settings = Settings { unordered, variant: contestant.variant(), is_far, message };
    let task = serde_json::to_string(&Task { workload: scenario.workload, settings })?;
    let words = |place: usize, role: &str| {
        let mut words = counting.map_or_else(Vec::new, |counting| counting.wrapper(place));
        words.extend(contestant.words());
        words.extend([role.to_owned(), task.clone()]);
        words
    };
    let (say, hear) = channel();
    let deadline = Instant::now() + PATIENCE + scenario.expected_time();
    if matches!(scenario.workload, Workload::Pairs { .. }) {
        let _alone = Process::start(&words(0, "pairs"), 0, &say)?;
        return Ok((expect_report(&hear, deadline)?, Report::default()));
    }
    let mut offering = Process::start(&words(0, "offer"), 0, &say)?;
    let mut answering = Process::start(&words(1, "answer"), 1, &say)?;
    // Between the two: whoever answers is called through it.
    let mut relay = None;
    let mut reports = [None, None];
    while reports.iter().any(Option::is_none) {
        match next(&hear, deadline)? {
            (_, Line::Offer(offer)) => {
                let offer = if scenario.path.is_some() { without_candidates(&offer) } else { offer };
                answering.tell(&Line::Offer(offer))?;
            }
            (_, Line::Answer(answer)) => {
                let answer = match scenario.path {
                    Some(path) => through_relay(&answer, path, seed, &mut relay)?,
                    None => answer,
                };
                offering.tell(&Line::Answer(answer))?;
            }
            (place, Line::Report(report)) => reports[place] = Some(report),
        }
    }
    if counting.is_some() {
        offering.end()?;
        answering.end()?;
    }
    let [first, second] = reports;
    let (first, second) = first.zip(second).context("both have reported")?;
    Ok(arrived(first, second, scenario, relay.as_ref()))
}

/// What counts is what arrives, and how long the receiver took.
fn arrived(mut sender: Report, receiver: Report, scenario: &Scenario, relay: Option<&Relay>) -> (Report, Report) {
    if matches!(scenario.workload, Workload::Bulk { .. }) {
        (sender.messages, sender.bytes, sender.seconds) = (receiver.messages, receiver.bytes, receiver.seconds);
    }
    if let Some(relay) = relay {
        let (inward, _) = relay.counters();
        sender.queue = inward.waited_before as f64 / inward.received.max(1) as f64;
    }
    (sender, receiver)
}

/// The kernel's TCP through the same path.
fn tcp(contestant: &Contestant, controller: &str, scenario: &Scenario, seed: u64) -> Result<(Report, Report)> {
    let (Workload::Bulk { warm_up, seconds, overlap, .. }, Some(path)) = (scenario.workload, scenario.path) else {
        bail!("TCP is measured in transfers through a relay");
    };
    let words = |own: &[&str]| {
        let mut words = contestant.words();
        words.extend(own.iter().map(|word| (*word).to_owned()));
        words
    };
    let (say, hear) = channel();
    let deadline = Instant::now() + PATIENCE + scenario.expected_time();
    let receive = words(&["receive", controller, &warm_up.to_string(), &seconds.to_string()]);
    let _receiver = Process::start(&receive, 1, &say)?;
    let (_, Line::Answer(port)) = next(&hear, deadline)? else { bail!("a port was expected") };
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 1], port.parse()?)), path, seed)?;
    let time = (warm_up + seconds + overlap + path.delay.as_secs_f64() * 4.0).to_string();
    let send = words(&["send", controller, &relay.address().port().to_string(), &time]);
    let _sender = Process::start(&send, 0, &say)?;
    let mut reports = [None, None];
    while reports.iter().any(Option::is_none) {
        let (place, Line::Report(report)) = next(&hear, deadline)? else { bail!("a report was expected") };
        reports[place] = Some(report);
    }
    let [first, second] = reports;
    let (first, second) = first.zip(second).context("both have reported")?;
    Ok(arrived(first, second, scenario, Some(&relay)))
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
    input: Option<ChildStdin>,
}

impl Process {
    fn start(words: &[String], place: usize, say: &Sender<(usize, Result<Line>)>) -> Result<Self> {
        let (program, arguments) = words.split_first().context("there is a program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("it has an output")?;
        let errors = child.stderr.take().context("it has an output for errors")?;
        // Whoever writes much there must not block.
        let errors = std::thread::spawn(move || {
            let lines = BufReader::new(errors).lines().map_while(Result::ok);
            // A backtrace may follow the error.
            let is_better = |line: &String| !line.trim().is_empty() && !line.starts_with(' ');
            lines.filter(is_better).reduce(|best, line| if best.starts_with("Error") { best } else { line })
        });
        let say = say.clone();
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
                let last = errors.join().ok().flatten().unwrap_or_default();
                let end = if place == 0 { "offering" } else { "answering" };
                // Nobody may be listening any more.
                let _ = say.send((place, Err(anyhow!("the {end} program ended without a report: {last}"))));
            }
        });
        Ok(Self { child, input })
    }

    fn tell(&mut self, line: &Line) -> Result<()> {
        let input = self.input.as_mut().context("it has an input")?;
        writeln!(input, "{}", serde_json::to_string(line)?)?;
        Ok(input.flush()?)
    }

    /// Has the program end by itself, as it does when its input is closed.
    fn end(&mut self) -> Result<()> {
        drop(self.input.take());
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever hears this waits to be called.
fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate")).collect()
}

/// The same description, with one way to its author: through a relay.
fn through_relay(sdp: &str, path: Path, seed: u64, between: &mut Option<Relay>) -> Result<String> {
    let mut text = String::new();
    for line in sdp.split_inclusive('\n') {
        if !line.starts_with("a=candidate") {
            text.push_str(line);
        } else if between.is_none()
            && let Some(called) = udp_address(line)
        {
            let relay = Relay::start(called, path, seed)?;
            let address = relay.address();
            text.push_str(&format!("a=candidate:1 1 UDP 2122260223 {} {} typ host\r\n", address.ip(), address.port()));
            *between = Some(relay);
        }
    }
    if between.is_none() {
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
