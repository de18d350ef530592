//! The peer connection, as the application holds it: the W3C interface in Rust clothes.

mod media;
mod registry;
mod shared;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

pub(crate) use self::shared::{Command, Ended, Handle, Shared};
use crate::channel::{ChannelOptions, DataChannel};
use crate::config::Config;
use crate::description::{
    DtlsTransportState, IceCandidate, IceConnectionState, IceGatheringState, PeerConnectionState, SctpTransportState,
    SessionDescription, SignalingState,
};
use crate::driver::Driver;
use crate::error::Error;
use crate::events::{ConnectionEvent, ConnectionEventKind, Events, Listener};
use crate::stats::{Stats, StatsReport};
use crate::sync::lock;

/// How many calls may wait for the driver; further ones wait for a place.
const COMMANDS: usize = 32;

/// How an offer is made (`RTCOfferOptions`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferOptions {
    /// The offer restarts ICE: new credentials, and a new search for a path while the old one carries on.
    pub ice_restart: bool,
}

/// A connection to one peer. Clones are handles to the same connection, and may be used from any task or thread.
///
/// When the last handle to it and to its channels is dropped it closes in the background: what was accepted for
/// sending is delivered first, within [`Config::close_timeout`].
#[derive(Clone)]
pub struct PeerConnection {
    handle: Arc<Handle>,
}

impl PeerConnection {
    /// A connection that knows nothing of its peer yet. Its task runs on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::NoRuntime`], [`Error::Config`], [`Error::Identity`].
    pub fn new(config: Config) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let (sender, commands) = mpsc::channel(COMMANDS);
        let shared = Arc::new(Shared::new(config, sender));
        let handle = Arc::new(Handle { shared: shared.clone() });
        let driver = Driver::new(shared, Arc::downgrade(&handle), commands)?;
        runtime.spawn(Box::new(driver).run());
        Ok(Self { handle })
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Has the driver do something, and waits for the answer.
    async fn call<T, F>(&self, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Driver, Instant) -> T + Send + 'static,
    {
        self.shared().call(f).await
    }

    /// Makes an offer of all that is wanted by now (RFC 8829, section 5.2). Nothing changes until it is given to
    /// [`PeerConnection::set_local_description`].
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] when the state of the exchange does not allow it.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, Error> {
        let offer = self
            .call(move |driver, now| {
                let options = session::OfferOptions { ice_restart: options.ice_restart };
                driver.session.create_offer(now, options)
            })
            .await??;
        Ok(offer.into())
    }

    /// Makes the answer to the offer that was set (RFC 8829, section 5.3).
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] when there is no offer to answer.
    pub async fn create_answer(&self) -> Result<SessionDescription, Error> {
        Ok(self.call(|driver, now| driver.session.create_answer(now)).await??.into())
    }

    /// Makes a description that was created here the local one, and begins to gather candidates (RFC 8829, section
    /// 5.5). Candidates follow as [`ConnectionEvent::IceCandidate`]; [`PeerConnection::gathered`] waits for all.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] says what does not fit; [`Error::Io`] when no socket could be bound.
    pub async fn set_local_description(&self, description: SessionDescription) -> Result<(), Error> {
        self.call(move |driver, now| driver.set_local_description(now, description)).await?
    }

    /// Hears the peer's description (RFC 8829, section 5.6). One that cannot be used changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] names the line that cannot be understood, or says what does not fit.
    pub async fn set_remote_description(&self, description: SessionDescription) -> Result<(), Error> {
        self.call(move |driver, now| driver.set_remote_description(now, description)).await?
    }

    /// The local description with all candidates known by now; `None` before one was set, and after the end.
    pub async fn local_description(&self) -> Option<SessionDescription> {
        let description = self.call(|driver, _| driver.session.local_description()).await;
        description.ok().flatten().map(SessionDescription::from)
    }

    /// The description of the peer; `None` before one was set, and after the end.
    pub async fn remote_description(&self) -> Option<SessionDescription> {
        let description = self.call(|driver, _| driver.session.remote_description()).await;
        description.ok().flatten().map(SessionDescription::from)
    }

    /// Waits until all local candidates are known, or [`Config::gathering_timeout`] has passed, and returns the local
    /// description with those that are.
    ///
    /// # Errors
    ///
    /// The connection closed, or there is no local description.
    pub async fn gathered(&self) -> Result<SessionDescription, Error> {
        if self.call(|driver, _| driver.session.local_description().is_none()).await? {
            return Err(Error::NoLocalDescription);
        }
        let mut gathering = self.watch_ice_gathering_state();
        let all = gathering.wait_for(|state| *state == IceGatheringState::Complete);
        // At the deadline the description is as complete as it gets.
        let _ = tokio::time::timeout(self.shared().config.gathering_timeout, all).await;
        let description = self.call(|driver, _| driver.session.local_description()).await?;
        description.map(SessionDescription::from).ok_or(Error::NoLocalDescription)
    }

    /// Hears a candidate of the peer (RFC 8838). One that comes before the peer's description waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Negotiation`] when it is none, or belongs to nothing that was described.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), Error> {
        Ok(self.call(move |driver, now| driver.session.add_ice_candidate(now, candidate.into())).await??)
    }

    /// Looks at the network interfaces again, and makes the next offer restart ICE. `negotiationneeded` follows;
    /// data flows on meanwhile, as long as the old path works.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn restart_ice(&self) -> Result<(), Error> {
        self.call(|driver, now| driver.restart_ice(now)).await
    }

    /// Makes a data channel. It opens when the connection does; `negotiationneeded` follows if it is the first one.
    ///
    /// # Errors
    ///
    /// [`Error::Channel`] says what contradicts itself; [`Error::ConnectionClosed`].
    pub fn create_data_channel(&self, label: impl Into<String>, options: ChannelOptions) -> Result<DataChannel, Error> {
        let (shared, label) = (self.shared(), label.into());
        check_channel(&label, &options)?;
        let channel = {
            let mut registry = lock(&shared.registry);
            if registry.ended {
                drop(registry);
                return Err(shared.closed_error());
            }
            if registry.len() >= shared.config.max_channels {
                let limit = shared.config.max_channels;
                return Err(Error::Channel(format!(
                    "{limit} channels exist, as many as `Config::max_channels` allows"
                )));
            }
            if let Some(id) = options.negotiated
                && registry.iter().any(|other| other.options.negotiated == Some(id))
            {
                return Err(Error::Channel(format!("the id {id} is in use by another negotiated channel")));
            }
            let channel = shared.new_channel(label, options);
            registry.insert(&channel);
            channel
        };
        channel.mark();
        Ok(DataChannel { channel, handle: self.handle.clone() })
    }

    /// The next data channel that the peer opens, or has opened and nobody accepted yet.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn accept_data_channel(&self) -> Result<DataChannel, Error> {
        let channel = poll_fn(|cx| {
            let mut registry = lock(&self.shared().registry);
            match registry.accept() {
                Some(channel) => Poll::Ready(Some(channel)),
                None if registry.ended => Poll::Ready(None),
                None => {
                    registry.acceptors.register(cx.waker());
                    Poll::Pending
                }
            }
        });
        match channel.await {
            Some(channel) => Ok(DataChannel { channel, handle: self.handle.clone() }),
            None => Err(self.shared().closed_error()),
        }
    }

    /// The channel with this label that was made first, by either side, and is not closed.
    pub fn data_channel(&self, label: &str) -> Option<DataChannel> {
        let channel = lock(&self.shared().registry).iter().find(|channel| channel.label == label).cloned();
        channel.map(|channel| DataChannel { channel, handle: self.handle.clone() })
    }

    /// All channels that are not closed, in the order in which they were made.
    pub fn data_channels(&self) -> Vec<DataChannel> {
        let channels = self.shared().channels();
        channels.into_iter().map(|channel| DataChannel { channel, handle: self.handle.clone() }).collect()
    }

    /// Statistics in the shape of the W3C (`getStats`), which serde turns into the JSON of a browser's report. They are
    /// put together when asked for.
    ///
    /// ```
    /// # use visavis::{Config, Initiator, PeerConnection, Receiver, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = || Config { include_loopback: true, ..Config::default() };
    /// # let (initiator, receiver) = (Initiator::new(config())?, Receiver::new(config())?);
    /// # let answer = receiver.process_offer(initiator.create_data_channel_offer("numbers").await?).await?;
    /// # initiator.process_answer(answer).await?;
    /// # let connection: &PeerConnection = initiator.peer_connection();
    /// # connection.connected().await?;
    /// let report = connection.stats_report().await?;
    /// let pair = report.selected_candidate_pair().expect("the connection is made");
    /// println!("{} bytes sent, {:?} s there and back", pair.bytes_sent, pair.current_round_trip_time);
    /// println!("{}", serde_json::to_string_pretty(&report)?); // {"peer-connection": {"type": "peer-connection", …
    /// # assert!(pair.bytes_sent > 0 && pair.current_round_trip_time.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn stats_report(&self) -> Result<StatsReport, Error> {
        self.call(|driver, now| driver.stats_report(now)).await
    }

    /// What was counted and measured of the machine's part: sockets, drops, protocols.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.call(|driver, _| driver.stats()).await
    }

    /// Calls `listener` at each event of this kind, as [`crate::event::DATA_CHANNEL`] or
    /// [`crate::event::CONNECTION_STATE_CHANGE`]. Any number may be added; they are called in that order.
    ///
    /// Listeners run on the connection's own task and must not block. A listener that holds a handle keeps the
    /// connection alive until it is closed by either side or the listener is removed.
    pub fn add_event_listener<P: 'static>(
        &self,
        kind: ConnectionEventKind<P>,
        mut listener: impl FnMut(&P) + Send + 'static,
    ) -> Listener {
        let select = kind.select;
        let added = self.shared().listeners.add(move |event| {
            if let Some(payload) = select(event) {
                listener(payload);
            }
        });
        if self.shared().ended.value().is_some() {
            self.shared().listeners.clear();
        }
        added
    }

    /// All events as they happen from now on.
    pub fn events(&self) -> Events<ConnectionEvent> {
        self.shared().subscribers.subscribe()
    }

    /// Waits until the peer can be talked to.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionFailed`] when no path was found or the peer is not who its description says;
    /// [`Error::ConnectionClosed`].
    pub async fn connected(&self) -> Result<(), Error> {
        let mut states = self.watch_connection_state();
        let decided = states.wait_for(|state| {
            use PeerConnectionState::{Closed, Connected, Failed};
            matches!(state, Connected | Failed | Closed)
        });
        match decided.await.map(|state| *state) {
            Ok(PeerConnectionState::Connected) => Ok(()),
            Ok(PeerConnectionState::Failed) => Err(Error::ConnectionFailed),
            Ok(_) | Err(_) => Err(self.shared().closed_error()),
        }
    }

    /// Waits until the connection is closed, by whichever side.
    pub async fn closed(&self) {
        // The sender lives in what this handle shares, so waiting cannot fail.
        let _ = self.shared().ended.subscribe().wait_for(Option::is_some).await;
    }

    /// Closes the connection: what was accepted is delivered, the peer is told, sockets are released. Closing begins
    /// at once, whether or not the result is awaited. `Ok` says that the peer's SCTP has acknowledged every message that
    /// was accepted on any channel and not given up as its reliability asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`] when the peer did not take everything within [`Config::close_timeout`].
    pub fn close(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.shared().signal.close();
        let this = self.clone();
        async move {
            this.closed().await;
            let ended = this.shared().ended.value();
            ended.map_or(Ok(()), |ended| ended.lost.into_result())
        }
    }

    /// Where the exchange of descriptions stands.
    pub fn signaling_state(&self) -> SignalingState {
        self.shared().states.signaling.value()
    }

    /// Whether local candidates are still being found.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.shared().states.gathering.value()
    }

    /// Whether the peer can be reached.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.shared().states.ice.value()
    }

    /// How far the two are in agreeing on keys.
    pub fn dtls_state(&self) -> DtlsTransportState {
        self.shared().states.dtls.value()
    }

    /// How far the association is that carries data channels; `None` before both sides want any.
    pub fn sctp_state(&self) -> Option<SctpTransportState> {
        self.shared().states.sctp.value()
    }

    /// The largest message that the peer accepts, in bytes, once its description is known; `usize::MAX` for any size.
    pub fn max_message_size(&self) -> usize {
        self.shared().max_message.load(Ordering::Relaxed)
    }

    /// The state of everything together.
    pub fn connection_state(&self) -> PeerConnectionState {
        self.shared().states.connection.value()
    }

    /// The signaling state, to be watched: only the latest value is seen.
    pub fn watch_signaling_state(&self) -> watch::Receiver<SignalingState> {
        self.shared().states.signaling.subscribe()
    }

    /// The gathering state, to be watched.
    pub fn watch_ice_gathering_state(&self) -> watch::Receiver<IceGatheringState> {
        self.shared().states.gathering.subscribe()
    }

    /// The state of ICE, to be watched.
    pub fn watch_ice_connection_state(&self) -> watch::Receiver<IceConnectionState> {
        self.shared().states.ice.subscribe()
    }

    /// The state of DTLS, to be watched.
    pub fn watch_dtls_state(&self) -> watch::Receiver<DtlsTransportState> {
        self.shared().states.dtls.subscribe()
    }

    /// The state of SCTP, to be watched.
    pub fn watch_sctp_state(&self) -> watch::Receiver<Option<SctpTransportState>> {
        self.shared().states.sctp.subscribe()
    }

    /// The state of everything together, to be watched.
    pub fn watch_connection_state(&self) -> watch::Receiver<PeerConnectionState> {
        self.shared().states.connection.subscribe()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared().config
    }
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection")
            .field("connection_state", &self.connection_state())
            .field("signaling_state", &self.signaling_state())
            .finish_non_exhaustive()
    }
}

/// What the W3C interface refuses (WebRTC 1.0, section 6.1, `createDataChannel`).
fn check_channel(label: &str, options: &ChannelOptions) -> Result<(), Error> {
    let problem = |what: &str| Err(Error::Channel(what.to_owned()));
    let limit = usize::from(u16::MAX);
    if label.len() > limit || options.protocol.len() > limit {
        return problem("label and protocol take at most 65535 bytes of UTF-8 each");
    }
    if options.max_retransmits.is_some() && options.max_packet_life_time.is_some() {
        return problem("set `max_retransmits` or `max_packet_life_time`, not both");
    }
    if options.max_packet_life_time.is_some_and(|time| time > Duration::from_millis(u64::from(u16::MAX))) {
        return problem("`max_packet_life_time` is at most 65535 ms");
    }
    if options.negotiated == Some(u16::MAX) {
        return problem("a negotiated id is from 0 to 65534");
    }
    Ok(())
}
