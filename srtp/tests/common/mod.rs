//! Packets, and both sides of a session.

#![allow(dead_code, reason = "each test file uses some of it")]

use visavis_srtp::{Inbound, Outbound, Profile, Session};

/// A sender, and the receiver with its keys.
pub(crate) fn pair(profile: Profile) -> (Outbound, Inbound) {
    let material: Vec<u8> = (0..profile.exporter_length()).map(|byte| byte as u8).collect();
    let (outbound, _) = Session::from_exporter(profile, &material, true).expect("keys");
    let (_, inbound) = Session::from_exporter(profile, &material, false).expect("keys");
    (outbound, inbound)
}

/// An RTP packet with a payload that tells it from all others.
pub(crate) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(format!("frame {sequence} of {ssrc}").bytes());
    packet
}

/// An RTP packet with contributing sources and header extensions.
pub(crate) fn rtp_with_everything(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0xb2, 0xe0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0, 0, 0, 8, 0, 0, 0, 9]);
    packet.extend([0xbe, 0xde, 0, 2, 0x10, 0x7f, 0x22, 1, 2, 3, 0, 0]);
    packet.extend(*b"a payload, and padding\0\0\0\x04");
    packet
}

/// A receiver report and a source description.
pub(crate) fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 202, 0, 3]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 4, b'n', b'a', b'm', b'e', 0, 0]);
    packet
}

pub(crate) fn protect_rtp(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buf = packet.to_vec();
    outbound.protect_rtp(&mut buf, 0).expect("protected");
    buf
}

pub(crate) fn protect_rtcp(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buf = packet.to_vec();
    outbound.protect_rtcp(&mut buf, 0).expect("protected");
    buf
}

/// Opens a copy.
pub(crate) fn open_rtp(inbound: &mut Inbound, packet: &[u8]) -> Option<Vec<u8>> {
    inbound.unprotect_rtp(&mut packet.to_vec()).map(|packet| packet.to_vec())
}

/// Opens a copy.
pub(crate) fn open_rtcp(inbound: &mut Inbound, packet: &[u8]) -> Option<Vec<u8>> {
    inbound.unprotect_rtcp(&mut packet.to_vec()).map(|packet| packet.to_vec())
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect()
}
