//! How media is protected: each profile, agreed on by DTLS and carrying sound both ways.

use std::collections::BTreeSet;
use std::time::Duration;

use sim::{Link, NodeId, Way};
use srtp::Profile;
use visavis_session::datachannel::Message;
use visavis_session::dtls::{Role, SrtpProfile};
use visavis_session::{Config, Frame, FrameError, MediaKind, TransceiverId};

use crate::common::{A, B, PATIENCE, World, address, config};

const EACH: [SrtpProfile; 4] = [
    SrtpProfile::Aes128CmSha1_80,
    SrtpProfile::Aes128CmSha1_32,
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
];

const FRAME: Duration = Duration::from_millis(20);
/// Bytes in a frame.
const LENGTH: usize = 64;
const FRAMES: u32 = 25;

/// A and B, each with sound for the other and a channel, connected; A offers.
struct Call {
    world: World,
    sides: [(NodeId, TransceiverId); 2],
}

impl Call {
    fn new(a: Config, b: Config) -> Self {
        let mut world = World::with(1, Link::delay(Duration::from_millis(10)), a, b);
        let nodes = [world.a, world.b];
        let sides = nodes.map(|node| {
            let add = |now, host: &mut crate::common::Host| {
                host.session.add_track(now, MediaKind::Audio, "sound".into(), vec![]).unwrap()
            };
            (node, world.on(node, add))
        });
        world.connect();
        Self { world, sides }
    }

    /// Both send frames, of one length, each side others than the other.
    fn play(&mut self) {
        for number in 0..FRAMES {
            for (side, (node, id)) in self.sides.into_iter().enumerate() {
                let frame = frame(side, number);
                self.world.on(node, |now, host| host.session.send_frame(now, id, &frame).unwrap());
            }
            self.world.network.run_for(FRAME);
        }
        self.world.network.run_for(Duration::from_secs(1));
    }

    /// What DTLS agreed on, which both sides say alike, and the role of A.
    fn agreed(&self) -> (Option<SrtpProfile>, Role) {
        let [here, there] = self.sides.map(|(node, _)| {
            let report = self.world.host(node).session.report(self.world.now());
            report.security.expect("DTLS is connected")
        });
        assert_eq!(here.srtp_profile, there.srtp_profile);
        (here.srtp_profile, here.role)
    }

    /// All that was sent is here, on both sides.
    fn check_frames(&self) {
        for (side, (node, id)) in self.sides.into_iter().enumerate() {
            let got: Vec<&[u8]> = self.world.host(node).frames[&id].iter().map(|frame| &*frame.data).collect();
            let sent: Vec<_> = (0..FRAMES).map(|number| frame(1 - side, number).data).collect();
            assert_eq!(got, sent, "side {side}");
        }
    }

    /// By how many bytes the packets from one address to the other are longer than header and frame.
    fn tags(&self, from: &str, to: &str) -> BTreeSet<usize> {
        let way = Way::Between(address(from), address(to));
        let packets = self.world.network.trace().filter(|entry| entry.way == way);
        packets.filter_map(|entry| Some(entry.length - header(entry.head())? - LENGTH)).collect()
    }
}

/// A frame that nothing else is like.
fn frame(side: usize, number: u32) -> Frame {
    let data: Vec<u8> = (0..LENGTH).map(|place| (place * 3 + number as usize * 5 + side * 101) as u8).collect();
    Frame { data: data.into(), timestamp: FRAME * number, ..Frame::default() }
}

/// How long the header of an RTP packet is, extensions included (RFC 3550, section 5.1); nothing for other datagrams,
/// which the second byte tells from RTP (RFC 5761, section 4).
fn header(head: &[u8]) -> Option<usize> {
    if head[0] >> 6 != 2 || (192..224).contains(&head[1]) {
        return None;
    }
    let sources = usize::from(head[0] & 0x0f) * 4;
    assert_eq!(sources, 0);
    let extension = if head[0] & 0x10 == 0 { 0 } else { 4 + 4 * usize::from(u16::from_be_bytes([head[14], head[15]])) };
    Some(12 + extension)
}

fn with(side: usize, profiles: &[SrtpProfile]) -> Config {
    let mut config = config(side);
    config.srtp_profiles = profiles.to_vec();
    config
}

#[test]
fn each_profile_carries_media_both_ways_whoever_is_the_client() {
    for profile in EACH {
        for role in [Role::Client, Role::Server] {
            // The answerer, which is B, has the choice.
            let mut answerer = with(1, &[profile]);
            answerer.dtls_role = role;
            let mut call = Call::new(with(0, &[profile]), answerer);
            let here = if role == Role::Client { Role::Server } else { Role::Client };
            assert_eq!(call.agreed(), (Some(profile), here));
            call.play();
            call.check_frames();
            // The name alone would not show it: the tag on the wire is as long as it says.
            let tag = BTreeSet::from([Profile::from_id(profile.id()).unwrap().rtp_overhead()]);
            assert_eq!((call.tags(A, B), call.tags(B, A)), (tag.clone(), tag), "{}", profile.name());
        }
    }
}

#[test]
fn the_tags_are_as_long_as_their_standards_say() {
    // RFC 5764, section 4.1.2; RFC 7714, section 14.2.
    let lengths = EACH.map(|profile| Profile::from_id(profile.id()).unwrap().rtp_overhead());
    assert_eq!(lengths, [10, 4, 16, 16]);
}

#[test]
fn the_preference_of_the_server_decides() {
    use SrtpProfile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_32, Aes128CmSha1_80};
    let cases: [(&[_], &[_], _); 4] = [
        (&EACH, &[AeadAes256Gcm, AeadAes128Gcm], AeadAes256Gcm),
        (&[Aes128CmSha1_32, Aes128CmSha1_80], &[AeadAes128Gcm, Aes128CmSha1_80], Aes128CmSha1_80),
        (&[Aes128CmSha1_80, Aes128CmSha1_32], &[Aes128CmSha1_32, Aes128CmSha1_80], Aes128CmSha1_32),
        (&Config::SRTP_PROFILES, &EACH, Aes128CmSha1_80),
    ];
    for (client, server, expected) in cases {
        // Whoever answers is the client, unless told otherwise.
        let mut call = Call::new(with(0, server), with(1, client));
        assert_eq!(call.agreed(), (Some(expected), Role::Server));
        call.play();
        call.check_frames();
    }
}

#[test]
fn short_tags_are_neither_offered_nor_taken_unless_they_are_named() {
    for is_client in [true, false] {
        let mut profiles = [with(0, &Config::SRTP_PROFILES), with(1, &[SrtpProfile::Aes128CmSha1_32])];
        profiles[1].dtls_role = if is_client { Role::Client } else { Role::Server };
        let [a, b] = profiles;
        let mut call = Call::new(a, b);
        assert_eq!(call.agreed().0, None);
        // There is no media then, which the application is told; and messages are as ever.
        let (node, id) = call.sides[0];
        let refused = call.world.on(node, |now, host| host.session.send_frame(now, id, &frame(0, 0)));
        assert_eq!(refused, Err(FrameError::NotReady));
        let channel = call.world.host(node).open[0];
        call.world.send(node, channel, Message::text("beside"));
        let b = call.world.b;
        call.world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
    }
}
