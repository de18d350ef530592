use super::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

#[test]
fn a_missing_packet_is_asked_for_at_once_and_then_every_round_trip() {
    let (mut camera, mut screen) = (Camera::new(65_534, 0), Screen::new(config()));
    screen.receiver.set_rtt(ms(80));
    let (key, first) = camera.frame(true, 2);
    let (delta, second) = camera.frame(false, 5);
    screen.take(&key);
    screen.take(&[delta[0].clone(), delta[3].clone()]);
    let nack = Told::Nack(vec![1, 2]);
    assert_eq!(screen.told(), std::slice::from_ref(&nack));
    assert_eq!(screen.pass(ms(79)), []);
    assert_eq!(screen.pass(ms(1)), [nack]);
    screen.retransmit(&delta[1]);
    assert_eq!(screen.pass(ms(80)), [Told::Nack(vec![2])]);
    screen.retransmit(&delta[2]);
    screen.take(&delta[4..]);
    assert_eq!(screen.data(), [first, second]);
    assert_eq!(screen.pass(ms(10_000)), []);
    let stats = screen.receiver.stats();
    assert_eq!((stats.nack_count, stats.packets_nacked, stats.pli_count), (3, 5, 0));
    assert_eq!(stats.packets_lost, 2, "what was sent again as another stream was lost all the same");
}

#[test]
fn retransmissions_of_a_stream_of_their_own_are_unwrapped() {
    let (mut camera, mut screen) = (Camera::new(5, 0), Screen::new(config()));
    let (key, whole) = camera.frame(true, 3);
    screen.take(&[key[0].clone(), key[2].clone()]);
    assert_eq!(screen.receiver.report_rtx(screen.now), None);
    let rtx = Header { payload_type: 97, sequence: SequenceNumber(900), ssrc: RTX, ..key[1].header };
    let mut payload = key[1].header.sequence.0.to_be_bytes().to_vec();
    payload.extend_from_slice(&key[1].payload);
    let now = screen.now;
    screen.receiver.handle_rtx(now, &rtx, &payload);
    screen.receiver.handle_rtx(now, &Header { sequence: SequenceNumber(901), ..rtx }, &[]);
    assert_eq!(screen.data(), [whole]);
    assert_eq!(screen.told(), []);
    let block = screen.receiver.report_rtx(now).expect("it was heard");
    assert_eq!((block.ssrc, block.extended_highest_sequence, block.cumulative_lost), (RTX, 901, 0));
    assert_eq!(screen.receiver.report(now).cumulative_lost, 1);
}

#[test]
fn requests_end_after_the_configured_number() {
    let (mut camera, mut screen) =
        (Camera::new(5, 0), Screen::new(Config { max_nacks: 3, max_wait: ms(60_000), ..config() }));
    let (key, _) = camera.frame(true, 3);
    screen.take(&[key[0].clone(), key[2].clone()]);
    assert_eq!(screen.pass(ms(10_000)), vec![Told::Nack(vec![6]); 3]);
    let mut silent = Screen::new(Config { nack: false, ..config() });
    silent.take(&[key[0].clone(), key[2].clone()]);
    assert_eq!(silent.pass(ms(400)), []);
}

#[test]
fn what_is_only_out_of_order_is_not_asked_for_if_the_path_is_known_for_it() {
    let (mut camera, mut screen) = (Camera::new(5, 0), Screen::new(Config { nack_delay: ms(10), ..config() }));
    let (key, whole) = camera.frame(true, 4);
    screen.take(&[key[0].clone(), key[2].clone()]);
    assert_eq!(screen.pass(ms(9)), []);
    screen.take(&[key[1].clone(), key[3].clone()]);
    assert_eq!((screen.pass(ms(5_000)), screen.data()), (vec![], vec![whole]));
}

#[test]
fn a_long_burst_is_asked_for_in_pieces() {
    let (mut camera, mut screen) = (Camera::new(65_000, 0), Screen::new(config()));
    let (key, first) = camera.frame(true, 1);
    let (delta, second) = camera.frame(false, 602);
    screen.take(&key);
    screen.take(&[delta[0].clone(), delta[601].clone()]);
    let told = screen.told();
    let mut asked = Vec::new();
    for feedback in &told {
        let Told::Nack(numbers) = feedback else { panic!("{told:?}") };
        assert!(numbers.len() <= 256);
        asked.extend_from_slice(numbers);
    }
    assert!(asked.iter().copied().eq(delta[1..601].iter().map(|packet| packet.header.sequence.0)));
    for packet in &delta[1..601] {
        screen.retransmit(packet);
    }
    assert_eq!(screen.data(), [first, second]);
}

/// A path with loss and jitter both ways, and a sender that answers requests.
struct Path {
    rng: StdRng,
    loss: f64,
    /// What arrives at the receiver, by when; the number keeps the order of what arrives at once.
    events: BTreeMap<(Instant, u64), Arriving>,
    count: u64,
}

enum Arriving {
    Media(Sent),
    Retransmission(Sent),
    /// A request, at the sender.
    Nack(Vec<u16>),
    /// The camera takes a picture.
    Picture,
}

impl Path {
    fn send(&mut self, now: Instant, what: Arriving) {
        if !self.rng.random_bool(self.loss) {
            let delay = ms(20 + self.rng.random_range(0..30));
            self.schedule(now + delay, what);
        }
    }

    fn schedule(&mut self, at: Instant, what: Arriving) {
        self.events.insert((at, self.count), what);
        self.count += 1;
    }
}

#[test]
fn a_minute_of_video_with_five_percent_loss_arrives_in_full() {
    for seed in sim::seeds(10) {
        let mut path = Path { rng: StdRng::seed_from_u64(seed), loss: 0.05, events: BTreeMap::new(), count: 0 };
        let (mut camera, mut screen) = (Camera::new(64_000, u32::MAX - 90_000), Screen::new(config()));
        screen.receiver.set_rtt(ms(80));
        let start = screen.now;
        let mut sent: BTreeMap<u16, Sent> = BTreeMap::new();
        let (mut whole, mut received) = (Vec::new(), Vec::new());
        path.schedule(start, Arriving::Picture);
        while let Some(((at, _), arriving)) = path.events.pop_first() {
            let told = screen.pass(at - screen.now);
            answer(&mut path, &screen, told);
            match arriving {
                Arriving::Picture => {
                    let packets = path.rng.random_range(1..=6);
                    let (packets, frame) = camera.frame(whole.is_empty(), packets);
                    whole.push(frame);
                    for packet in packets {
                        sent.insert(packet.header.sequence.0, packet.clone());
                        if whole.len() == 1 {
                            // Nobody would know of a packet before the first.
                            path.schedule(at + ms(20), Arriving::Media(packet));
                        } else {
                            path.send(at, Arriving::Media(packet));
                        }
                    }
                    if at < start + ms(60_000) {
                        path.schedule(at + Duration::from_micros(33_333), Arriving::Picture);
                    }
                }
                Arriving::Media(packet) => screen.take(&[packet]),
                Arriving::Retransmission(packet) => screen.retransmit(&packet),
                Arriving::Nack(numbers) => {
                    for number in numbers {
                        path.send(at, Arriving::Retransmission(sent[&number].clone()));
                    }
                }
            }
            let told = screen.told();
            answer(&mut path, &screen, told);
            received.extend(screen.data());
        }
        // The last packets may be lost without a trace, as nothing follows them.
        let lacking = whole.len() - received.len();
        assert!(lacking <= 2, "seed {seed}: {lacking} of {} frames are lacking", whole.len());
        assert_eq!(received[..], whole[..received.len()], "seed {seed}");
        let stats = screen.receiver.stats();
        assert!(stats.packets_lost > 150 && stats.nack_count > 100, "seed {seed}: {stats:?}");
        assert_eq!((stats.frames_dropped, stats.pli_count), (0, 0), "seed {seed}");
    }
}

fn answer(path: &mut Path, screen: &Screen, told: Vec<Told>) {
    for feedback in told {
        if let Told::Nack(numbers) = feedback {
            path.send(screen.now, Arriving::Nack(numbers));
        }
    }
}
