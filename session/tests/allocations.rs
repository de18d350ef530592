//! What media costs: nothing at all for those who do not use it, and no allocation per packet for those who do. The
//! allocator of this program counts, per thread.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what does not work ends the test, and says where")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use visavis_session::dtls::Identity;
use visavis_session::{
    Codec, Config, ConnectionState, Event, Frame, MediaKind, OfferOptions, Session, TransceiverId, TransceiverOptions,
    datachannel,
};

/// Two sessions and a wire that allocates nothing.
struct World {
    now: Instant,
    sessions: [Session; 2],
    buf: Vec<u8>,
    frames: usize,
    bytes: usize,
}

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side as u8 + 1], 1000))
}

impl World {
    fn new() -> Self {
        let now = sim::start();
        let session = |side: usize| {
            let pem = sim::IDENTITIES[side];
            let mut config = Config::new(Identity::from_pem(pem, pem).unwrap());
            config.media.start_bitrate = 20_000_000;
            let mut session = Session::new(config, now, [side as u8; 32]);
            session.add_host(now, address(side));
            session.end_of_hosts(now);
            session
        };
        Self { now, sessions: [session(0), session(1)], buf: Vec::with_capacity(1 << 16), frames: 0, bytes: 0 }
    }

    fn connect(&mut self) {
        let now = self.now;
        let [a, b] = &mut self.sessions;
        let offer = a.create_offer(now, OfferOptions::default()).unwrap();
        a.set_local_description(now, offer).unwrap();
        b.set_remote_description(now, a.local_description().unwrap()).unwrap();
        let answer = b.create_answer(now).unwrap();
        b.set_local_description(now, answer).unwrap();
        a.set_remote_description(now, b.local_description().unwrap()).unwrap();
        self.run_for(Duration::from_secs(2));
        assert!(self.sessions.iter().all(|one| one.connection_state() == ConnectionState::Connected));
    }

    /// Passes what both have to say, and reads what came.
    fn pass(&mut self) {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for side in 0..2 {
                self.buf.clear();
                while let Some(route) = self.sessions[side].poll_transmit(self.now, &mut self.buf) {
                    is_quiet = false;
                    self.sessions[1 - side].handle_datagram(self.now, route.remote, route.local, &mut self.buf);
                    self.buf.clear();
                }
                while let Some(event) = self.sessions[side].poll_event() {
                    if let Event::MediaReadable(id) = event {
                        while let Some(frame) = self.sessions[side].read_frame(self.now, id) {
                            self.frames += 1;
                            self.bytes += frame.data.len();
                        }
                    }
                }
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.pass();
        while let Some(due) = self.sessions.iter().filter_map(Session::poll_timeout).min().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let now = self.now;
            self.sessions.iter_mut().for_each(|session| session.handle_timeout(now));
            self.pass();
        }
        self.now = end;
    }
}

/// What a connected session of data may keep in bytes: ICE, DTLS, SCTP and a channel. Media's buffers alone are more.
const DATA_SESSION: i64 = 24 << 10;

#[test]
fn a_session_of_data_alone_has_no_engine_and_stays_as_small_as_it_was() {
    let mut world = World::new();
    world.sessions[0].open_channel(world.now, datachannel::Options::new("channel")).unwrap();
    let info = measure(|| world.connect());
    assert!(world.sessions.iter().all(|one| one.bandwidth().is_none()), "the engine is not made");
    println!("two connected sessions of data keep {} bytes", info.bytes_current);
    assert!(info.bytes_current < 2 * DATA_SESSION, "{} bytes are kept by two sessions", info.bytes_current);
    // All of media that is part of a session itself: a pointer, its configuration, a seed.
    let size = size_of::<Session>();
    println!("a session is {size} bytes");
    assert!(size <= 7 << 10, "a session is {size} bytes");
}

#[test]
fn media_that_comes_to_a_session_of_data_alone_is_dropped_without_an_allocation() {
    let mut world = World::new();
    world.sessions[0].open_channel(world.now, datachannel::Options::new("channel")).unwrap();
    world.connect();
    let before = world.sessions[1].stats().transport.unknown_dropped;
    let info = measure(|| {
        for number in 0..1_000_u16 {
            for kind in [96, 111, 200, 205] {
                let mut packet = [0; 64];
                packet[..2].copy_from_slice(&[0x80, kind]);
                packet[2..4].copy_from_slice(&number.to_be_bytes());
                world.sessions[1].handle_datagram(world.now, address(1), address(0), &mut packet);
            }
            world.pass();
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
    assert_eq!(world.sessions[1].stats().transport.unknown_dropped - before, 4_000);
    assert!(world.sessions[1].bandwidth().is_none());
}

/// Ten seconds of a stream after its first ones: what was allocated by both sides together, and packets sent.
fn stream(kind: MediaKind, codec: Codec, length: usize, every: Duration) -> (AllocationInfo, u64, usize) {
    let mut world = World::new();
    let options = TransceiverOptions { codecs: vec![codec], ..TransceiverOptions::default() };
    let id = world.sessions[0].add_transceiver(world.now, kind, options).unwrap();
    world.connect();
    let count = u32::try_from(Duration::from_secs(10).as_millis() / every.as_millis()).unwrap();
    let frames: Vec<Frame> = (0..2 * count)
        .map(|number| {
            let is_key_frame = number == 0 || kind == MediaKind::Audio;
            let mut data = vec![7; length];
            data[0] = u8::from(!is_key_frame);
            Frame { data: data.into(), timestamp: every * number, is_key_frame, ..Frame::default() }
        })
        .collect();
    let (first, second) = frames.split_at(count as usize);
    play(&mut world, id, first, every);
    let (sent, before) = (world.sessions[0].stats().transport.datagrams_sent, world.frames);
    let info = measure(|| play(&mut world, id, second, every));
    let arrived = world.frames - before;
    assert!(arrived + 2 >= second.len(), "{arrived} frames of {} arrived", second.len());
    (info, world.sessions[0].stats().transport.datagrams_sent - sent, second.len())
}

fn play(world: &mut World, id: TransceiverId, frames: &[Frame], every: Duration) {
    for frame in frames {
        world.sessions[0].send_frame(world.now, id, frame).unwrap();
        world.run_for(every);
    }
}

/// Allocations that a whole frame may take from one end to the other, however many packets it has: the sender's copy,
/// which all packets share, and the bytes that the application gets.
const PER_FRAME: u64 = 6;
/// What is left for ten seconds of reports, checks of the path, and dividing the estimate several times a second.
const OTHERS: u64 = 700;

#[test]
fn a_packet_sent_and_received_allocates_nothing() {
    let every = Duration::from_millis(33);
    let mut counts = Vec::new();
    for (length, packets) in [(3_000, 3), (30_000, 28)] {
        let (info, sent, frames) = stream(MediaKind::Video, Codec::vp8(), length, every);
        println!("{frames} frames, {sent} datagrams, {info:?}");
        assert!(sent > packets * frames as u64);
        let limit = PER_FRAME * frames as u64 + OTHERS;
        assert!(info.count_total <= limit, "{} allocations for {sent} packets, of {limit}", info.count_total);
        counts.push(info.count_total);
    }
    // Ten times the packets in as many frames.
    assert!(counts[1] <= counts[0] + 50, "{counts:?} allocations");
    let (info, sent, frames) = stream(MediaKind::Audio, Codec::opus(), 100, Duration::from_millis(20));
    println!("{frames} frames, {sent} datagrams, {info:?}");
    let limit = PER_FRAME * frames as u64 + OTHERS;
    assert!(info.count_total <= limit, "{} allocations for {sent} packets, of {limit}", info.count_total);
}

/// Sends so many messages and reads them at the other side. Gives back how many datagrams the sender has sent so far.
fn transfer(world: &mut World, id: datachannel::ChannelId, payload: &bytes::Bytes, count: usize) -> u64 {
    let (mut sent, mut arrived) = (0, 0);
    while arrived < count {
        let message = || datachannel::Message { kind: datachannel::Kind::Binary, payload: payload.clone() };
        while sent < count && world.sessions[0].send(world.now, id, message()).is_ok() {
            sent += 1;
        }
        world.run_for(Duration::from_millis(1));
        let there = world.sessions[1].channels().ids().next().unwrap();
        while let Some(message) = world.sessions[1].read(world.now, there) {
            assert_eq!(message.payload.len(), payload.len());
            arrived += 1;
        }
    }
    world.sessions[0].stats().transport.datagrams_sent
}

#[test]
fn a_packet_of_a_message_allocates_nothing() {
    const MESSAGES: usize = 1_000;
    // What one message takes at both ends together: most of it the receiver's buffer, which doubles until all is there.
    for (length, packets, most) in [(16 << 10, 14, 10), (128 << 10, 113, 13)] {
        let mut world = World::new();
        let id = world.sessions[0].open_channel(world.now, datachannel::Options::new("channel")).unwrap();
        world.connect();
        let payload = bytes::Bytes::from(vec![7; length]);
        // Queues have grown to their size after this.
        let before = transfer(&mut world, id, &payload, MESSAGES);
        let mut after = 0;
        let info = measure(|| after = transfer(&mut world, id, &payload, MESSAGES));
        let sent = after - before;
        println!("{MESSAGES} messages of {length} bytes in {sent} datagrams, {info:?}");
        assert!(sent > packets * MESSAGES as u64, "{sent} datagrams");
        assert!(info.count_total <= most * MESSAGES as u64, "{} allocations for {sent} packets", info.count_total);
    }
}
