//! The connection and its data channels.

use super::entry::dictionary;

dictionary! {
    /// The connection (`RTCPeerConnectionStats`).
    PeerConnectionStats {
        /// Data channels that have been open.
        data_channels_opened: u64,
        /// How many of these are so no longer.
        data_channels_closed: u64,
        ..
    }
}

dictionary! {
    /// A data channel (`RTCDataChannelStats`).
    DataChannelStats {
        /// Its name.
        label: String,
        /// The protocol spoken on it; empty if unspecified.
        protocol: String,
        /// `connecting`, `open` or `closing`.
        state: &'static str,
        /// Messages that were accepted for sending.
        messages_sent: u64,
        /// Their bytes.
        bytes_sent: u64,
        /// Messages that arrived.
        messages_received: u64,
        /// Their bytes.
        bytes_received: u64,
        ..
        /// The stream it goes over, once assigned.
        data_channel_identifier: u16,
    }
}
