//! What visavis is to reach, and whether it did in this run.

use std::fmt::Write;

use serde::Serialize;

use crate::scenarios::Unit;
use crate::table::{Figure, best_rival, rounded, summary};
use crate::{Results, Row, limits};

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    /// What is to be.
    pub(crate) goal: String,
    /// What is.
    pub(crate) measured: String,
    /// Nothing where something failed that it is judged by, or was not run.
    pub(crate) is_met: Option<bool>,
}

/// Looks numbers up.
struct Judge<'a> {
    results: &'a Results,
    goals: Vec<Goal>,
}

/// All goals.
pub(crate) fn judge(results: &Results) -> Vec<Goal> {
    let mut judge = Judge { results, goals: Vec::new() };
    for size in ["16 KiB", "64 KiB"] {
        judge.bulk(size);
    }
    judge.small();
    judge.paths();
    judge.many();
    judge.browsers();
    judge.goals
}

const OWN: &str = "visavis";

impl Judge<'_> {
    fn row(&self, scenario: &str) -> Option<&Row> {
        self.results.rows.iter().find(|row| row.scenario.name == scenario)
    }

    /// The median of a figure, which has a name, of a contestant in a scenario.
    fn value(&self, scenario: &str, contestant: &str, figure: &str) -> Option<f64> {
        let row = self.row(scenario)?;
        let cell = row.cells.iter().find(|cell| cell.contestant == contestant)?;
        summary(cell, figure_of(row.scenario.unit, figure)?).ok().map(|(median, ..)| median)
    }

    fn rival(&self, scenario: &str, figure: &str, is_more_better: bool) -> Option<f64> {
        let row = self.row(scenario)?;
        best_rival(self.results, row, figure_of(row.scenario.unit, figure)?, is_more_better)
    }

    fn limit(&self, name: &str, figure: usize) -> Option<f64> {
        let mut all = limits::ALL.iter().zip(&self.results.limits);
        let (limit, cell) = all.find(|(limit, _)| limit.name == name)?;
        summary(cell, limit.unit.figures().get(figure)?.1).ok().map(|(median, ..)| median)
    }

    fn at_least(&mut self, goal: String, least: f64, own: Option<f64>, other: Option<f64>) {
        self.compare(goal, own, other, "×", |ratio| ratio >= least);
    }

    fn at_most(&mut self, goal: String, most: f64, own: Option<f64>, other: Option<f64>) {
        self.compare(goal, own, other, "×", |ratio| ratio <= most);
    }

    fn compare(
        &mut self,
        goal: String,
        own: Option<f64>,
        other: Option<f64>,
        unit: &str,
        is_met: impl Fn(f64) -> bool,
    ) {
        let both = own.zip(other).filter(|(own, other)| own.is_finite() && *other > 0.0);
        let measured = both.map_or_else(
            || "–".into(),
            |(own, other)| format!("{} {unit} ({} to {})", rounded(own / other), rounded(own), rounded(other)),
        );
        self.goals.push(Goal { goal, measured, is_met: both.map(|(own, other)| is_met(own / other)) });
    }

    /// A goal that compares with nothing.
    fn alone(&mut self, goal: String, value: Option<f64>, unit: &str, is_met: impl Fn(f64) -> bool) {
        let measured = value.map_or_else(|| "–".into(), |value| format!("{} {unit}", rounded(value)));
        self.goals.push(Goal { goal, measured, is_met: value.map(is_met) });
    }

    fn bulk(&mut self, size: &str) {
        let (plain, tuned) = (format!("bulk {size} ordered"), format!("bulk {size} ordered, tuned system"));
        let own = self.value(&plain, OWN, "MB/s");
        let rival = self.rival(&plain, "MB/s", true);
        self.at_least(format!("{plain}: 10 × the fastest rival"), 10.0, own, rival);
        let pipeline = self.limit(limits::PIPELINE, 0);
        self.at_least(format!("{plain}: a third of the pipeline without SCTP"), 1.0 / 3.0, own, pipeline);
        let on = self.value(&plain, "visavis, discovery on", "MB/s");
        self.at_least(format!("{plain}: 1.5 × that with path MTU discovery"), 1.5, on, own);
        let (own, rival) = (self.value(&tuned, OWN, "MB/s"), self.rival(&tuned, "MB/s", true));
        self.at_least(format!("{tuned}: 2.5 × the fastest rival"), 2.5, own, rival);
        let cost = "CPU s/GB, both ends";
        let (own, rival) = (self.value(&plain, OWN, cost), self.rival(&plain, cost, false));
        self.alone(format!("{plain}: at most 2.2 CPU s/GB, both ends"), own, "s/GB", |cost| cost <= 2.2);
        self.at_most(format!("{plain}: half the CPU time of the thriftiest rival"), 0.5, own, rival);
    }

    fn small(&mut self) {
        let name = "messages 64 B";
        let (own, rival) = (self.value(name, OWN, "messages/s"), self.rival(name, "messages/s", true));
        self.at_least(format!("{name} per second: 3 × the best rival"), 3.0, own, rival);
        for (place, figure) in ["p50 µs", "p99 µs"].into_iter().enumerate() {
            let name = "round trip 64 B";
            let (own, rival) = (self.value(name, OWN, figure), self.rival(name, figure, false));
            self.at_most(format!("{name}, {figure}: no rival below"), 1.0, own, rival);
            let limit = self.limit(limits::TRIPS, place);
            self.at_most(format!("{name}, {figure}: 1.3 × a blocking UDP round trip"), 1.3, own, limit);
        }
        let (own, rival) = (self.value("open", OWN, "median ms"), self.rival("open", "median ms", false));
        self.at_most("open: no rival sooner".into(), 1.0, own, rival);
        self.alone("open: within 4 ms".into(), own, "ms", |time| time <= 4.0);
    }

    fn paths(&mut self) {
        let clean = "50 ms, 0 % loss";
        let (own, rival) = (self.value(clean, OWN, "MB/s"), self.rival(clean, "MB/s", true));
        self.at_least(format!("{clean}: 5 × the fastest rival"), 5.0, own, rival);
        for (name, least) in [("50 ms, 1 % loss", 50.0), ("50 ms, 5 % loss", 30.0)] {
            let (bbr, rival) = (self.value(name, "visavis, BBR", "MB/s"), self.rival(name, "MB/s", true));
            self.at_least(format!("{name}: BBR {least} × the fastest rival"), least, bbr, rival);
            let (own, tcp) = (self.value(name, OWN, "MB/s"), self.value(name, "TCP CUBIC", "MB/s"));
            self.at_least(format!("{name}: CUBIC as fast as TCP's of Linux"), 1.0, own, tcp);
        }
        for (queue, least) in [("one product", 95.0), ("a tenth", 90.0)] {
            let name = format!("50 ms, 100 Mbit/s, queue of {queue}");
            for (variant, controller) in [(OWN, "CUBIC"), ("visavis, BBR", "BBR")] {
                let own = self.value(&name, variant, "% of what the narrow place lets through");
                self.alone(format!("{name}, {controller}: {least} % of the rate"), own, "%", |share| share >= least);
            }
        }
    }

    fn many(&mut self) {
        let (own, rival) = (self.value("pairs 200", OWN, "pairs/s"), self.rival("pairs 200", "pairs/s", true));
        self.at_least("pairs per second: 2 × the best rival".into(), 2.0, own, rival);
        let figure = "KiB per idle end";
        let (own, rival) = (self.value("pairs 200", OWN, figure), self.rival("pairs 200", figure, false));
        self.at_most("memory of an idle connection: half of the leanest rival".into(), 0.5, own, rival);
        let name = "system calls per MB, both ends";
        let own = self.value(name, OWN, "per MB");
        self.alone(format!("{name}: stated"), own, "", |_| true);
        let name = "allocations per MB, both ends";
        self.alone(format!("{name}: stated"), self.value(name, OWN, "per MB"), "", |_| true);
        let name = "copies of each byte by memcpy, both ends";
        self.alone(format!("{name}: stated"), self.value(name, OWN, "per byte"), "", |_| true);
    }

    fn browsers(&mut self) {
        for row in &self.results.browsers {
            let (from, to) = row.ratios().unzip();
            for (way, ratio) in [("page to visavis", from), ("visavis to page", to)] {
                let goal = format!("{}, {way}: as fast as two of its pages", row.browser);
                let measured = ratio.map_or_else(|| "–".into(), |ratio| format!("{} ×", rounded(ratio)));
                self.goals.push(Goal { goal, measured, is_met: ratio.map(|ratio| ratio >= 1.0) });
            }
        }
    }
}

fn figure_of(unit: Unit, name: &str) -> Option<Figure> {
    unit.figures().iter().find(|(one, _)| *one == name).map(|(_, figure)| *figure)
}

/// A table of those that could be judged.
pub(crate) fn markdown(goals: &[Goal]) -> String {
    let mut text = String::new();
    let known: Vec<_> = goals.iter().filter(|goal| goal.is_met.is_some()).collect();
    if known.is_empty() {
        return text;
    }
    let met = known.iter().filter(|goal| goal.is_met == Some(true)).count();
    let _ = writeln!(text, "## Goals\n\n{met} of {} are met.\n", known.len());
    text.push_str("| goal | measured | |\n| --- | --- | --- |\n");
    for goal in goals {
        let verdict = match goal.is_met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not judged",
        };
        let _ = writeln!(text, "| {} | {} | {verdict} |", goal.goal, goal.measured);
    }
    text.push_str("\n## Numbers\n\n");
    text
}
