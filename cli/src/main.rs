//! The `visavis` program: two local peers talk to each other, then a page is served where a browser becomes the peer.

mod demo;
mod files;
mod media;
mod page;
mod rtc;
mod serve;
mod signal;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use container::{FrameRate, Repeat};
use tracing_subscriber::EnvFilter;

/// Two peers on this machine find each other, shake hands and exchange text and data over a WebRTC data channel;
/// then a page is served where a browser becomes the other peer with one click.
///
/// The page has a chat, files in both directions, the connection's round-trip time and throughput drawn live, and a
/// video call over a path that can be made bad. Lines typed into this terminal go to every browser that is connected.
#[derive(Debug, Parser)]
#[command(name = "visavis", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    site: Site,

    /// End after the two local peers have talked, without serving the page.
    #[arg(long)]
    no_serve: bool,

    /// Serve the page at once, without the two local peers.
    #[arg(long, conflicts_with = "no_serve")]
    no_demo: bool,

    /// How much data the two local peers exchange, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    size: u32,

    /// Where files from browsers are written, and from where files are offered to them. By default a new folder in
    /// the system's directory for temporary files.
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,

    /// The largest file that is accepted, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(0..1 << 40))]
    largest_file: u64,

    /// How much is accepted in all, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(0..1 << 40))]
    quota: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play media files to every browser that opens the page
    ///
    /// IVF (VP8, VP9, AV1, H.264), Ogg Opus, H.264 and H.265 byte streams, WAV. The first video and the first sound
    /// play in step, and so do the second ones.
    #[command(after_help = "\
Examples:
  visavis send-media clip.ivf clip.opus
  ffmpeg -i film.mp4 -an -c:v libvpx -b:v 1M film.ivf -vn -c:a libopus film.opus")]
    SendMedia {
        /// What is played.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,

        /// Play to each browser once, instead of in a loop.
        #[arg(long)]
        once: bool,

        /// How many pictures per second H.264 and H.265 byte streams have, which do not say it: a number, or two with
        /// a slash between.
        #[arg(long, value_name = "NUMBER", default_value = "30", value_parser = frame_rate)]
        frame_rate: FrameRate,

        #[command(flatten)]
        site: Site,
    },
    /// Record the cameras and microphones that visitors of the page share
    ///
    /// Each track becomes a file: IVF (VP8, VP9, AV1), .h264, Ogg Opus or WAV. What was received is in the file at any
    /// moment. No file is ever overwritten.
    Record {
        /// Where the files are written; made if it is not there.
        #[arg(value_name = "FOLDER")]
        directory: PathBuf,

        #[command(flatten)]
        site: Site,
    },
}

/// What every page is served with.
#[derive(Args, Debug)]
struct Site {
    /// Where the page is served. A port that is taken gives way to the next free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// How many browsers may be connected at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    peers: usize,

    /// A STUN server to learn the public address from; may be given several times. None is needed on one machine or
    /// in one network.
    #[arg(long = "stun", value_name = "stun:HOST:PORT", value_parser = stun_server)]
    stun_servers: Vec<String>,
}

impl From<Site> for serve::Site {
    fn from(Site { listen, peers, stun_servers }: Site) -> Self {
        Self { listen, peers, stun_servers }
    }
}

/// What is wrong with a server is said now, not when a browser comes.
fn stun_server(url: &str) -> Result<String, visavis::Error> {
    let url = url.to_owned();
    visavis::Config { ice_servers: vec![url.clone()], ..visavis::Config::default() }.check()?;
    Ok(url)
}

/// `25`, or `30000/1001`.
fn frame_rate(text: &str) -> Result<FrameRate, String> {
    let (frames, seconds) = text.split_once('/').unwrap_or((text, "1"));
    let rate =
        frames.parse().ok().zip(seconds.parse().ok()).and_then(|(frames, seconds)| FrameRate::new(frames, seconds));
    rate.ok_or_else(|| "it is a number such as 25, or a fraction such as 30000/1001".into())
}

const EXAMPLES: &str = "\
Examples:
  visavis                                      both: the two local peers, then the page
  visavis --no-serve --size 1024               only the two local peers, with 1 GiB
  visavis --listen 0.0.0.0:9000 --directory .  the page for the whole network, files in this folder
  visavis send-media clip.ivf clip.opus        plays these to every browser that opens the page
  visavis record recordings                    records what visitors of the page share

Environment:
  RUST_LOG=visavis=debug   tells what the connections do
  SSLKEYLOGFILE=FILE       writes the secrets of DTLS there, for Wireshark";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("visavis: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    match arguments.command {
        Some(Command::SendMedia { files, once, frame_rate, site }) => {
            let repeat = if once { Repeat::Once } else { Repeat::Loop };
            return media::send::run(site.into(), files, repeat, frame_rate).await;
        }
        Some(Command::Record { directory, site }) => return media::record::run(site.into(), directory).await,
        None => {}
    }
    if !arguments.no_demo {
        demo::run(u64::from(arguments.size) << 20).await?;
    }
    if arguments.no_serve {
        return Ok(());
    }
    let store = files::Store::open(arguments.directory, arguments.largest_file << 20, arguments.quota << 20)?;
    serve::run(arguments.site.into(), store).await
}
