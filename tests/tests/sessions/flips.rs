//! A flipped byte anywhere changes nothing but counters; a wrong fingerprint opens nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use session::{
    ConnectionState,
    datachannel::{Message, Options},
};
use sim::Verdict;

use crate::{
    host::Tamper,
    world::{Signalling, World},
};

fn world(seed: u64) -> World {
    let mut world = World::plain(seed);
    let now = world.now();
    world.peer(0).open(now, Options { label: "precious".into(), ..Options::default() });
    world
}

/// A few messages each way, all of which must arrive as they were sent.
fn talk(world: &mut World) {
    world.expect("a channel", Duration::from_secs(30), |peer| peer.opened.len() == 1);
    let sent = [Message::text("hello"), Message::binary(vec![7; 3000]), Message::text("")];
    for number in [0, 1] {
        let now = world.now();
        let peer = world.peer(number);
        let id = peer.channel("precious").unwrap();
        for message in &sent {
            peer.send(now, id, message.clone());
        }
    }
    world.expect("all messages", Duration::from_secs(30), |peer| peer.heard("precious").len() == sent.len());
    for number in [0, 1] {
        assert_eq!(world.peer(number).heard("precious"), sent);
    }
}

/// Whether a datagram is a DTLS record of the unprotected kind, which nothing can tell from one that was changed:
/// content types and epoch 0 of RFC 6347, section 4.1.
fn is_plaintext_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63)) && datagram.get(3..5) == Some(&[0, 0])
}

/// Which bytes of a plaintext DTLS datagram are headers of handshake messages. A copy with another message number in it
/// is a message that has not come yet, and is believed until Finished says better; all else is a copy of what has come.
fn handshake_headers(datagram: &[u8]) -> Vec<bool> {
    let mut headers = vec![false; datagram.len()];
    let mut record = 0;
    while let Some(&[high, low]) = datagram.get(record + 11..record + 13) {
        let end = record + 13 + usize::from(u16::from_be_bytes([high, low]));
        let mut message = record + 13;
        // One record may hold several messages, each with its length in the last three bytes of its header.
        while datagram[record] == 22 && message < end.min(datagram.len()) {
            headers[message..(message + 12).min(datagram.len())].fill(true);
            let Some(&[high, middle, low]) = datagram.get(message + 9..message + 12) else { break };
            message += 12 + u32::from_be_bytes([0, high, middle, low]) as usize;
        }
        record = end;
    }
    headers
}

/// Shows the session every copy of an arriving datagram that has one byte flipped, before the datagram itself.
fn every_flip(flips: Arc<AtomicUsize>, skip: fn(&[u8]) -> bool) -> Tamper {
    Box::new(move |session, now, local, remote, datagram| {
        if skip(datagram) {
            return;
        }
        for index in 0..datagram.len() {
            let mut copy = datagram.to_vec();
            copy[index] ^= 1 << (index % 8);
            session.handle_datagram(now, local, remote, &mut copy);
            flips.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_flipped_byte_in_a_check_or_a_protected_record_changes_nothing() {
    let flips = Arc::new(AtomicUsize::new(0));
    for signalling in [Signalling::Complete, Signalling::Trickle] {
        let mut world = world(1);
        for number in [0, 1] {
            world.peer(number).tamper = Some(every_flip(flips.clone(), is_plaintext_dtls));
        }
        world.connect(signalling);
        talk(&mut world);
        world.close();
    }
    assert!(flips.load(Ordering::Relaxed) > 10_000, "hardly anything was flipped");
}

#[test]
fn a_flipped_copy_of_a_handshake_record_after_the_record_changes_nothing() {
    let flips = Arc::new(AtomicUsize::new(0));
    let mut world = world(2);
    for number in [0, 1] {
        let counter = flips.clone();
        let mut before: Option<(_, _, Vec<u8>)> = None;
        world.peer(number).tamper = Some(Box::new(move |session, now, local, remote, datagram| {
            // The copies of the one before come now: it has been taken already.
            if let Some((local, remote, before)) = before.take() {
                let headers = handshake_headers(&before);
                for index in (0..before.len()).filter(|index| !headers[*index]) {
                    let mut copy = before.clone();
                    copy[index] ^= 1 << (index % 8);
                    session.handle_datagram(now, local, remote, &mut copy);
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
            before = is_plaintext_dtls(datagram).then(|| (local, remote, datagram.to_vec()));
        }));
    }
    world.connect(Signalling::Complete);
    talk(&mut world);
    world.close();
    assert!(flips.load(Ordering::Relaxed) > 1_000, "hardly anything was flipped");
}

/// Who sits on the path can break an unprotected handshake, but not change what comes out of it.
#[test]
fn a_handshake_record_flipped_on_the_way_never_yields_a_channel_with_anyone_else() {
    let mut connected = 0;
    let mut runs = 0;
    for nth in 0..8 {
        for index in (0..1200).step_by(53) {
            let mut world = world(3);
            let mut seen = 0;
            world.network.intercept(move |_, _, _, datagram| {
                if is_plaintext_dtls(datagram) {
                    seen += 1;
                    if seen == nth + 1
                        && let Some(byte) = datagram.get_mut(index)
                    {
                        *byte ^= 1 << (index % 8);
                    }
                }
                Verdict::Pass
            });
            world.signal(Signalling::Complete, |_| {});
            world.network.run_for(Duration::from_secs(20));
            let states = [0, 1].map(|number| world.peer(number).session.connection_state());
            // Where one side has keys and the other gave up, nothing was said.
            if states == [ConnectionState::Connected; 2] {
                connected += 1;
                talk(&mut world);
            } else {
                assert!(world.peer(1).opened.is_empty(), "a channel opened although the handshake was changed");
            }
            runs += 1;
        }
    }
    println!("{connected} of {runs} recovered");
    assert!(connected > 0, "no flip was survived, not even those beyond the end of a record");
}

#[test]
fn a_wrong_fingerprint_never_opens_a_channel() {
    // The last two digits are enough to tell certificates apart. `which`: in the offer, in the answer, in both.
    for which in [["offer"].as_slice(), &["answer"], &["offer", "answer"]] {
        let mut world = world(4);
        world.signal(Signalling::Complete, |description| {
            if which.contains(&description.kind.name()) {
                let line = description.sdp.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap().to_owned();
                let (rest, last) = line.split_at(line.len() - 2);
                let other = if last == "00" { "01" } else { "00" };
                description.sdp = description.sdp.replace(&line, &format!("{rest}{other}"));
            }
        });
        world.network.run_for(Duration::from_secs(60));
        for number in [0, 1] {
            let peer = world.peer(number);
            assert!(peer.opened.is_empty() && peer.heard.is_empty(), "{which:?}: a channel opened");
            assert!(!peer.states.contains(&ConnectionState::Connected), "{which:?}: {:?}", peer.states);
        }
        let failed = |peer: &crate::host::Peer| peer.states.contains(&ConnectionState::Failed);
        assert!(failed(world.peer(0)) || failed(world.peer(1)), "{which:?}: nobody noticed");
    }
}
