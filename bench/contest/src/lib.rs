//! What the programs of the contest share, one of which each stack has: the lines they exchange with the runner, and
//! the workloads, which are the same code for all.
//!
//! A program is started twice, as `offer TASK` and as `answer TASK`, or once as `pairs TASK`; `TASK` is a [`Task`] in
//! JSON. Each line on its standard output and input is a [`Line`] in JSON. The last is its [`Report`].

mod usage;
mod workload;

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use usage::Usage;

/// What is to be done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// One side sends as much as it can for a while, and what reaches the other's program in this time counts.
    Bulk {
        /// The size of each message, in bytes.
        message: usize,
        /// What passes before anything counts.
        warm_up: f64,
        /// For how long it counts.
        seconds: f64,
        /// How much longer the sender goes on, in seconds: the other end opened later, and its time is not over.
        overlap: f64,
    },
    /// Messages go back and forth, one at a time.
    RoundTrips {
        /// The size of each message, in bytes.
        message: usize,
        /// How many there are.
        count: usize,
    },
    /// Connections are made one after the other.
    Open {
        /// How many.
        count: usize,
    },
    /// Both ends of many connections are made in one process, and then left idle.
    Pairs {
        /// How many.
        count: usize,
        /// How many of them are being made at a time.
        at_a_time: usize,
    },
}

/// A workload, and what the connection is to be like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Task {
    /// What is to be done.
    pub workload: Workload,
    /// How the connection is made.
    pub settings: Settings,
}

/// What a connection is to be like.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Messages may overtake each other.
    pub unordered: bool,
    /// There is a delay on the way: whoever has a larger buffer to choose for this chooses it.
    pub is_far: bool,
    /// The size of messages, in bytes: whoever has a buffer that must hold one chooses it so.
    pub message: usize,
    /// A choice that only some stacks have, such as a congestion controller, by number.
    pub variant: u8,
}

/// One line between a program and the runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A description with all candidates.
    Offer(String),
    /// A description with all candidates.
    Answer(String),
    /// What was measured; the last line.
    Report(Report),
}

/// What one end measured. What the workload has nothing to do with is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// How long the workload took.
    pub seconds: f64,
    /// Messages that arrived at the other side.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Processor time of this process for it, in seconds.
    pub cpu: f64,
    /// The most memory this process had, in bytes.
    pub peak_memory: u64,
    /// Round trips, in microseconds, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub round_trips: Vec<f64>,
    /// How long each connection took to open, in milliseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<f64>,
    /// Memory for each end of an idle connection, in bytes.
    pub idle_memory: u64,
    /// How many bytes waited before the narrowest place of the path, on average; the runner knows.
    pub queue: f64,
    /// What a tool counted at both ends, such as system calls; the runner knows.
    pub counted: f64,
}

/// One end of a connection that has one data channel.
#[allow(async_fn_in_trait, reason = "programs run one at a time, and need no bounds")]
pub trait Stack: Sized {
    /// The offering end, and its description with candidates of 127.0.0.1.
    async fn offer(settings: &Settings) -> Result<(Self, String)>;
    /// The answering end, and its description.
    async fn answer(settings: &Settings, offer: String) -> Result<(Self, String)>;
    /// The offering end hears the answer.
    async fn accept(&mut self, answer: String) -> Result<()>;
    /// Waits until the channel is open.
    async fn opened(&mut self) -> Result<()>;
    /// Sends a message, waiting while too much waits to be sent: however much of a buffer serves this stack best.
    async fn send(&mut self, message: Bytes) -> Result<()>;
    /// The next message.
    async fn recv(&mut self) -> Result<Bytes>;
    /// Waits a moment, so that what was sent last leaves.
    async fn finish(self) {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

/// The whole of a program, on a worker of the runtime, where programs have their tasks: the main thread that waits for a
/// future is woken by a system call each time.
pub fn run(program: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(program).await? })
}

/// The same for a stack that has nothing to do on other threads, unless there are many connections to be made.
pub fn run_on_one_thread(program: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    if arguments()?.0 == "pairs" {
        return run(program);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(program).await? })
}

/// What a program does, with one stack.
pub async fn run_here<S: Stack>() -> Result<()> {
    let (role, task) = arguments()?;
    let report = match role.as_str() {
        "offer" => workload::offer::<S>(&task).await?,
        "answer" => workload::answer::<S>(&task).await?,
        "pairs" => workload::pairs::<S>(&task).await?,
        _ => bail!("{role} is no role"),
    };
    tell(&Line::Report(report))?;
    // The other end may not be done yet. Whoever started this program closes its input when both are.
    while heard().await.is_ok() {}
    // Stacks with threads of their own are not waited for.
    std::process::exit(0)
}

/// Which end this is, and what it has to do.
fn arguments() -> Result<(String, Task)> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().context("the first argument is `offer`, `answer` or `pairs`")?;
    let task = arguments.next().context("the second argument is a task in JSON")?;
    Ok((role, serde_json::from_str(&task)?))
}

/// Prints a line for the other side.
pub fn tell(line: &Line) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

/// The other side's line, waited for where no task of the runtime is kept from going on.
pub async fn heard() -> Result<Line> {
    tokio::task::spawn_blocking(hear).await?
}

/// The other side's line.
pub fn hear() -> Result<Line> {
    let mut text = String::new();
    if std::io::stdin().lock().read_line(&mut text)? == 0 {
        bail!("the other side is gone");
    }
    Ok(serde_json::from_str(&text)?)
}
