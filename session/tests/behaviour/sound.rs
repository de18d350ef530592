//! What rides along with sound: earlier frames once more, and the keys of a telephone.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::rtp::payload::telephone_event;
use visavis_session::sdp::Direction;
use visavis_session::{
    Codec, Event, Frame, MediaKind, SessionDescription, ToneError, ToneEvent, TransceiverId, TransceiverOptions,
};

use crate::common::{PATIENCE, World, config, lines};

const FRAME: Duration = Duration::from_millis(20);

struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    sent: TransceiverId,
    received: TransceiverId,
}

/// A sends sound to B, with these codecs by preference.
fn call(seed: u64, link: Link, codecs: Vec<Codec>, red_frames: u8) -> Call {
    let mut here = config(0);
    here.media.red_frames = red_frames;
    let mut world = World::with(seed, link, here, config(1));
    let (sent, received) = world.one_way(MediaKind::Audio, codecs);
    Call { a: world.a, b: world.b, world, sent, received }
}

/// A frame that tells its number.
fn frame(number: u32) -> Frame {
    let data: Vec<u8> = number.to_be_bytes().into_iter().chain((0..60).map(|place| place ^ number as u8)).collect();
    Frame { data: data.into(), timestamp: FRAME * number, ..Frame::default() }
}

impl Call {
    fn play(&mut self, count: u32) {
        for number in 0..count {
            let (a, sent) = (self.a, self.sent);
            self.world.on(a, |now, host| host.session.send_frame(now, sent, &frame(number)).unwrap());
            self.world.network.run_for(FRAME);
        }
        self.world.network.run_for(Duration::from_secs(1));
    }

    /// The numbers of the frames that arrived, each of which must be as it was sent.
    fn heard(&self) -> Vec<u32> {
        let frames = self.world.host(self.b).frames.get(&self.received).map(Vec::as_slice).unwrap_or_default();
        let number = |data: &[u8]| u32::from_be_bytes(data[..4].try_into().unwrap());
        let numbers: Vec<u32> = frames.iter().map(|frame| number(&frame.data)).collect();
        for (number, got) in numbers.iter().zip(frames) {
            assert_eq!(got.data, frame(*number).data);
            assert_eq!(*got.codec, Codec::opus());
            assert_eq!(got.rtp_timestamp.wrapping_sub(frames[0].rtp_timestamp), (number - numbers[0]) * 960);
        }
        numbers
    }
}

fn redundant() -> Vec<Codec> {
    vec![Codec::red(), Codec::opus()]
}

#[test]
fn redundancy_is_offered_behind_opus_and_names_it() {
    let mut world = World::new(1, Link::delay(FRAME));
    let (a, b) = (world.a, world.b);
    world.on(a, |now, host| host.session.add_track(now, MediaKind::Audio, "sound".into(), vec![]).unwrap());
    let mut offer = world.offer(a);
    assert_eq!(lines(&offer, "a=rtpmap:63 "), ["a=rtpmap:63 red/48000/2"]);
    assert_eq!(lines(&offer, "a=fmtp:63 "), ["a=fmtp:63 111/111"]);
    // One that is for something else is not taken.
    offer.sdp = offer.sdp.replace("a=fmtp:63 111/111", "a=fmtp:63 0/0");
    let answer = world.answer(b, offer);
    assert!(lines(&answer, "a=rtpmap:63 ").is_empty() && lines(&answer, "a=rtpmap:111 ").len() == 1, "{}", answer.sdp);
}

#[test]
fn lost_frames_come_from_the_packets_behind_them() {
    for (red_frames, loss) in [(1, 0.1), (3, 0.25)] {
        for seed in 0..10 {
            let link = Link { loss, jitter: Duration::from_millis(15), ..Link::delay(Duration::from_millis(20)) };
            let mut call = call(seed, link, redundant(), red_frames);
            call.play(300);
            let heard = call.heard();
            assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once: {heard:?}");
            // Both links lose, so that without redundancy 57 or 131 would be missing.
            assert!(heard.len() > 270, "seed {seed}: {} frames", heard.len());
        }
    }
}

#[test]
fn opus_before_redundancy_is_sent_alone() {
    let mut call = call(1, Link::delay(FRAME), vec![Codec::opus(), Codec::red()], 1);
    call.play(50);
    assert_eq!(call.heard().len(), 50);
    let largest = call.world.host(call.a).largest;
    let mut doubled = self::call(1, Link::delay(FRAME), redundant(), 1);
    doubled.play(50);
    assert_eq!(doubled.heard().len(), 50);
    assert_eq!(doubled.world.host(doubled.a).session.transceiver(doubled.sent).unwrap().codec, Some(Codec::opus()));
    let bytes = |call: &Call| call.world.host(call.a).session.stats().transport.bytes_sent;
    assert!(bytes(&doubled) > bytes(&call) + 49 * 60, "{} and {}, {largest}", bytes(&doubled), bytes(&call));
}

#[test]
fn redundancy_that_the_peer_does_not_know_is_left_out() {
    let mut world = World::new(1, Link::delay(FRAME));
    let (a, b) = (world.a, world.b);
    let options = TransceiverOptions { codecs: redundant(), ..TransceiverOptions::default() };
    let id = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Audio, options).unwrap());
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "m="), ["m=audio 1000 UDP/TLS/RTP/SAVPF 63 111"]);
    let answer = world.answer(b, SessionDescription::offer(offer.sdp.replace(":63 red", ":63 blue")));
    world.accept(a, answer);
    world.network.expect("a connection", PATIENCE, |network| network.get(a).is_connected());
    world.network.run_for(FRAME * 5);
    world.on(a, |now, host| host.session.send_frame(now, id, &frame(1)).unwrap());
    world.network.run_for(FRAME * 5);
    assert_eq!(world.host(b).frames.values().map(Vec::len).sum::<usize>(), 1);
}

const GAP: Duration = Duration::from_millis(70);
const TONE: Duration = Duration::from_millis(100);

/// The keys of the tones that began at the other side, and how long each lasted.
fn keys(call: &Call) -> Vec<(char, Duration)> {
    let key = |event: u8| telephone_event::key(event).unwrap();
    let mut begun = 0;
    let mut keys = Vec::new();
    for event in &call.world.host(call.b).events {
        let Event::Tone { transceiver, tone } = event else { continue };
        assert_eq!(*transceiver, call.received);
        match tone {
            ToneEvent::Started { .. } => begun += 1,
            ToneEvent::Ended { event, duration } => keys.push((key(*event), *duration)),
        }
    }
    assert_eq!(begun, keys.len());
    keys
}

fn changes(call: &Call) -> Vec<Option<char>> {
    let change = |event: &Event| if let Event::ToneChange { tone, .. } = event { Some(*tone) } else { None };
    call.world.host(call.a).events.iter().filter_map(change).collect()
}

impl Call {
    fn insert(&mut self, tones: &str, duration: Duration, gap: Duration) -> Result<(), ToneError> {
        let (a, sent) = (self.a, self.sent);
        self.world.on(a, |now, host| host.session.insert_dtmf(now, sent, tones, duration, gap))
    }

    fn buffer(&self) -> String {
        self.world.host(self.a).session.tone_buffer(self.sent)
    }
}

#[test]
fn keys_are_heard_once_each_and_the_sound_goes_on() {
    let cases = [(Codec::opus(), 48_000, 0.0), (Codec::pcmu(), 8_000, 0.0), (Codec::opus(), 8_000, 0.0)];
    for (codec, clock_rate, loss) in cases.into_iter().chain([(Codec::opus(), 48_000, 0.1)]) {
        let codecs = vec![codec, Codec::telephone_event(clock_rate)];
        let mut call = call(5, Link { loss, ..Link::delay(Duration::from_millis(20)) }, codecs, 1);
        call.insert("1a#11", TONE, GAP).unwrap();
        assert_eq!(call.buffer(), "1A#11");
        // Sound goes on meanwhile.
        call.play(60);
        let heard = keys(&call);
        assert_eq!(heard.iter().map(|(key, _)| *key).collect::<String>(), "1A#11");
        assert!(heard.iter().all(|(_, lasted)| loss > 0.0 || *lasted == TONE), "{heard:?}");
        assert_eq!(changes(&call), [Some('1'), Some('A'), Some('#'), Some('1'), Some('1'), None]);
        let frames = call.world.host(call.b).frames[&call.received].len();
        assert!(loss > 0.0 || frames == 60, "{frames} frames");
    }
}

#[test]
fn commas_pause_and_new_tones_replace_those_that_wait() {
    let codecs = vec![Codec::opus(), Codec::telephone_event(48_000)];
    let mut call = call(6, Link::delay(Duration::from_millis(20)), codecs, 1);
    let start = call.world.now();
    call.insert("1,2", TONE, GAP).unwrap();
    call.world.network.run_for(Duration::from_millis(500));
    assert_eq!((call.buffer(), changes(&call)), ("2".into(), vec![Some('1'), Some(',')]));
    let (a, b) = (call.a, call.b);
    call.world.network.expect("the second tone", PATIENCE, |network| {
        network
            .get(b)
            .events
            .iter()
            .any(|event| matches!(event, Event::Tone { tone: ToneEvent::Started { event: 2, .. }, .. }))
    });
    assert!(call.world.now() - start > Duration::from_secs(2));
    call.world.network.run_for(Duration::from_secs(1));
    // Too short and too long are what is nearest.
    call.insert("3", Duration::ZERO, Duration::ZERO).unwrap();
    call.insert("45", Duration::from_secs(60), Duration::ZERO).unwrap();
    call.world.network.run_for(Duration::from_secs(1));
    assert_eq!(call.buffer(), "5", "3 was replaced before it sounded");
    call.insert("", TONE, GAP).unwrap();
    call.world.network.run_for(Duration::from_secs(10));
    let heard = keys(&call);
    assert_eq!(heard.iter().map(|(key, _)| *key).collect::<String>(), "124");
    assert_eq!(heard[2].1, Duration::from_secs(6));
    assert_eq!(changes(&call).last(), Some(&None));
    assert!(call.world.host(a).session.poll_timeout().is_some());
}

#[test]
fn tones_are_refused_where_they_cannot_be() {
    let mut call = call(7, Link::delay(FRAME), vec![Codec::opus(), Codec::telephone_event(48_000)], 1);
    assert_eq!(call.insert("12x", TONE, GAP), Err(ToneError::Character('x')));
    let many = "1".repeat(1025);
    assert_eq!(call.insert(&many, TONE, GAP), Err(ToneError::TooMany { count: 1025, limit: 1024 }));
    assert_eq!(call.buffer(), "");
    call.insert("123", TONE, GAP).unwrap();
    call.world.network.run_for(FRAME);
    // Whose direction changes loses what waits.
    let (a, b, sent) = (call.a, call.b, call.sent);
    call.world.on(a, |now, host| host.session.set_direction(now, sent, Direction::RecvOnly).unwrap());
    call.world.negotiate(a, b);
    call.world.network.run_for(Duration::from_secs(1));
    assert_eq!((call.buffer(), call.insert("1", TONE, GAP)), (String::new(), Err(ToneError::NotReady)));
    call.world.on(a, |now, host| host.session.stop_transceiver(now, sent).unwrap());
    assert_eq!(call.insert("1", TONE, GAP), Err(ToneError::NoTransceiver));
    let mut without = self::call(7, Link::delay(FRAME), vec![Codec::opus()], 1);
    assert_eq!(without.insert("1", TONE, GAP), Err(ToneError::NotReady), "nothing was agreed for it");
}

/// How many goodbyes the peer's transceivers heard, and took back.
fn mutes(world: &World, node: NodeId) -> (usize, usize) {
    let count = |is: fn(&Event) -> bool| world.host(node).events.iter().filter(|event| is(event)).count();
    (count(|event| matches!(event, Event::TrackMuted(_))), count(|event| matches!(event, Event::TrackUnmuted(_))))
}

#[test]
fn a_source_says_goodbye_when_it_pauses_and_goes_on_where_it_stopped() {
    let mut call = call(8, Link::delay(FRAME), vec![Codec::opus()], 1);
    let (a, b, sent) = (call.a, call.b, call.sent);
    for round in 1..20 {
        call.play(10);
        assert_eq!(call.heard().len(), 10 * round, "nothing of what is sent is taken for old");
        call.world.on(a, |now, host| host.session.set_direction(now, sent, Direction::RecvOnly).unwrap());
        // The peer hears of it in a packet before it hears of it in a description.
        let offer = call.world.offer(a);
        let answer = call.world.answer(b, offer);
        call.world.accept(a, answer);
        call.world.on(a, |now, host| host.session.set_direction(now, sent, Direction::SendRecv).unwrap());
        call.world.network.run_for(FRAME * 5);
        call.world.negotiate(a, b);
    }
}

#[test]
fn the_last_words_of_a_session_are_goodbyes() {
    let mut call = call(9, Link::delay(FRAME), vec![Codec::opus()], 1);
    let (a, b) = (call.a, call.b);
    call.play(10);
    assert_eq!(mutes(&call.world, b), (0, 0));
    // A closes: its last words are in RTCP, before those of DTLS.
    call.world.on(a, |now, host| host.session.close(now));
    call.world.network.run_for(FRAME * 5);
    assert_eq!(mutes(&call.world, b), (1, 0));
    assert_eq!(call.heard().len(), 10);
    assert!(call.world.host(b).session.is_closed());
}

#[test]
fn a_stopped_transceiver_is_silent_before_the_peer_is_asked() {
    let mut call = call(10, Link::delay(FRAME), vec![Codec::opus()], 1);
    let (a, b, sent) = (call.a, call.b, call.sent);
    call.play(10);
    call.world.on(a, |now, host| host.session.stop_transceiver(now, sent).unwrap());
    call.world.network.run_for(FRAME * 5);
    assert_eq!(mutes(&call.world, b), (1, 0));
    call.world.negotiate(a, b);
    assert_eq!(call.world.host(b).session.transceivers().count(), 0);
    assert_eq!(call.heard().len(), 10);
}
