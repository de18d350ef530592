//! A peer that has the keys and says what it likes: it speaks for A, whose key log it reads, and hears what B sends.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use sim::{Link, NodeId, Verdict};
use srtp::{Inbound, Outbound, Profile};
use visavis_session::dtls::rustls::crypto::{aws_lc_rs, tls12::Prf};
use visavis_session::dtls::rustls::{CipherSuite, SupportedCipherSuite};
use visavis_session::dtls::{KeyLog, SrtpProfile};
use visavis_session::{Encoding, Event, Frame, MediaKind, TransceiverId, TransceiverOptions};

use crate::common::{A, B, World, address, config};

pub(crate) const FRAME: Duration = Duration::from_millis(33);

#[derive(Debug)]
struct Log(mpsc::Sender<(Vec<u8>, Vec<u8>)>);

impl KeyLog for Log {
    fn log(&self, _label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.send((client_random.to_vec(), secret.to_vec())).unwrap();
    }
}

/// A call of sound and pictures both ways, and whoever plays A's part when A is silent.
pub(crate) struct Insider {
    pub(crate) world: World,
    pub(crate) a: NodeId,
    pub(crate) b: NodeId,
    /// A's transceivers, sound first, then B's.
    pub(crate) of_a: Vec<TransceiverId>,
    pub(crate) of_b: Vec<TransceiverId>,
    /// What A's pictures are sent under, by its description.
    pub(crate) video: Video,
    /// The source of B's pictures.
    pub(crate) ssrc_of_b: u32,
    outbound: Outbound,
    inbound: Inbound,
    heard: mpsc::Receiver<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Video {
    /// The number of VP8.
    pub(crate) payload_type: u8,
    /// That of VP9.
    pub(crate) other_type: u8,
    /// That of retransmissions of VP8.
    pub(crate) rtx_type: u8,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    pub(crate) mid: String,
    /// The number of the header extension for the mid.
    pub(crate) mid_extension: u8,
    /// That for the rid, where there are layers.
    rid_extension: u8,
}

/// What B said in a stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Packets of RTP, and bytes in all.
    pub(crate) rtp: usize,
    pub(crate) rtp_bytes: usize,
    /// Datagrams of RTCP in clear.
    pub(crate) rtcp: Vec<Vec<u8>>,
}

impl Insider {
    pub(crate) fn new(seed: u64, start_bitrate: u64) -> Self {
        Self::with(seed, start_bitrate, &[])
    }

    /// A's pictures have layers of these names; then no sources are told.
    pub(crate) fn with(seed: u64, start_bitrate: u64, layers: &[&str]) -> Self {
        let (log, secrets) = mpsc::channel();
        let mut configs = [0, 1].map(|side| {
            let mut config = config(side);
            config.media.start_bitrate = start_bitrate;
            config
        });
        configs[0].key_log = Some(Arc::new(Log(log)));
        let [config_a, config_b] = configs;
        let mut world = World::with(seed, Link::delay(Duration::from_millis(10)), config_a, config_b);
        let (a, b) = (world.a, world.b);
        for node in [a, b] {
            for (kind, track) in [(MediaKind::Audio, "sound"), (MediaKind::Video, "pictures")] {
                let options = TransceiverOptions {
                    track: Some(track.into()),
                    encodings: layers.iter().copied().map(Encoding::layer).collect(),
                    ..TransceiverOptions::default()
                };
                let has_layers = !layers.is_empty() && node == a && kind == MediaKind::Video;
                world.on(node, |now, host| {
                    if has_layers {
                        host.session.add_transceiver(now, kind, options).unwrap()
                    } else {
                        host.session.add_track(now, kind, track.into(), vec![]).unwrap()
                    }
                });
            }
        }
        let (hello, hellos) = mpsc::channel();
        world.network.intercept(move |_, _, _, datagram| {
            // A record of the handshake, in it a ServerHello (RFC 6347, sections 4.1 and 4.2.2).
            if datagram.first() == Some(&22) && datagram.get(13) == Some(&2) {
                hello.send(datagram.clone()).unwrap();
            }
            Verdict::Pass
        });
        let offer = world.offer(a);
        let answer = world.answer(b, offer.clone());
        world.accept(a, answer.clone());
        world.await_connected();
        let (outbound, inbound) = keys(&hellos.recv().unwrap(), &secrets.recv().unwrap());
        let (hear, heard) = mpsc::channel();
        world.network.intercept(move |_, source, _, datagram| {
            if source == address(B) && matches!(datagram.first(), Some(128..=191)) {
                hear.send(datagram.clone()).unwrap();
            }
            Verdict::Pass
        });
        let ids = |world: &World, node| world.host(node).session.transceivers().map(|one| one.id).collect();
        let (of_a, of_b) = (ids(&world, a), ids(&world, b));
        let (video, ssrc_of_b) = (Video::of(&offer.sdp), Video::of(&answer.sdp).ssrc);
        Self { world, a, b, of_a, of_b, video, ssrc_of_b, outbound, inbound, heard }
    }

    /// B gets this packet of RTP, sealed as A seals; false where it cannot be sealed.
    pub(crate) fn rtp(&mut self, packet: &[u8]) -> bool {
        let mut buf = packet.to_vec();
        self.outbound.protect_rtp(&mut buf, 0).is_ok() && self.inject(&buf)
    }

    /// The same with RTCP.
    pub(crate) fn rtcp(&mut self, packet: &[u8]) -> bool {
        let mut buf = packet.to_vec();
        self.outbound.protect_rtcp(&mut buf, 0).is_ok() && self.inject(&buf)
    }

    fn inject(&mut self, datagram: &[u8]) -> bool {
        let internet = self.world.network.internet();
        self.world.network.inject(internet, address(A), address(B), datagram);
        true
    }

    /// What B sent since the last call.
    pub(crate) fn hear(&mut self) -> Heard {
        let mut heard = Heard::default();
        for mut datagram in self.heard.try_iter() {
            if matches!(datagram.get(1), Some(192..=223)) {
                heard.rtcp.push(self.inbound.unprotect_rtcp(&mut datagram).expect("of B").to_vec());
            } else {
                heard.rtp += 1;
                heard.rtp_bytes += datagram.len();
            }
        }
        heard
    }

    /// Both send pictures and sound for so many frames, and B answers requests for key frames. `each` is done between.
    pub(crate) fn play(&mut self, frames: std::ops::Range<u32>, mut each: impl FnMut(&mut Self, u32)) {
        for number in frames {
            for (node, ids) in [(self.a, self.of_a.clone()), (self.b, self.of_b.clone())] {
                self.world.on(node, |now, host| {
                    for (id, length) in ids.iter().zip([80, 2_000]) {
                        // Where the queue is full a frame is left out.
                        let _ = host.session.send_frame(now, *id, &frame(number, length));
                    }
                });
            }
            each(self, number);
            self.world.network.run_for(FRAME);
        }
    }

    /// How many frames of A's pictures B has got.
    pub(crate) fn arrived(&self) -> usize {
        self.world.host(self.b).frames.get(&self.of_b[1]).map_or(0, Vec::len)
    }

    /// How many events of media B's application was told.
    pub(crate) fn told(&self) -> usize {
        self.world.host(self.b).events.iter().filter(|event| is_media(event)).count()
    }

    /// What B's application was told of key frames.
    pub(crate) fn requests(&self) -> usize {
        let events = &self.world.host(self.b).events;
        events.iter().filter(|event| matches!(event, Event::KeyframeRequested { .. })).count()
    }
}

pub(crate) fn is_media(event: &Event) -> bool {
    matches!(event, Event::MediaReadable(_) | Event::KeyframeRequested { .. } | Event::Bandwidth(_))
}

/// Every tenth frame is a key frame, as far as the first byte of VP8 says.
pub(crate) fn frame(number: u32, length: usize) -> Frame {
    let is_key_frame = number.is_multiple_of(10);
    let mut data = vec![number as u8; length];
    data[0] = u8::from(!is_key_frame);
    Frame { data: data.into(), timestamp: FRAME * number, is_key_frame, ..Frame::default() }
}

impl Video {
    fn of(sdp: &str) -> Self {
        let section = &sdp[sdp.find("m=video").expect("pictures")..];
        let after = |prefix: &str, end: &str| {
            let line = section.lines().find(|line| line.starts_with(prefix) && line.contains(end));
            let line = line.unwrap_or_else(|| panic!("no line {prefix}…{end} in {section}"));
            line[prefix.len()..].split([' ', '/']).next().unwrap().to_owned()
        };
        let payload_type = after("a=rtpmap:", "VP8/").parse().unwrap();
        let group = section.lines().find_map(|line| line.strip_prefix("a=ssrc-group:FID ")).unwrap_or("0 0");
        let (ssrc, rtx_ssrc) = group.split_once(' ').unwrap();
        Self {
            payload_type,
            other_type: after("a=rtpmap:", "VP9/").parse().unwrap(),
            rtx_type: after("a=fmtp:", &format!("apt={payload_type}")).parse().unwrap(),
            ssrc: ssrc.parse().unwrap(),
            rtx_ssrc: rtx_ssrc.trim().parse().unwrap(),
            mid: after("a=mid:", ""),
            mid_extension: after("a=extmap:", "sdes:mid").parse().unwrap(),
            rid_extension: after("a=extmap:", "sdes:rtp-stream-id").parse().unwrap(),
        }
    }

    /// A packet of a stream of the section, which its mid says in a header extension.
    pub(crate) fn packet(&self, payload_type: u8, ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
        self.packet_of_layer("", payload_type, ssrc, sequence, payload)
    }

    /// The same of a layer, which its rid says.
    pub(crate) fn packet_of_layer(
        &self,
        rid: &str,
        payload_type: u8,
        ssrc: u32,
        sequence: u16,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0x90, payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 3000).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        let mut extension = Vec::new();
        for (number, value) in [(self.mid_extension, self.mid.as_str()), (self.rid_extension, rid)] {
            if let Some(length) = (value.len() as u8).checked_sub(1) {
                extension.push(number << 4 | length);
                extension.extend(value.bytes());
            }
        }
        extension.resize(extension.len().next_multiple_of(4), 0);
        packet.extend([0xbe, 0xde, 0, extension.len() as u8 / 4]);
        packet.extend(extension);
        packet.extend(payload);
        packet
    }
}

/// What the exporter gives (RFC 5705, section 4; RFC 5764, section 4.2), to A as the server of DTLS.
fn keys(server_hello: &[u8], (client_random, secret): &(Vec<u8>, Vec<u8>)) -> (Outbound, Inbound) {
    let body = &server_hello[13 + 12 + 2..];
    let (server_random, rest) = body.split_at(32);
    let suite = &rest[1 + usize::from(rest[0])..];
    let suite = CipherSuite::from(u16::from_be_bytes([suite[0], suite[1]]));
    let found = aws_lc_rs::ALL_CIPHER_SUITES.iter().find(|one| one.suite() == suite);
    let Some(SupportedCipherSuite::Tls12(suite)) = found else { panic!("{suite:?} is unknown") };
    let prf: &dyn Prf = suite.prf_provider;
    let profile = Profile::from_id(SrtpProfile::AeadAes128Gcm.id()).unwrap();
    let mut material = vec![0; profile.exporter_length()];
    let seed = [client_random.as_slice(), server_random].concat();
    prf.for_secret(&mut material, secret, srtp::EXPORTER_LABEL.as_bytes(), &seed);
    srtp::Session::from_exporter(profile, &material, false).unwrap()
}
