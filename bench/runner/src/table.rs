//! The results as Markdown.

use std::fmt::Write;

use contest::Report;

use crate::scenarios::{Scenario, Unit};
use crate::{Cell, Outcome, Results, limits};

/// One number out of a run.
pub(crate) type Figure = fn(&Report, &Report) -> f64;

fn throughput(sender: &Report, _: &Report) -> f64 {
    sender.bytes as f64 / sender.seconds / 1e6
}

fn cost(sender: &Report, receiver: &Report) -> f64 {
    (sender.cpu + receiver.cpu) / (sender.bytes as f64 / 1e9)
}

fn peak_memory(sender: &Report, receiver: &Report) -> f64 {
    sender.peak_memory.max(receiver.peak_memory) as f64 / 1e6
}

fn messages(sender: &Report, _: &Report) -> f64 {
    sender.messages as f64 / sender.seconds
}

/// The value below which a part of the sorted ones is.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn median_trip(sender: &Report, _: &Report) -> f64 {
    quantile(&sender.round_trips, 0.5)
}

fn slow_trip(sender: &Report, _: &Report) -> f64 {
    quantile(&sender.round_trips, 0.99)
}

fn open(sender: &Report, _: &Report) -> f64 {
    let mut sorted = sender.opens.clone();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

fn slowest_open(sender: &Report, _: &Report) -> f64 {
    sender.opens.iter().copied().fold(f64::NAN, f64::max)
}

fn idle_memory(report: &Report, _: &Report) -> f64 {
    report.idle_memory as f64 / 1024.0
}

impl Unit {
    /// What a scenario of this unit says, the most important first.
    pub(crate) const fn figures(self) -> &'static [(&'static str, Figure)] {
        match self {
            Self::Throughput => {
                &[("MB/s", throughput), ("CPU s/GB, both ends", cost), ("peak MB of the larger end", peak_memory)]
            }
            Self::Messages => &[("messages/s", messages), ("peak MB of the larger end", peak_memory)],
            Self::RoundTrip => &[("p50 µs", median_trip), ("p99 µs", slow_trip)],
            Self::Open => &[("median ms", open), ("slowest ms", slowest_open)],
            Self::Pairs => &[("pairs/s", messages), ("KiB per idle end", idle_memory)],
        }
    }
}

/// The median of a figure over the runs of a cell, and its least and greatest; or why there is none.
pub(crate) fn summary(cell: &Cell, figure: Figure) -> Result<(f64, f64, f64), &str> {
    let mut all: Vec<f64> = Vec::new();
    let mut problem = "it was not run";
    for run in &cell.runs {
        match run {
            Outcome::Measured(first, second) => all.push(figure(first, second)),
            Outcome::Failed(why) => problem = why,
        }
    }
    all.sort_by(f64::total_cmp);
    match (all.first(), all.last()) {
        (Some(least), Some(greatest)) => Ok((quantile(&all, 0.5), *least, *greatest)),
        _ => Err(problem),
    }
}

/// A line for whoever watches.
pub(crate) fn brief(scenario: &Scenario, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(why) => format!("failed: {why}"),
        Outcome::Measured(first, second) => {
            let figures = scenario.unit.figures().iter();
            let texts: Vec<String> =
                figures.map(|(name, figure)| format!("{} {name}", rounded(figure(first, second)))).collect();
            texts.join(", ")
        }
    }
}

/// Three digits that mean something.
fn rounded(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".into(),
        _ if value >= 99.5 => format!("{value:.0}"),
        _ if value >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A table for each figure of each kind of scenario.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    let mut problems = Vec::new();
    let _ = writeln!(
        text,
        "{}, by `{}` in `bench/`, on {}. Medians, with the least and the greatest of the rounds; the ratio is that of \
         visavis to the best of the others.\n",
        results.date, results.command, results.machine
    );
    let _ =
        writeln!(text, "| the limits of the machine | MB/s or p50 µs | CPU s/GB or p99 µs |\n| --- | ---: | ---: |");
    for (limit, cell) in limits::ALL.iter().zip(&results.limits) {
        let _ = write!(text, "| {} |", limit.name);
        for (_, figure) in limit.unit.figures().iter().take(2) {
            let _ = match summary(cell, *figure) {
                Ok((median, least, greatest)) => {
                    write!(text, " {} ({}–{}) |", rounded(median), rounded(least), rounded(greatest))
                }
                Err(why) => write!(text, " failed: {why} |"),
            };
        }
        text.push('\n');
    }
    text.push('\n');
    for unit in [Unit::Throughput, Unit::Messages, Unit::RoundTrip, Unit::Open, Unit::Pairs] {
        let rows: Vec<_> = results.rows.iter().filter(|row| row.scenario.unit == unit).collect();
        if rows.is_empty() {
            continue;
        }
        for (name, figure) in unit.figures() {
            let _ = writeln!(text, "| {name} | {} | ratio |", results.contestants.join(" | "));
            let _ = writeln!(text, "| --- |{}", " ---: |".repeat(results.contestants.len() + 1));
            for row in &rows {
                let _ = write!(text, "| {} |", row.scenario.name);
                for cell in &row.cells {
                    match summary(cell, *figure) {
                        Ok((median, least, greatest)) => {
                            let _ = write!(text, " {} ({}–{}) |", rounded(median), rounded(least), rounded(greatest));
                        }
                        Err(why) => {
                            problems.push(format!("{}, {}: {why}", cell.contestant, row.scenario.name));
                            text.push_str(" failed |");
                        }
                    }
                }
                let is_more_better = matches!(*name, "MB/s" | "messages/s" | "pairs/s");
                let _ = writeln!(text, " {} |", ratio(&row.cells, *figure, is_more_better));
            }
            text.push('\n');
        }
    }
    problems.dedup();
    if !problems.is_empty() {
        text.push_str("What failed:\n\n");
        problems.iter().for_each(|problem| text.push_str(&format!("- {problem}\n")));
    }
    text
}

/// The first contestant to the best of the others.
fn ratio(cells: &[Cell], figure: Figure, is_more_better: bool) -> String {
    let medians = |cells: &[Cell]| -> Vec<f64> {
        cells.iter().filter_map(|cell| summary(cell, figure).ok()).map(|(median, ..)| median).collect()
    };
    let Some((first, others)) = cells.split_first() else { return "–".into() };
    let pick = if is_more_better { f64::max } else { f64::min };
    match (medians(std::slice::from_ref(first)).first(), medians(others).into_iter().reduce(pick)) {
        (Some(own), Some(best)) => format!("{:.2}", own / best),
        _ => "–".into(),
    }
}
