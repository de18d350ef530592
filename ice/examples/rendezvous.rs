//! Two agents that find each other through a file.
//!
//! Run it twice, in two terminals:
//!
//! ```text
//! cargo run -p visavis-ice --example rendezvous -- --file /tmp/meeting
//! cargo run -p visavis-ice --example rendezvous -- --file /tmp/meeting
//! ```
//!
//! The first to come is the controlling one. Each writes its credentials and candidates into a file of its own beside
//! the name given (`.1` and `.2`), reads the other's, and checks the ways between its UDP socket and the other's. Over
//! the one that works they exchange a line, given by `--say`. `--host ADDRESS` names the address of this machine to
//! use, 127.0.0.1 unless told otherwise; `--stun ADDRESS:PORT` a STUN server to ask; `--wait SECONDS` ends it if nobody
//! comes.

use ice::{Agent, Candidate, Config, Credentials, Event, GatheringState, Role, Route};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use visavis_ice as ice;

/// How often the file is looked at.
const GLANCE: Duration = Duration::from_millis(50);

struct Options {
    file: PathBuf,
    host: IpAddr,
    stun: Option<SocketAddr>,
    say: String,
    wait: Duration,
}

/// What the two say to each other.
struct Talk<'a> {
    say: &'a str,
    /// It may be lost, so it is said again and again.
    next: Instant,
    heard: Option<String>,
}

/// The two files: this side's, and the other's.
struct Rendezvous {
    mine: PathBuf,
    theirs: PathBuf,
    role: Role,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let meeting = arrive(&options.file)?;
    let result = meet(&options, &meeting);
    // Whatever came of it, the next two find no leavings.
    fs::remove_file(&meeting.mine).ok();
    result
}

fn meet(options: &Options, meeting: &Rendezvous) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((options.host, 0))?;
    let config = Config { role: meeting.role, ..Config::default() };
    let mut agent = Agent::new(config, clock(), seed());
    agent.add_host(clock(), socket.local_addr()?);
    if let Some(server) = options.stun {
        agent.add_stun_server(clock(), server);
    }
    agent.end_of_hosts(clock());
    println!("{:?}, at {}", meeting.role, socket.local_addr()?);

    let started = clock();
    let mut description = describe(agent.local_credentials());
    let mut has_remote = false;
    let mut talk = Talk { say: &options.say, next: started, heard: None };
    let mut farewell: Option<Instant> = None;
    loop {
        while let Some(event) = agent.poll_event() {
            match event {
                Event::Candidate(candidate) => description.push_str(&format!("{candidate}\n")),
                // Complete descriptions, as by copy and paste; an agent takes them piecemeal as well.
                Event::GatheringState(GatheringState::Complete) => write_whole(&meeting.mine, &description)?,
                Event::GatheringState(GatheringState::New | GatheringState::Gathering) => {}
                Event::State(state) => println!("{state:?}"),
                Event::Selected { local, remote } => println!("from {}\n  to {}", local.address, remote.address),
                Event::Resolve(name) => agent.handle_resolved(clock(), &name, None), // nobody here hides
                Event::GatheringError { server, reason, .. } => println!("{server}: {reason}"),
            }
        }
        if !has_remote {
            has_remote = read(&meeting.theirs, &mut agent)?;
        }
        exchange(&socket, &mut agent, &mut talk)?;
        if let (Some(line), None) = (&talk.heard, farewell) {
            println!("the other says: {line}");
            // The other may not have heard us yet.
            farewell = Some(clock() + Duration::from_secs(1));
        }
        if farewell.is_some_and(|time| time <= clock()) {
            println!("round trip {:?}", agent.rtt().unwrap_or_default());
            agent.close();
            return Ok(());
        }
        if clock() - started > options.wait {
            return Err("nobody came, or there is no way".into());
        }
    }
}

/// One turn of the loop: sends what there is to send, waits for a datagram or a deadline, and takes it in.
fn exchange(socket: &UdpSocket, agent: &mut Agent, talk: &mut Talk<'_>) -> Result<(), Box<dyn Error>> {
    let local = socket.local_addr()?;
    if agent.poll_timeout().is_some_and(|deadline| deadline <= clock()) {
        agent.handle_timeout(clock());
    }
    let mut buf = Vec::new();
    while let Some(route) = agent.poll_transmit(clock(), &mut buf) {
        send(socket, &buf, route)?;
        buf.clear();
    }
    if let Some(route) = agent.route().filter(|_| talk.next <= clock()) {
        // A first byte above 127 is no STUN.
        send(socket, &[b"\x80", talk.say.as_bytes()].concat(), route)?;
        talk.next = clock() + GLANCE;
    }
    let wait = agent.poll_timeout().map_or(GLANCE, |deadline| deadline - clock()).min(GLANCE);
    socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
    let mut datagram = [0; 2048];
    match socket.recv_from(&mut datagram) {
        Ok((length, remote)) => {
            let datagram = datagram.get_mut(..length).unwrap_or_default();
            match datagram {
                datagram if stun::is_stun(datagram) => agent.handle_datagram(clock(), local, remote, datagram),
                [0x80, line @ ..] if agent.is_valid(Route { local, remote }) => {
                    talk.heard = Some(String::from_utf8_lossy(line).into_owned());
                }
                _ => {} // neither STUN nor from where the other is
            }
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()), // the other is not there yet, or gone
        Err(error) => Err(error.into()),
    }
}

fn send(socket: &UdpSocket, datagram: &[u8], route: Route) -> std::io::Result<()> {
    match socket.send_to(datagram, route.remote) {
        // One address that cannot be reached is one pair that does not work.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Takes the first free place: whoever creates the first file controls.
fn arrive(file: &Path) -> Result<Rendezvous, Box<dyn Error>> {
    let place = |n: u8| PathBuf::from(format!("{}.{n}", file.display()));
    for (mine, theirs, role) in [(1, 2, Role::Controlling), (2, 1, Role::Controlled)] {
        let (mine, theirs) = (place(mine), place(theirs));
        match fs::File::create_new(&mine) {
            Ok(_) => return Ok(Rendezvous { mine, theirs, role }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(format!("two are there already; remove {0}.1 and {0}.2 if they are not", file.display()).into())
}

fn describe(credentials: &Credentials) -> String {
    format!("ufrag {}\npwd {}\n", credentials.ufrag, credentials.pwd)
}

/// Writes a file so that whoever reads it sees all of it or nothing.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = PathBuf::from(format!("{}.draft", path.display()));
    fs::write(&draft, format!("{text}end\n"))?;
    fs::rename(&draft, path)
}

/// Reads the other's description, once it is there.
fn read(path: &Path, agent: &mut Agent) -> Result<bool, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(false) };
    if !text.ends_with("end\n") {
        return Ok(false);
    }
    let (mut ufrag, mut pwd) = (String::new(), String::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("ufrag", value)) => ufrag = value.to_owned(),
            Some(("pwd", value)) => pwd = value.to_owned(),
            Some(_) => agent.add_remote_candidate(clock(), line.parse::<Candidate>()?),
            None => agent.end_of_remote_candidates(clock()),
        }
    }
    agent.set_remote(clock(), Credentials { ufrag, pwd }, false);
    Ok(true)
}

fn options() -> Result<Options, Box<dyn Error>> {
    let (mut file, mut host, mut stun) = (None, IpAddr::from([127, 0, 0, 1]), None);
    let (mut say, mut wait) = ("hello".to_owned(), 600);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match &*name {
            "--file" => file = Some(PathBuf::from(value)),
            "--host" => host = value.parse().map_err(|_| format!("{value} is not an address"))?,
            "--stun" => stun = Some(value.parse().map_err(|_| format!("{value} is not an address with a port"))?),
            "--say" => say = value,
            "--wait" => wait = value.parse().map_err(|_| format!("{value} is not a number of seconds"))?,
            _ => return Err(format!("what is {name}?").into()),
        }
    }
    let file = file
        .ok_or("usage: rendezvous --file PATH [--host ADDRESS] [--stun ADDRESS:PORT] [--say LINE] [--wait SECONDS]")?;
    Ok(Options { file, host, stun, say, wait: Duration::from_secs(wait) })
}

#[expect(clippy::disallowed_methods, reason = "a program has a clock; the crate is given its time")]
fn clock() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a program draws its seed; the crate is given it")]
fn seed() -> [u8; 32] {
    rand::random()
}
