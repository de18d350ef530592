use std::collections::{BTreeMap, BTreeSet};

use crate::channel::Reset;
use crate::{ChannelId, Dialect};

/// The role in the DTLS handshake below, which decides who uses which stream identifiers (RFC 8832, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opens channels on even stream identifiers.
    Client,
    /// Opens channels on odd stream identifiers.
    Server,
}

impl Role {
    const fn parity(self) -> u16 {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }

    /// Whether this side opens channels on `stream`.
    pub const fn opens(self, stream: u16) -> bool {
        stream % 2 == self.parity()
    }
}

/// The highest stream identifier of a channel: 65,535 streams are numbered from 0, and the last is reserved.
pub(crate) const HIGHEST: u16 = 65_534;

/// Which stream belongs to which channel, and which are between two uses.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    channels: BTreeMap<u16, ChannelId>,
    /// Streams that are being reset and that no channel has: how far either direction is, ours first.
    resetting: BTreeMap<u16, (Reset, Reset)>,
    /// Identifiers that were given out and came back, below `next`.
    released: BTreeSet<u16>,
    /// The lowest identifier of our parity that was never given out; beyond `HIGHEST` when none is left.
    next: u32,
    role: Option<Role>,
    dialect: Dialect,
}

impl Streams {
    pub(crate) const fn role(&self) -> Option<Role> {
        self.role
    }

    pub(crate) fn set_role(&mut self, role: Role, dialect: Dialect) {
        self.role = Some(role);
        self.dialect = dialect;
        self.next = match dialect {
            Dialect::Rfc8832 => u32::from(role.parity()),
            Dialect::Draft2012 => 1,
        };
    }

    /// Whether this side is to open channels on `stream`.
    pub(crate) fn is_ours(&self, stream: u16) -> bool {
        match self.dialect {
            Dialect::Rfc8832 => self.role.is_some_and(|role| role.opens(stream)),
            Dialect::Draft2012 => true,
        }
    }

    /// Whether the peer may open channels on `stream`. Before the role is known, anything may be.
    pub(crate) fn is_theirs(&self, stream: u16) -> bool {
        let is_theirs = match self.dialect {
            Dialect::Rfc8832 => self.role.is_none_or(|role| !role.opens(stream)),
            Dialect::Draft2012 => true,
        };
        stream <= HIGHEST && is_theirs
    }

    pub(crate) fn channel(&self, stream: u16) -> Option<ChannelId> {
        self.channels.get(&stream).copied()
    }

    /// Whether a channel uses the stream or a reset of it is under way.
    pub(crate) fn is_used(&self, stream: u16) -> bool {
        self.channels.contains_key(&stream) || self.resetting.contains_key(&stream)
    }

    /// Gives `stream` to `channel`.
    pub(crate) fn assign(&mut self, stream: u16, channel: ChannelId) {
        self.channels.insert(stream, channel);
    }

    /// Gives the lowest free identifier of our parity to `channel`.
    pub(crate) fn allocate(&mut self, channel: ChannelId) -> Option<u16> {
        self.role?;
        let stream = loop {
            let stream = self.next_free()?;
            if !self.is_used(stream) {
                break stream;
            }
            // Taken by a negotiated channel, whose end will release it.
        };
        self.assign(stream, channel);
        Some(stream)
    }

    fn next_free(&mut self) -> Option<u16> {
        if let Some(stream) = self.released.pop_first() {
            return Some(stream);
        }
        let stream = u16::try_from(self.next).ok().filter(|stream| *stream <= HIGHEST)?;
        self.next += match self.dialect {
            Dialect::Rfc8832 => 2,
            Dialect::Draft2012 => 1,
        };
        Some(stream)
    }

    /// Takes `stream` from its channel; the identifier can be used again.
    pub(crate) fn release(&mut self, stream: u16) {
        self.channels.remove(&stream);
        self.resetting.remove(&stream);
        if self.is_ours(stream) && u32::from(stream) < self.next {
            self.released.insert(stream);
        }
    }

    /// How far the resets of a stream without a channel are, if any is under way.
    pub(crate) fn resetting(&mut self, stream: u16) -> Option<&mut (Reset, Reset)> {
        self.resetting.get_mut(&stream)
    }

    pub(crate) fn set_resetting(&mut self, stream: u16, outgoing: Reset, incoming: Reset) {
        self.resetting.insert(stream, (outgoing, incoming));
    }

    /// Takes `stream` from its channel and gives it to nobody any more.
    pub(crate) fn retire(&mut self, stream: u16) {
        self.channels.remove(&stream);
        self.resetting.insert(stream, (Reset::Requested, Reset::Requested));
    }

    /// Forgets all use, as after a restart of the association.
    pub(crate) fn clear(&mut self) {
        self.channels.clear();
        self.resetting.clear();
        self.released.clear();
        if let Some(role) = self.role {
            self.set_role(role, self.dialect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_counts_even_and_the_server_odd() {
        for (role, first) in [(Role::Client, 0), (Role::Server, 1)] {
            let mut streams = Streams::default();
            assert_eq!(streams.allocate(ChannelId(0)), None);
            streams.set_role(role, Dialect::Rfc8832);
            let given: Vec<u16> = (0..4).filter_map(|n| streams.allocate(ChannelId(n))).collect();
            assert_eq!(given, [first, first + 2, first + 4, first + 6]);
            assert!(given.iter().all(|stream| role.opens(*stream)));
        }
    }

    #[test]
    fn all_identifiers_but_the_last_are_given_out() {
        let mut streams = Streams::default();
        streams.set_role(Role::Client, Dialect::Rfc8832);
        let count = std::iter::from_fn(|| streams.allocate(ChannelId(0))).count();
        assert_eq!(count, 32_768);
        assert_eq!((streams.channel(65_534), streams.channel(65_535)), (Some(ChannelId(0)), None));
        streams.release(7000);
        assert_eq!((streams.allocate(ChannelId(1)), streams.allocate(ChannelId(2))), (Some(7000), None));
        streams.clear();
        assert_eq!(streams.allocate(ChannelId(3)), Some(0));

        let mut streams = Streams::default();
        streams.set_role(Role::Server, Dialect::Rfc8832);
        assert_eq!(std::iter::from_fn(|| streams.allocate(ChannelId(0))).count(), 32_767);
        assert_eq!((streams.channel(65_533), streams.channel(65_535)), (Some(ChannelId(0)), None));
    }

    #[test]
    fn the_lowest_free_one_is_given_and_negotiated_ones_are_passed_over() {
        let mut streams = Streams::default();
        streams.assign(2, ChannelId(9));
        streams.set_role(Role::Client, Dialect::Rfc8832);
        assert_eq!((streams.allocate(ChannelId(0)), streams.allocate(ChannelId(1))), (Some(0), Some(4)));
        streams.set_resetting(0, Reset::Requested, Reset::No);
        streams.release(4);
        streams.release(2);
        assert_eq!((streams.allocate(ChannelId(2)), streams.allocate(ChannelId(3))), (Some(2), Some(4)));
        streams.release(3); // the peer's
        assert_eq!(streams.allocate(ChannelId(4)), Some(6));
    }
}
