//! The results as a plot: bars for each scenario with a throughput, on a logarithmic scale.

use std::fmt::Write;

use crate::Results;
use crate::scenarios::Unit;
use crate::table::summary;

const COLOURS: [&str; 8] = ["#0b7285", "#e67700", "#5f3dc4", "#a61e4d", "#2b8a3e", "#495057", "#1864ab", "#862e9c"];
const WIDTH: f64 = 960.0;
const LEFT: f64 = 250.0;
const BAR: f64 = 9.0;
const GAP: f64 = 12.0;
const TOP: f64 = 64.0;

/// One SVG picture.
pub(crate) fn svg(results: &Results) -> String {
    let rows: Vec<_> = results.rows.iter().filter(|row| row.scenario.unit == Unit::Throughput).collect();
    let figure = Unit::Throughput.figures()[0].1;
    let values = rows.iter().flat_map(|row| &row.cells).filter_map(|cell| summary(cell, figure).ok());
    let (least, most) =
        values.fold((1.0_f64, 10.0_f64), |(least, most), (median, ..)| (least.min(median.max(0.01)), most.max(median)));
    let (first, last) = (least.log10().floor(), most.log10().ceil());
    let place = |value: f64| LEFT + (value.max(0.01).log10() - first).max(0.0) / (last - first) * (WIDTH - LEFT - 70.0);
    let height = TOP + rows.len() as f64 * (results.contestants.len() as f64 * BAR + GAP) + 24.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">Throughput of one data channel, MB/s, logarithmic; {}</text>\n",
        results.date
    );
    for (index, (name, colour)) in results.contestants.iter().zip(COLOURS).enumerate() {
        let x = 12.0 + index as f64 * 150.0;
        let _ = writeln!(text, "<rect x=\"{x}\" y=\"32\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
        let _ = writeln!(text, "<text x=\"{}\" y=\"41\">{name}</text>", x + 14.0);
    }
    for power in first as i32..=last as i32 {
        let x = place(10_f64.powi(power));
        let _ = writeln!(text, "<line x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"#ddd\"/>", height - 20.0);
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            height - 6.0,
            10_f64.powi(power)
        );
    }
    let mut y = TOP;
    for row in rows {
        let middle = y + results.contestants.len() as f64 * BAR / 2.0 + 4.0;
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            row.scenario.name
        );
        for (cell, colour) in row.cells.iter().zip(COLOURS) {
            match summary(cell, figure) {
                Ok((median, ..)) => {
                    let width = place(median) - LEFT;
                    let _ = writeln!(
                        text,
                        "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>",
                        BAR - 1.0
                    );
                    let _ = writeln!(
                        text,
                        "<text x=\"{:.1}\" y=\"{}\" font-size=\"9\">{median:.1}</text>",
                        place(median) + 4.0,
                        y + 8.0
                    );
                }
                Err(_) => {
                    let _ = writeln!(
                        text,
                        "<text x=\"{}\" y=\"{}\" font-size=\"9\" fill=\"{colour}\">failed</text>",
                        LEFT + 4.0,
                        y + 8.0
                    );
                }
            }
            y += BAR;
        }
        y += GAP;
    }
    text.push_str("</svg>\n");
    text
}
