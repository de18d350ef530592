//! Every typed value that can be written is read as the same value again.

use visavis_sdp as sdp;

use proptest::{collection::vec, option, prelude::*, sample::select};
use sdp::{
    Active, Adjustment, Attribute, Bandwidth, Connection, Description, Direction, DtlsConnection, Duration, Extmap,
    Field, Fmtp, Group, Key, Line, Media, MediaLine, Msid, MsidSemantic, Origin, RemoteCandidate, Repeat, Rid, Rtcp,
    RtcpFb, Rtpmap, Sctpmap, Setup, Simulcast, SimulcastRid, Ssrc, SsrcGroup, Unit, Way, Zones,
};

fn token() -> impl Strategy<Value = String> {
    "[-!#$%&'*+.^_`{|}~0-9A-Za-z]{1,12}"
}

/// Text without white space, of any script.
fn word() -> impl Strategy<Value = String> {
    "[!-~äß世界🦀]{1,12}"
}

/// What may stand in a line, but for a space at either end.
fn text() -> impl Strategy<Value = String> {
    "[!-~ä世]([ -~\tä世]{0,20}[!-~ä世])?"
}

fn rid_id() -> impl Strategy<Value = String> {
    "[-_0-9A-Za-z]{1,8}"
}

fn connection() -> impl Strategy<Value = Connection> {
    (token(), token(), word()).prop_map(|(network, address_type, address)| Connection {
        network,
        address_type,
        address,
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive])
}

fn flag() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        direction().prop_map(Attribute::Direction),
        select(vec![
            Attribute::BundleOnly,
            Attribute::IceLite,
            Attribute::IceMismatch,
            Attribute::EndOfCandidates,
            Attribute::ExtmapAllowMixed,
            Attribute::RtcpMux,
            Attribute::RtcpMuxOnly,
            Attribute::RtcpRsize,
        ]),
    ]
}

fn transport() -> impl Strategy<Value = Attribute> {
    let remote = (any::<u16>(), word(), any::<u16>()).prop_map(|(component, address, port)| RemoteCandidate {
        component,
        address,
        port,
    });
    let setups = vec![Setup::Active, Setup::Passive, Setup::Actpass, Setup::Holdconn];
    prop_oneof![
        (token(), vec(token(), 0..4)).prop_map(|(semantics, mids)| Attribute::Group(Group { semantics, mids })),
        token().prop_map(Attribute::Mid),
        "[!-9;-~]{4,256}".prop_map(Attribute::IceUfrag),
        "[!-9;-~]{22,256}".prop_map(Attribute::IcePwd),
        vec(word(), 1..4).prop_map(Attribute::IceOptions),
        any::<u32>().prop_map(Attribute::IcePacing),
        text().prop_map(Attribute::Candidate),
        vec(remote, 1..4).prop_map(Attribute::RemoteCandidates),
        "sha-(1|256|512) [0-9A-F]{2}(:[0-9A-F]{2}){0,63}".prop_map(Attribute::Fingerprint),
        select(setups).prop_map(Attribute::Setup),
        select(vec![DtlsConnection::New, DtlsConnection::Existing]).prop_map(Attribute::Connection),
        "[-_+/0-9A-Za-z]{20,255}".prop_map(Attribute::TlsId),
        any::<u16>().prop_map(Attribute::SctpPort),
        any::<u64>().prop_map(Attribute::MaxMessageSize),
        (any::<u16>(), token(), option::of(any::<u32>()))
            .prop_map(|(port, application, streams)| Attribute::Sctpmap(Sctpmap { port, application, streams })),
        "([+/0-9A-Za-z]{4}){1,9}([+/0-9A-Za-z]{2}==|[+/0-9A-Za-z]{3}=)?".prop_map(Attribute::SctpInit),
    ]
}

fn codecs() -> impl Strategy<Value = Attribute> {
    let payload_type = || 0..128_u8;
    prop_oneof![
        (payload_type(), token(), any::<u32>(), option::of(word())).prop_map(
            |(payload_type, encoding, clock_rate, parameters)| Attribute::Rtpmap(Rtpmap {
                payload_type,
                encoding,
                clock_rate,
                parameters
            })
        ),
        (token(), text()).prop_map(|(format, parameters)| Attribute::Fmtp(Fmtp { format, parameters })),
        (option::of(payload_type()), token(), option::of(text())).prop_map(|(payload_type, kind, parameter)| {
            Attribute::RtcpFb(RtcpFb { payload_type, kind, parameter })
        }),
        (1_u16.., option::of(direction()), word(), option::of(text())).prop_map(|(id, direction, uri, attributes)| {
            Attribute::Extmap(Extmap { id, direction, uri, attributes })
        }),
        (any::<u16>(), option::of(connection()))
            .prop_map(|(port, connection)| Attribute::Rtcp(Rtcp { port, connection })),
        any::<u32>().prop_map(Attribute::Ptime),
        any::<u32>().prop_map(Attribute::Maxptime),
        (0..=10_u8).prop_map(Attribute::Quality),
        "[1-9][0-9]{0,2}(\\.[0-9]{1,3})?".prop_map(Attribute::Framerate),
    ]
}

fn sources() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (word(), option::of(word())).prop_map(|(stream, track)| Attribute::Msid(Msid { stream, track })),
        (token(), vec(word(), 0..3))
            .prop_map(|(semantic, streams)| Attribute::MsidSemantic(MsidSemantic { semantic, streams })),
        (any::<u32>(), token(), option::of(text())).prop_map(|(ssrc, attribute, value)| Attribute::Ssrc(Ssrc {
            ssrc,
            attribute,
            value
        })),
        (token(), vec(any::<u32>(), 0..4))
            .prop_map(|(semantics, ssrcs)| Attribute::SsrcGroup(SsrcGroup { semantics, ssrcs })),
    ]
}

fn simulcast() -> impl Strategy<Value = Attribute> {
    let way = || select(vec![Way::Send, Way::Recv]);
    // `pt` is the name of the formats, not of a restriction.
    let restriction = ("max-[a-z]{1,8}", "[!-:<-~]{0,8}");
    let alternative = || (rid_id(), any::<bool>()).prop_map(|(id, paused)| SimulcastRid { id, paused });
    let streams = |least| vec(vec(alternative(), 1..3), least..4);
    prop_oneof![
        (rid_id(), way(), vec(token(), 0..3), vec(restriction, 0..3))
            .prop_map(|(id, way, formats, restrictions)| { Attribute::Rid(Rid { id, way, formats, restrictions }) }),
        (streams(1), streams(0)).prop_map(|(send, recv)| Attribute::Simulcast(Simulcast { send, recv })),
        (streams(0), streams(1)).prop_map(|(send, recv)| Attribute::Simulcast(Simulcast { send, recv })),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    // No RFC has names that begin so.
    let other = ("x-[a-z]{1,8}", option::of(text())).prop_map(|(name, value)| Attribute::Other { name, value });
    prop_oneof![flag(), transport(), codecs(), sources(), simulcast(), other]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_000_000_000..u64::MAX]
}

fn duration() -> impl Strategy<Value = Duration> {
    let unit = option::of(select(vec![Unit::Days, Unit::Hours, Unit::Minutes, Unit::Seconds]));
    (1..u64::MAX, unit).prop_map(|(amount, unit)| Duration { amount, unit })
}

fn field() -> impl Strategy<Value = Field> {
    let adjustment = (time(), any::<bool>(), duration()).prop_map(|(at, back, offset)| Adjustment { at, back, offset });
    let key = prop_oneof![
        Just(Key::Prompt),
        text().prop_map(Key::Clear),
        "([+/0-9A-Za-z]{4}){0,4}".prop_map(Key::Base64),
        "https://[a-z]{1,9}/%20[?]x".prop_map(Key::Uri),
    ];
    let formats = vec(token(), 1..5);
    let ports = option::of(1..u32::MAX);
    let protocol = vec(token(), 1..4).prop_map(|parts| parts.join("/"));
    prop_oneof![
        (word(), any::<u64>(), any::<u64>(), connection()).prop_map(
            |(username, session_id, session_version, connection)| Field::Origin(Origin {
                username,
                session_id,
                session_version,
                connection
            })
        ),
        prop_oneof![text(), Just(String::new())].prop_map(Field::Name),
        text().prop_map(Field::Information),
        connection().prop_map(Field::Connection),
        (token(), any::<u64>()).prop_map(|(kind, value)| Field::Bandwidth(Bandwidth { kind, value })),
        (time(), time()).prop_map(|(start, stop)| Field::Active(Active { start, stop })),
        (duration(), duration(), vec(duration(), 1..4))
            .prop_map(|(interval, duration, offsets)| Field::Repeat(Repeat { interval, duration, offsets })),
        vec(adjustment, 1..4).prop_map(|all| Field::Zones(Zones(all))),
        key.prop_map(Field::Key),
        (token(), any::<u16>(), ports, protocol, formats).prop_map(|(kind, port, ports, protocol, formats)| {
            Field::Media(MediaLine { kind, port, ports, protocol, formats })
        }),
        text().prop_map(|text| Field::Unknown('x', text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_attribute_is_read_as_it_was_written(attribute in attribute()) {
        let text = attribute.to_string();
        prop_assert_eq!(text.parse(), Ok(attribute), "{:?}", text);
    }

    #[test]
    fn every_other_line_is_read_as_it_was_written(field in field()) {
        let text = field.to_string();
        prop_assert_eq!(text.parse(), Ok(field), "{:?}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in "([vostmacbx=0-9 :\r\n]|a=|\r\n|t=0 0\r\n){0,60}") {
        match text.parse::<Description>() {
            Ok(read) => prop_assert_eq!(read.to_string(), text),
            Err(error) => prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1, "{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_description_is_read_as_it_was_built(
        session in vec(attribute(), 0..6),
        sections in vec(vec(attribute(), 0..12), 0..6),
    ) {
        let mut built = Description::new(1, 2);
        for attribute in session {
            built.push(attribute);
        }
        for attributes in sections {
            let mut media = Media::data_channels(9);
            media.set_connection(Connection::new("0.0.0.0"));
            for attribute in attributes {
                media.push(attribute);
            }
            built.media.push(media);
        }
        prop_assert_eq!(built.to_string().parse(), Ok(built));
    }

    #[test]
    fn a_value_that_breaks_lines_stays_in_its_own(value in "[\r\n\0a-z=:]{0,30}") {
        let mut built = Description::new(1, 2);
        built.push(Attribute::other("x-odd", Some(&value)));
        let lines = built.to_string().lines().count();
        prop_assert_eq!(lines, 5);
        prop_assert_eq!(Line::new(Field::Name(value)).text().lines().count(), 1);
    }
}
