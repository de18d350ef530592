//! The results as Markdown.

use std::fmt::Write;

use contest::Report;

use crate::scenarios::{Scenario, Tool, Unit};
use crate::{Cell, Outcome, Results, Row, goals, limits};

/// One number out of a run.
pub(crate) type Figure = fn(&Report, &Report) -> f64;

pub(crate) fn throughput(sender: &Report, _: &Report) -> f64 {
    sender.bytes as f64 / sender.seconds / 1e6
}

pub(crate) fn cost(sender: &Report, receiver: &Report) -> f64 {
    (sender.cpu + receiver.cpu) / (sender.bytes as f64 / 1e9)
}

fn sending_cost(sender: &Report, _: &Report) -> f64 {
    sender.cpu / (sender.bytes as f64 / 1e9)
}

fn receiving_cost(sender: &Report, receiver: &Report) -> f64 {
    receiver.cpu / (sender.bytes as f64 / 1e9)
}

fn peak_memory(sender: &Report, receiver: &Report) -> f64 {
    sender.peak_memory.max(receiver.peak_memory) as f64 / 1e6
}

/// What a narrow place lets through of user data when it is never idle: 1135 of 1200 bytes are that.
fn share(sender: &Report, _: &Report) -> f64 {
    let most = crate::scenarios::RATE as f64 / 8.0 * 1135.0 / 1200.0;
    sender.bytes as f64 / sender.seconds / most * 100.0
}

fn queue(sender: &Report, _: &Report) -> f64 {
    sender.queue / 1e3
}

pub(crate) fn messages(sender: &Report, _: &Report) -> f64 {
    sender.messages as f64 / sender.seconds
}

fn median_trip(sender: &Report, _: &Report) -> f64 {
    quantile(&sender.round_trips, 0.5)
}

fn slow_trip(sender: &Report, _: &Report) -> f64 {
    quantile(&sender.round_trips, 0.99)
}

fn open(sender: &Report, _: &Report) -> f64 {
    median(&sender.opens).unwrap_or(f64::NAN)
}

fn slowest_open(sender: &Report, _: &Report) -> f64 {
    sender.opens.iter().copied().fold(f64::NAN, f64::max)
}

fn idle_memory(report: &Report, _: &Report) -> f64 {
    report.idle_memory as f64 / 1024.0
}

fn per_megabyte(sender: &Report, _: &Report) -> f64 {
    sender.counted / (sender.bytes as f64 / 1e6)
}

fn per_byte(sender: &Report, _: &Report) -> f64 {
    sender.counted / sender.bytes as f64
}

impl Unit {
    /// What a scenario of this unit says, the most important first.
    pub(crate) const fn figures(self) -> &'static [(&'static str, Figure)] {
        match self {
            Self::Throughput => &[
                ("MB/s", throughput),
                ("CPU s/GB, both ends", cost),
                ("CPU s/GB, sender", sending_cost),
                ("CPU s/GB, receiver", receiving_cost),
                ("peak MB of the larger end", peak_memory),
            ],
            Self::Narrow => &[
                ("MB/s", throughput),
                ("% of what the narrow place lets through", share),
                ("KB waiting before it, on average", queue),
            ],
            Self::Messages => &[("messages/s", messages), ("peak MB of the larger end", peak_memory)],
            Self::RoundTrip => &[("p50 µs", median_trip), ("p99 µs", slow_trip)],
            Self::Open => &[("median ms", open), ("slowest ms", slowest_open)],
            Self::Pairs => &[("pairs/s", messages), ("KiB per idle end", idle_memory)],
            Self::Count(Tool::SystemCalls | Tool::Allocations) => &[("per MB", per_megabyte)],
            Self::Count(Tool::Copies) => &[("per byte", per_byte)],
        }
    }
}

/// The value below which a part of the sorted ones is.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The middle of these, if there are any.
pub(crate) fn median(all: &[f64]) -> Option<f64> {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?)),
        _ => sorted.get(middle).copied(),
    }
}

/// The median of a figure over the runs of a cell, and its least and greatest; or why there is none, if it was to be.
pub(crate) fn summary(cell: &Cell, figure: Figure) -> Result<(f64, f64, f64), Option<&str>> {
    let mut all: Vec<f64> = Vec::new();
    let mut problem = None;
    for run in &cell.runs {
        match run {
            Outcome::Measured(first, second) => all.push(figure(first, second)),
            Outcome::Failed(why) => problem = Some(why.as_str()),
        }
    }
    all.sort_by(f64::total_cmp);
    match (all.first(), all.last(), median(&all)) {
        (Some(least), Some(greatest), Some(median)) => Ok((median, *least, *greatest)),
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
pub(crate) fn rounded(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".into(),
        _ if value >= 99.5 => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        _ if value >= 9.95 => format!("{value:.1}"),
        _ if value.abs() < 0.1 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

fn spread((median, least, greatest): (f64, f64, f64)) -> String {
    match least == greatest {
        true => rounded(median),
        false => format!("{} ({}–{})", rounded(median), rounded(least), rounded(greatest)),
    }
}

/// All of it.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Results\n\n{}, by `{}` in `bench/`, on {}; {:.0} minutes. Medians, with the least and the greatest of the \
         rounds. The ratio is that of visavis, datagrams of 1200 bytes and CUBIC, to the best of the rivals.\n",
        results.date, results.command, results.machine, results.minutes
    );
    text.push_str(&goals::markdown(&results.goals));
    text.push_str(&limits_table(results));
    let mut problems = Vec::new();
    let units = [
        Unit::Throughput,
        Unit::Messages,
        Unit::RoundTrip,
        Unit::Open,
        Unit::Pairs,
        Unit::Narrow,
        Unit::Count(Tool::SystemCalls),
        Unit::Count(Tool::Allocations),
        Unit::Count(Tool::Copies),
    ];
    for unit in units {
        for is_relayed in [false, true] {
            let is_here = |row: &&Row| row.scenario.unit == unit && row.scenario.path.is_some() == is_relayed;
            let rows: Vec<_> = results.rows.iter().filter(is_here).collect();
            for (name, figure) in unit.figures() {
                text.push_str(&table(results, &rows, name, *figure, &mut problems));
            }
        }
    }
    text.push_str(&browsers_table(results));
    problems.sort();
    problems.dedup();
    if !problems.is_empty() {
        text.push_str("What failed:\n\n");
        problems.iter().for_each(|problem| text.push_str(&format!("- {problem}\n")));
    }
    text
}

fn limits_table(results: &Results) -> String {
    if results.limits.is_empty() {
        return String::new();
    }
    let mut text =
        "| the limits of the machine | MB/s or p50 µs | CPU s/GB or p99 µs |\n| --- | ---: | ---: |\n".to_owned();
    for (limit, cell) in limits::ALL.iter().zip(&results.limits) {
        let _ = write!(text, "| {} |", limit.name);
        for (_, figure) in limit.unit.figures().iter().take(2) {
            let _ = match summary(cell, *figure) {
                Ok(numbers) => write!(text, " {} |", spread(numbers)),
                Err(why) => write!(text, " failed: {} |", why.unwrap_or_default()),
            };
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// A table of one figure: a line for each scenario, a column for each contestant that took part in any.
fn table(results: &Results, rows: &[&Row], name: &str, figure: Figure, problems: &mut Vec<String>) -> String {
    let mut text = String::new();
    let takes_part =
        |index: &usize| rows.iter().any(|row| row.cells.get(*index).is_some_and(|one| !one.runs.is_empty()));
    let columns: Vec<usize> = (0..results.contestants.len()).filter(takes_part).collect();
    if columns.is_empty() {
        return text;
    }
    let names: Vec<&str> =
        columns.iter().filter_map(|column| results.contestants.get(*column)).map(String::as_str).collect();
    let _ = writeln!(text, "| {name} | {} | ratio |", names.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(columns.len() + 1));
    for row in rows {
        let _ = write!(text, "| {} |", row.scenario.name);
        for cell in columns.iter().filter_map(|column| row.cells.get(*column)) {
            match summary(cell, figure) {
                Ok(numbers) => {
                    let _ = write!(text, " {} |", spread(numbers));
                }
                Err(Some(why)) => {
                    problems.push(format!("{}, {}: {why}", cell.contestant, row.scenario.name));
                    text.push_str(" failed |");
                }
                Err(None) => text.push_str(" |"),
            }
        }
        let is_more_better = matches!(name, "MB/s" | "messages/s" | "pairs/s") || name.starts_with('%');
        let ratio = ratio(results, row, figure, is_more_better);
        let _ = writeln!(text, " {} |", ratio.map_or_else(|| "–".into(), rounded));
    }
    text.push('\n');
    text
}

/// The best of the rivals.
pub(crate) fn best_rival(results: &Results, row: &Row, figure: Figure, is_more_better: bool) -> Option<f64> {
    let rivals = row.cells.iter().skip(results.own).filter(|cell| !cell.contestant.starts_with("TCP"));
    let medians = rivals.filter_map(|cell| summary(cell, figure).ok()).map(|(median, ..)| median);
    medians.filter(|value| value.is_finite()).reduce(if is_more_better { f64::max } else { f64::min })
}

fn ratio(results: &Results, row: &Row, figure: Figure, is_more_better: bool) -> Option<f64> {
    let first = row.cells.iter().find(|cell| cell.contestant == "visavis")?;
    let (own, ..) = summary(first, figure).ok()?;
    Some(own / best_rival(results, row, figure, is_more_better)?)
}

pub(crate) fn browsers_table(results: &Results) -> String {
    if results.browsers.is_empty() {
        return String::new();
    }
    let mut text = "| browsers, 64 KiB messages, MB/s | page to page | page to visavis | visavis to page |\n\
                    | --- | ---: | ---: | ---: |\n"
        .to_owned();
    for row in &results.browsers {
        let _ = match &row.problem {
            Some(problem) => writeln!(text, "| {} | failed: {problem} | | |", row.browser),
            None => {
                let cell = |all: &[f64]| {
                    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
                    let most = all.iter().copied().fold(0.0, f64::max);
                    median(all).map_or_else(|| "–".into(), |median| spread((median, least, most)))
                };
                let rates = &row.rates;
                let (pages, from, to) = (cell(&rates.pages), cell(&rates.from_page), cell(&rates.to_page));
                writeln!(text, "| {} | {pages} | {from} | {to} |", row.browser)
            }
        };
    }
    text.push('\n');
    text
}
