//! How datagrams find their way: through zones, routers and links.

use super::{Arrival, Network, Node, Packet, Router, RouterKind, ZoneId};
use crate::Fate;
use crate::link::{Passage, flip};
use crate::router::Direction;
use crate::watch::Way;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Routers pass a datagram on at most this often.
const MAX_HOPS: usize = 16;

impl<N: Node> Network<N> {
    /// Carries a datagram from the zone it is in to the interface it is for, through the routers between.
    pub(super) fn route(&mut self, mut zone: ZoneId, mut packet: Packet) {
        if packet.destination.ip().is_multicast() {
            return self.multicast(zone, packet);
        }
        for _ in 0..MAX_HOPS {
            let ip = packet.destination.ip();
            if self.interface(zone, ip).is_some() {
                return self.descend(zone, ip, packet);
            }
            match self.hop(zone, &mut packet) {
                Ok(next) => zone = next,
                Err(fate) => return self.lose(fate, &packet),
            }
        }
        self.lose(Fate::NoRoute, &packet);
    }

    /// One router further: into a zone below that has the destination, or up.
    fn hop(&mut self, zone: ZoneId, packet: &mut Packet) -> Result<ZoneId, Fate> {
        let (now, destination) = (self.now, packet.destination);
        let below = (0..self.routers.len()).find(|&index| {
            self.routers.get(index).is_some_and(|router| router.outer == zone) && self.leads_to(index, destination.ip())
        });
        if let Some(router) = below.and_then(|index| self.routers.get_mut(index)) {
            return router.incoming(now, packet).map(|()| router.inner).ok_or(Fate::Filtered);
        }
        let up = self.routers.iter_mut().find(|router| router.inner == zone && router.takes(packet.source.ip()));
        let router = up.ok_or(Fate::NoRoute)?;
        router.outgoing(now, packet)
    }

    /// Whether the router is, or has behind it, `ip`. What is behind a NAT is not to be seen from outside.
    fn leads_to(&self, router: usize, ip: IpAddr) -> bool {
        match self.routers.get(router) {
            None => false,
            Some(Router { kind: RouterKind::Nat(nat), .. }) => nat.nat.external == ip,
            Some(Router { kind: RouterKind::Firewall(_), inner, .. }) => {
                self.interfaces.iter().any(|interface| interface.zone == *inner && interface.ip == ip)
                    || (0..self.routers.len()).any(|next| {
                        self.routers.get(next).is_some_and(|r| r.outer == *inner) && self.leads_to(next, ip)
                    })
            }
        }
    }

    /// Into the downlink of an interface.
    fn descend(&mut self, zone: ZoneId, ip: IpAddr, mut packet: Packet) {
        let now = self.now;
        let Some(interface) = self.interface(zone, ip) else { return };
        let Passage { fate, arrivals, flipped_bit } = interface.down.send(now, packet.bytes.len());
        flip(&mut packet.bytes, flipped_bit);
        match fate {
            Fate::Lost => self.counts.lost += 1,
            Fate::Duplicated => self.counts.duplicated += 1,
            Fate::Corrupted => self.counts.corrupted += 1,
            Fate::TooLarge | Fate::QueueFull => return self.lose(fate, &packet),
            Fate::Sent | Fate::Intercepted | Fate::Filtered | Fate::NoRoute | Fate::Injected => {}
        }
        let Packet { source, destination, bytes } = packet;
        for arrival in arrivals.into_iter().flatten() {
            let packet = Packet { source, destination, bytes: bytes.clone() };
            self.on_the_way.add(arrival, Arrival::Host(zone, ip, packet));
        }
    }

    /// To every interface of the zone and family but the sender's.
    fn multicast(&mut self, zone: ZoneId, packet: Packet) {
        let sender = packet.source.ip();
        let receivers: Vec<IpAddr> = self
            .interfaces
            .iter()
            .filter(|i| i.zone == zone && i.ip != sender && i.ip.is_ipv4() == sender.is_ipv4())
            .map(|i| i.ip)
            .collect();
        for ip in receivers {
            let destination = SocketAddr::new(ip, packet.destination.port());
            self.descend(zone, ip, Packet { source: packet.source, destination, bytes: packet.bytes.clone() });
        }
    }

    pub(super) fn deliver(&mut self, zone: ZoneId, ip: IpAddr, mut packet: Packet) {
        let now = self.now;
        // The interface may be gone since the datagram was sent.
        let Some(node) = self.interface(zone, ip).map(|interface| interface.node) else {
            return self.lose(Fate::NoRoute, &packet);
        };
        self.counts.delivered += 1;
        if let Some((node, _)) = self.nodes.get_mut(node.0) {
            node.handle_datagram(now, packet.destination, packet.source, &mut packet.bytes);
        }
    }

    /// Notes what became of a datagram that was sent and does not arrive.
    fn lose(&mut self, fate: Fate, packet: &Packet) {
        self.counts.dropped += 1;
        self.log.note(self.now, Way::Between(packet.source, packet.destination), fate, &packet.bytes);
    }
}

impl Router {
    fn takes(&self, ip: IpAddr) -> bool {
        match &self.kind {
            RouterKind::Nat(nat) => nat.nat.external.is_ipv4() == ip.is_ipv4(),
            RouterKind::Firewall(_) => true,
        }
    }

    /// Lets a datagram in and gives it its inner destination.
    fn incoming(&mut self, now: Instant, packet: &mut Packet) -> Option<()> {
        match &mut self.kind {
            RouterKind::Firewall(firewall) => {
                firewall.passes(now, Direction::In, packet.source, packet.destination).then_some(())
            }
            RouterKind::Nat(nat) => {
                packet.destination = nat.incoming(now, packet.destination.port(), packet.source)?;
                Some(())
            }
        }
    }

    /// Lets a datagram out and gives it its outer source. The zone it is in then, which is the inner one again if it
    /// was for the NAT's own address.
    fn outgoing(&mut self, now: Instant, packet: &mut Packet) -> Result<ZoneId, Fate> {
        match &mut self.kind {
            RouterKind::Firewall(firewall) => firewall
                .passes(now, Direction::Out, packet.source, packet.destination)
                .then_some(self.outer)
                .ok_or(Fate::Filtered),
            RouterKind::Nat(nat) => {
                let is_hairpin = packet.destination.ip() == nat.nat.external;
                if is_hairpin && !nat.nat.hairpin {
                    return Err(Fate::Filtered);
                }
                // The one behind sees the external source (RFC 4787, REQ-9).
                packet.source = nat.outgoing(now, packet.source, packet.destination).ok_or(Fate::Filtered)?;
                if is_hairpin {
                    self.incoming(now, packet).ok_or(Fate::Filtered)?;
                    return Ok(self.inner);
                }
                Ok(self.outer)
            }
        }
    }
}
