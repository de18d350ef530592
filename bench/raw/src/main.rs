//! The limits of the machine: what sockets and ciphers do without a protocol.
//!
//! `raw receive MODE` prints its port, and then what it received; `raw send MODE PORT SECONDS` sends to it. The runner
//! starts both, as it does with the stacks. `raw tcp …` is the kernel's TCP through a relay.

mod cipher;
mod socket;
mod tcp;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use contest::{Line, Report, Usage};

use cipher::{Opener, Sealer};
use socket::Socket;

/// What a WebRTC stack puts into a datagram at most.
const DATAGRAM: usize = 1200;
/// Datagrams per system call with offload.
const BATCH: usize = 54;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One system call for each datagram.
    Plain,
    /// Segmentation offload at both ends.
    Offload,
    /// The same, and each datagram's bytes are copied and sealed, opened and copied.
    Pipeline,
    /// 64 bytes there and back, one at a time.
    Trips,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (report, seconds) = match words[..] {
        ["tcp", ref rest @ ..] => (tcp::run(rest)?, 0.0),
        ["receive", mode] => (receive(parse(mode)?)?, 0.0),
        ["send", mode, port, seconds] => {
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
            let seconds: f64 = seconds.parse()?;
            (send(parse(mode)?, target, Duration::from_secs_f64(seconds))?, seconds)
        }
        _ => bail!("`receive MODE` or `send MODE PORT SECONDS`, and the mode is plain, offload, pipeline or trips"),
    };
    contest::tell(&Line::Report(Report { seconds: report.seconds.max(seconds), ..report }))
}

fn parse(mode: &str) -> Result<Mode> {
    Ok(match mode {
        "plain" => Mode::Plain,
        "offload" => Mode::Offload,
        "pipeline" => Mode::Pipeline,
        "trips" => Mode::Trips,
        _ => bail!("{mode} is no mode"),
    })
}

fn report(begun: (Instant, Usage), report: Report) -> Result<Report> {
    let usage = Usage::now()?;
    let (seconds, cpu) = (begun.0.elapsed().as_secs_f64(), usage.cpu - begun.1.cpu);
    Ok(Report { seconds, cpu, peak_memory: usage.peak_memory, ..report })
}

fn send(mode: Mode, target: SocketAddr, time: Duration) -> Result<Report> {
    let socket = Socket::bind(mode != Mode::Plain)?;
    let begun = (Instant::now(), Usage::now()?);
    let mut done = Report::default();
    let source = vec![7_u8; 1 << 20];
    let mut buffer = vec![0; DATAGRAM * BATCH];
    let mut sealer = Sealer::new()?;
    while begun.0.elapsed() < time {
        match mode {
            Mode::Plain => {
                socket.send_one(target, buffer.get(..DATAGRAM).context("it is one of a batch")?)?;
                done.bytes += DATAGRAM as u64;
            }
            Mode::Offload => {
                socket.send(target, &buffer, DATAGRAM)?;
                done.bytes += buffer.len() as u64;
            }
            Mode::Pipeline => {
                for (record, data) in buffer.chunks_exact_mut(DATAGRAM).zip(source.chunks_exact(cipher::PAYLOAD)) {
                    sealer.seal(data, record)?;
                }
                socket.send(target, &buffer, DATAGRAM)?;
                done.bytes += (BATCH * cipher::PAYLOAD) as u64;
            }
            Mode::Trips => {
                let sent = Instant::now();
                socket.send_one(target, &[7; 64])?;
                socket.receive_one(&mut buffer)?;
                done.round_trips.push(sent.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    done.round_trips.sort_by(f64::total_cmp);
    let done = report(begun, done)?;
    // Some of these arrive, and end the other side.
    for _ in 0..100 {
        socket.send_one(target, &[0])?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(done)
}

fn receive(mode: Mode) -> Result<Report> {
    let mut socket = Socket::bind(mode != Mode::Plain)?;
    contest::tell(&Line::Answer(socket.port()?.to_string()))?;
    let mut begun = None;
    let mut done = Report::default();
    let (mut opener, mut sink, mut buffer) = (Opener::new()?, vec![0; cipher::PAYLOAD], vec![0; 1 << 16]);
    let mut is_over = false;
    while !is_over {
        if mode == Mode::Trips || mode == Mode::Plain {
            let (length, source) = socket.receive_one(&mut buffer)?;
            is_over = length == 1;
            if mode == Mode::Trips && !is_over {
                socket.send_one(source, buffer.get(..length).context("it fits")?)?;
            }
            done.bytes += length as u64;
        } else {
            socket.receive(|datagram| {
                is_over |= datagram.len() == 1;
                if datagram.len() != DATAGRAM {
                    return;
                }
                done.bytes += match mode {
                    Mode::Pipeline => opener.open(datagram, &mut sink).map_or(0, |()| cipher::PAYLOAD as u64),
                    Mode::Plain | Mode::Offload | Mode::Trips => datagram.len() as u64,
                };
            })?;
        }
        if begun.is_none() {
            begun = Some((Instant::now(), Usage::now()?));
        }
    }
    report(begun.context("nothing came")?, done)
}
