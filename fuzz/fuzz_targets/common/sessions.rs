//! Two sessions and the wire between them, for the targets that fuzz whole sessions.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use session::dtls::Identity;
use session::{Config, Session};

/// Datagrams passed between two inputs at most: what goes on for longer without time passing is a loop.
const BUDGET: usize = 20_000;

static IDENTITIES: LazyLock<[Identity; 2]> =
    LazyLock::new(|| [0, 1].map(|_| Identity::generate().expect("a fresh certificate")));

pub struct World {
    pub now: Instant,
    pub sessions: [Session; 2],
    /// Datagrams that went over the wire, for replay and mutation.
    pub seen: Vec<(usize, Vec<u8>)>,
    /// How to change the next record of application data to each side: a place, then distances from there and what to
    /// flip. Changed on its way it arrives for the first time, and no replay window drops it.
    pub changes: [Option<(u16, Vec<(u8, u8)>)>; 2],
}

impl World {
    pub fn new() -> Self {
        let now = Instant::now();
        let session = |side: usize| {
            let mut session = Session::new(Config::new(IDENTITIES[side].clone()), now, [side as u8; 32]);
            session.add_host(now, address(side));
            session.end_of_hosts(now);
            session
        };
        Self { now, sessions: [session(0), session(1)], seen: Vec::new(), changes: [None, None] }
    }

    /// Passes what both have to say until they are quiet.
    pub fn settle(&mut self) {
        let mut passed = 0;
        loop {
            let mut is_quiet = true;
            for side in 0..2 {
                let mut datagram = Vec::new();
                while let Some(route) = self.sessions[side].poll_transmit(self.now, &mut datagram) {
                    is_quiet = false;
                    passed += 1;
                    assert!(passed < BUDGET, "the two never fall silent");
                    if route.remote == address(1 - side) {
                        if self.seen.len() < 256 {
                            self.seen.push((1 - side, datagram.clone()));
                        }
                        self.change(1 - side, &mut datagram);
                        self.sessions[1 - side].handle_datagram(self.now, route.remote, route.local, &mut datagram);
                    }
                    datagram.clear();
                }
                self.drain(side);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn change(&mut self, to: usize, datagram: &mut [u8]) {
        const APPLICATION_DATA: u8 = 23;
        if datagram.first() != Some(&APPLICATION_DATA) {
            return;
        }
        let Some((place, changes)) = self.changes[to].take() else { return };
        let mut place = usize::from(place) % datagram.len();
        for (distance, with) in changes {
            place += usize::from(distance);
            if let Some(byte) = datagram.get_mut(place) {
                *byte ^= with;
            }
        }
    }

    pub fn drain(&mut self, side: usize) {
        while self.sessions[side].poll_event().is_some() {}
        let ids: Vec<_> = self.sessions[side].channels().ids().take(64).collect();
        for id in ids {
            while self.sessions[side].read(self.now, id).is_some() {}
        }
    }

    /// Lets time pass, timer by timer.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        loop {
            self.settle();
            let due = self.sessions.iter().filter_map(Session::poll_timeout).min();
            match due {
                Some(due) if due <= end => {
                    steps += 1;
                    assert!(steps < 100_000, "a storm of wake-ups");
                    self.now = self.now.max(due);
                    let now = self.now;
                    self.sessions.iter_mut().for_each(|session| session.handle_timeout(now));
                }
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
    }
}

pub fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side as u8 + 1], 1000))
}
