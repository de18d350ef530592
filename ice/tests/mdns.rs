//! The resolver of `.local` names, in virtual time.

use std::net::IpAddr;
use std::time::{Duration, Instant};
use std::{fs, path};

use visavis_ice::mdns::{Answer, Config, HostName, Message, ResolveError, Resolved, Resolver};

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
const A: u16 = 1;
const AAAA: u16 = 28;

#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn resolver(now: Instant) -> Resolver {
    Resolver::new(Config::default(), now, [7; 32])
}

/// Names and types of the questions that are sent now.
fn questions(resolver: &mut Resolver, now: Instant) -> Vec<(String, u16)> {
    let mut sent = Vec::new();
    loop {
        let mut buf = Vec::new();
        if !resolver.poll_transmit(now, &mut buf) {
            return sent;
        }
        let message = Message::decode(&buf).expect("it writes what it can read");
        assert!(message.is_query());
        let mut questions = message.questions();
        let question = questions.next().expect("there is a question");
        assert!(questions.next().is_none(), "browsers answer no message with two");
        assert!(!question.unicast, "nor one that asks for unicast");
        sent.push((question.name.to_string(), question.kind));
    }
}

fn answer(name: &str, address: IpAddr, ttl: u32) -> Vec<u8> {
    let mut buf = Vec::new();
    let name: HostName = name.parse().expect("a host name");
    Answer { id: 0, name: &name, address, ttl }.encode(&mut buf);
    buf
}

fn resolved(name: &str, address: Option<IpAddr>) -> Option<Resolved> {
    Some(Resolved { name: name.to_owned(), address })
}

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn a_name_is_asked_for_in_both_families_and_resolved_by_the_first_answer() {
    let now = start();
    for address in [ADDRESS, "2001:db8::7".parse().unwrap()] {
        let mut resolver = resolver(now);
        assert!(resolver.is_idle());
        resolver.resolve(now, NAME).unwrap();
        assert_eq!(questions(&mut resolver, now), [(NAME.to_owned(), A), (NAME.to_owned(), AAAA)]);
        assert_eq!(resolver.poll_event(), None);
        resolver.handle_datagram(now + ms(3), &answer(NAME, address, 120));
        assert_eq!(resolver.poll_event(), resolved(NAME, Some(address)));
        resolver.handle_datagram(now + ms(4), &answer(NAME, ADDRESS, 120));
        assert_eq!(resolver.poll_event(), None, "once is enough");
        assert!(resolver.is_idle());
        assert_eq!(resolver.poll_timeout(), None);
    }
}

#[test]
fn questions_are_repeated_at_growing_intervals_until_the_deadline() {
    let start = start();
    let mut resolver = resolver(start);
    resolver.resolve(start, NAME).unwrap();
    assert_eq!(questions(&mut resolver, start).len(), 2);
    let mut asked = Vec::new();
    let mut end = start;
    while let Some(now) = resolver.poll_timeout() {
        resolver.handle_timeout(now);
        if !questions(&mut resolver, now).is_empty() {
            asked.push(now - start);
        }
        end = now;
    }
    // 200 ms, 400 ms, 800 ms and 1.6 s, each up to a fifth longer.
    let expected = [(200, 240), (600, 720), (1400, 1680), (3000, 3600)];
    assert_eq!(asked.len(), expected.len(), "{asked:?}");
    for (at, (least, most)) in asked.iter().zip(expected) {
        assert!((ms(least)..=ms(most)).contains(at), "{asked:?}");
    }
    assert_eq!(end - start, ms(5000));
    assert_eq!(resolver.poll_event(), resolved(NAME, None));
    assert_eq!(resolver.poll_event(), None);
}

#[test]
fn early_and_repeated_calls_do_nothing() {
    let start = start();
    let mut resolver = resolver(start);
    resolver.resolve(start, NAME).unwrap();
    questions(&mut resolver, start);
    for now in [start, start + ms(199)] {
        resolver.handle_timeout(now);
        assert!(questions(&mut resolver, now).is_empty());
    }
}

#[test]
fn what_was_not_sent_in_time_is_not_sent_twice() {
    let start = start();
    let mut resolver = resolver(start);
    resolver.resolve(start, NAME).unwrap();
    resolver.handle_timeout(start + ms(700));
    assert_eq!(questions(&mut resolver, start + ms(700)).len(), 2);
}

#[test]
fn the_case_of_letters_does_not_matter() {
    let now = start();
    let mut resolver = resolver(now);
    resolver.resolve(now, &NAME.to_ascii_uppercase()).unwrap();
    resolver.resolve(now, NAME).unwrap();
    assert_eq!(questions(&mut resolver, now).len(), 2, "it is one name");
    let mut shouted = answer(NAME, ADDRESS, 120);
    shouted.iter_mut().skip(12).take(NAME.len()).for_each(u8::make_ascii_uppercase);
    resolver.handle_datagram(now, &shouted);
    assert_eq!(resolver.poll_event(), resolved(NAME, Some(ADDRESS)));
}

#[test]
fn only_local_names_are_asked_for() {
    let now = start();
    let mut resolver = resolver(now);
    for name in ["example.org", "router.home.local", "local", ".local", "", "a.local."] {
        assert_eq!(resolver.resolve(now, name), Err(ResolveError::NotLocal), "{name}");
    }
    assert!(questions(&mut resolver, now).is_empty());
}

#[test]
fn the_number_of_names_is_bounded_until_outcomes_are_polled() {
    let now = start();
    let mut resolver = Resolver::new(Config { max_names: 2, ..Config::default() }, now, [7; 32]);
    resolver.resolve(now, "a.local").unwrap();
    resolver.resolve(now, "b.local").unwrap();
    resolver.resolve(now, "a.local").unwrap();
    assert_eq!(resolver.resolve(now, "c.local"), Err(ResolveError::Full));
    resolver.handle_datagram(now, &answer("a.local", ADDRESS, 120));
    assert_eq!(resolver.resolve(now, "c.local"), Err(ResolveError::Full), "nobody has taken the outcome yet");
    assert_eq!(resolver.poll_event(), resolved("a.local", Some(ADDRESS)));
    assert_eq!(resolver.resolve(now, "c.local"), Ok(()));
}

#[test]
fn what_was_not_asked_for_is_dropped_and_counted() {
    let now = start();
    let mut resolver = resolver(now);
    resolver.resolve(now, NAME).unwrap();
    let good = answer(NAME, ADDRESS, 120);
    let mut query = Vec::new();
    assert!(resolver.poll_transmit(now, &mut query));
    let mut claim = good.clone();
    claim.swap(7, 9); // an answer becomes an authority: only a claim to the name
    let mut error = good.clone();
    error[3] = 3;
    let mut chaos = good.clone();
    chaos[12 + NAME.len() + 2 + 3] = 3; // another class
    for datagram in [
        answer("other.local", ADDRESS, 120),
        answer(NAME, ADDRESS, 0), // goodbye
        answer(NAME, [0, 0, 0, 0].into(), 120),
        answer(NAME, [224, 0, 0, 1].into(), 120),
        query,
        claim,
        error,
        chaos,
    ] {
        resolver.handle_datagram(now, &datagram);
        assert_eq!(resolver.poll_event(), None, "{}", datagram.escape_ascii());
    }
    assert_eq!((resolver.stats().datagrams, resolver.stats().unasked), (8, 8));
    resolver.handle_datagram(now, &good[..40]);
    resolver.handle_datagram(now, b"");
    assert_eq!(resolver.stats().malformed, 2);
    resolver.handle_datagram(now, &good);
    assert_eq!(resolver.poll_event(), resolved(NAME, Some(ADDRESS)));
}

#[test]
fn one_response_may_answer_several_questions() {
    let now = start();
    let mut resolver = resolver(now);
    resolver.resolve(now, "a.local").unwrap();
    resolver.resolve(now, "b.local").unwrap();
    // Two records in one message: the second one's name shares its end with the first one's.
    let mut response = answer("a.local", ADDRESS, 120);
    response[7] = 2;
    response.extend(b"\x01b\xc0\x0e\0\x1c\x80\x01\0\0\0\x78\0\x10");
    response.extend("2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    resolver.handle_datagram(now, &response);
    assert_eq!(resolver.poll_event(), resolved("a.local", Some(ADDRESS)));
    assert_eq!(resolver.poll_event(), resolved("b.local", Some("2001:db8::7".parse().unwrap())));
    assert!(questions(&mut resolver, now).is_empty(), "what is answered is not asked any more");
}

#[test]
fn a_question_can_be_taken_back() {
    let now = start();
    let mut resolver = resolver(now);
    resolver.resolve(now, NAME).unwrap();
    resolver.cancel(&NAME.to_ascii_uppercase());
    assert!(resolver.is_idle() && questions(&mut resolver, now).is_empty());
    resolver.handle_datagram(now, &answer(NAME, ADDRESS, 120));
    assert_eq!(resolver.poll_event(), None);
}

#[test]
fn no_configuration_makes_it_spin_or_overflow() {
    let start = start();
    for (interval, deadline) in [(Duration::ZERO, ms(1000)), (Duration::MAX, Duration::MAX)] {
        let config = Config { interval, deadline, ..Config::default() };
        let mut resolver = Resolver::new(config, start, [7; 32]);
        resolver.resolve(start, NAME).unwrap();
        let mut turns = 0;
        while let Some(now) = resolver.poll_timeout() {
            resolver.handle_timeout(now);
            turns += 1;
            assert!(turns < 50);
        }
        assert_eq!(resolver.poll_event(), resolved(NAME, None));
    }
}

#[test]
fn the_seeds_of_other_fuzzers_are_survived() {
    let now = start();
    let mut resolver = resolver(now);
    resolver.resolve(now, NAME).unwrap();
    let folder = path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mdns");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        resolver.handle_datagram(now, &fs::read(file.unwrap().path()).unwrap());
        count += 1;
    }
    assert_eq!((count, resolver.stats().datagrams), (20, 20));
    assert_eq!(resolver.poll_event(), None);
}
