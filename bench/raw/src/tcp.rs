//! TCP as the kernel has it, through the same relay as the stacks.
//!
//! The relay carries UDP, so each end has a TUN device in a network namespace of its own, and what the kernel sends
//! there travels as the payload of a datagram.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use contest::{Line, Report, Usage};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};
use socket2::{Domain, Socket, Type};
use tun::AbstractDevice;

const PORT: u16 = 5000;
const KERNEL_BUFFER: usize = 8 << 20;
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 84, 0, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 84, 0, 2);

/// A UDP socket outside, and the namespace with its device inside, where this thread and those it starts are then.
fn tunnel(own: Ipv4Addr) -> Result<(Arc<UdpSocket>, Arc<tun::Device>)> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    unshare(CloneFlags::CLONE_NEWNET).context("a namespace needs root")?;
    // More than any of these paths needs; what the system has by default would limit it.
    for file in ["tcp_rmem", "tcp_wmem"] {
        std::fs::write(format!("/proc/sys/net/ipv4/{file}"), "4096 1048576 67108864")?;
    }
    let mut configuration = tun::Configuration::default();
    let mtu = u16::try_from(super::DATAGRAM)?;
    configuration.tun_name("bench0").address(own).netmask((255, 255, 255, 0)).mtu(mtu).up();
    let device = tun::create(&configuration).context("a TUN device needs root and /dev/net/tun")?;
    let name = device.tun_name()?;
    // A queue on this side would be a part of the path that nobody else has.
    let _ = Command::new("ip").args(["link", "set", &name, "txqueuelen", "10000"]).status();
    Ok((Arc::new(socket.into()), Arc::new(device)))
}

/// Carries packets both ways, on threads of their own.
fn carry(socket: &Arc<UdpSocket>, device: &Arc<tun::Device>) {
    let (from, to) = (device.clone(), socket.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(length) = from.recv(&mut buffer) {
            // What the other side does not take is lost, as on any network.
            let _ = buffer.get(..length).map(|packet| to.send(packet));
        }
    });
    let (from, to) = (socket.clone(), device.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        loop {
            if let Ok(length) = from.recv(&mut buffer) {
                let _ = buffer.get(..length).map(|packet| to.send(packet));
            }
        }
    });
}

/// `tcp receive CONTROLLER WARM_UP SECONDS`, or `tcp send CONTROLLER PORT SECONDS`.
pub(crate) fn run(arguments: &[&str]) -> Result<Report> {
    match *arguments {
        ["receive", controller, warm_up, seconds] => receive(controller, time(warm_up)?, time(seconds)?),
        ["send", controller, port, seconds] => send(controller, port.parse()?, time(seconds)?),
        _ => bail!("`tcp receive CONTROLLER WARM_UP SECONDS` or `tcp send CONTROLLER PORT SECONDS`"),
    }
}

fn time(text: &str) -> Result<Duration> {
    Ok(Duration::from_secs_f64(text.parse()?))
}

fn receive(controller: &str, warm_up: Duration, seconds: Duration) -> Result<Report> {
    let (socket, device) = tunnel(RECEIVER)?;
    let listener = TcpListener::bind((RECEIVER, PORT))?;
    setsockopt(&listener, TcpCongestion, &controller.into())?;
    contest::tell(&Line::Answer(socket.local_addr()?.port().to_string()))?;
    // Whoever calls first is who there is.
    let mut first = [0; 1 << 16];
    let (length, caller) = socket.recv_from(&mut first)?;
    socket.connect(caller)?;
    device.send(first.get(..length).context("it fits")?)?;
    carry(&socket, &device);
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 1 << 18];
    read_until(&mut stream, &mut buffer, Instant::now() + warm_up)?;
    let begun = (Instant::now(), Usage::now()?);
    let bytes = read_until(&mut stream, &mut buffer, begun.0 + seconds)?;
    super::report(begun, Report { bytes, ..Report::default() })
}

fn read_until(stream: &mut std::net::TcpStream, buffer: &mut [u8], end: Instant) -> Result<u64> {
    let mut bytes = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(bytes);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => bail!("the sender is gone"),
            Ok(length) => bytes += length as u64,
            // Nothing came; or it is over.
            Err(_) => {}
        }
    }
}

fn send(controller: &str, port: u16, seconds: Duration) -> Result<Report> {
    let (socket, device) = tunnel(SENDER)?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    carry(&socket, &device);
    let stream = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    setsockopt(&stream, TcpCongestion, &controller.into())?;
    stream.connect(&SocketAddr::from((RECEIVER, PORT)).into())?;
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let mut stream = std::net::TcpStream::from(stream);
    let begun = (Instant::now(), Usage::now()?);
    let data = vec![7; 1 << 18];
    while begun.0.elapsed() < seconds {
        // A full buffer; there is time.
        let _ = stream.write(&data);
    }
    super::report(begun, Report::default())
}
