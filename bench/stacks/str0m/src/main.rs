//! str0m in the contest: its run loop around one socket, without threads.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use contest::{Settings, Stack};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

struct Str0m {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    channel: Option<ChannelId>,
    inbox: VecDeque<Bytes>,
    deadline: Instant,
    buffer: Vec<u8>,
    /// Bytes taken since the last look at what there is to send.
    taken: usize,
}

/// How much is taken before that: small messages leave together.
const BATCH: usize = 4 << 10;

/// What serves it best on a clean path is its default; across a delay its documentation asks for more.
const KERNEL_BUFFER: usize = 4 << 20;

impl Str0m {
    fn new(settings: &Settings) -> Result<Self> {
        str0m::crypto::from_feature_flags().install_process_default();
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(SocketProtocol::UDP))?;
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        let mut config = RtcConfig::new();
        // It takes no message that its buffer does not hold.
        if settings.is_far {
            config = config.set_sctp_max_buffered_amount(16 << 20);
        } else if settings.message > 64 << 10 {
            config = config.set_sctp_max_buffered_amount(2 * settings.message);
        } else if settings.message < 1 << 10 {
            // With many chunks in flight it takes long to find the next.
            config = config.set_sctp_max_buffered_amount(16 << 10);
        }
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        Ok(Self {
            rtc,
            socket,
            local,
            pending: None,
            channel: None,
            inbox: VecDeque::new(),
            deadline: Instant::now(),
            buffer: vec![0; 2000],
            taken: 0,
        })
    }

    /// Sends what there is to send and notes what happened, until there is nothing more.
    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return Ok(());
                }
                Output::Transmit(transmit) => match self.socket.send_to(&transmit.contents, transmit.destination) {
                    Ok(_) => {}
                    // Lost, as on any network.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                },
                Output::Event(Event::ChannelOpen(id, _)) => self.channel = Some(id),
                Output::Event(Event::ChannelData(data)) => self.inbox.push_back(data.data.into()),
                Output::Event(_) => {}
            }
        }
    }

    /// Hears what has come, and what is due.
    fn hear(&mut self) -> Result<()> {
        loop {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, source)) => {
                    let contents = self.buffer.get(..length).context("it is no longer than the buffer")?;
                    let receive = Receive {
                        proto: Protocol::Udp,
                        source,
                        destination: self.local,
                        contents: contents.try_into()?,
                    };
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                    self.drain()?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The other side's port may be gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() >= self.deadline {
            self.rtc.handle_input(Input::Timeout(Instant::now()))?;
            self.drain()?;
        }
        Ok(())
    }

    /// Waits for a datagram or a timer.
    fn wait(&mut self) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // Rounded up, so that it does not turn in circles just before.
        let millis = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(millis))?;
        self.hear()
    }
}

impl Stack for Str0m {
    async fn offer(settings: &Settings) -> Result<(Self, String)> {
        let mut stack = Self::new(settings)?;
        let mut change = stack.rtc.sdp_api();
        change.add_channel_with_config(ChannelConfig {
            label: "bench".into(),
            ordered: !settings.unordered,
            ..ChannelConfig::default()
        });
        let (offer, pending) = change.apply().context("there is a change")?;
        stack.pending = Some(pending);
        stack.drain()?;
        Ok((stack, offer.to_sdp_string()))
    }

    async fn answer(settings: &Settings, offer: String) -> Result<(Self, String)> {
        let mut stack = Self::new(settings)?;
        let answer = stack.rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer)?)?;
        stack.drain()?;
        Ok((stack, answer.to_sdp_string()))
    }

    async fn accept(&mut self, answer: String) -> Result<()> {
        let pending = self.pending.take().context("there was an offer")?;
        self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        self.drain()
    }

    async fn opened(&mut self) -> Result<()> {
        while self.channel.is_none() {
            self.hear()?;
            // The other end may be in this process.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        let id = self.channel.context("the channel is open")?;
        loop {
            let Some(mut channel) = self.rtc.channel(id) else { bail!("the channel closed") };
            if channel.write(true, &message)? {
                self.taken += message.len();
                if self.taken < BATCH {
                    return Ok(());
                }
                self.taken = 0;
                self.drain()?;
                return self.hear();
            }
            self.taken = 0;
            self.drain()?;
            self.wait()?;
            // Whoever waits for this may have a deadline.
            tokio::task::yield_now().await;
        }
    }

    async fn recv(&mut self) -> Result<Bytes> {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                return Ok(message);
            }
            if self.taken > 0 {
                self.taken = 0;
                self.drain()?;
            }
            self.wait()?;
            tokio::task::yield_now().await;
        }
    }

    async fn finish(mut self) {
        let until = Instant::now() + std::time::Duration::from_millis(300);
        // Whoever is gone already hears nothing.
        let _ = self.drain();
        while Instant::now() < until && self.hear().is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn main() -> Result<()> {
    contest::run(contest::run_here::<Str0m>())
}
