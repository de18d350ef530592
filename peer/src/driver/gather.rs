//! Gathering: which sockets there are, and whom to ask for one's public address.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Driver;
use super::interfaces;
use super::sockets::Socket;
use crate::config::StunServer;
use crate::connection::Command;
use crate::description::{IceCandidateError, SessionDescription};
use crate::error::Error;
use crate::events::ConnectionEvent;

/// The code of a server that cannot be reached (W3C WebRTC 1.0, section 4.8.2).
const UNREACHABLE: u16 = 701;

/// How often to look for new addresses while there is no path.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// How far gathering is.
pub(super) struct Gathering {
    servers: Vec<StunServer>,
    has_begun: bool,
    /// Names that are being resolved. Dropping this forgets about them.
    lookups: JoinSet<()>,
    pending: usize,
    /// When to look at the interfaces again; none while a path works.
    next_look: Option<Instant>,
}

impl Gathering {
    pub(super) fn new(servers: Vec<StunServer>) -> Self {
        Self { servers, has_begun: false, lookups: JoinSet::new(), pending: 0, next_look: None }
    }

    /// When to look at the interfaces again.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next_look
    }
}

impl Driver {
    pub(crate) fn set_local_description(&mut self, now: Instant, description: SessionDescription) -> Result<(), Error> {
        // Sockets first: if none can be bound there is nothing to describe.
        if self.sockets.locals().next().is_none() {
            self.open_sockets()?;
        }
        self.session.set_local_description(now, description.into())?;
        self.begin_gathering(now);
        Ok(())
    }

    pub(crate) fn restart_ice(&mut self, now: Instant) {
        if self.gathering.has_begun {
            self.update_sockets(now);
        }
        self.session.restart_ice(now);
    }

    /// Binds a socket to each usable address.
    fn open_sockets(&mut self) -> Result<(), Error> {
        let config = &self.shared.config;
        let mut failure = None;
        for address in interfaces::addresses(config)? {
            match Socket::bind(address, &config.ports, config.socket_buffer) {
                Ok(socket) => {
                    tracing::debug!(local = %socket.local(), "socket bound");
                    self.sockets.add(socket);
                }
                // An address that is going or still tentative; the others may do.
                Err(error) => {
                    tracing::debug!(%address, %error, "cannot bind");
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if self.sockets.locals().next().is_none() => Err(Error::io("binding a UDP socket", error)),
            Some(_) | None => Ok(()),
        }
    }

    /// When the path is lost the reason may be that an address is gone, and there may be another one, now or later.
    pub(super) fn watch_interfaces(&mut self, now: Instant, is_path_lost: bool) {
        self.gathering.next_look = is_path_lost.then_some(now);
        self.look_for_addresses(now);
    }

    /// Looks at the interfaces if it is time to, again and again until there is a path.
    pub(super) fn look_for_addresses(&mut self, now: Instant) {
        if self.gathering.next_look.is_some_and(|at| at <= now) {
            self.gathering.next_look = Some(now + LOOK_INTERVAL);
            self.update_sockets(now);
        }
    }

    /// Looks at the interfaces again: sockets for what is new, and none for what is gone.
    pub(super) fn update_sockets(&mut self, now: Instant) {
        let config = &self.shared.config;
        let Ok(addresses) = interfaces::addresses(config) else { return };
        let gone: Vec<SocketAddr> =
            self.sockets.locals().filter(|local| !addresses.iter().any(|address| address.ip() == local.ip())).collect();
        for local in gone {
            tracing::debug!(%local, "address is gone");
            self.session.remove_host(now, local);
            self.sockets.remove(local);
        }
        for address in addresses {
            if self.sockets.locals().any(|local| local.ip() == address.ip()) {
                continue;
            }
            if let Ok(socket) = Socket::bind(address, &config.ports, config.socket_buffer) {
                tracing::debug!(local = %socket.local(), "address is new");
                self.session.add_host(now, socket.local());
                self.sockets.add(socket);
            }
        }
    }

    /// Makes candidates of the sockets, and asks the STUN servers, whose names are resolved meanwhile.
    fn begin_gathering(&mut self, now: Instant) {
        if self.gathering.has_begun {
            return;
        }
        self.gathering.has_begun = true;
        for local in self.sockets.locals() {
            self.session.add_host(now, local);
        }
        let limit = self.shared.config.gathering_timeout;
        for server in self.gathering.servers.clone() {
            let shared = self.shared.clone();
            self.gathering.pending += 1;
            self.gathering.lookups.spawn(async move {
                let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
                let result = match tokio::time::timeout(limit, lookup).await {
                    Ok(Ok(addresses)) => Ok(addresses.collect()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("resolving the name took too long".to_owned()),
                };
                let command: Command = Box::new(move |driver, now| driver.handle_lookup(now, server, result));
                shared.command(command).await;
            });
        }
        self.end_of_hosts(now);
    }

    fn handle_lookup(&mut self, now: Instant, server: StunServer, result: Result<Vec<SocketAddr>, String>) {
        self.gathering.pending = self.gathering.pending.saturating_sub(1);
        match result {
            Ok(addresses) => {
                // One address of each family is asked: more of the same server say the same.
                let v4 = addresses.iter().find(|address| address.is_ipv4());
                let v6 = addresses.iter().find(|address| address.is_ipv6());
                for address in v4.into_iter().chain(v6) {
                    self.session.add_stun_server(now, *address);
                }
            }
            Err(text) => {
                tracing::debug!(url = server.url, text, "STUN server not found");
                let error = IceCandidateError { url: server.url, address: None, code: UNREACHABLE, text };
                self.shared.emit(&ConnectionEvent::IceCandidateError(error));
            }
        }
        self.end_of_hosts(now);
        self.handle_events(now);
    }

    /// Gathering can end once every server is known.
    fn end_of_hosts(&mut self, now: Instant) {
        if self.gathering.pending == 0 {
            self.session.end_of_hosts(now);
        }
    }
}
