//! The task behind a connection: it owns the session, the sockets and the timer.
//!
//! Each turn reads what came, does what was asked for, tells what happened, and sends what is to be sent; then the
//! task waits for any of these. Nothing is allocated and no channel crossed per packet.

mod attention;
mod backlog;
mod channels;
mod gather;
pub(crate) mod interfaces;
mod io;
mod mdns;
mod media;
pub(crate) mod sockets;
mod transmit;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use session::{DtlsState, Event, Session};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use self::attention::Attention;
use self::backlog::Backlog;
use self::channels::Channels;
use self::gather::Gathering;
use self::mdns::Mdns;
use self::media::Tracks;
use self::sockets::Sockets;
use crate::channel::{Channel, DataChannel, Lost};
use crate::connection::{Command, Ended, Handle, Shared};
use crate::description::{CandidatePair, IceCandidate, IceCandidateError, IceConnectionState, SessionDescription};
use crate::error::Error;
use crate::events::ConnectionEvent;
use crate::stats::{Stats, StatsReport};

/// How many commands one turn obeys before the network has its turn.
const COMMANDS_PER_TURN: usize = 16;

/// After so many turns without a pause other tasks of the same thread have theirs.
const BUSY_TURNS: u32 = 4;

/// The task behind a connection.
pub(crate) struct Driver {
    pub(crate) session: Session,
    shared: Arc<Shared>,
    /// Weak, or else the connection would keep itself alive.
    handle: Weak<Handle>,
    commands: mpsc::Receiver<Command>,
    /// The command that ended the wait.
    next_command: Option<Command>,
    dirty: Vec<Arc<Channel>>,
    sockets: Sockets,
    channels: Channels,
    tracks: Tracks,
    gathering: Gathering,
    mdns: Mdns,
    /// What sockets had no room for.
    backlog: Backlog,
    /// There was more to send or to read than one turn takes.
    is_busy: bool,
    /// A state has changed in this turn, so that memory may be free.
    has_advanced: bool,
    timer: Pin<Box<Sleep>>,
    attention: Attention,
    life: Life,
    /// Why it ended, if nobody here asked for it.
    reason: Option<Arc<str>>,
    /// What channels are told of that, unless the peer has closed in good order.
    failure: Option<Error>,
    /// What channels that closed could not deliver.
    lost: Lost,
    has_finished: bool,
}

/// Where the connection stands between its making and its end.
///
/// ```text
/// Open --close()--> Flushing --all is with SCTP--> Closing --delivered, goodbye said--> (ended)
///   |                   |                             |                                   ^
///   |                   +---------- deadline ---------+-----------------------------------+
///   +--------- the peer closed, or DTLS failed -------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// What was accepted is on its way from the channels' queues to the session.
    Flushing {
        deadline: Instant,
    },
    /// The session delivers it and says goodbye.
    Closing {
        deadline: Instant,
    },
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: Weak<Handle>,
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, Error> {
        let now = Instant::now();
        let session = Session::new(shared.config.session()?, now, rand::random());
        Ok(Self {
            session,
            handle,
            commands,
            next_command: None,
            dirty: Vec::new(),
            sockets: Sockets::default(),
            channels: Channels::default(),
            tracks: Tracks::default(),
            gathering: Gathering::new(shared.config.stun_servers()?),
            mdns: Mdns::default(),
            backlog: Backlog::default(),
            is_busy: false,
            has_advanced: false,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            attention: Attention::new(shared.config.busy_wait),
            life: Life::Open,
            reason: None,
            failure: None,
            lost: Lost::default(),
            has_finished: false,
            shared,
        })
    }

    /// Runs until the connection has ended.
    ///
    /// Boxed, or else the task would hold the driver twice: as it was given, and as it runs.
    pub(crate) async fn run(mut self: Box<Self>) {
        let mut busy = 0;
        while !self.turn(Instant::now()) {
            if self.is_busy && busy < BUSY_TURNS {
                busy += 1;
                continue;
            }
            if self.is_busy {
                tokio::task::yield_now().await;
            }
            busy = 0;
            self.wait().await;
        }
        self.finish(Instant::now());
    }

    /// Until there is something to do. Others have their turn while it looks for that.
    async fn wait(&mut self) {
        let mut now = Instant::now();
        if let Some(until) = self.attention.begin(now) {
            while now < until {
                if poll_fn(|cx| Poll::Ready(self.poll_wait(cx))).await.is_ready() {
                    return self.attention.found();
                }
                tokio::task::yield_now().await;
                now = Instant::now();
            }
            self.attention.in_vain();
        }
        poll_fn(|cx| self.poll_wait(cx)).await;
        self.attention.slept(now.elapsed());
    }

    /// One turn. Returns whether the connection has ended.
    fn turn(&mut self, now: Instant) -> bool {
        self.is_busy = false;
        let (session, attention) = (&mut self.session, &mut self.attention);
        self.sockets.drain(|local, remote, datagram| {
            attention.count(datagram.len());
            session.handle_datagram(now, local, remote, datagram);
        });
        self.advance_mdns(now);
        self.look_for_addresses(now);
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        self.handle_commands(now);
        self.handle_signal(now);
        self.handle_events(now);
        self.deliver(now);
        self.flush_outboxes(now);
        self.advance_close(now);
        self.handle_events(now);
        self.channels.end_receipts();
        self.transmit(now);
        if std::mem::take(&mut self.has_advanced) {
            // What it took to get here is no longer needed, and most connections are idle most of the time.
            self.session.shrink_to_fit();
        }
        self.has_ended(now)
    }

    /// Whether nothing is left to do. The last words wait for a socket that has no room, but not beyond the deadline.
    fn has_ended(&self, now: Instant) -> bool {
        let is_waiting = !self.backlog.is_empty();
        (self.session.is_closed() && !is_waiting) || (self.is_late(now) && is_waiting)
    }

    fn handle_commands(&mut self, now: Instant) {
        for _ in 0..COMMANDS_PER_TURN {
            let Some(command) = self.next_command.take().or_else(|| self.commands.try_recv().ok()) else { return };
            // A channel that was created before this command must be known to it.
            self.handle_signal(now);
            command(self, now);
        }
        self.is_busy = true;
    }

    /// Looks at the channels that handles have marked, and whether all handles are gone.
    fn handle_signal(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        let close = self.shared.signal.take(&mut dirty);
        for channel in dirty.drain(..) {
            self.attend(now, &channel);
        }
        self.dirty = dirty;
        if close && self.life == Life::Open {
            tracing::debug!("closing");
            self.life = Life::Flushing { deadline: now + self.shared.config.close_timeout };
            // Of channels that closed earlier others have been told.
            self.lost = Lost::default();
            for channel in self.shared.channels() {
                channel.set_closing();
                self.attend(now, &channel);
            }
        }
    }

    /// Moves a close onwards when what comes before is done, or the time is up.
    fn advance_close(&mut self, now: Instant) {
        match self.life {
            Life::Open => {}
            Life::Flushing { deadline } if self.channels.is_flushed() || self.is_late(now) => {
                self.life = Life::Closing { deadline };
                self.session.close(now);
            }
            Life::Closing { .. } if self.is_late(now) && !self.session.is_closed() => self.session.abort(now),
            Life::Flushing { .. } | Life::Closing { .. } => {}
        }
    }

    /// Whether closing has taken too long, and is now done by force.
    fn is_late(&self, now: Instant) -> bool {
        match self.life {
            Life::Open => false,
            Life::Flushing { deadline } | Life::Closing { deadline } => now >= deadline,
        }
    }

    /// Tells what happened. Called wherever something may have, for it does nothing when nothing has.
    pub(crate) fn handle_events(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            self.handle_event(now, event);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        let states = &self.shared.states;
        let event = match event {
            Event::NegotiationNeeded => ConnectionEvent::NegotiationNeeded,
            Event::SignalingState(state) => {
                states.signaling.set(state);
                ConnectionEvent::SignalingStateChange(state)
            }
            Event::IceGatheringState(state) => {
                states.gathering.set(state);
                ConnectionEvent::IceGatheringStateChange(state)
            }
            Event::IceConnectionState(state) => {
                states.ice.set(state);
                let is_path_lost = matches!(state, IceConnectionState::Disconnected | IceConnectionState::Failed);
                self.watch_interfaces(now, is_path_lost);
                ConnectionEvent::IceConnectionStateChange(state)
            }
            Event::DtlsState(state) => {
                states.dtls.set(state);
                ConnectionEvent::DtlsStateChange(state)
            }
            Event::SctpState(state) => {
                states.sctp.set(Some(state));
                ConnectionEvent::SctpStateChange(state)
            }
            Event::ConnectionState(state) => {
                states.connection.set(state);
                ConnectionEvent::ConnectionStateChange(state)
            }
            Event::IceCandidate(candidate) => ConnectionEvent::IceCandidate(candidate.map(IceCandidate::from)),
            Event::IceCandidateError { server, local, code, reason } => {
                let (url, address) = (format!("stun:{server}"), Some(local));
                ConnectionEvent::IceCandidateError(IceCandidateError { url, address, code, text: reason })
            }
            Event::SelectedPair { local, remote } => {
                let pair = CandidatePair { local: *local, remote: *remote };
                ConnectionEvent::SelectedCandidatePairChange(Box::new(pair))
            }
            Event::Resolve(name) => return self.resolve(now, &name),
            Event::Channel(event) => return self.handle_channel_event(now, event),
            Event::Track { transceiver, kind, track, streams } => {
                return self.add_remote(transceiver, kind, track, streams);
            }
            Event::TrackRemoved(transceiver) => return self.remove_remote(transceiver),
            Event::MediaReadable(transceiver) => return self.deliver_media(now, transceiver),
            Event::KeyframeRequested { transceiver, rid } => return self.ask_for_keyframe(transceiver, rid),
            Event::LayerBitrates { transceiver, layers } => return self.tell_layers(transceiver, layers),
            Event::ToneChange { transceiver, tone } => return self.change_tone(transceiver, tone),
            Event::Tone { transceiver, tone } => return self.deliver_tone(transceiver, tone),
            Event::TrackMuted(transceiver) => return self.mute(transceiver, true),
            Event::TrackUnmuted(transceiver) => return self.mute(transceiver, false),
            Event::Bandwidth(estimate) => {
                self.shared.bandwidth.set(estimate);
                return;
            }
            Event::Ended(why) => {
                let is_failure = why != session::Ended::Dtls(session::dtls::Error::PeerClosed);
                return self.set_reason(why.to_string().into(), is_failure);
            }
            _ => return,
        };
        self.has_advanced = true;
        self.shared.emit(&event);
    }

    /// Why the connection ends, and whether that is an error to its channels.
    fn set_reason(&mut self, reason: Arc<str>, is_failure: bool) {
        self.reason = Some(reason.clone());
        self.failure = is_failure.then_some(Error::ConnectionClosed { reason: Some(reason) });
    }

    /// The handle to give to the application; `None` when it has dropped all of its own.
    fn data_channel(&self, channel: &Arc<Channel>) -> Option<DataChannel> {
        Some(DataChannel { channel: channel.clone(), handle: self.handle.upgrade()? })
    }

    pub(crate) fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.session.set_remote_description(now, description.into())?;
        // Before any channel opens, so that whoever may send knows it.
        self.shared.max_message.store(self.session.channels().max_message(), Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let off_link_answers = self.mdns.off_link_answers();
        Stats { session: self.session.stats(), sockets: self.sockets.stats(), off_link_answers }
    }

    pub(crate) fn stats_report(&self, now: Instant) -> StatsReport {
        let track = |transceiver| self.tracks.remote_name(transceiver);
        crate::stats::collect(now, &self.session.report(now), track)
    }

    /// Ready when there is something to do.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut is_ready = self.is_busy;
        is_ready |= self.sockets.poll_readable(cx).is_ready();
        is_ready |= self.mdns.poll_readable(cx).is_ready();
        for local in self.backlog.blocked() {
            is_ready |= self.sockets.poll_writable(*local, cx).is_ready();
        }
        is_ready |= self.shared.signal.poll(cx.waker()).is_ready();
        if self.next_command.is_none()
            && let Poll::Ready(command) = self.commands.poll_recv(cx)
        {
            self.next_command = command;
        }
        is_ready |= self.next_command.is_some();
        is_ready |= self.poll_timer(cx).is_ready();
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready when the earliest deadline has come.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let close = match self.life {
            Life::Open => None,
            Life::Flushing { deadline } | Life::Closing { deadline } => Some(deadline),
        };
        let deadlines = [
            self.session.poll_timeout(),
            self.mdns.poll_timeout(),
            self.backlog.poll_timeout(),
            self.gathering.poll_timeout(),
            close,
        ];
        let Some(next) = deadlines.into_iter().flatten().min() else { return Poll::Pending };
        let next = tokio::time::Instant::from_std(next);
        // Deadlines mostly move later, packet after packet. The timer stays where it is then: firing once too early
        // is cheaper than being moved each time.
        if next < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(next);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= next {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// The end: what arrived is handed over, whoever waits is told, and sockets close with the driver.
    fn finish(&mut self, now: Instant) {
        self.handle_events(now);
        self.close_channels(now);
        self.end_tracks();
        let ended = Ended { reason: self.reason.take(), lost: self.lost };
        tracing::debug!(reason = ended.reason.as_deref(), lost = ?ended.lost, "ended");
        self.shared.states.signaling.set(session::SignalingState::Closed);
        self.shared.states.ice.set(session::ice::ConnectionState::Closed);
        let dtls = self.shared.states.dtls.value();
        if !matches!(dtls, DtlsState::Closed | DtlsState::Failed) {
            self.shared.states.dtls.set(DtlsState::Closed);
            self.shared.emit(&ConnectionEvent::DtlsStateChange(DtlsState::Closed));
        }
        let closed = session::ConnectionState::Closed;
        if self.shared.states.connection.set(closed) != closed {
            self.shared.emit(&ConnectionEvent::ConnectionStateChange(closed));
        }
        // Late calls find the queue closed, and are told why.
        self.shared.end(ended);
        self.has_finished = true;
    }
}

impl Drop for Driver {
    /// A runtime that shuts down drops its tasks wherever they wait; handles may live on in another one.
    fn drop(&mut self) {
        if !self.has_finished {
            self.set_reason("its task was stopped".into(), true);
            self.finish(Instant::now());
        }
    }
}
