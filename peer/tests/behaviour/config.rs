//! Settings that concern the outside world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use visavis::{Config, ConnectionEvent, Error, Identity, Initiator};

use crate::support::{Pair, config, recv, within};

#[tokio::test]
async fn dead_and_unknown_stun_servers_do_no_harm() {
    // It is bound, so that nobody answers for it, and stays silent.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let servers = vec![
        format!("stun:{}", silent.local_addr().unwrap()),
        "stun:no-such-host.invalid".to_owned(),
        "stun:127.0.0.1:9".to_owned(),
    ];
    let timeout = Duration::from_millis(300);
    let config = Config { ice_servers: servers, gathering_timeout: timeout, ..config() };
    let initiator = Initiator::new(config.clone()).unwrap();
    let mut events = initiator.peer_connection().events();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    assert_eq!(offer.sdp.matches("a=candidate:").count(), 1, "{}", offer.sdp);
    let unknown = within(async {
        loop {
            if let ConnectionEvent::IceCandidateError(error) = events.next().await.unwrap()
                && error.url.contains("invalid")
            {
                break error;
            }
        }
    })
    .await;
    assert!(!unknown.text.is_empty());
    let pair = Pair::with(config).await;
    within(pair.here.send("nevertheless")).await.unwrap();
    assert_eq!(recv(&pair.there).await.as_text(), Some("nevertheless"));
}

#[tokio::test]
async fn urls_that_are_none_are_refused() {
    let config = Config { ice_servers: vec!["http://example.org".into()], ..config() };
    let error = Initiator::new(config).unwrap_err();
    assert!(matches!(error, Error::Config(_)));
    assert!(error.to_string().contains("http://example.org"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    let ports = 2000..=1000;
    let error = Initiator::new(Config { ports, ..config() }).unwrap_err();
    assert!(error.to_string().contains("`ports` is empty: 2000..=1000"), "{error}");
    let error = Initiator::new(Config { mtu: 100, ..config() }).unwrap_err();
    assert!(error.to_string().contains("`mtu` is 100"), "{error}");
}

#[tokio::test]
async fn sockets_keep_to_their_ports() {
    // A stretch of ports that is probably free; whatever is taken is stepped over.
    let ports = 42_600..=42_699;
    let pair = Pair::with(Config { ports: ports.clone(), ..config() }).await;
    for connection in pair.connections() {
        for socket in connection.stats().await.unwrap().sockets {
            assert!(ports.contains(&socket.local.port()), "{socket:?}");
        }
    }
}

#[tokio::test]
async fn without_a_free_port_the_error_says_what_was_tried() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let initiator = Initiator::new(Config { ports: port..=port, ..config() }).unwrap();
    let error = within(initiator.create_data_channel_offer("channel")).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("binding a UDP socket"), "{error}");
}

#[tokio::test]
async fn the_interfaces_of_this_machine_serve() {
    // Whatever this machine has: at the least, loopback.
    for config in [
        Config::default(),
        Config { include_loopback: true, ..Config::default() },
        Config { interface_filter: Some(Arc::new(|interface| interface.address.is_loopback())), ..Config::default() },
    ] {
        let pair = Pair::with(config).await;
        within(pair.here.send("over")).await.unwrap();
        assert_eq!(recv(&pair.there).await.as_text(), Some("over"));
    }
}

#[tokio::test]
async fn ipv6_works_where_there_is_any() {
    let Ok(_probe) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        eprintln!("no IPv6 on this machine: nothing to show");
        return;
    };
    let pair = Pair::with(Config { bind_addresses: vec![IpAddr::V6(Ipv6Addr::LOCALHOST)], ..config() }).await;
    within(pair.here.send("six")).await.unwrap();
    assert_eq!(recv(&pair.there).await.as_text(), Some("six"));
}

#[tokio::test]
async fn stats_tell_what_the_system_granted_and_what_went_through() {
    let pair = Pair::with(Config { socket_buffer: 64 << 10, ..config() }).await;
    within(pair.here.send("counted")).await.unwrap();
    recv(&pair.there).await;
    let stats = pair.initiator.peer_connection().stats().await.unwrap();
    let [socket] = stats.sockets.as_slice() else { panic!("{stats:?}") };
    assert_eq!(socket.local.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert!(socket.receive_buffer >= 64 << 10 && socket.send_buffer >= 64 << 10, "{socket:?}");
    let counters = socket.counters;
    assert!(counters.datagrams_sent > 0 && counters.bytes_sent > counters.datagrams_sent, "{counters:?}");
    assert!(counters.datagrams_received > 0 && counters.receives > 0, "{counters:?}");
    assert_eq!((counters.send_errors, counters.receive_errors), (0, 0), "{counters:?}");
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_used() {
    let identity = Identity::generate().unwrap();
    let offer = |identity: Identity| async move {
        let initiator = Initiator::new(Config { identity: Some(identity), ..config() }).unwrap();
        within(initiator.create_data_channel_offer("channel")).await.unwrap().sdp
    };
    let fingerprint = |sdp: &str| sdp.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap().to_owned();
    let (first, second) = (offer(identity.clone()).await, offer(identity).await);
    assert_eq!(fingerprint(&first), fingerprint(&second));
    let other = offer(Identity::generate().unwrap()).await;
    assert_ne!(fingerprint(&first), fingerprint(&other));
}
