//! The section of the README that shows the results.

use std::fmt::Write;

use anyhow::{Context, Result};

use crate::Results;
use crate::table::{Figure, browsers_table, rounded, summary};

const FILE: &str = "../README.md";
const BEGIN: &str = "<!-- The benchmark writes from here … -->";
const END: &str = "<!-- … to here. -->";

/// Scenarios of the short table, with the place of the figure shown.
const SHOWN: [(&str, usize, &str); 15] = [
    ("bulk 16 KiB ordered", 0, "16 KiB messages, MB/s"),
    ("bulk 64 KiB ordered", 0, "64 KiB messages, MB/s"),
    ("bulk 64 KiB ordered", 1, "CPU s/GB, both ends"),
    ("bulk 64 KiB ordered, tuned system", 0, "64 KiB, sockets of all enlarged, MB/s"),
    ("bulk 256 KiB ordered", 0, "256 KiB messages, MB/s"),
    ("messages 64 B", 0, "64 B messages per second"),
    ("round trip 64 B", 0, "64 B there and back, p50 µs"),
    ("round trip 64 B", 1, "the same, p99 µs"),
    ("open", 0, "time to open, ms"),
    ("pairs 200", 0, "pairs opened per second"),
    ("pairs 200", 1, "memory of an idle connection, KiB"),
    ("50 ms, 0 % loss", 0, "50 ms, MB/s"),
    ("50 ms, 1 % loss", 0, "50 ms and 1 % loss, MB/s"),
    ("50 ms, 5 % loss", 0, "50 ms and 5 % loss, MB/s"),
    ("50 ms, 100 Mbit/s, queue of one product", 0, "50 ms and 100 Mbit/s, MB/s"),
];

/// Replaces what is between the marks.
pub(crate) fn update(results: &Results) -> Result<()> {
    let text = std::fs::read_to_string(FILE).context("there is no README")?;
    let (before, rest) = text.split_once(BEGIN).context("the README has no mark where the results begin")?;
    let (_, after) = rest.split_once(END).context("the README has no mark where the results end")?;
    Ok(std::fs::write(FILE, format!("{before}{BEGIN}\n\n{}\n{END}{after}", section(results)))?)
}

fn section(results: &Results) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}, `{}` in `bench/`, {}; medians.\n", results.date, results.command, results.machine);
    let _ = writeln!(text, "| | {} |", results.contestants.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(results.contestants.len()));
    for (scenario, place, name) in SHOWN {
        let Some(row) = results.rows.iter().find(|row| row.scenario.name == scenario) else { continue };
        let Some((_, figure)) = row.scenario.unit.figures().get(place) else { continue };
        let _ = writeln!(text, "| {name} | {} |", cells(row, *figure).join(" | "));
    }
    text.push('\n');
    text.push_str(&browsers_table(results));
    text.push_str(
        "![Throughput of visavis and its rivals in each scenario](bench/results/latest.svg)\n\n\
         [All numbers](bench/results/latest.md), with the goals and whether they are met.\n",
    );
    text
}

fn cells(row: &crate::Row, figure: Figure) -> Vec<String> {
    let one = |cell: &crate::Cell| match summary(cell, figure) {
        Ok((median, ..)) => rounded(median),
        Err(Some(_)) => "failed".into(),
        Err(None) => String::new(),
    };
    row.cells.iter().map(one).collect()
}
