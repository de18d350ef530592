//! Asks a STUN server under which address it sees this machine.
//!
//! ```text
//! cargo run -p visavis-stun --example my_address -- 127.0.0.1:3478
//! cargo run -p visavis-stun --example my_address -- stun:stun.example.org
//! ```

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use visavis_stun::uri::Scheme;
use visavis_stun::{Action, Attribute, Builder, Class, Message, Method, Schedule, Transaction, TransactionId, Uri};

fn main() -> ExitCode {
    let Some(server) = std::env::args().nth(1) else {
        eprintln!("usage: my_address <host:port | stun:host[:port]>");
        return ExitCode::from(2);
    };
    match resolve(&server).and_then(ask) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{server}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The server's address, from a URI or from `host:port`.
fn resolve(server: &str) -> Result<SocketAddr, Box<dyn Error>> {
    let mut addresses = if server.starts_with("stun:") || server.starts_with("stuns:") {
        let uri: Uri = server.parse()?;
        if uri.scheme == Scheme::Stuns {
            return Err("this example speaks UDP, not TLS".into());
        }
        format!("{}:{}", uri.host, uri.port_or_default()).to_socket_addrs()?
    } else {
        server.to_socket_addrs()?
    };
    addresses.next().ok_or_else(|| "no address found".into())
}

/// Sends a Binding request, again and again as the transaction says, and prints the answer.
#[expect(clippy::disallowed_methods, reason = "here is where the real clock and randomness come in")]
fn ask(server: SocketAddr) -> Result<(), Box<dyn Error>> {
    let any =
        if server.is_ipv4() { SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?; // only this server's datagrams arrive, and ICMP errors too

    let mut transaction = Transaction::new(Instant::now(), TransactionId(rand::random()), Schedule::default());
    let mut request = Vec::new();
    Builder::new(&mut request, Class::Request, Method::BINDING, transaction.id())
        .attribute(&Attribute::Software("visavis my_address"))
        .fingerprint();

    let mut datagram = [0; 1500];
    loop {
        match transaction.handle_timeout(Instant::now()) {
            Action::Send => drop(socket.send(&request)?),
            Action::Wait => {}
            Action::Failed => return Err("no answer".into()),
        }
        let due = transaction.poll_timeout().ok_or("no answer")?;
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait))?;
        let length = match socket.recv(&mut datagram) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error.into()),
        };
        let received = datagram.get(..length).unwrap_or_default();
        let Ok(response) = Message::decode(received) else { continue };
        if !transaction.is_answered_by(&response)
            || (response.has_fingerprint() && response.check_fingerprint().is_err())
        {
            continue; // a late answer to somebody else, or noise
        }
        return report(&response, socket.local_addr()?, transaction.rtt(Instant::now()));
    }
}

/// Prints what the server says.
fn report(response: &Message<'_>, local: SocketAddr, rtt: Option<Duration>) -> Result<(), Box<dyn Error>> {
    if let Some(error) = response.error_code() {
        return Err(format!("the server refuses: {error}").into());
    }
    if let Some(kind) = response.unknown_required().next() {
        return Err(format!("the answer has attribute {kind:#06x}, which must be understood and is not").into());
    }
    let address = response.mapped_address().ok_or("the answer has no address in it")?;
    println!("address    {address}");
    println!("socket     {local}");
    println!("translated {}", if address == local { "no" } else { "yes, there is a NAT on the way" });
    if let Some(rtt) = rtt {
        println!("round trip {rtt:.1?}");
    }
    if let Some(software) = response.software() {
        println!("server     {software}");
    }
    Ok(())
}
