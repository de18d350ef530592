//! Prints what is in a media file: `cargo run -p visavis-container --example inspect -- clip.ivf`

use std::process::ExitCode;

use visavis_container::{Error, Reader};

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: inspect FILE…");
        return ExitCode::FAILURE;
    }
    for path in paths {
        if let Err(error) = inspect(path.as_ref()) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn inspect(path: &std::path::Path) -> Result<(), Error> {
    let mut reader = Reader::open(path)?;
    print!("{}: {} in {}", path.display(), reader.codec(), reader.kind());
    match reader.dimensions() {
        Some((width, height)) => println!(", {width} × {height}"),
        None => println!(),
    }
    let (mut frames, mut bytes, mut duration) = (0_u64, 0_u64, std::time::Duration::ZERO);
    while let Some(frame) = reader.next_frame()? {
        let key = if frame.is_key_frame && reader.codec().is_video() { " key" } else { "" };
        let due = frame.timestamp.as_secs_f64();
        println!("{due:10.4} s {:7.1} ms {:7} bytes{key}", frame.duration.as_secs_f64() * 1000.0, frame.data.len());
        frames += 1;
        bytes += frame.data.len() as u64;
        duration += frame.duration;
    }
    let end = if reader.is_cut_off() { ", cut off" } else { "" };
    println!("{frames} frames, {bytes} bytes, {:.3} s{end}", duration.as_secs_f64());
    Ok(())
}
