//! How many instructions the hot paths take, by callgrind: `cargo run --release --bin instructions`.
//!
//! Each path runs under valgrind twice, once with more repetitions, and the difference is what a repetition costs.

use std::process::Command;

use anyhow::{Context, Result};

const FEW: u32 = 20;
const MANY: u32 = 120;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, index, count] = &arguments[..] {
        let (_, make) = micro::PATHS[index.parse::<usize>()?];
        let mut run = make();
        (0..count.parse::<u32>()?).for_each(|_| run());
        return Ok(());
    }
    println!("| path | instructions |\n| --- | ---: |");
    for (index, (name, _)) in micro::PATHS.iter().enumerate() {
        let (few, many) = (instructions(index, FEW)?, instructions(index, MANY)?);
        println!("| {name} | {} |", many.saturating_sub(few) / u64::from(MANY - FEW));
    }
    Ok(())
}

fn instructions(index: usize, count: u32) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([index.to_string(), count.to_string()])
        .output()
        .context("valgrind does not run; install the package of this name")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line =
        text.lines().find(|line| line.contains("Collected")).with_context(|| format!("valgrind says: {text}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}
