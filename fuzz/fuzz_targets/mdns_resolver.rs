//! The resolver under any sequence of commands, datagrams and times: each name gets one outcome, nothing grows without
//! bound, and its timer never stands still.

#![no_main]

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use ice::mdns::{Answer, Config, Message, Resolver};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 5] = ["a.local", "B.LOCAL", "1f4712db-ea17-4bcf-a596-105139dfd8bf.local", "c.local", "d.local"];

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Resolve(u8),
    ResolveText(&'a str),
    Cancel(u8),
    Datagram(&'a [u8]),
    Answer { name: u8, address: IpAddr, ttl: u8 },
    Wait(u16),
    Transmit,
    Event,
}

fuzz_target!(|commands: Vec<Command<'_>>| {
    let mut now = Instant::now();
    let config = Config { max_names: 3, ..Config::default() };
    let mut resolver = Resolver::new(config, now, [7; 32]);
    let name = |index: u8| NAMES[usize::from(index) % NAMES.len()];
    let mut asked = HashSet::new();
    let mut buf = Vec::new();
    for command in commands {
        match command {
            Command::Resolve(index) => {
                if resolver.resolve(now, name(index)).is_ok() {
                    asked.insert(name(index).to_ascii_lowercase());
                }
            }
            Command::ResolveText(text) => {
                if resolver.resolve(now, text).is_ok() {
                    asked.insert(text.to_ascii_lowercase());
                }
            }
            Command::Cancel(index) => resolver.cancel(name(index)),
            Command::Datagram(datagram) => resolver.handle_datagram(now, datagram),
            Command::Answer { name: index, address, ttl } => {
                let name = name(index).parse().expect("it is a host name");
                let mut datagram = Vec::new();
                Answer { id: 0, name: &name, address, ttl: ttl.into() }.encode(&mut datagram);
                resolver.handle_datagram(now, &datagram);
            }
            Command::Wait(milliseconds) => {
                now += Duration::from_millis(milliseconds.into());
                resolver.handle_timeout(now);
                assert!(resolver.poll_timeout().is_none_or(|at| at > now), "the timer stands still");
            }
            Command::Transmit => {
                buf.clear();
                if resolver.poll_transmit(now, &mut buf) {
                    assert!(Message::decode(&buf).is_ok_and(|message| message.is_query()));
                }
            }
            Command::Event => {
                if let Some(resolved) = resolver.poll_event() {
                    assert!(asked.contains(&resolved.name), "nobody asked for {resolved:?}");
                }
            }
        }
    }
    resolver.handle_timeout(now + Duration::from_secs(10));
    assert!(resolver.is_idle() && resolver.poll_timeout().is_none() && !resolver.poll_transmit(now, &mut buf));
    assert!(std::iter::from_fn(|| resolver.poll_event()).count() <= 3);
    assert_eq!(resolver.poll_event(), None);
});
