//! One path for video and data: both get a fair part of it, and together what it carries.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::datachannel::{ChannelId, Message, Priority};
use visavis_session::{Codec, Config, Encoding, Event, Frame, MediaKind, TransceiverId, TransceiverOptions};

use crate::common::{A, B, World, address, config};

const FRAME: Duration = Duration::from_millis(33);
/// What the channel keeps waiting while it sends all the time, in bytes, and the size of its messages.
const WAITING: usize = 64 * 1024;
const MESSAGE: usize = 1_000;
/// What SCTP and DTLS put around each, in bytes.
const HEADERS: usize = 65;
/// The most that a session takes a path to carry where it was told so, in kbit/s.
const MOST: u64 = 3_000;
/// A path that carries so much more, in kbit/s, that it is as good as free.
const FREE: u64 = 10_000;

/// A path of so many kbit/s whose queue holds a quarter of a second.
fn link(kilobits: u64) -> Link {
    let rate = kilobits * 1_000 / 8;
    Link { rate: Some(rate), queue: usize::try_from(rate / 4).unwrap(), ..Link::delay(Duration::from_millis(25)) }
}

/// The same, where packets take up to 20 ms longer, and one in a hundred is lost.
fn rough(kilobits: u64) -> Link {
    Link { jitter: Duration::from_millis(20), loss: 0.01, ..link(kilobits) }
}

/// A sends video to B, and has a channel to it.
struct Shared {
    world: World,
    a: NodeId,
    b: NodeId,
    video: TransceiverId,
    channel: ChannelId,
    frames: u32,
    /// The most that the encoder makes, in bits per second; nothing is as much as it is told.
    encoder: Option<u64>,
    is_bulk: bool,
}

/// What went on in a second, in kbit/s.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// What the path was thought to carry, and what of it video was told to send, on average.
    estimate: u64,
    target: u64,
    /// What arrived.
    video: u64,
    data: u64,
}

impl Shared {
    fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, config(0), Vec::new())
    }

    /// Whose application asks for no more than [`MOST`].
    fn up_to_most(seed: u64, link: Link) -> Self {
        let mut config = config(0);
        config.media.max_bitrate = MOST * 1_000;
        Self::with(seed, link, config, Vec::new())
    }

    fn with_layers(seed: u64, link: Link, rids: [&str; 3]) -> Self {
        Self::with(seed, link, config(0), rids.map(Encoding::layer).to_vec())
    }

    fn with(seed: u64, link: Link, of_a: Config, encodings: Vec<Encoding>) -> Self {
        let mut world = World::with(seed, link, of_a, config(1));
        let (a, b) = (world.a, world.b);
        let options = TransceiverOptions { codecs: vec![Codec::vp8()], encodings, ..TransceiverOptions::default() };
        let video = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Video, options).unwrap());
        let channel = world.open(a, "bulk");
        world.negotiate(a, b);
        world.await_open(1);
        world.await_connected();
        let mut shared = Self { world, a, b, video, channel, frames: 0, encoder: None, is_bulk: false };
        shared.set_path(link);
        shared
    }

    /// What A sends into; the rest of the way is wide.
    fn set_path(&mut self, link: Link) {
        let wide = Link::delay(Duration::from_millis(25));
        self.world.network.set_links(self.a, address(A).ip(), link, wide);
        self.world.network.set_links(self.b, address(B).ip(), wide, wide);
    }

    fn target(&self) -> u64 {
        self.world.host(self.a).session.bandwidth().unwrap()
    }

    /// A frame of the encoder, and what the channel takes.
    fn send(&mut self) {
        let rate = self.encoder.map_or(self.target(), |most| most.min(self.target()));
        let (number, channel, video, is_bulk) = (self.frames, self.channel, self.video, self.is_bulk);
        self.frames += 1;
        self.world.on(self.a, |now, host| {
            let length = usize::try_from(rate / 8 / 30).unwrap().clamp(20, 200_000);
            let mut data = vec![number as u8; length];
            let asks = |event: &Event| matches!(event, Event::KeyframeRequested { .. });
            let is_key_frame = number == 0 || host.events.iter().any(asks);
            host.events.clear();
            data[0] = u8::from(!is_key_frame);
            let frame = Frame { data: data.into(), timestamp: FRAME * number, is_key_frame, ..Frame::default() };
            // Where the queue is full an encoder leaves a frame out.
            if rate > 0 {
                let _ = host.session.send_frame(now, video, &frame);
            }
            while is_bulk && host.session.channels().buffered_amount(channel) < WAITING {
                host.session.send(now, channel, Message::binary(vec![0; MESSAGE])).unwrap();
            }
        });
    }

    /// What has arrived of video, and of data with its headers, in bytes.
    fn arrived(&self) -> [u64; 2] {
        let host = self.world.host(self.b);
        let video = host.frames.values().flatten().map(|frame| frame.data.len() as u64).sum();
        let data = host.received.values().flatten().map(|message| (message.payload.len() + HEADERS) as u64).sum();
        [video, data]
    }

    fn second(&mut self) -> Second {
        let before = self.arrived();
        let (mut estimate, mut target) = (0, 0);
        for _ in 0..30 {
            self.send();
            self.world.network.run_for(FRAME);
            estimate += self.world.host(self.a).session.stats().media.estimate / 30;
            target += self.target() / 30;
        }
        let after = self.arrived();
        let rate = |kind: usize| (after[kind] - before[kind]) * 8 / 990;
        Second { estimate: estimate / 1000, target: target / 1000, video: rate(0), data: rate(1) }
    }

    fn run(&mut self, seconds: usize) -> Vec<Second> {
        (0..seconds).map(|_| self.second()).collect()
    }
}

/// The least and the most mean over so many seconds of what `f` says.
fn over(seconds: &[Second], length: usize, f: impl Fn(&Second) -> u64) -> (u64, u64) {
    let mean = |window: &[Second]| window.iter().map(&f).sum::<u64>() / length as u64;
    let means = || seconds.windows(length).map(mean);
    (means().min().unwrap(), means().max().unwrap())
}

/// What the path carries, one after another, for [`TURN`] seconds each: so many kbit/s, and what of it there is to be used.
const TURNS: [(u64, u64); 4] = [(1_000, 1_000), (300, 300), (FREE, MOST), (1_000, 1_000)];
const TURN: usize = 20;

/// Lets the path carry what each turn says, and asserts that in less than 10 s the estimate is within 20 % of that, in the
/// mean of two seconds. Returns all seconds from the very first on.
#[track_caller]
fn run_turns(seed: u64, shared: &mut Shared) -> Vec<Second> {
    let mut all = Vec::new();
    for (kilobits, usable) in TURNS {
        shared.set_path(link(kilobits));
        let turn = shared.run(TURN);
        let (least, most) = over(&turn[9..], 2, |one| one.estimate);
        assert!(
            least >= usable * 8 / 10 && most <= usable * 12 / 10,
            "seed {seed}: {least} to {most} of {usable} kbit/s: {turn:?}"
        );
        all.extend(turn);
    }
    all
}

/// Asserts that what `f` says got so many percent of what there was, over any `length` seconds of all turns: of the
/// least that there was, as long as the estimate may take to settle.
#[track_caller]
fn expect_part(seed: u64, all: &[Second], length: usize, percent: u64, f: impl Fn(&Second) -> u64) {
    let usable = |second: usize| TURNS[second / TURN].1;
    for (start, window) in all.windows(length).enumerate() {
        let there_was = (start.saturating_sub(9)..start + length).map(usable).min().unwrap_or_default();
        let mean = window.iter().map(&f).sum::<u64>() / length as u64;
        assert!(
            mean * 100 >= there_was * percent,
            "seed {seed}: {mean} of {there_was} kbit/s in {length} s from {start} s on: {all:?}"
        );
    }
}

#[test]
fn the_estimate_follows_the_path_down_and_up_and_on() {
    for seed in sim::seeds(20) {
        let mut shared = Shared::up_to_most(seed, link(TURNS[0].0));
        let all = run_turns(seed, &mut shared);
        // From the first second on there is a picture, and never none again.
        expect_part(seed, &all, 5, 40, |one| one.video);
        for (turn, (_, usable)) in all.chunks(TURN).zip(TURNS) {
            let (least, most) = over(&turn[9..], 5, |one| one.target);
            assert!(least >= usable * 8 / 10 && most <= usable * 12 / 10, "seed {seed}: {turn:?}");
            assert!(over(&turn[9..], 5, |one| one.video).0 >= usable * 70 / 100, "seed {seed}: {turn:?}");
        }
    }
}

#[test]
fn video_and_bulk_data_each_get_their_part_of_the_path() {
    for seed in sim::seeds(20) {
        let mut shared = Shared::up_to_most(seed, link(TURNS[0].0));
        shared.is_bulk = true;
        // Bulk data fills the queue again and again, and the estimate swings with it.
        let all = run_turns(seed, &mut shared);
        // Neither starves, from the first second on, not even while the path changes. A steep fall fills the queue, and what
        // is in it has to leave first.
        expect_part(seed, &all, 5, 20, |one| one.video);
        expect_part(seed, &all, 5, 14, |one| one.data);
        for (turn, (kilobits, usable)) in all.chunks(TURN).zip(TURNS) {
            let settled = &turn[9..];
            // What data takes comes in order, and so in bursts.
            let (least, most) = over(settled, 5, |one| one.target + one.data);
            assert!(least >= usable * 8 / 10 && most <= kilobits * 12 / 10, "seed {seed}: {turn:?}");
            assert!(over(settled, 5, |one| one.video).0 >= usable * 40 / 100, "seed {seed}: {turn:?}");
            assert!(over(settled, 5, |one| one.data).0 >= usable * 25 / 100, "seed {seed}: {turn:?}");
        }
    }
}

#[test]
fn a_rough_path_is_shared_too() {
    for seed in sim::seeds(20) {
        let mut shared = Shared::new(seed, rough(1_000));
        shared.is_bulk = true;
        for kilobits in [1_000, 300, 1_000] {
            shared.set_path(rough(kilobits));
            let all = shared.run(20);
            assert!(over(&all[9..], 5, |one| one.estimate).0 >= kilobits * 6 / 10, "{kilobits} kbit/s: {all:?}");
            for part in [over(&all[9..], 5, |one| one.video), over(&all[9..], 5, |one| one.data)] {
                assert!(part.0 >= kilobits * 15 / 100, "{kilobits} kbit/s: {all:?}");
            }
        }
    }
}

#[test]
fn what_video_leaves_is_for_data() {
    for seed in sim::seeds(5) {
        let mut shared = Shared::new(seed, link(1_000));
        shared.is_bulk = true;
        shared.encoder = Some(200_000);
        let all = shared.run(20);
        assert!(over(&all[9..], 5, |one| one.data).0 >= 600, "{all:?}");
        assert!(over(&all[9..], 5, |one| one.video).0 >= 190, "{all:?}");
        // Without video there is nothing to heed.
        shared.encoder = Some(0);
        let all = shared.run(10);
        assert!(over(&all[5..], 5, |one| one.data).0 >= 850, "{all:?}");
    }
}

#[test]
fn what_data_leaves_is_for_video() {
    let mut shared = Shared::new(1, link(1_000));
    shared.is_bulk = true;
    let both = shared.run(20);
    assert!(over(&both[9..], 5, |one| one.target).1 <= 700, "{both:?}");
    shared.is_bulk = false;
    let alone = shared.run(10);
    // What waited in the channel is sent first.
    assert!(over(&alone[8..], 2, |one| one.target).0 >= 800, "{alone:?}");
}

#[test]
fn a_path_that_carries_plenty_is_not_kept_from_data() {
    let mut shared = Shared::new(1, Link { rate: Some(100_000_000 / 8), queue: 512 * 1024, ..link(1_000) });
    shared.encoder = Some(2_000_000);
    shared.run(3);
    shared.is_bulk = true;
    let beside = shared.run(10);
    shared.encoder = Some(0);
    let alone = shared.run(10);
    let (beside, alone) = (over(&beside[5..], 5, |one| one.data).0, over(&alone[5..], 5, |one| one.data).0);
    assert!(beside * 10 >= alone * 8, "{beside} kbit/s beside video, {alone} kbit/s alone");
}

/// What a track's layers were told in the end, in kbit/s.
fn layers(shared: &Shared, video: TransceiverId) -> Vec<u64> {
    shared.world.host(shared.a).session.layer_bitrates(video).iter().map(|layer| layer.bitrate / 1000).collect()
}

/// Sends three layers, each at the rate it is told, and says with each frame what that was.
fn run_layers(shared: &mut Shared, seconds: u32) -> Vec<[u64; 3]> {
    let mut all = Vec::new();
    let video = shared.video;
    for _ in 0..seconds * 30 {
        let number = shared.frames;
        shared.frames += 1;
        let told = shared.world.on(shared.a, |now, host| {
            let layers = host.session.layer_bitrates(video);
            for layer in &layers {
                let asks = |event: &Event| matches!(event, Event::KeyframeRequested { rid, .. } if *rid == layer.rid);
                let is_key_frame = number == 0 || host.events.iter().any(asks);
                let mut data = vec![number as u8; usize::try_from(layer.bitrate / 8 / 30).unwrap()];
                if let Some(first) = data.first_mut() {
                    *first = u8::from(!is_key_frame);
                    let timestamp = FRAME * number;
                    let frame = Frame {
                        data: data.into(),
                        timestamp,
                        is_key_frame,
                        rid: layer.rid.clone(),
                        ..Frame::default()
                    };
                    let _ = host.session.send_frame(now, video, &frame);
                }
            }
            host.events.clear();
            [0, 1, 2].map(|place: usize| layers[place].bitrate)
        });
        all.push(told);
        shared.world.network.run_for(FRAME);
    }
    all
}

#[test]
fn layers_pause_and_resume_with_the_path_and_do_not_flap() {
    for seed in sim::seeds(10) {
        let mut shared = Shared::with_layers(seed, link(2_000), ["low", "mid", "high"]);
        for (kilobits, expected) in [
            (2_000, [true, true, true]),
            (500, [true, true, false]),
            (150, [true, false, false]),
            (500, [true, true, false]),
            (2_000, [true, true, true]),
        ] {
            shared.set_path(link(kilobits));
            let told = run_layers(&mut shared, 25);
            let on: Vec<[bool; 3]> = told.iter().map(|layers| layers.map(|bitrate| bitrate > 0)).collect();
            let settled = &on[10 * 30..];
            assert!(settled.iter().all(|on| *on == expected), "seed {seed}, {kilobits} kbit/s: {:?}", changes(&on));
            // On the way there some layers may go on and off, but not again and again.
            assert!(changes(&on).len() <= 6, "seed {seed}, {kilobits} kbit/s: {:?}", changes(&on));
            let settled = &told[10 * 30..];
            let mean = settled.iter().flatten().sum::<u64>() / settled.len() as u64 / 1_000;
            assert!(mean >= kilobits / 2 && mean <= kilobits * 12 / 10, "{mean} of {kilobits} kbit/s are told");
        }
    }
}

/// When layers went on or off, in seconds.
fn changes(on: &[[bool; 3]]) -> Vec<(usize, [bool; 3])> {
    let pairs = on.iter().zip(&on[1..]).enumerate();
    pairs.filter(|(_, (before, after))| before != after).map(|(place, (_, after))| (place / 30, *after)).collect()
}

#[test]
fn a_layer_that_resumes_is_asked_for_a_key_frame() {
    let mut shared = Shared::with_layers(1, link(2_000), ["low", "mid", "high"]);
    run_layers(&mut shared, 10);
    let (video, a) = (shared.video, shared.a);
    let limited = |is_on: bool| {
        let all = ["low", "mid", "high"].map(Encoding::layer);
        all.map(|one| Encoding { active: is_on || one.rid.as_deref() != Some("mid"), ..one }).to_vec()
    };
    shared.world.on(a, |now, host| host.session.set_encodings(now, video, limited(false)).unwrap());
    assert_eq!(layers(&shared, video)[1], 0);
    shared.world.on(a, |_, host| host.events.clear());
    shared.world.network.run_for(Duration::from_secs(5));
    shared.world.on(a, |now, host| host.session.set_encodings(now, video, limited(true)).unwrap());
    let asks = |event: &Event| matches!(event, Event::KeyframeRequested { transceiver, rid: Some(rid) } if *transceiver == video && rid == "mid");
    assert!(shared.world.host(a).events.iter().any(asks));
    let is_told = |event: &Event| {
        matches!(event, Event::LayerBitrates { transceiver, layers }
            if *transceiver == video && layers.iter().all(|layer| layer.bitrate > 0))
    };
    assert!(shared.world.host(a).events.iter().any(is_told));
    let other = vec![Encoding::layer("low")];
    shared.world.on(a, |now, host| host.session.set_encodings(now, video, other).unwrap_err());
}

#[test]
fn tracks_share_by_priority_what_the_path_carries() {
    let mut shared = Shared::new(1, link(1_000));
    let (a, b, first) = (shared.a, shared.b, shared.video);
    let encodings = vec![Encoding { priority: Priority::HIGH, ..Encoding::default() }];
    let options = TransceiverOptions { codecs: vec![Codec::vp8()], encodings, ..TransceiverOptions::default() };
    let second = shared.world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Video, options).unwrap());
    shared.world.negotiate(a, b);
    shared.run(10);
    let (one, other) = (layers(&shared, first)[0], layers(&shared, second)[0]);
    assert!(one > 200 && (one * 18..=one * 22).contains(&(other * 10)), "{one} and {other} kbit/s");
    let little = vec![Encoding { max_bitrate: Some(100_000), ..Encoding::default() }];
    shared.world.on(a, |now, host| host.session.set_encodings(now, second, little).unwrap());
    let (one, other) = (layers(&shared, first)[0], layers(&shared, second)[0]);
    assert!(other == 100 && one > 700, "{one} and {other} kbit/s");
}

/// Every datagram of a run is of the same length, leaves at the same moment and meets the same fate whenever it is run.
#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in sim::seeds(3) {
        let run = || {
            let mut shared = Shared::up_to_most(seed, rough(1_000));
            shared.is_bulk = true;
            let seconds = shared.run(10);
            let network = &shared.world.network;
            let last: Vec<_> = network.trace().map(|entry| (entry.at, entry.length, entry.fate)).collect();
            (format!("{seconds:?}"), network.counts(), last)
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}
