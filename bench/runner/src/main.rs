//! The contest: visavis and its rivals under the same workloads, in one run.
//!
//! `cargo run --release` in `bench/` builds every program, runs all scenarios in interleaved rounds, and writes
//! `results/latest.{md,json,svg}` and a section of the README. What could not be built or run is reported in the tables.

mod browsers;
mod contestants;
mod goals;
mod limits;
mod pair;
mod plot;
mod readme;
mod scenarios;
mod table;
mod tools;
mod tuning;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;

use contestants::Contestant;
use scenarios::Scenario;

/// Runs visavis and its rivals under the same workloads, and writes tables and a plot.
#[derive(Parser)]
struct Arguments {
    /// Only these contestants, by the beginning of their names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only scenarios whose names contain one of these words; `limits` and `browsers` are words too.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// At most this many rounds of each scenario.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    rounds: usize,
    /// How long a transfer on a clean path counts, in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Where the results go, without an ending. With the default, the README's section is written too.
    #[arg(long, default_value = DEFAULT_OUTPUT)]
    output: PathBuf,
    /// Runs the programs as they are.
    #[arg(long)]
    no_build: bool,
}

const DEFAULT_OUTPUT: &str = "results/latest";

impl Arguments {
    fn is_wanted(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|word| name.contains(word.as_str()))
    }
}

/// One number of one run, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// What both ends reported; for pairs only the first has anything.
    Measured(contest::Report, contest::Report),
    Failed(String),
}

/// All runs of one contestant in one scenario.
#[derive(Clone, Debug, Serialize)]
struct Cell {
    contestant: String,
    runs: Vec<Outcome>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    scenario: Scenario,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug, Serialize)]
struct Results {
    date: String,
    command: String,
    machine: String,
    minutes: f64,
    contestants: Vec<String>,
    /// How many of the first contestants are visavis.
    own: usize,
    limits: Vec<Cell>,
    rows: Vec<Row>,
    browsers: Vec<browsers::Row>,
    goals: Vec<goals::Goal>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).context("bench/ is gone")?;
    tuning::restore_on_signals()?;
    let contestants: Vec<Contestant> = contestants::all()
        .into_iter()
        .filter(|one| arguments.only.is_empty() || arguments.only.iter().any(|only| one.name.starts_with(only)))
        .map(|one| if arguments.no_build { one } else { contestants::build(one) })
        .collect();
    if !arguments.no_build {
        contestants::build_package("raw").map_err(|problem| anyhow::anyhow!(problem))?;
    }
    let mut scenarios = scenarios::all(arguments.seconds);
    scenarios.retain(|one| arguments.is_wanted(&one.name));
    scenarios.iter_mut().for_each(|one| one.rounds = one.rounds.min(arguments.rounds));
    eprintln!("This takes about {:.0} minutes.", expected(&scenarios, &contestants, &arguments).as_secs_f64() / 60.0);
    let begun = Instant::now();
    let limits = match arguments.is_wanted("limits") {
        true => limits::ALL.iter().map(|one| limits::measure(one, arguments.rounds.min(5), 1.0)).collect(),
        false => Vec::new(),
    };
    let rows: Vec<Row> = scenarios.into_iter().map(|one| run(one, &contestants)).collect();
    let browsers = if arguments.is_wanted("browsers") { browsers::measure(&arguments) } else { Vec::new() };
    let mut results = Results {
        date: said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        command: command(),
        machine: machine(),
        minutes: begun.elapsed().as_secs_f64() / 60.0,
        contestants: contestants.iter().map(|one| one.name.clone()).collect(),
        own: contestants.iter().filter(|one| one.is_own()).count(),
        limits,
        rows,
        browsers,
        goals: Vec::new(),
    };
    results.goals = goals::judge(&results);
    write(&results, &arguments.output)
}

/// What all of it takes, programs that fail aside.
fn expected(scenarios: &[Scenario], contestants: &[Contestant], arguments: &Arguments) -> Duration {
    let of_one = |scenario: &Scenario| {
        let runs = contestants.iter().filter(|one| scenario.is_for(one.part)).count() * scenario.rounds;
        scenario.expected_time() * u32::try_from(runs).unwrap_or(u32::MAX)
    };
    let mut all: Duration = scenarios.iter().map(of_one).sum();
    if arguments.is_wanted("limits") {
        all += Duration::from_millis(1200) * (limits::ALL.len() * arguments.rounds.min(5)) as u32;
    }
    if arguments.is_wanted("browsers") {
        all += browsers::expected(arguments.rounds);
    }
    all
}

/// Every contestant in turn, round after round, so that a machine whose mood changes is unfair to nobody.
fn run(scenario: Scenario, contestants: &[Contestant]) -> Row {
    let mut cells: Vec<Cell> =
        contestants.iter().map(|one| Cell { contestant: one.name.clone(), runs: Vec::new() }).collect();
    let tuned = scenario.is_tuned.then(tuning::Tuned::begin);
    for round in 0..scenario.rounds {
        for (one, cell) in contestants.iter().zip(&mut cells).filter(|(one, _)| scenario.is_for(one.part)) {
            // What failed twice and never came to an end fails slowly every time.
            if cell.runs.len() > 1 && cell.runs.iter().all(|run| matches!(run, Outcome::Failed(_))) {
                continue;
            }
            let outcome = match &tuned {
                Some(Err(problem)) => Err(anyhow::anyhow!(problem.clone())),
                Some(Ok(_)) | None => pair::run(one, &scenario, round as u64),
            };
            let outcome = match outcome {
                Ok((first, second)) => Outcome::Measured(first, second),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            };
            eprintln!("{:32} {:16} {}", scenario.name, one.name, table::brief(&scenario, &outcome));
            cell.runs.push(outcome);
        }
    }
    Row { scenario, cells }
}

fn write(results: &Results, output: &std::path::Path) -> Result<()> {
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = table::markdown(results);
    std::fs::write(output.with_extension("json"), serde_json::to_string(results)?)?;
    std::fs::write(output.with_extension("md"), &text)?;
    std::fs::write(output.with_extension("svg"), plot::svg(results))?;
    if output == std::path::Path::new(DEFAULT_OUTPUT) {
        readme::update(results)?;
    }
    print!("{text}");
    Ok(())
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.is_empty() {
        true => "cargo run --release".into(),
        false => format!("cargo run --release -- {}", arguments.join(" ")),
    }
}

fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores of {}; Linux {}", model.trim_start_matches([':', ' ', '\t']), said_by("uname", &["-r"]))
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
