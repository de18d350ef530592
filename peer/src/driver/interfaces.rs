//! Which local addresses to use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::config::Config;
use crate::error::Error;

/// An address of a network interface of this machine, for [`crate::Config::interface_filter`] to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// The interface's name, as `eth0`.
    pub name: String,
    /// One of its addresses.
    pub address: IpAddr,
    /// How many leading bits of the address all hosts of its subnet share.
    pub prefix: u8,
    /// The interface's index, which is the scope of its link-local IPv6 addresses (RFC 4007, section 11); 0: unknown.
    pub index: u32,
}

/// How useful an address is: the first kind that there is one of is used, and those after it only when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Usual,
    /// Bridges of containers and virtual machines on this host.
    Bridge,
    LinkLocal,
    Loopback,
}

/// Names of bridges that software makes, whose networks nobody else can reach. Ends of veth pairs are not among them:
/// those are the very interfaces of a network namespace.
const BRIDGES: [&str; 10] =
    ["docker", "br-", "virbr", "lxcbr", "lxdbr", "podman", "cni", "vmnet", "vboxnet", "kube-bridge"];

fn rank(interface: &Interface) -> Rank {
    let is_link_local = match interface.address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if interface.address.is_loopback() {
        Rank::Loopback
    } else if is_link_local {
        Rank::LinkLocal
    } else if BRIDGES.iter().any(|prefix| interface.name.starts_with(prefix)) {
        Rank::Bridge
    } else {
        Rank::Usual
    }
}

/// The addresses to bind, best first; the ports are 0.
pub(crate) fn addresses(config: &Config) -> Result<Vec<SocketAddr>, Error> {
    if !config.bind_addresses.is_empty() {
        let listed = enumerate().unwrap_or_default();
        let scope = |address| listed.iter().find(|other| other.address == address).map_or(0, |other| other.index);
        return Ok(config.bind_addresses.iter().map(|address| socket_address(*address, scope(*address))).collect());
    }
    let interfaces = enumerate().map_err(|error| Error::io("listing network interfaces", error))?;
    let mut addresses = select(interfaces, config);
    addresses.truncate(config.max_sockets);
    Ok(addresses)
}

/// The pure part: filters and sorts.
fn select(interfaces: Vec<Interface>, config: &Config) -> Vec<SocketAddr> {
    let mut ranked: Vec<_> = interfaces
        .into_iter()
        .filter(is_usable)
        .filter(|interface| config.interface_filter.as_ref().is_none_or(|filter| filter(interface)))
        .map(|interface| (rank(&interface), interface))
        .collect();
    // The sort is stable: among equals the order of the operating system stands.
    ranked.sort_by_key(|(rank, _)| *rank);
    let best = ranked.first().map_or(Rank::Usual, |(rank, _)| *rank);
    ranked
        .into_iter()
        .filter(|(rank, _)| match rank {
            _ if *rank == best => true,
            Rank::Usual => true,
            // A filter of one's own has already decided about these.
            Rank::Bridge => config.interface_filter.is_some(),
            Rank::LinkLocal => config.include_link_local,
            Rank::Loopback => config.include_loopback,
        })
        .map(|(_, interface)| socket_address(interface.address, interface.index))
        .collect()
}

/// Addresses that no candidate may have (RFC 8445, section 5.1.1.1).
fn is_usable(interface: &Interface) -> bool {
    match interface.address {
        IpAddr::V4(address) => !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => {
            let is_site_local = address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0);
            !address.is_unspecified() && !address.is_multicast() && !is_site_local && address.to_ipv4_mapped().is_none()
        }
    }
}

fn socket_address(address: IpAddr, index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => SocketAddr::V4(SocketAddrV4::new(address, 0)),
        IpAddr::V6(address) => {
            let scope = if address.is_unicast_link_local() { index } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(address, 0, 0, scope))
        }
    }
}

/// All addresses of this machine, whether they are used or not.
pub(crate) fn all() -> Vec<Interface> {
    enumerate().unwrap_or_default()
}

/// Whether `source` is this machine, or on a link of one of the addresses that are used: in the subnet of an address of
/// such an interface, or link-local (RFC 6762, section 11).
pub(crate) fn is_on_link(source: IpAddr, interfaces: &[Interface], used: &[IpAddr]) -> bool {
    let is_link_local = match source {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_used = |interface: &Interface| used.contains(&interface.address);
    let shares_link = |one: &Interface, other: &Interface| one.index != 0 && one.index == other.index;
    source.is_loopback()
        || is_link_local
        || used.contains(&source)
        || interfaces.iter().any(|interface| {
            interface.address == source
                || is_neighbour(source, interface)
                    && interfaces.iter().any(|other| {
                        is_used(other) && (shares_link(interface, other) || interface.address == other.address)
                    })
        })
}

/// Whether an address is in the subnet of another.
fn is_neighbour(address: IpAddr, interface: &Interface) -> bool {
    let prefix = u32::from(interface.prefix);
    let (difference, bits) = match (address, interface.address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), 32_u32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    // A prefix of nothing is no subnet: all the world would be in it.
    let host_bits = bits.checked_sub(prefix).filter(|_| prefix > 0);
    host_bits.is_some_and(|host_bits| difference.checked_shr(host_bits).unwrap_or(0) == 0)
}

/// All addresses of interfaces that are not down. Without any (a sandbox may forbid to look) loopback is assumed.
fn enumerate() -> std::io::Result<Vec<Interface>> {
    use if_addrs::IfOperStatus::{Down, LowerLayerDown, NotPresent};
    let mut interfaces: Vec<_> = if_addrs::get_if_addrs()?
        .into_iter()
        // Loopback says "unknown", and so do tunnels: only a clear no counts.
        .filter(|interface| !matches!(interface.oper_status, Down | NotPresent | LowerLayerDown))
        .map(|interface| Interface {
            address: interface.ip(),
            prefix: match &interface.addr {
                if_addrs::IfAddr::V4(v4) => v4.prefixlen,
                if_addrs::IfAddr::V6(v6) => v6.prefixlen,
            },
            index: interface.index.unwrap_or(0),
            name: interface.name,
        })
        .collect();
    if interfaces.is_empty() {
        let loopback = |address, prefix| Interface { name: "lo".to_owned(), address, prefix, index: 0 };
        interfaces.push(loopback(IpAddr::V4(Ipv4Addr::LOCALHOST), 8));
        interfaces.push(loopback(IpAddr::V6(Ipv6Addr::LOCALHOST), 128));
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Interface, is_on_link, select};
    use crate::config::Config;

    fn interfaces(list: &[(&str, &str)]) -> Vec<Interface> {
        let interface = |(index, (name, address)): (usize, &(&str, &str))| Interface {
            name: (*name).to_owned(),
            address: address.parse().unwrap(),
            prefix: if address.contains(':') { 64 } else { 24 },
            index: u32::try_from(index).unwrap() + 1,
        };
        list.iter().enumerate().map(interface).collect()
    }

    fn selected(list: &[(&str, &str)], config: &Config) -> Vec<String> {
        select(interfaces(list), config).iter().map(ToString::to_string).collect()
    }

    const HOST: [(&str, &str); 7] = [
        ("lo", "127.0.0.1"),
        ("lo", "::1"),
        ("docker0", "172.17.0.1"),
        ("eth0", "fe80::1"),
        ("eth0", "192.0.2.1"),
        ("eth0", "2001:db8::1"),
        ("br-0123456789ab", "172.18.0.1"),
    ];

    #[test]
    fn bridges_link_local_and_loopback_are_left_out_where_there_is_better() {
        assert_eq!(selected(&HOST, &Config::default()), ["192.0.2.1:0", "[2001:db8::1]:0"]);
    }

    #[test]
    fn loopback_comes_last_when_asked_for() {
        let config = Config { include_loopback: true, ..Config::default() };
        assert_eq!(selected(&HOST, &config), ["192.0.2.1:0", "[2001:db8::1]:0", "127.0.0.1:0", "[::1]:0"]);
    }

    #[test]
    fn link_local_addresses_carry_their_scope() {
        let config = Config { include_link_local: true, ..Config::default() };
        assert_eq!(selected(&HOST, &config), ["192.0.2.1:0", "[2001:db8::1]:0", "[fe80::1%4]:0"]);
    }

    #[test]
    fn the_best_there_is_is_used_when_nothing_is_good() {
        assert_eq!(selected(&HOST[..2], &Config::default()), ["127.0.0.1:0", "[::1]:0"]);
        assert_eq!(selected(&HOST[..3], &Config::default()), ["172.17.0.1:0"]);
        assert_eq!(selected(&[HOST[0], HOST[3]], &Config::default()), ["[fe80::1%2]:0"]);
    }

    #[test]
    fn ends_of_veth_pairs_are_ordinary_interfaces() {
        assert_eq!(selected(&[("lo", "127.0.0.1"), ("veth0", "10.0.0.2")], &Config::default()), ["10.0.0.2:0"]);
    }

    #[test]
    fn a_filter_decides_about_bridges_too() {
        let filter: super::super::super::config::InterfaceFilter = Arc::new(|interface| interface.name == "docker0");
        let config = Config { interface_filter: Some(filter), ..Config::default() };
        assert_eq!(selected(&HOST, &config), ["172.17.0.1:0"]);
    }

    #[test]
    fn addresses_that_no_candidate_may_have_are_refused() {
        let list = [("eth0", "0.0.0.0"), ("eth0", "224.0.0.1"), ("eth0", "fec0::1"), ("eth0", "::ffff:192.0.2.1")];
        assert!(selected(&list, &Config::default()).is_empty());
    }

    #[test]
    fn neighbours_on_the_links_in_use_are_told_from_the_rest_of_the_world() {
        let mut all = interfaces(&[
            ("lo", "127.0.0.1"),
            ("eth0", "192.0.2.1"),
            ("eth0", "2001:db8:1::1"),
            ("eth1", "198.51.100.1"),
            ("tun0", "203.0.113.1"),
        ]);
        // Both addresses of eth0 are on one link; a tunnel has no subnet to speak of.
        all[2].index = all[1].index;
        all[4].prefix = 0;
        let used = ["192.0.2.1", "203.0.113.1"].map(|address| address.parse().unwrap());
        let is_on_link = |source: &str| is_on_link(source.parse().unwrap(), &all, &used);
        for near in ["192.0.2.1", "192.0.2.254", "2001:db8:1::99", "127.0.0.1", "::1", "169.254.3.4", "fe80::9"] {
            assert!(is_on_link(near), "{near}");
        }
        // Ourselves, by an address that is not used; its neighbours are not on a link that is.
        assert!(is_on_link("198.51.100.1"));
        for far in ["198.51.100.2", "192.0.3.1", "8.8.8.8", "203.0.113.2", "2001:db8:2::1", "2001:db8::1", "::2"] {
            assert!(!is_on_link(far), "{far}");
        }
    }
}
