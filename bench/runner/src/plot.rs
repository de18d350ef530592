//! The results as a plot: a line for each scenario with a throughput, a dot for each contestant, on a logarithmic scale.

use std::fmt::Write;

use crate::scenarios::Unit;
use crate::table::{Figure, rounded, summary, throughput};
use crate::{Results, Row};

const COLOURS: [&str; 9] =
    ["#0b7285", "#22b8cf", "#74b816", "#e67700", "#a61e4d", "#e599f7", "#5f3dc4", "#868e96", "#212529"];
const WIDTH: f64 = 960.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 60.0;
const LINE: f64 = 20.0;
const TOP: f64 = 76.0;

/// A logarithmic scale across the picture.
struct Scale {
    first: f64,
    last: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let values = values.filter(|value| value.is_finite());
        let (least, most) =
            values.fold((1.0_f64, 10.0_f64), |(least, most), value| (least.min(value.max(0.01)), most.max(value)));
        Self { first: least.log10().floor(), last: most.log10().ceil() }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.max(0.01).log10() - self.first) / (self.last - self.first);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

/// One SVG picture.
pub(crate) fn svg(results: &Results) -> String {
    let is_shown = |row: &&Row| matches!(row.scenario.unit, Unit::Throughput | Unit::Narrow);
    let rows: Vec<_> = results.rows.iter().filter(is_shown).collect();
    let figure: Figure = throughput;
    let cells = rows.iter().flat_map(|row| &row.cells);
    let scale = Scale::over(cells.filter_map(|cell| summary(cell, figure).ok()).map(|(median, ..)| median));
    let height = TOP + rows.len() as f64 * LINE + 34.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"15\">Throughput of one data channel in MB/s, logarithmic; medians, {}</text>\n",
        results.date
    );
    legend(&mut text, results);
    axis(&mut text, &scale, height);
    for (index, row) in rows.iter().enumerate() {
        line(&mut text, &scale, row, TOP + (index as f64 + 0.5) * LINE);
    }
    text.push_str("</svg>\n");
    text
}

fn legend(text: &mut String, results: &Results) {
    for (index, (name, colour)) in results.contestants.iter().zip(COLOURS).enumerate() {
        let (x, y) = (20.0 + (index % 5) as f64 * 186.0, 38.0 + (index / 5) as f64 * 18.0);
        let _ = writeln!(text, "<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/>");
        let _ = writeln!(text, "<text x=\"{}\" y=\"{}\">{name}</text>", x + 10.0, y + 4.0);
    }
}

fn axis(text: &mut String, scale: &Scale, height: f64) {
    let bottom = height - 26.0;
    for power in scale.first as i32..=scale.last as i32 {
        for step in 1..10 {
            let value = f64::from(step) * 10_f64.powi(power);
            let x = scale.place(value);
            if step > 1 && power == scale.last as i32 {
                break;
            }
            let colour = if step == 1 { "#adb5bd" } else { "#f1f3f5" };
            let _ =
                writeln!(text, "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"{colour}\"/>");
        }
        let (x, y) = (scale.place(10_f64.powi(power)), height - 10.0);
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", 10_f64.powi(power));
    }
}

/// The name, a line from the slowest to the fastest, and the dots; the fastest has its number beside it.
fn line(text: &mut String, scale: &Scale, row: &Row, y: f64) {
    let (right, base) = (LEFT - 10.0, y + 4.0);
    let _ = writeln!(text, "<text x=\"{right}\" y=\"{base}\" text-anchor=\"end\">{}</text>", row.scenario.name);
    let medians: Vec<_> = row
        .cells
        .iter()
        .zip(COLOURS)
        .filter_map(|(cell, colour)| Some((summary(cell, throughput).ok()?.0, colour)))
        .filter(|(median, _)| median.is_finite())
        .collect();
    let least = medians.iter().map(|(median, _)| *median).fold(f64::INFINITY, f64::min);
    let most = medians.iter().map(|(median, _)| *median).fold(0.0, f64::max);
    if medians.is_empty() {
        return;
    }
    let (from, to) = (scale.place(least), scale.place(most));
    let _ = writeln!(text, "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ced4da\"/>");
    // visavis is drawn last, above the others.
    for (median, colour) in medians.iter().rev() {
        let x = scale.place(*median);
        let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\" stroke=\"#fff\"/>");
    }
    let _ = writeln!(text, "<text x=\"{:.1}\" y=\"{base}\" font-size=\"11\">{}</text>", to + 9.0, rounded(most));
}
