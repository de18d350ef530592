mod forward;

use crate::clock::Schedule;
use crate::link::{Pipe, flip};
use crate::router::{Firewall, Nat, Translator};
use crate::seeds::rng;
use crate::watch::{Log, Meter, Way, poll_checked};
use crate::{Budget, Counts, Entry, Fate, Link, Verdict, start};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A host of a [`Network`]: a state machine that knows its addresses.
pub trait Node {
    /// A datagram has arrived at `local` from `remote`. What was sent to a multicast group comes with `local` being
    /// the address of the interface and the port of the group.
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]);
    /// The time that `poll_timeout` named has come.
    fn handle_timeout(&mut self, now: Instant);
    /// Appends one datagram to `buf` and returns its local and remote address, or returns `None`.
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)>;
    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        (**self).handle_datagram(now, local, remote, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        (**self).poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }
}

/// A node of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// A zone of a [`Network`]: hosts that reach each other directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(usize);

/// A NAT or a firewall of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(usize);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

struct Interface {
    node: NodeId,
    zone: ZoneId,
    ip: IpAddr,
    up: Pipe,
    down: Pipe,
}

struct Router {
    inner: ZoneId,
    outer: ZoneId,
    kind: RouterKind,
}

#[derive(Debug)]
enum RouterKind {
    Nat(Translator),
    Firewall(Firewall),
}

/// A datagram on the way.
struct Packet {
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

enum Arrival {
    /// Out of an interface's uplink, into its zone.
    Zone(ZoneId, Packet),
    /// Out of the downlink of the interface with this address in this zone.
    Host(ZoneId, IpAddr, Packet),
}

type Hook = Box<dyn FnMut(Instant, SocketAddr, SocketAddr, &mut Vec<u8>) -> Verdict + Send>;

/// Nodes with addresses, zones joined by NATs and firewalls, links, in virtual time. The same seed gives the same run.
///
/// A new network has one zone, the [`internet`](Self::internet). [`nat`](Self::nat) and [`firewall`](Self::firewall)
/// put a further zone behind one that exists; so they nest. Each interface of a node has a link up into its zone and
/// one down from it; a datagram passes the sender's uplink and the receiver's downlink.
pub struct Network<N> {
    nodes: Vec<(N, Meter)>,
    interfaces: Vec<Interface>,
    routers: Vec<Router>,
    zones: usize,
    pipes_made: u64,
    now: Instant,
    on_the_way: Schedule<Arrival>,
    counts: Counts,
    budget: Budget,
    hook: Option<Hook>,
    buf: Vec<u8>,
    log: Log,
}

impl<N: fmt::Debug> fmt::Debug for Network<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<&N> = self.nodes.iter().map(|(node, _)| node).collect();
        let elapsed = self.now - start();
        f.debug_struct("Network").field("nodes", &nodes).field("elapsed", &elapsed).finish_non_exhaustive()
    }
}

impl<N: Node> Network<N> {
    /// The internet with nobody on it.
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            interfaces: Vec::new(),
            routers: Vec::new(),
            zones: 1,
            pipes_made: 0,
            now: start(),
            on_the_way: Schedule::new(),
            counts: Counts::default(),
            budget: Budget::default(),
            hook: None,
            buf: Vec::new(),
            log: Log::new(seed),
        }
    }

    /// The zone of public addresses.
    pub const fn internet(&self) -> ZoneId {
        ZoneId(0)
    }

    /// A zone behind a new NAT, whose external address is in `outer`. A zone may have several routers; each takes what
    /// is of its family, the first made first.
    pub fn nat(&mut self, outer: ZoneId, nat: Nat) -> (RouterId, ZoneId) {
        let inner = self.zone();
        (self.router(inner, outer, RouterKind::Nat(Translator::new(nat))), inner)
    }

    /// A zone behind a new firewall.
    pub fn firewall(&mut self, outer: ZoneId, firewall: Firewall) -> (RouterId, ZoneId) {
        let inner = self.zone();
        (self.router(inner, outer, RouterKind::Firewall(firewall)), inner)
    }

    /// A further NAT between two zones that exist, say for the other family of addresses.
    pub fn join_by_nat(&mut self, inner: ZoneId, outer: ZoneId, nat: Nat) -> RouterId {
        self.router(inner, outer, RouterKind::Nat(Translator::new(nat)))
    }

    /// A further firewall between two zones that exist.
    pub fn join_by_firewall(&mut self, inner: ZoneId, outer: ZoneId, firewall: Firewall) -> RouterId {
        self.router(inner, outer, RouterKind::Firewall(firewall))
    }

    /// Has a NAT forget its mappings, as after a restart; new ones get other ports. A firewall has none.
    pub fn rebind(&mut self, router: RouterId) {
        if let Some(Router { kind: RouterKind::Nat(nat), .. }) = self.routers.get_mut(router.0) {
            nat.rebind();
        }
    }

    /// Puts another firewall in the place of a router, in mid-run.
    pub fn replace_by_firewall(&mut self, router: RouterId, firewall: Firewall) {
        if let Some(router) = self.routers.get_mut(router.0) {
            router.kind = RouterKind::Firewall(firewall);
        }
    }

    /// Adds a node, as yet without an address.
    pub fn node(&mut self, node: N) -> NodeId {
        self.nodes.push((node, Meter::new()));
        NodeId(self.nodes.len() - 1)
    }

    /// Adds a node with one address, and the same link up and down.
    pub fn node_at(&mut self, zone: ZoneId, ip: IpAddr, link: Link, node: N) -> NodeId {
        let id = self.node(node);
        self.attach(id, zone, ip, link, link);
        id
    }

    /// Gives a node an address in a zone, at the start or in mid-run.
    ///
    /// # Panics
    ///
    /// If the address is taken in that zone.
    pub fn attach(&mut self, node: NodeId, zone: ZoneId, ip: IpAddr, up: Link, down: Link) {
        assert!(self.interface(zone, ip).is_none(), "{ip} is taken");
        let (up, down) = (self.pipe(up), self.pipe(down));
        self.interfaces.push(Interface { node, zone, ip, up, down });
    }

    /// Takes an address away from a node. What was on the way to it is lost. Telling the node is up to the test.
    pub fn detach(&mut self, node: NodeId, ip: IpAddr) {
        self.interfaces.retain(|interface| interface.node != node || interface.ip != ip);
    }

    /// Changes the links of one address, in mid-run.
    pub fn set_links(&mut self, node: NodeId, ip: IpAddr, up: Link, down: Link) {
        for interface in self.interfaces.iter_mut().filter(|i| i.node == node && i.ip == ip) {
            interface.up.link = up;
            interface.down.link = down;
        }
    }

    /// The addresses of a node.
    pub fn addresses(&self, node: NodeId) -> impl Iterator<Item = IpAddr> {
        self.interfaces.iter().filter(move |interface| interface.node == node).map(|interface| interface.ip)
    }

    /// Changes the work that a run may take.
    pub const fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Shows each datagram to `hook` before it enters the sender's uplink: the time, source, destination, and its
    /// bytes, which may be changed. Replaces the hook before it.
    pub fn intercept(
        &mut self,
        hook: impl FnMut(Instant, SocketAddr, SocketAddr, &mut Vec<u8>) -> Verdict + Send + 'static,
    ) {
        self.hook = Some(Box::new(hook));
    }

    /// Has a datagram arrive in a zone in the next step, as if `source` were somebody there.
    pub fn inject(&mut self, zone: ZoneId, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        self.log.note(self.now, Way::Between(source, destination), Fate::Injected, datagram);
        self.on_the_way.add(self.now, Arrival::Zone(zone, Packet { source, destination, bytes: datagram.to_vec() }));
    }

    /// The node.
    ///
    /// # Panics
    ///
    /// If `id` is another network's.
    pub fn get(&self, id: NodeId) -> &N {
        &self.nodes.get(id.0).expect("a node of this network").0
    }

    /// The node, to be commanded.
    ///
    /// # Panics
    ///
    /// If `id` is another network's.
    pub fn get_mut(&mut self, id: NodeId) -> &mut N {
        &mut self.nodes.get_mut(id.0).expect("a node of this network").0
    }

    /// The virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - start()
    }

    /// The seed of this run.
    pub const fn seed(&self) -> u64 {
        self.log.seed()
    }

    /// Counts of all datagrams so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The last 200 datagrams, oldest first. A run that panics prints the last of them; with `SIM_TRACE` in the
    /// environment every datagram is printed as it is sent.
    pub fn trace(&self) -> impl Iterator<Item = &Entry> {
        self.log.entries()
    }

    /// Sends what there is to send, then goes on to whatever happens next. False, without time having passed, if
    /// nothing ever will.
    pub fn step(&mut self) -> bool {
        self.flush();
        let Some(next) = self.next() else { return false };
        self.advance(next);
        true
    }

    /// Goes on until `done` says so, for at most `limit` of virtual time; returns whether it said so. `done` is asked
    /// before every step with the network in hand, so it may read, send and close as an application would.
    #[must_use]
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            let is_done = done(self);
            self.flush();
            if is_done {
                return true;
            }
            match self.next() {
                Some(next) if next <= end => self.advance(next),
                Some(_) | None => {
                    self.now = end;
                    self.flush();
                    return done(self);
                }
            }
        }
    }

    /// As [`run_until`](Self::run_until), and panics if `limit` passes before `done`. `what` completes the sentence
    /// "… did not happen".
    ///
    /// # Panics
    ///
    /// If `limit` passes.
    pub fn expect(&mut self, what: &str, limit: Duration, done: impl FnMut(&mut Self) -> bool) {
        let started = self.elapsed();
        let is_done = self.run_until(limit, done);
        assert!(is_done, "seed {}: {what} did not happen within {limit:?} from {started:?}", self.seed());
    }

    /// Lets `time` pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.flush();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.advance(next);
            self.flush();
        }
        self.now = end;
        self.flush();
    }

    /// Lets `time` pass and fails if anything is sent meanwhile: all nodes are closed and have to be quiet.
    ///
    /// # Panics
    ///
    /// If a datagram is sent.
    pub fn expect_quiet(&mut self, time: Duration) {
        let before = self.counts.sent;
        self.run_for(time);
        let sent = self.counts.sent - before;
        assert!(sent == 0, "seed {}: not quiet: {sent} datagrams sent within {time:?}", self.seed());
    }

    const fn zone(&mut self) -> ZoneId {
        self.zones += 1;
        ZoneId(self.zones - 1)
    }

    fn router(&mut self, inner: ZoneId, outer: ZoneId, kind: RouterKind) -> RouterId {
        self.routers.push(Router { inner, outer, kind });
        RouterId(self.routers.len() - 1)
    }

    fn pipe(&mut self, link: Link) -> Pipe {
        self.pipes_made += 1;
        Pipe::new(link, rng(self.seed(), 0x1_0000 + self.pipes_made))
    }

    fn interface(&mut self, zone: ZoneId, ip: IpAddr) -> Option<&mut Interface> {
        self.interfaces.iter_mut().find(|interface| interface.zone == zone && interface.ip == ip)
    }

    /// When something happens next. A timer in the past is due now.
    fn next(&self) -> Option<Instant> {
        let timers = self.nodes.iter().filter_map(|(node, _)| node.poll_timeout());
        timers.chain(self.on_the_way.next()).min().map(|next| next.max(self.now))
    }

    fn advance(&mut self, to: Instant) {
        self.now = to;
        while let Some(arrival) = self.on_the_way.pop(to) {
            match arrival {
                Arrival::Zone(zone, packet) => self.route(zone, packet),
                Arrival::Host(zone, ip, packet) => self.deliver(zone, ip, packet),
            }
        }
        let budget = self.budget;
        for (index, (node, meter)) in self.nodes.iter_mut().enumerate() {
            if node.poll_timeout().is_some_and(|timeout| timeout <= to) {
                meter.wake(to, budget, &NodeId(index));
                node.handle_timeout(to);
            }
        }
    }

    fn flush(&mut self) {
        for index in 0..self.nodes.len() {
            let mut buf = std::mem::take(&mut self.buf);
            while let Some((source, destination)) = self.poll(index, &mut buf) {
                self.transmit(NodeId(index), source, destination, &mut buf);
            }
            self.buf = buf;
        }
    }

    fn poll(&mut self, index: usize, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        let (now, budget, id) = (self.now, self.budget, NodeId(index));
        let (node, meter) = self.nodes.get_mut(index)?;
        let route = poll_checked(buf, &id, |buf| node.poll_transmit(now, buf))?;
        meter.datagram(now, budget, &id);
        Some(route)
    }

    fn transmit(&mut self, node: NodeId, source: SocketAddr, destination: SocketAddr, datagram: &mut Vec<u8>) {
        let now = self.now;
        let verdict = self.hook.as_mut().map_or(Verdict::Pass, |hook| hook(now, source, destination, datagram));
        let from = self.interfaces.iter_mut().find(|i| i.node == node && i.ip == source.ip());
        let fate = match (verdict, from) {
            (Verdict::Drop, _) => Fate::Intercepted,
            // The node sends from an address that it has lost.
            (Verdict::Pass, None) => Fate::NoRoute,
            (Verdict::Pass, Some(interface)) => {
                let passage = interface.up.send(now, datagram.len());
                let zone = interface.zone;
                flip(datagram, passage.flipped_bit);
                for arrival in passage.arrivals.into_iter().flatten() {
                    let packet = Packet { source, destination, bytes: datagram.clone() };
                    self.on_the_way.add(arrival, Arrival::Zone(zone, packet));
                }
                passage.fate
            }
        };
        self.counts.note(fate, datagram.len());
        self.log.note(now, Way::Between(source, destination), fate, datagram);
    }
}
