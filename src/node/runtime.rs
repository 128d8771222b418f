//! The IO thread: one tokio current-thread runtime, started with the first engine and ended with the last.
//!
//! Reading, decoding, TLS and dialling happen here, for all environments of the process. A second worker gained
//! nothing where it was measured, on two cores.

use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task;

use crate::buffers;
use crate::socket::{self, Opening, Socket};
use crate::sync::lock;

/// How long a large buffer may lie unused.
const TRIM: Duration = Duration::from_secs(5);

static CURRENT: Mutex<Weak<IoThread>> = Mutex::new(Weak::new());

/// The thread, for as long as somebody holds it.
pub struct IoThread {
    handle: Handle,
    openings: UnboundedSender<(Arc<Socket>, Opening)>,
    /// Tasks that belong to the thread itself.
    chores: [task::JoinHandle<()>; 3],
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// The process's IO thread, started if it is not running.
    ///
    /// # Errors
    /// If the operating system gives no thread or no selector.
    pub fn get() -> io::Result<Arc<Self>> {
        let mut current = lock(&CURRENT);
        if let Some(running) = current.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *current = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (openings, opened) = mpsc::unbounded_channel();
        let chores = [
            handle.spawn(socket::stay_awake()),
            handle.spawn(trim_buffers()),
            handle.spawn(open_sockets(opened)),
        ];
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("hyco-ws-io".into()).spawn(move || {
            // Both ways of ending mean the same: the last engine is gone.
            let _ = runtime.block_on(stopped);
            // Drops the tasks, but does not wait for a name lookup that hangs: whoever joins is JavaScript's thread.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, openings, chores, stop: Some(stop), thread: Some(thread) })
    }

    /// Tasks of sockets and listeners that have not ended.
    pub fn tasks(&self) -> usize {
        let chores = self.chores.iter().filter(|chore| !chore.is_finished()).count();
        self.handle.metrics().num_alive_tasks().saturating_sub(chores)
    }

    /// Opens `socket`, and drives it until it is gone.
    pub fn open(&self, socket: Arc<Socket>, opening: Opening) {
        // A thread that is ending has no use for it.
        let _ = self.openings.send((socket, opening));
    }

    /// For spawning.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// A task's birth on another thread wakes this one each time; a burst of dials does so once.
async fn open_sockets(mut openings: UnboundedReceiver<(Arc<Socket>, Opening)>) {
    while let Some((socket, opening)) = openings.recv().await {
        task::spawn(socket::run(socket, opening));
    }
}

async fn trim_buffers() {
    loop {
        tokio::time::sleep(TRIM).await;
        buffers::trim();
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) =
            self.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
        {
            // A panic of the thread has been reported by its hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}
