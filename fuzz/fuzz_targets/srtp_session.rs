#![no_main]
//! A sender and two receivers with its keys: one gets all as it was sent, and takes it all; the other gets what the input
//! makes of it, changed, cut, repeated, mixed with arbitrary bytes. Nothing panics, what is lent is as long as it must
//! be, and every packet is counted. Tags pass here, so that the counters behind them see arbitrary indices.

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use srtp::{Config, Inbound, Outbound, Profile, Session};

/// What happens next.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// The sender sends an RTP packet.
    Rtp { ssrc: u8, sequence: u16, flags: u8, content: &'a [u8] },
    /// The sender sends the RTP packet that comes after the last one.
    Next { step: i8 },
    /// The sender sends an RTCP packet.
    Rtcp { ssrc: u8, content: &'a [u8] },
    /// The sender is given arbitrary bytes.
    Any { is_rtcp: bool, packet: &'a [u8] },
    /// A packet arrives; it stays on the way.
    Deliver { which: u8 },
    /// It arrives with bytes changed.
    Change { which: u8, at: u16, bytes: [u8; 4] },
    /// It arrives as the other kind.
    Confuse { which: u8 },
    /// It arrives cut short.
    Cut { which: u8, length: u16 },
    /// Bytes of nobody's arrive.
    Inject { is_rtcp: bool, packet: &'a [u8] },
}

const MOST_PACKETS: usize = 64;

struct World {
    profile: Profile,
    outbound: Outbound,
    honest: Inbound,
    inbound: Inbound,
    /// What was sent, and whether it is RTCP.
    on_the_way: Vec<(bool, Vec<u8>)>,
    last_sequence: u16,
    /// Packets that `inbound` was given.
    given: u64,
}

impl World {
    fn new(choice: u8) -> Self {
        let profile = Profile::ALL[usize::from(choice) % Profile::ALL.len()];
        let material = vec![choice; profile.exporter_length()];
        let (outbound, honest) = Session::from_exporter(profile, &material, true).expect("keys");
        let (_, inbound) = Session::from_exporter(profile, &material, false).expect("keys");
        let inbound = inbound.with_config(Config { max_streams: 4 });
        Self { profile, outbound, honest, inbound, on_the_way: Vec::new(), last_sequence: 0, given: 0 }
    }

    fn overhead(&self, is_rtcp: bool) -> usize {
        if is_rtcp { self.profile.rtcp_overhead() } else { self.profile.rtp_overhead() }
    }

    fn send(&mut self, is_rtcp: bool, packet: &[u8]) {
        let mut buf = b"before".to_vec();
        buf.extend_from_slice(packet);
        let sent =
            if is_rtcp { self.outbound.protect_rtcp(&mut buf, 6) } else { self.outbound.protect_rtp(&mut buf, 6) };
        let protected = buf.split_off(6);
        assert_eq!(buf, b"before");
        if sent.is_err() {
            assert!(protected.is_empty(), "refused, and in clear in the buffer");
            return;
        }
        assert_eq!(protected.len(), packet.len() + self.overhead(is_rtcp));
        let mut copy = protected.clone();
        let opened = if is_rtcp { self.honest.unprotect_rtcp(&mut copy) } else { self.honest.unprotect_rtp(&mut copy) };
        assert_eq!(opened.as_deref(), Some(packet), "sent and received in the same order");
        if self.on_the_way.len() < MOST_PACKETS {
            self.on_the_way.push((is_rtcp, protected));
        }
    }

    fn send_rtp(&mut self, ssrc: u8, sequence: u16, flags: u8, content: &[u8]) {
        self.last_sequence = sequence;
        let [high, low] = sequence.to_be_bytes();
        let header = [0x80 | flags & 0x3f, 96, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc % 8];
        self.send(false, &[&header, &content[..content.len().min(300)]].concat());
    }

    fn give(&mut self, is_rtcp: bool, packet: &[u8]) {
        self.given += 1;
        let mut copy = packet.to_vec();
        let opened =
            if is_rtcp { self.inbound.unprotect_rtcp(&mut copy) } else { self.inbound.unprotect_rtp(&mut copy) };
        if let Some(opened) = opened {
            let clear = if is_rtcp { 8 } else { 12 };
            assert_eq!(opened.len() + self.overhead(is_rtcp), packet.len());
            assert_eq!(opened[..clear], packet[..clear], "the header was never encrypted");
            let mut again = packet.to_vec();
            let again = if is_rtcp {
                self.inbound.unprotect_rtcp(&mut again).is_some()
            } else {
                self.inbound.unprotect_rtp(&mut again).is_some()
            };
            assert!(!again, "taken twice");
            self.given += 1;
        }
        let stats = self.inbound.stats();
        let counted = stats.rtp + stats.rtcp + stats.malformed + stats.forged + stats.replayed + stats.crowded;
        assert_eq!(counted, self.given);
    }

    /// Changes a packet that is on the way, and delivers it.
    fn deliver(&mut self, which: u8, change: impl FnOnce(&mut bool, &mut Vec<u8>)) {
        if self.on_the_way.is_empty() {
            return;
        }
        let (mut is_rtcp, mut packet) = self.on_the_way[usize::from(which) % self.on_the_way.len()].clone();
        change(&mut is_rtcp, &mut packet);
        self.give(is_rtcp, &packet);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(choice) = input.arbitrary::<u8>() else { return };
    let mut world = World::new(choice);
    for _ in 0..500 {
        if input.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        apply(&mut world, step);
    }
});

fn apply(world: &mut World, step: Step<'_>) {
    match step {
        Step::Rtp { ssrc, sequence, flags, content } => world.send_rtp(ssrc, sequence, flags, content),
        Step::Next { step } => {
            let sequence = world.last_sequence.wrapping_add_signed(i16::from(step) * 128);
            world.send_rtp(0, sequence, 0, b"content");
        }
        Step::Rtcp { ssrc, content } => {
            let header = [0x80, 201, 0, 1, 0, 0, 0, ssrc % 8];
            world.send(true, &[&header, &content[..content.len().min(300)]].concat());
        }
        Step::Any { is_rtcp, packet } => world.send(is_rtcp, packet),
        Step::Deliver { which } => world.deliver(which, |_, _| {}),
        Step::Change { which, at, bytes } => world.deliver(which, |_, packet| {
            for (place, byte) in packet.iter_mut().skip(usize::from(at) % 40).zip(bytes) {
                *place = byte;
            }
        }),
        Step::Confuse { which } => world.deliver(which, |is_rtcp, _| *is_rtcp = !*is_rtcp),
        Step::Cut { which, length } => {
            world.deliver(which, |_, packet| packet.truncate(usize::from(length)));
        }
        Step::Inject { is_rtcp, packet } => world.give(is_rtcp, packet),
    }
}
