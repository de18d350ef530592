//! What holds for a section: its own lines, those of the session, those of its bundle.

use visavis_sdp as sdp;

use sdp::{Attribute, Connection, Description, Direction, Field, Group, LineEnd, Media, MediaLine, Origin, Setup};

const OFFER: &str = "v=0\r
o=- 1 2 IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 192.0.2.1\r
t=0 0\r
a=group:BUNDLE audio data\r
a=ice-ufrag:sess\r
a=ice-pwd:session-password-22-chars\r
a=ice-options:trickle\r
a=fingerprint:sha-256 AB:CD\r
a=setup:actpass\r
a=recvonly\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r
c=IN IP4 0.0.0.0\r
a=mid:audio\r
a=ice-ufrag:media\r
a=ice-options:renomination\r
a=fingerprint:sha-512 01:02\r
a=fingerprint:sha-256 03:04\r
a=setup:active\r
a=sendonly\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtcp-fb:111 transport-cc\r
a=rtcp-fb:* nack\r
m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r
a=mid:data\r
a=bundle-only\r
a=sctp-port:5000\r
m=video 0 UDP/TLS/RTP/SAVPF 96\r
a=mid:refused\r
m=application 9 DTLS/SCTP 5001\r
a=sctpmap:5001 webrtc-datachannel 1024\r
a=end-of-candidates\r
";

fn offer() -> Description {
    OFFER.parse().expect("an offer")
}

#[test]
fn a_section_goes_before_the_session() {
    let offer = offer();
    let [audio, _, refused, old] = offer.media.as_slice() else { panic!("four sections") };
    assert_eq!((offer.ice_ufrag(audio), offer.ice_ufrag(old)), (Some("media"), Some("sess")));
    assert_eq!(offer.ice_pwd(audio), Some("session-password-22-chars"));
    assert_eq!((offer.setup(audio), offer.setup(old)), (Some(Setup::Active), Some(Setup::Actpass)));
    assert_eq!((offer.direction(audio), offer.direction(old)), (Direction::SendOnly, Direction::RecvOnly));
    assert_eq!(offer.fingerprints(audio).collect::<Vec<_>>(), ["sha-512 01:02", "sha-256 03:04"]);
    assert_eq!(offer.fingerprints(refused).collect::<Vec<_>>(), ["sha-256 AB:CD"]);
    assert_eq!(offer.connection(audio), Some(&Connection::new("0.0.0.0")));
    assert_eq!(offer.connection(refused), Some(&Connection::new("192.0.2.1")));
    assert!(offer.has_ice_option(audio, "trickle") && offer.has_ice_option(audio, "renomination"));
    assert!(!offer.has_ice_option(old, "renomination") && !offer.ice_lite());
    assert!(offer.end_of_candidates(old) && !offer.end_of_candidates(audio));
}

#[test]
fn a_bundled_section_uses_the_transport_of_the_first() {
    let offer = offer();
    let [audio, data, refused, old] = offer.media.as_slice() else { panic!("four sections") };
    assert_eq!(offer.transport(data).mid(), Some("audio"));
    assert_eq!(offer.transport(audio).mid(), Some("audio"));
    assert_eq!(offer.transport(refused).mid(), Some("refused"));
    assert_eq!(offer.transport(old), old);
    assert_eq!(offer.by_mid("data").map(|(index, _)| index), Some(1));
}

#[test]
fn port_zero_refuses_a_section_unless_it_goes_with_its_bundle() {
    assert_eq!(offer().media.iter().map(Media::is_rejected).collect::<Vec<_>>(), [false, false, true, false]);
}

#[test]
fn data_channels_are_found_in_their_new_and_in_their_old_form() {
    let offer = offer();
    assert_eq!(offer.media.iter().map(Media::is_data_channels).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(offer.media.iter().map(Media::sctp_port).collect::<Vec<_>>(), [None, Some(5000), None, Some(5001)]);
}

#[test]
fn codecs_are_found_by_their_payload_type() {
    let offer = offer();
    let audio = offer.media.first().expect("audio");
    assert_eq!(audio.rtpmap(111).map(|map| map.encoding.as_str()), Some("opus"));
    assert_eq!(audio.fmtp("111").find_map(|fmtp| fmtp.get("useinbandfec")), Some("1"));
    assert_eq!((audio.rtcp_fbs(111).count(), audio.rtcp_fbs(0).count()), (2, 1));
}

#[test]
fn a_changed_line_leaves_the_others_as_they_were() {
    // Odd, but fine: spaces, a line feed alone, an unknown line, no end at the end.
    let odd = "v=0\no=- 1 2 IN IP4 127.0.0.1\r\ns=\r\nx=kept\r\nt=0 0\na=msid-semantic:  WMS\r\nm=application 9  UDP/DTLS/SCTP webrtc-datachannel\ny=also\na=mid:0";
    let mut read: Description = odd.parse().expect("a description");
    assert_eq!(read.lines().iter().filter(|line| line.end() == LineEnd::Lf).count(), 2);
    read.set_origin(Origin::new(1, 3));
    let changed = odd.replace("- 1 2 IN", "- 1 3 IN");
    assert_eq!(read.to_string(), changed);
    let media = read.media.first_mut().expect("a section");
    media.push(Attribute::EndOfCandidates);
    assert_eq!(read.to_string(), changed.clone() + "\r\na=end-of-candidates\r\n");
    let media = read.media.first_mut().expect("a section");
    media.retain(|attribute| !matches!(attribute, Attribute::EndOfCandidates | Attribute::Mid(_)));
    media.set_port(0);
    let refused = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\ny=also\n";
    assert_eq!(media.to_string(), refused);
    assert!(media.is_rejected() && media.media_line().port == 0);
    assert_eq!(read.to_string(), changed.split("m=").next().expect("a session").to_owned() + refused);
}

#[test]
fn lines_are_added_where_the_grammar_wants_them() {
    let mut built = Description::new(1, 2);
    built.push(Attribute::Group(Group::bundle(["0"])));
    built.push_or_replace(Field::Connection(Connection::new("::1")));
    built.push_or_replace(Field::Name("a talk".into()));
    let mut media = Media::new("video", 9, "UDP/TLS/RTP/SAVPF", ["96", "97"]).with(Attribute::Mid("0".into()));
    media.push_field("b=AS:500".parse().expect("a bandwidth")).set_connection(Connection::new("0.0.0.0"));
    media.set_media_line(MediaLine { formats: vec!["97".into()], ..media.media_line().clone() });
    built.media.push(media);
    let text = "v=0|o=- 1 2 IN IP4 127.0.0.1|s=a talk|c=IN IP6 ::1|t=0 0|a=group:BUNDLE 0|\
                m=video 9 UDP/TLS/RTP/SAVPF 97|c=IN IP4 0.0.0.0|b=AS:500|a=mid:0|";
    assert_eq!(built.to_string(), text.replace('|', "\r\n"));
    assert_eq!(built.to_string().parse(), Ok(built));
}

#[test]
fn there_may_be_any_number_of_sections() {
    let mut built = Description::new(1, 2);
    let mids: Vec<String> = (0..1_000).map(|index| index.to_string()).collect();
    built.push(Attribute::Group(Group::bundle(&mids)));
    built.media.extend(mids.iter().map(|mid| Media::data_channels(9).with(Attribute::Mid(mid.clone()))));
    let read: Description = built.to_string().parse().expect("a description");
    assert_eq!(read.media.len(), 1_000);
    assert_eq!(read.transport(&read.media[999]).mid(), Some("0"));
}
