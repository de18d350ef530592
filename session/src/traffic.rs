//! What goes over each path, connectivity checks apart.

use std::time::Instant;

use ice::Route;

/// How many paths are told apart; what goes over others counts in the sum only.
const MAX_PATHS: usize = 64;

/// What went over a path: DTLS and media, as the W3C's statistics count for transports and candidate pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathStats {
    /// Datagrams handed out to be sent.
    pub packets_sent: u64,
    /// Their UDP payload, in bytes.
    pub bytes_sent: u64,
    /// When the last of them was handed out.
    pub last_sent: Option<Instant>,
    /// Datagrams that arrived.
    pub packets_received: u64,
    /// Their UDP payload, in bytes.
    pub bytes_received: u64,
    /// When the last of them arrived.
    pub last_received: Option<Instant>,
}

impl PathStats {
    const fn send(&mut self, now: Instant, bytes: usize) {
        self.packets_sent += 1;
        self.bytes_sent += bytes as u64;
        self.last_sent = Some(now);
    }

    const fn receive(&mut self, now: Instant, bytes: usize) {
        self.packets_received += 1;
        self.bytes_received += bytes as u64;
        self.last_received = Some(now);
    }
}

/// Counts for each path. The one that was used last is found without a search.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    total: PathStats,
    paths: Vec<(Route, PathStats)>,
    last: usize,
}

impl Traffic {
    pub(crate) fn send(&mut self, now: Instant, route: Route, bytes: usize) {
        self.total.send(now, bytes);
        if let Some(path) = self.path_mut(route) {
            path.send(now, bytes);
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, route: Route, bytes: usize) {
        self.total.receive(now, bytes);
        if let Some(path) = self.path_mut(route) {
            path.receive(now, bytes);
        }
    }

    /// Over all paths.
    pub(crate) const fn total(&self) -> PathStats {
        self.total
    }

    pub(crate) fn path(&self, route: Route) -> PathStats {
        self.paths.iter().find(|(known, _)| is_same(*known, route)).map_or_else(PathStats::default, |(_, path)| *path)
    }

    fn path_mut(&mut self, route: Route) -> Option<&mut PathStats> {
        if self.paths.get(self.last).is_none_or(|(known, _)| !is_same(*known, route)) {
            self.last = match self.paths.iter().position(|(known, _)| is_same(*known, route)) {
                Some(index) => index,
                None if self.paths.len() < MAX_PATHS => {
                    // Most sessions have one path, and there may be many sessions.
                    self.paths.reserve_exact(1);
                    self.paths.push((route, PathStats::default()));
                    self.paths.len() - 1
                }
                None => return None,
            };
        }
        self.paths.get_mut(self.last).map(|(_, path)| path)
    }
}

/// Sockets tell the scope of link-local addresses, candidates do not.
fn is_same(one: Route, other: Route) -> bool {
    let plain = |address: std::net::SocketAddr| (address.ip(), address.port());
    plain(one.local) == plain(other.local) && plain(one.remote) == plain(other.remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(port: u16) -> Route {
        Route { local: ([192, 0, 2, 1], 1).into(), remote: ([192, 0, 2, 2], port).into() }
    }

    #[test]
    fn each_path_counts_for_itself_up_to_a_bound() {
        let (now, mut traffic) = (sim::start(), Traffic::default());
        for port in 0..2 * MAX_PATHS as u16 {
            traffic.send(now, route(port), 100);
            traffic.receive(now, route(port / 2), 10);
        }
        assert_eq!(traffic.paths.len(), MAX_PATHS);
        let total = traffic.total();
        assert_eq!((total.packets_sent, total.bytes_sent), (2 * MAX_PATHS as u64, 200 * MAX_PATHS as u64));
        let first = traffic.path(route(1));
        assert_eq!((first.packets_sent, first.packets_received, first.bytes_received), (1, 2, 20));
        assert_eq!((first.last_sent, traffic.path(route(999))), (Some(now), PathStats::default()));
    }
}
