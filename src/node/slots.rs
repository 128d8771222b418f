//! What an environment has: its sockets by slot, its listeners, and what both run on.

use std::mem;
use std::sync::{Arc, Mutex, Weak};

use super::guard::guard;
use super::runtime::IoThread;
use crate::listener::Listener;
use crate::socket::delivery::Delivery;
use crate::socket::{Carried, Opening, Socket, SocketOptions, Tuning};
use crate::sync::lock;

/// Shared by the engine, its listeners and the environment's cleanup hook.
pub(super) struct Slots {
    pub(super) io: Arc<IoThread>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) tuning: Tuning,
    sockets: Mutex<Vec<Option<Arc<Socket>>>>,
    /// Each is its JavaScript object's.
    listeners: Mutex<Vec<Weak<Listener>>>,
}

impl Slots {
    pub(super) fn new(io: Arc<IoThread>, delivery: Arc<Delivery>, tuning: Tuning) -> Self {
        Self { io, delivery, tuning, sockets: Mutex::default(), listeners: Mutex::default() }
    }

    /// Opens a connection under `slot`; its records say what comes of it.
    pub(super) fn open(&self, slot: u32, options: Arc<SocketOptions>, opening: Opening) {
        let socket = Socket::new(slot, Arc::clone(&self.delivery), options, self.tuning);
        let mut sockets = lock(&self.sockets);
        let index = slot as usize;
        if sockets.len() <= index {
            sockets.resize(index + 1, None);
        }
        sockets[index] = Some(Arc::clone(&socket));
        drop(sockets);
        self.io.open(socket, opening);
    }

    fn socket(&self, slot: u32) -> Option<Arc<Socket>> {
        lock(&self.sockets).get(slot as usize)?.clone()
    }

    /// Does something to a socket, if there is one. Where that panics the socket ends, for it may be half done.
    pub(super) fn with<T>(&self, name: &str, slot: u32, act: impl FnOnce(&Socket) -> T) -> Option<T> {
        let socket = self.socket(slot)?;
        let done = guard(name, || act(&socket));
        if done.is_none() {
            socket.fail();
        }
        done
    }

    /// Takes a socket out of its slot, which is free then.
    pub(super) fn take(&self, slot: u32) -> Option<Arc<Socket>> {
        lock(&self.sockets).get_mut(slot as usize).and_then(Option::take)
    }

    /// What those sockets have carried that are there and have these options in common.
    pub(super) fn carried(&self, options: &Arc<SocketOptions>) -> Carried {
        let mut sums = Carried::default();
        for socket in lock(&self.sockets).iter().flatten().filter(|socket| socket.shares(options)) {
            sums.add(&socket.stats());
        }
        sums
    }

    /// Notes a listener, which ends with the environment if not before.
    pub(super) fn add_listener(&self, listener: &Arc<Listener>) {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
    }

    /// Sockets and listeners that have not ended.
    pub(super) fn live(&self) -> (usize, usize) {
        let running =
            |listener: &&Weak<Listener>| listener.upgrade().is_some_and(|listener| !listener.is_closed());
        (lock(&self.sockets).iter().flatten().count(), lock(&self.listeners).iter().filter(running).count())
    }

    /// The environment goes away: nothing may call into it any more.
    pub(super) fn close(&self) {
        self.delivery.close();
        let listeners = mem::take(&mut *lock(&self.listeners));
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.close(false);
        }
        for socket in lock(&self.sockets).drain(..).flatten() {
            socket.terminate();
        }
    }
}
