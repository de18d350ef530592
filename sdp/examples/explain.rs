//! Reads a session description and explains it in words.
//!
//! ```text
//! cargo run -p visavis-sdp --example explain offer.sdp
//! xclip -o | cargo run -p visavis-sdp --example explain
//! ```

use std::{env, fmt::Write, fs, io, process::ExitCode};

use sdp::{Attribute, Description, Direction, Field, Media, Rtpmap, Setup, Way};
use visavis_sdp as sdp;

fn main() -> ExitCode {
    let text = match env::args().nth(1) {
        Some(path) if path != "-" => fs::read_to_string(&path).map_err(|error| format!("{path}: {error}")),
        _ => io::read_to_string(io::stdin()).map_err(|error| format!("standard input: {error}")),
    };
    let explained = text.and_then(|text| {
        let description: Description = text.parse().map_err(|error: sdp::Error| error.to_string())?;
        Ok(explain(&description))
    });
    match explained {
        Ok(words) => {
            print!("{words}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole description in words, one statement in a line.
fn explain(description: &Description) -> String {
    let mut out = String::new();
    if let Some(origin) = description.origin() {
        say(&mut out, 0, format!("Session {}, version {}.", origin.session_id, origin.session_version));
    }
    if !matches!(description.name(), "" | "-" | " ") {
        say(&mut out, 0, format!("It is called {:?}.", description.name()));
    }
    for bundle in description.bundles().filter(|bundle| !bundle.mids.is_empty()) {
        say(&mut out, 0, format!("One transport for the sections {} (BUNDLE).", bundle.mids.join(", ")));
    }
    if description.ice_lite() {
        say(&mut out, 0, "Its writer only answers connectivity checks (ICE-lite).".into());
    }
    let count = description.media.len();
    for (index, media) in description.media.iter().enumerate() {
        let mid = media.mid().map_or(String::new(), |mid| format!(", named {mid:?}"));
        out.push('\n');
        say(&mut out, 0, format!("Section {} of {count}{mid}: {}.", index + 1, purpose(description, media)));
        if media.is_rejected() {
            continue;
        }
        let transport = description.transport(media);
        if transport == media {
            explain_transport(&mut out, description, media);
        } else {
            say(&mut out, 1, format!("Goes over the transport of {:?}.", transport.mid().unwrap_or_default()));
        }
        explain_codecs(&mut out, media);
        explain_streams(&mut out, media);
        explain_rest(&mut out, media);
    }
    out
}

/// Adds a line. Descriptions come from strangers: what could steer a terminal is not printed.
fn say(out: &mut String, indent: usize, statement: String) {
    let harmless = statement.replace(char::is_control, "\u{fffd}");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}{harmless}", "  ".repeat(indent));
}

/// What a section is for.
fn purpose(description: &Description, media: &Media) -> String {
    if media.is_rejected() {
        return format!("{}, refused or stopped", media.kind());
    }
    if media.is_data_channels() {
        let size = match media.max_message_size() {
            Some(0) => "messages of any size".to_owned(),
            Some(size) => format!("messages up to {size} bytes"),
            None => "messages up to 65536 bytes, as nothing is said".to_owned(),
        };
        return format!("data channels on SCTP port {}, {size}", media.sctp_port().unwrap_or_default());
    }
    let direction = match description.direction(media) {
        Direction::SendRecv => "both ways",
        Direction::SendOnly => "its writer sends",
        Direction::RecvOnly => "its writer receives",
        Direction::Inactive => "nobody sends for now",
    };
    format!("{} over {}, {direction}", media.kind(), media.protocol())
}

/// ICE and DTLS.
fn explain_transport(out: &mut String, description: &Description, media: &Media) {
    if let Some(ufrag) = description.ice_ufrag(media) {
        let trickle = if description.has_ice_option(media, "trickle") && !description.end_of_candidates(media) {
            "; more candidates may follow (trickle)"
        } else {
            ""
        };
        say(out, 1, format!("ICE as {ufrag:?}, {} candidates{trickle}:", media.candidates().count()));
    }
    for candidate in media.candidates() {
        // foundation component transport priority address port "typ" type …
        let fields: Vec<&str> = candidate.split(' ').collect();
        if let [_, component, protocol, _, address, port, _, kind, ..] = fields.as_slice() {
            let hidden = if address.ends_with(".local") { " (hidden behind an mDNS name)" } else { "" };
            say(out, 2, format!("{kind} {protocol} {address} port {port}, component {component}{hidden}"));
        }
    }
    for fingerprint in description.fingerprints(media) {
        say(out, 1, format!("Its certificate must have the fingerprint {fingerprint}."));
    }
    if let Some(setup) = description.setup(media) {
        let who = match setup {
            Setup::Active => "its writer opens (client)",
            Setup::Passive => "its writer waits to be called (server)",
            Setup::Actpass => "the answer says who opens",
            Setup::Holdconn => "nobody opens for now",
        };
        say(out, 1, format!("DTLS: {who}."));
    }
    if media.sctp_init().is_some() {
        say(out, 1, "SCTP's INIT is in here, so that its handshake can be left out (SNAP).".into());
    }
}

/// Payload types with all that is said about them.
fn explain_codecs(out: &mut String, media: &Media) {
    for format in media.formats() {
        let Some(map) = format.parse().ok().and_then(|payload_type| media.rtpmap(payload_type)) else { continue };
        let Rtpmap { payload_type, encoding, clock_rate, parameters } = map;
        let channels = match parameters.as_deref() {
            None => String::new(),
            Some("1") => ", 1 channel".into(),
            Some(channels) => format!(", {channels} channels"),
        };
        let mut line = format!("Payload type {payload_type}: {encoding} at {clock_rate} Hz{channels}");
        let parameters: Vec<&str> = media.fmtp(format).map(|fmtp| fmtp.parameters.as_str()).collect();
        if !parameters.is_empty() {
            line += &format!("; {}", parameters.join("; "));
        }
        let feedback = media.rtcp_fbs(*payload_type).map(|fb| match &fb.parameter {
            Some(parameter) => format!("{} {parameter}", fb.kind),
            None => fb.kind.clone(),
        });
        let feedback: Vec<String> = feedback.collect();
        if !feedback.is_empty() {
            line += &format!("; feedback: {}", feedback.join(", "));
        }
        say(out, 1, line);
    }
    let extensions: Vec<String> = media.extmaps().map(|map| format!("{} = {}", map.id, map.uri)).collect();
    if !extensions.is_empty() {
        say(out, 1, format!("Header extensions: {}", extensions.join(", ")));
    }
}

/// Tracks, sources and simulcast.
fn explain_streams(out: &mut String, media: &Media) {
    for msid in media.msids() {
        let stream = if msid.stream == "-" { "no stream".into() } else { format!("stream {}", msid.stream) };
        let track = msid.track.as_ref().map_or(String::new(), |track| format!(", track {track}"));
        say(out, 1, format!("Belongs to {stream}{track}."));
    }
    let mut sources: Vec<u32> = media.ssrcs().map(|ssrc| ssrc.ssrc).collect();
    sources.sort_unstable();
    sources.dedup();
    if !sources.is_empty() {
        say(out, 1, format!("Sources: {sources:?}"));
    }
    for group in media.ssrc_groups() {
        say(out, 1, format!("Sources {:?} belong together ({}).", group.ssrcs, group.semantics));
    }
    for way in [Way::Send, Way::Recv] {
        let ids: Vec<&str> = media.simulcast().map(|simulcast| simulcast.ids(way).collect()).unwrap_or_default();
        if !ids.is_empty() {
            say(out, 1, format!("Simulcast, {way}: {}", ids.join(", ")));
        }
    }
}

/// What no part above explains.
fn explain_rest(out: &mut String, media: &Media) {
    let rest = media.lines().iter().filter(|line| {
        matches!(line.field(), Field::Unknown(..) | Field::Attribute(Attribute::Other { .. }) | Field::Key(_))
    });
    for line in rest {
        say(out, 1, format!("Also: {}", line.text()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_what_chromium_offers() {
        let offer = include_str!("../tests/data/chromium-156-datachannel.sdp").parse().unwrap();
        let words = explain(&offer);
        for part in [
            "Session 17793877506447084, version 2.",
            "Section 1 of 1, named \"0\": data channels on SCTP port 5000, messages up to 262144 bytes.",
            "ICE as \"lffX\", 4 candidates; more candidates may follow (trickle):",
            "host udp 192.0.2.2 port 43526, component 1",
            "DTLS: the answer says who opens.",
        ] {
            assert!(words.contains(part), "{part}\nis not in\n{words}");
        }
    }

    #[test]
    fn explains_simulcast_of_firefox() {
        let words = explain(&include_str!("../tests/data/firefox-153.7esr-simulcast.sdp").parse().unwrap());
        for part in [
            "video over UDP/TLS/RTP/SAVPF, its writer sends.",
            "(hidden behind an mDNS name)",
            "Payload type 120: VP8 at 90000 Hz; max-fs=12288;max-fr=60; feedback: nack, nack pli",
            "Simulcast, send: hi, mid, lo",
            "Sources [36990817, 1553281707] belong together (FID).",
        ] {
            assert!(words.contains(part), "{part}\nis not in\n{words}");
        }
    }
}
