//! The contest: visavis and its rivals under the same workloads, in one run.
//!
//! `cargo run --release` in `bench/` builds every program, runs all scenarios in interleaved rounds, and writes
//! `results/latest.{md,json,svg}`. What could not be built or run is reported in the tables.

mod contestants;
mod limits;
mod pair;
mod plot;
mod scenarios;
mod table;

use std::path::PathBuf;

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
    /// Only scenarios whose names contain one of these words.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// How often each scenario is run with each contestant.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each bulk transfer sends, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Where the results go, without an ending.
    #[arg(long, default_value = "results/latest")]
    output: PathBuf,
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
    contestants: Vec<String>,
    limits: Vec<Cell>,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).context("bench/ is gone")?;
    let contestants: Vec<Contestant> = contestants::all()
        .into_iter()
        .filter(|one| arguments.only.is_empty() || arguments.only.iter().any(|only| one.name.starts_with(only)))
        .map(contestants::build)
        .collect();
    contestants::build_package("raw").map_err(|problem| anyhow::anyhow!(problem))?;
    let limits = limits::ALL.iter().map(|one| limits::measure(one, arguments.rounds, arguments.seconds)).collect();
    let scenarios = scenarios::all(arguments.seconds);
    let is_wanted = |one: &Scenario| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|word| one.name.contains(word.as_str()))
    };
    let rows = scenarios.into_iter().filter(is_wanted).map(|one| run(one, &contestants, arguments.rounds)).collect();
    let results = Results {
        date: said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        command: command(),
        machine: machine(),
        contestants: contestants.iter().map(|one| one.name.clone()).collect(),
        limits,
        rows,
    };
    write(&results, &arguments.output)
}

/// Every contestant in turn, round after round, so that a machine whose mood changes is unfair to nobody.
fn run(scenario: Scenario, contestants: &[Contestant], rounds: usize) -> Row {
    let mut cells: Vec<Cell> =
        contestants.iter().map(|one| Cell { contestant: one.name.clone(), runs: Vec::new() }).collect();
    for round in 0..rounds.min(scenario.max_rounds) {
        for (one, cell) in contestants.iter().zip(&mut cells) {
            let outcome = match pair::run(one, &scenario, round as u64) {
                Ok((first, second)) => Outcome::Measured(first, second),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            };
            eprintln!("{:32} {:16} {}", scenario.name, one.name, table::brief(&scenario, &outcome));
            // What fails once fails slowly every time.
            let has_failed =
                matches!(outcome, Outcome::Failed(_)) && cell.runs.iter().all(|run| matches!(run, Outcome::Failed(_)));
            if cell.runs.len() < 2 || !has_failed {
                cell.runs.push(outcome);
            }
        }
    }
    Row { scenario, cells }
}

fn write(results: &Results, output: &std::path::Path) -> Result<()> {
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(output.with_extension("json"), serde_json::to_string_pretty(results)?)?;
    std::fs::write(output.with_extension("md"), table::markdown(results))?;
    std::fs::write(output.with_extension("svg"), plot::svg(results))?;
    print!("{}", table::markdown(results));
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
