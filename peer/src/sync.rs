//! The few pieces of shared state between handles and the driver: locks that outlive panics, and lists of wakers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::watch;

use crate::channel::Channel;

/// Locks, whatever happened to an earlier holder: no invariant spans a panic here, since nothing that can panic runs
/// under a lock, listeners included.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tasks that wait for the same thing. One is the usual number, and costs no allocation.
#[derive(Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    /// Remembers a waker once: a task that polls again without having been woken does not pile up.
    pub(crate) fn register(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) if self.more.iter().any(|other| other.will_wake(waker)) => {}
            Some(_) => self.more.push(waker.clone()),
        }
    }

    /// Everybody who waits, so that they can be woken after the lock is released.
    #[must_use]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn wake(self) {
        self.first.into_iter().chain(self.more).for_each(Waker::wake);
    }
}

/// A value that can be watched. The means to do so are made when somebody first does: few states of few connections
/// are, and they take far more memory than the value.
pub(crate) struct Watched<T>(Mutex<Watching<T>>);

enum Watching<T> {
    Nobody(T),
    Somebody(watch::Sender<T>),
}

impl<T: Clone> Watched<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(Watching::Nobody(value)))
    }

    pub(crate) fn value(&self) -> T {
        match &*lock(&self.0) {
            Watching::Nobody(value) => value.clone(),
            Watching::Somebody(sender) => sender.borrow().clone(),
        }
    }

    /// Sets the value, wakes whoever watches, and gives back the value before.
    pub(crate) fn set(&self, value: T) -> T {
        match &mut *lock(&self.0) {
            Watching::Nobody(before) => std::mem::replace(before, value),
            Watching::Somebody(sender) => sender.send_replace(value),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<T> {
        let mut watching = lock(&self.0);
        if let Watching::Nobody(value) = &*watching {
            *watching = Watching::Somebody(watch::Sender::new(value.clone()));
        }
        match &*watching {
            Watching::Somebody(sender) => sender.subscribe(),
            Watching::Nobody(value) => watch::channel(value.clone()).1,
        }
    }
}

/// How handles get the driver's attention.
///
/// A channel enters the list once, however much is sent on it before the driver looks: a burst of `send`s costs one
/// wake, not one each.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
}

#[derive(Default)]
struct SignalState {
    dirty: Vec<Arc<Channel>>,
    close: bool,
    ended: bool,
    waker: Option<Waker>,
}

impl Signal {
    /// The driver shall look at this channel. The caller has checked that it was not marked already.
    pub(crate) fn mark(&self, channel: Arc<Channel>) {
        let waker = {
            let mut state = lock(&self.state);
            if state.ended {
                // Nobody would take it out again, and it holds this signal.
                return;
            }
            state.dirty.push(channel);
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The last handle is gone: the driver shall close the connection.
    pub(crate) fn close(&self) {
        let waker = {
            let mut state = lock(&self.state);
            state.close = true;
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The driver has ended.
    pub(crate) fn end(&self) {
        let dirty = {
            let mut state = lock(&self.state);
            state.ended = true;
            std::mem::take(&mut state.dirty)
        };
        drop(dirty);
    }

    /// Exchanges the list of marked channels for an empty one that keeps its capacity, and tells whether to close.
    pub(crate) fn take(&self, dirty: &mut Vec<Arc<Channel>>) -> bool {
        let mut state = lock(&self.state);
        std::mem::swap(&mut state.dirty, dirty);
        std::mem::take(&mut state.close)
    }

    /// Ready when there is something to take.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.close || !state.dirty.is_empty() {
            return Poll::Ready(());
        }
        match &state.waker {
            Some(known) if known.will_wake(waker) => {}
            Some(_) | None => state.waker = Some(waker.clone()),
        }
        Poll::Pending
    }
}
