//! Messages: read as a whole, written one question or one answer at a time.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::{Malformed, Put, Reader};

use super::{HostName, Name};

/// No message of multicast DNS is longer, in bytes (RFC 6762, section 17).
const LONGEST_MESSAGE: usize = 9000;
/// Nobody sends more questions or records in a message that is meant well.
const MOST_ENTRIES: usize = 512;
/// The length of the header in bytes.
const HEADER_LENGTH: usize = 12;

/// The class of the Internet.
const CLASS_IN: u16 = 1;
/// In a question: a unicast response is welcome. In a record: older ones are void (RFC 6762, sections 5.4 and 10.2).
const TOP_BIT: u16 = 0x8000;
/// In the flags: a response, and one with authority.
const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
/// In the flags: what kind of query, and what went wrong.
const OPCODE_AND_RCODE: u16 = 0x780F;

/// The type of records with an IPv4 address.
pub(super) const TYPE_A: u16 = 1;
/// The type of records with an IPv6 address.
pub(super) const TYPE_AAAA: u16 = 28;

/// A message in somebody else's buffer. All of it has been checked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    id: u16,
    flags: u16,
    /// How many there are of questions, answers, authorities and additional records.
    counts: [u16; 4],
}

/// A question (RFC 1035, section 4.1.2).
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked for.
    pub name: Name<'a>,
    /// The type of record that is asked for.
    pub kind: u16,
    /// The class of record, 1 for the Internet.
    pub class: u16,
    /// Whether the answer may come by unicast (RFC 6762, section 5.4).
    pub unicast: bool,
}

/// A record (RFC 1035, section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Whose record it is.
    pub name: Name<'a>,
    /// The type of record.
    pub kind: u16,
    /// The class of record, 1 for the Internet.
    pub class: u16,
    /// Whether older records are void (RFC 6762, section 10.2).
    pub cache_flush: bool,
    /// How long it is valid, in seconds; 0 says goodbye (RFC 6762, section 10.1).
    pub ttl: u32,
    /// What it says.
    pub data: Data<'a>,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// A record of type A.
    A(Ipv4Addr),
    /// A record of type AAAA.
    Aaaa(Ipv6Addr),
    /// A record of another type or class.
    Other(&'a [u8]),
}

/// Where in a message a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// It answers a question.
    Answer,
    /// Its sender would like to have the name, and asks whether it is free (RFC 6762, section 8.2).
    Authority,
    /// It was not asked for, but may help.
    Additional,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `datagram` (RFC 1035, section 4.1).
    ///
    /// # Errors
    /// [`Malformed`] if anything in it leads out of it, or in circles, or it is longer than multicast DNS allows.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() > LONGEST_MESSAGE {
            return Err(Malformed::new("DNS message length"));
        }
        let mut reader = Reader::new(datagram);
        let (id, flags) = (reader.u16("DNS id")?, reader.u16("DNS flags")?);
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16("DNS count")?;
        }
        if counts.iter().copied().map(usize::from).sum::<usize>() > MOST_ENTRIES {
            return Err(Malformed::new("DNS count"));
        }
        let [questions, records @ ..] = counts;
        for _ in 0..questions {
            Question::decode(datagram, &mut reader)?;
        }
        for _ in 0..records.iter().copied().map(usize::from).sum() {
            Record::decode(datagram, &mut reader)?;
        }
        reader.finish("DNS message")?;
        Ok(Self { bytes: datagram, id, flags, counts })
    }

    /// What ties a response to its query; zero in multicast DNS (RFC 6762, section 18.1).
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Whether it is a response and tells of no error. All others are ignored (RFC 6762, sections 18.2, 18.3, 18.11).
    pub const fn is_response(&self) -> bool {
        self.flags & (RESPONSE | OPCODE_AND_RCODE) == RESPONSE
    }

    /// Whether it is a plain query.
    pub const fn is_query(&self) -> bool {
        self.flags & (RESPONSE | OPCODE_AND_RCODE) == 0
    }

    /// The questions.
    pub fn questions(&self) -> impl Iterator<Item = Question<'a>> + use<'a> {
        let [questions, ..] = self.counts;
        let (bytes, mut reader) = (self.bytes, self.body());
        (0..questions).map_while(move |_| Question::decode(bytes, &mut reader).ok())
    }

    /// The records of all sections, each with its section.
    pub fn records(&self) -> impl Iterator<Item = (Section, Record<'a>)> + use<'a> {
        let [questions, answers, authorities, additional] = self.counts.map(usize::from);
        let (bytes, mut reader) = (self.bytes, self.body());
        for _ in 0..questions {
            // It was read before, so it can be read now; if not, there is nothing behind it either.
            if Question::decode(bytes, &mut reader).is_err() {
                break;
            }
        }
        let sections = std::iter::repeat_n(Section::Answer, answers)
            .chain(std::iter::repeat_n(Section::Authority, authorities))
            .chain(std::iter::repeat_n(Section::Additional, additional));
        sections.map_while(move |section| Record::decode(bytes, &mut reader).ok().map(|record| (section, record)))
    }

    /// What stands behind the header.
    fn body(&self) -> Reader<'a> {
        Reader::new(self.bytes.get(HEADER_LENGTH..).unwrap_or_default())
    }
}

impl<'a> Question<'a> {
    fn decode(message: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let name = Name::decode(message, reader)?;
        let (kind, class) = (reader.u16("DNS type")?, reader.u16("DNS class")?);
        Ok(Self { name, kind, class: class & !TOP_BIT, unicast: class & TOP_BIT != 0 })
    }
}

impl<'a> Record<'a> {
    fn decode(message: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let name = Name::decode(message, reader)?;
        let (kind, class) = (reader.u16("DNS type")?, reader.u16("DNS class")?);
        let ttl = reader.u32("DNS TTL")?;
        let mut value = reader.sub_u16("DNS data")?;
        // The class of OPT (RFC 6891) is no class at all, but a length; it comes to no harm here.
        let (cache_flush, class) = (class & TOP_BIT != 0, class & !TOP_BIT);
        let data = match (class, kind) {
            (CLASS_IN, TYPE_A) => Data::A(value.array::<4>("A record")?.into()),
            (CLASS_IN, TYPE_AAAA) => Data::Aaaa(value.array::<16>("AAAA record")?.into()),
            _ => Data::Other(value.rest()),
        };
        value.finish("DNS data")?;
        Ok(Self { name, kind, class, cache_flush, ttl, data })
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.questions()).entries(self.records().map(|(_, record)| record)).finish()
    }
}

/// A message with one question.
///
/// One only, and without the bit that asks for a unicast response: Chromium's responder ignores queries that have
/// several questions or that bit.
#[derive(Clone, Copy, Debug)]
pub struct Query<'n> {
    /// Whom to ask for.
    pub name: &'n HostName,
    /// Which family of address to ask for: 1 for A, 28 for AAAA.
    pub kind: u16,
}

impl Query<'_> {
    /// Appends the message.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_header(buf, 0, 0, [1, 0]);
        self.name.encode(buf);
        buf.put_u16(self.kind);
        buf.put_u16(CLASS_IN);
    }
}

/// A response with one record.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'n> {
    /// Zero, or that of a query which came from another port than 5353 (RFC 6762, section 6.7).
    pub id: u16,
    /// Whose address it is.
    pub name: &'n HostName,
    /// The address.
    pub address: IpAddr,
    /// How long it is valid, in seconds; 120 for host names (RFC 6762, section 10).
    pub ttl: u32,
}

impl Answer<'_> {
    /// Appends the message.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_header(buf, self.id, RESPONSE | AUTHORITATIVE, [0, 1]);
        self.name.encode(buf);
        buf.put_u16(if self.address.is_ipv4() { TYPE_A } else { TYPE_AAAA });
        buf.put_u16(CLASS_IN | TOP_BIT);
        buf.put_u32(self.ttl);
        buf.put_prefixed_u16(|buf| match self.address {
            IpAddr::V4(address) => buf.put_bytes(&address.octets()),
            IpAddr::V6(address) => buf.put_bytes(&address.octets()),
        });
    }
}

fn put_header(buf: &mut Vec<u8>, id: u16, flags: u16, [questions, answers]: [u16; 2]) {
    buf.put_u16(id);
    buf.put_u16(flags);
    buf.put_u16(questions);
    buf.put_u16(answers);
    buf.put_u32(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    /// A response as browsers send it: one address, and an NSEC record that says there is no other.
    fn response() -> Vec<u8> {
        let mut bytes = b"\0\0\x84\0\0\0\0\x01\0\0\0\x01".to_vec();
        bytes.extend(b"\x241f4712db-ea17-4bcf-a596-105139dfd8bf\x05local\0");
        bytes.extend(b"\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x01");
        bytes.extend(b"\xc0\x0c\0\x2f\x80\x01\0\0\0\x78\0\x05\xc0\x0c\0\x01\x40");
        bytes
    }

    fn host() -> HostName {
        NAME.parse().expect("it is a host name")
    }

    #[test]
    fn a_browsers_response_is_read() {
        let bytes = response();
        let message = Message::decode(&bytes).unwrap();
        assert!(message.is_response() && !message.is_query());
        assert_eq!((message.id(), message.questions().count()), (0, 0));
        let records: Vec<_> = message.records().collect();
        let [(Section::Answer, address), (Section::Additional, negative)] = records[..] else { panic!("{records:?}") };
        assert_eq!(address.data, Data::A([192, 0, 2, 1].into()));
        assert_eq!((address.kind, address.class, address.cache_flush, address.ttl), (1, 1, true, 120));
        assert_eq!((negative.kind, negative.data), (47, Data::Other(b"\xc0\x0c\0\x01\x40")));
        assert!(address.name.is(&host()) && negative.name.is(&host()), "one is compressed");
        assert_eq!(negative.name.to_string(), NAME);
    }

    #[test]
    fn a_browsers_query_is_read() {
        let bytes = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04Host\x05LOCAL\0\0\x1c\x80\x01";
        let message = Message::decode(bytes).unwrap();
        assert!(message.is_query() && !message.is_response());
        let question = message.questions().next().unwrap();
        assert_eq!((question.kind, question.class, question.unicast), (28, 1, true));
        assert!(question.name.is(&"host.local".parse().unwrap()));
        assert!(!question.name.is(&"host2.local".parse().unwrap()));
    }

    #[test]
    fn a_query_is_written_so_that_every_responder_answers() {
        let mut buf = Vec::new();
        Query { name: &"Host.local".parse().unwrap(), kind: TYPE_A }.encode(&mut buf);
        assert_eq!(buf, b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04host\x05local\0\0\x01\0\x01");
    }

    #[test]
    fn names_of_another_length_are_not_the_same() {
        let bytes = b"\0\0\0\0\0\x03\0\0\0\0\0\0\x01a\x05local\0\0\x01\0\x01\x01b\xc0\x0c\0\x01\0\x01\0\0\x01\0\x01";
        let message = Message::decode(bytes).unwrap();
        let names: Vec<_> = message.questions().map(|question| question.name.to_string()).collect();
        assert_eq!(names, ["a.local", "b.a.local", ""]);
        let host = "a.local".parse().unwrap();
        assert_eq!(message.questions().filter(|question| question.name.is(&host)).count(), 1);
    }

    /// One question whose name is `name`, behind the header at byte 12.
    fn question(name: &[u8]) -> Vec<u8> {
        [b"\0\0\0\0\0\x01\0\0\0\0\0\0", name, b"\0\x01\0\x01"].concat()
    }

    #[test]
    fn names_that_lead_in_circles_or_out_are_refused() {
        for name in [
            &b"\xc0\x0c"[..],    // itself
            b"\x01a\xc0\x0c",    // its own start, again and again
            b"\xc0\x0e\xc0\x0c", // ahead and back
            b"\xc0\x20",         // behind the end
            b"\xff\xff",
            b"\xc0",
            b"\x05loc",
            b"\x40a\0", // reserved
            b"\x80a\0",
            b"\x01a", // without an end
        ] {
            assert!(Message::decode(&question(name)).is_err(), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn names_longer_than_255_bytes_are_refused() {
        let mut name = b"\x3f".to_vec();
        name.extend([b'a'; 63]);
        let four = [name.repeat(4), vec![0]].concat();
        assert!(Message::decode(&question(&four)).is_err());
        let fits = [name.repeat(3), b"\x3d".to_vec(), vec![b'b'; 61], vec![0]].concat();
        assert_eq!(fits.len(), 255);
        assert!(Message::decode(&question(&fits)).is_ok());
    }

    #[test]
    fn long_chains_of_pointers_are_refused() {
        for (length, fits) in [(10, true), (200, false)] {
            // The name of the first record is the root; that of each other one points to the one before.
            let mut bytes = vec![0, 0, 0, 0, 0, length, 0, 0, 0, 0, 0, 0];
            bytes.extend(b"\0\0\x01\0\x01");
            for index in 1..u16::from(length) {
                let before = if index == 1 { 12 } else { 17 + (index - 2) * 6 };
                bytes.extend((0xC000 | before).to_be_bytes());
                bytes.extend(b"\0\x01\0\x01");
            }
            assert_eq!(Message::decode(&bytes).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn messages_cut_anywhere_or_with_more_behind_are_refused() {
        let bytes = response();
        for length in 0..bytes.len() {
            assert!(Message::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Message::decode(&[&bytes[..], b"x"].concat()).is_err());
        assert!(Message::decode(&[0; 9001]).is_err());
        assert!(Message::decode(b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn addresses_of_another_length_are_refused() {
        let mut bytes = response();
        let at = 12 + NAME.len() + 2 + 9;
        assert_eq!(bytes[at], 4);
        bytes[at] = 3;
        bytes.remove(at + 4);
        assert!(Message::decode(&bytes).is_err());
    }

    #[test]
    fn errors_and_other_opcodes_are_no_responses() {
        for (flags, response, query) in [
            (0x8400, true, false),
            (0x8000, true, false),
            (0x8403, false, false),
            (0xA000, false, false),
            (0x0000, false, true),
            (0x0100, false, true),
            (0x2800, false, false),
        ] {
            let [high, low] = u16::to_be_bytes(flags);
            let bytes = [0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
            let message = Message::decode(&bytes).unwrap();
            assert_eq!((message.is_response(), message.is_query()), (response, query), "{flags:#06x}");
        }
    }

    #[test]
    fn only_one_label_and_local_is_a_host_name() {
        for good in [NAME, "a.local", "A-B_9.LOCAL"] {
            assert_eq!(good.parse::<HostName>().map(|name| name.to_string()), Ok(good.to_ascii_lowercase()));
        }
        let long = format!("{}.local", "a".repeat(64));
        for bad in ["", "local", ".local", "a.b.local", "a.local.", "a.example", "a b.local", "é.local", "a", &long] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn answers_are_read_as_they_were_written(label in "[a-z0-9_-]{1,63}", address: IpAddr, id: u16, ttl: u32) {
            let name: HostName = format!("{label}.local").parse().unwrap();
            let mut buf = Vec::new();
            Answer { id, name: &name, address, ttl }.encode(&mut buf);
            let message = Message::decode(&buf).unwrap();
            prop_assert!(message.is_response());
            let records: Vec<_> = message.records().collect();
            let [(Section::Answer, record)] = records[..] else { panic!("{records:?}") };
            let read = match record.data {
                Data::A(address) => IpAddr::V4(address),
                Data::Aaaa(address) => IpAddr::V6(address),
                Data::Other(_) => panic!("{record:?}"),
            };
            prop_assert_eq!((message.id(), read, record.ttl), (id, address, ttl));
            prop_assert!(record.name.is(&name));
        }

        #[test]
        fn any_bytes_are_read_or_refused(counts: [u8; 4], body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = vec![0, 0, 0x84, 0];
            counts.iter().for_each(|count| bytes.extend([0, count % 4]));
            bytes.extend(body.iter().map(|byte| if byte % 3 == 0 { 0 } else { *byte }));
            if let Ok(message) = Message::decode(&bytes) {
                let entries = message.questions().count() + message.records().count();
                prop_assert_eq!(entries, counts.iter().map(|count| usize::from(count % 4)).sum::<usize>());
                let printed = format!("{message:?}");
                prop_assert!(printed.len() < 4_000 * entries + 10);
            }
        }
    }
}
