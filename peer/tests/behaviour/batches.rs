//! What leaves in one system call. A socket between the peers that has receive offload is given what the kernel was given
//! in one piece: on loopback nothing takes it apart on the way.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use visavis::{ChannelOptions, Codec, Frame, Initiator, MediaKind, Receiver, SessionDescription, TransceiverOptions};

use crate::support::{DEADLINE, config, pattern, within};

/// The longest that receive offload hands over.
const LARGEST: usize = 1 << 16;

/// What the initiator gave the kernel in one piece.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    media: usize,
    data: usize,
}

impl Batch {
    /// By first bytes (RFC 7983, section 7): SRTP, and DTLS, which carries data channels.
    fn of<'a>(datagrams: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut batch = Self::default();
        for datagram in datagrams {
            match datagram.first() {
                Some(128..=191) => batch.media += 1,
                Some(20..=63) => batch.data += 1,
                Some(_) | None => {}
            }
        }
        batch
    }
}

/// Passes on what two peers send to each other, of which each takes it for the other one.
struct Between {
    socket: UdpSocket,
    state: UdpSocketState,
    peers: [SocketAddr; 2],
    /// The first batch of the first peer that has both.
    mixed: watch::Sender<Option<Batch>>,
}

impl Between {
    async fn run(self: Arc<Self>) {
        let mut buffer = vec![0; LARGEST];
        loop {
            let mut meta = [RecvMeta::default()];
            let receive = || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
            };
            self.socket.async_io(Interest::READABLE, receive).await.unwrap();
            let [RecvMeta { addr, len, stride, .. }] = meta;
            let [one, other] = self.peers;
            let to = if addr == one { other } else { one };
            let datagrams = || buffer[..len].chunks(stride.max(1));
            let batch = Batch::of(datagrams());
            if addr == one && batch.media > 0 && batch.data > 0 {
                self.mixed.send_if_modified(|mixed| mixed.replace(batch).is_none());
            }
            for datagram in datagrams() {
                self.socket.send_to(datagram, to).await.unwrap();
            }
        }
    }
}

/// The address that a description names, and the description with another one in its place.
fn replace_address(description: SessionDescription, by: SocketAddr) -> (SocketAddr, SessionDescription) {
    let line = description.sdp.lines().find(|line| line.starts_with("a=candidate:")).expect("there is a candidate");
    let words: Vec<&str> = line.split(' ').collect();
    let (ip, port) = (words[4], words[5]);
    let address = format!("{ip}:{port}").parse().unwrap();
    let sdp = description.sdp.replace(&format!(" {ip} {port} "), &format!(" {} {} ", by.ip(), by.port()));
    (address, SessionDescription { sdp, ..description })
}

#[tokio::test]
async fn media_and_data_channels_leave_in_one_system_call() {
    let mut config = config();
    config.media.start_bitrate = config.media.max_bitrate;
    let (initiator, receiver) = (Initiator::new(config.clone()).unwrap(), Receiver::new(config).unwrap());
    let peer = initiator.peer_connection();
    let channel = peer.create_data_channel("beside", ChannelOptions::default()).unwrap();
    let options = TransceiverOptions { codecs: vec![Codec::vp8()], ..TransceiverOptions::default() };
    let track = peer.add_transceiver(MediaKind::Video, options).await.unwrap();

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
    assert!(state.gro_segments() > 1, "this system has no receive offload, so that no batch can be seen");
    let address = socket.local_addr().unwrap();
    let (here, offer) = replace_address(initiator.create_track_offer().await.unwrap(), address);
    let (there, answer) = replace_address(receiver.process_offer(offer).await.unwrap(), address);
    let (mixed, mut seen) = watch::channel(None);
    let between = tokio::spawn(Arc::new(Between { socket, state, peers: [here, there], mixed }).run());
    initiator.process_answer(answer).await.unwrap();
    within(channel.opened()).await.unwrap();
    let received = within(receiver.peer_connection().accept_track()).await.unwrap();
    let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();

    let began = tokio::time::Instant::now();
    let mut number = 0_u32;
    while seen.borrow_and_update().is_none() {
        assert!(began.elapsed() < DEADLINE, "no batch has both");
        let mut picture = pattern(3_000, number as usize).to_vec();
        picture[0] = 0;
        let timestamp = std::time::Duration::from_millis(40) * number;
        let frame = Frame { data: picture.into(), timestamp, is_key_frame: true, ..Frame::default() };
        let (data, text) = (frame.data.clone(), format!("beside picture {number}"));
        let (sent, said) = tokio::join!(track.send_frame(frame), channel.send(text.clone()));
        sent.unwrap();
        said.unwrap();
        assert_eq!(within(received.recv_frame()).await.unwrap().data, data);
        assert_eq!(within(there.recv()).await.unwrap().as_text(), Some(text.as_str()));
        number += 1;
    }
    println!("after {number} pictures: {:?}", *seen.borrow());
    between.abort();
}
