//! The streams of one forwarder, from the first word of each to the last: who is there, what they have carried, the end.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::{ForwardEvent, ForwardSink};
use super::failure::StreamFailure;
use super::options::ForwardOptions;
use super::pump::StreamPump;
use super::tally::{ForwardStats, StreamTally};
use super::target::LocalStream;
use super::wire::{RelayedWire, drop_buffers, with_buffers};
use crate::error::{ErrorKind, RelayError};
use crate::sync::lock;

/// How long the end of a relayed connection is waited for, once both sides have said that they close.
const LINGER: Duration = Duration::from_secs(2);

/// What the tasks of all streams share.
pub(super) struct Streams {
    pub(super) options: ForwardOptions,
    sink: Arc<dyn ForwardSink>,
    runtime: Handle,
    tasks: TaskTracker,
    inner: Mutex<StreamsInner>,
    /// Ends all streams.
    all: CancellationToken,
}

#[derive(Default)]
struct StreamsInner {
    /// All that are not gone.
    here: HashMap<u64, Seat>,
    /// Of those that are gone.
    past: ForwardStats,
    closing: bool,
}

struct Seat {
    tally: Arc<StreamTally>,
    ending: CancellationToken,
    open: bool,
}

/// A stream that has not been let in.
pub(super) struct StreamRefusal {
    pub(super) status: Option<u16>,
    pub(super) name: Option<String>,
    pub(super) error: RelayError,
}

impl From<RelayError> for StreamRefusal {
    fn from(error: RelayError) -> Self {
        Self { status: None, name: None, error }
    }
}

/// A stream whose bytes may pass.
pub(super) struct JoinedEnds {
    pub(super) wire: RelayedWire,
    pub(super) local: LocalStream,
    /// What has come from the peer already.
    pub(super) early: Vec<u8>,
    pub(super) name: Option<String>,
}

impl Streams {
    pub(super) fn new(options: ForwardOptions, sink: Arc<dyn ForwardSink>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            options,
            sink,
            runtime,
            tasks: TaskTracker::new(),
            inner: Mutex::default(),
            all: CancellationToken::new(),
        })
    }

    pub(super) fn tell(&self, event: ForwardEvent) {
        self.sink.forwarded(event);
    }

    /// Runs something that the forwarder does not end before.
    pub(super) fn track(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Runs a stream from the beginning to its last event; false where nobody is let in any more. `join` opens both ends,
    /// and `held` is let go of behind that event.
    pub(super) fn run<J>(self: &Arc<Self>, stream: u64, held: impl Send + 'static, join: J) -> bool
    where
        J: Future<Output = Result<JoinedEnds, StreamRefusal>> + Send + 'static,
    {
        let ending = self.all.child_token();
        let tally = Arc::new(StreamTally::default());
        let mut inner = lock(&self.inner);
        if inner.closing {
            return false;
        }
        let seat = Seat { tally: Arc::clone(&tally), ending: ending.clone(), open: false };
        inner.here.insert(stream, seat);
        drop(inner);
        let own = Arc::clone(self);
        let life = async move {
            let event =
                AssertUnwindSafe(own.live(stream, Box::pin(join), tally, ending)).catch_unwind().await;
            let event = event.unwrap_or_else(|_| {
                drop_buffers();
                own.end(stream, Some(RelayError::fault("stream")), None)
            });
            own.tell(event);
            drop(held);
        };
        self.track(life);
        true
    }

    async fn live<J>(
        &self,
        stream: u64,
        join: std::pin::Pin<Box<J>>,
        tally: Arc<StreamTally>,
        ending: CancellationToken,
    ) -> ForwardEvent
    where
        J: Future<Output = Result<JoinedEnds, StreamRefusal>>,
    {
        let joined = tokio::select! {
            biased;
            () = ending.cancelled() => Err(aborted().into()),
            joined = join => joined,
        };
        let JoinedEnds { wire, local, early, name } = match joined {
            Ok(joined) => joined,
            Err(refusal) => return self.refuse(stream, refusal),
        };
        if let Some(seat) = lock(&self.inner).here.get_mut(&stream) {
            seat.open = true;
        }
        self.tell(ForwardEvent::Open { stream, name });
        let mut pump = Box::new(StreamPump::new(wire, local, early, &self.options, tally));
        let moved = tokio::select! {
            biased;
            () = ending.cancelled() => Err(StreamFailure::told(aborted(), 1011, "The stream was ended")),
            moved = std::future::poll_fn(|cx| pump.poll(cx)) => moved,
        };
        let (mut wire, local) = pump.into_ends();
        let failure = moved.err();
        if let Some(StreamFailure { close, .. }) = &failure {
            // Never an end that could be taken for the peer's.
            local.reset();
            match close {
                Some((code, reason)) => {
                    with_buffers(|buffers| wire.send_close(&mut buffers.keys, *code, reason))
                }
                None => wire.ended = true,
            }
        }
        wire.finish(LINGER).await;
        self.end(stream, failure.map(|failure| *failure.error), None)
    }

    fn refuse(&self, stream: u64, refusal: StreamRefusal) -> ForwardEvent {
        let StreamRefusal { status, name, error } = refusal;
        self.end(stream, Some(error), Some((status, name)))
    }

    /// Takes a stream out, and gives its last event.
    fn end(
        &self,
        stream: u64,
        error: Option<RelayError>,
        refused: Option<(Option<u16>, Option<String>)>,
    ) -> ForwardEvent {
        let mut inner = lock(&self.inner);
        let seat = inner.here.remove(&stream);
        let (received, sent) = seat.as_ref().map(|seat| seat.tally.read()).unwrap_or_default();
        let opened = seat.is_some_and(|seat| seat.open);
        let StreamsInner { past, .. } = &mut *inner;
        past.bytes_received += received;
        past.bytes_sent += sent;
        if opened {
            past.opened += 1;
            past.cut += u64::from(error.is_some());
            return ForwardEvent::Ended { stream, received, sent, error };
        }
        past.refused += 1;
        let (status, name) = refused.unwrap_or_default();
        ForwardEvent::Refused { stream, status, name, error: error.unwrap_or_else(aborted) }
    }

    /// Ends one stream, if it is there.
    pub(super) fn cut(&self, stream: u64) {
        if let Some(seat) = lock(&self.inner).here.get(&stream) {
            seat.ending.cancel();
        }
    }

    /// Lets nobody in any more. Unless those who are here may finish, they are ended. `Closed` tells the end.
    pub(super) fn close(self: &Arc<Self>, drain: bool) {
        let first = !std::mem::replace(&mut lock(&self.inner).closing, true);
        if !drain {
            self.all.cancel();
        }
        if first {
            self.tasks.close();
            let own = Arc::clone(self);
            self.runtime.spawn(async move {
                own.tasks.wait().await;
                own.tell(ForwardEvent::Closed);
            });
        }
    }

    pub(super) fn stats(&self) -> ForwardStats {
        let inner = lock(&self.inner);
        let mut stats = inner.past.clone();
        for seat in inner.here.values() {
            let (received, sent) = seat.tally.read();
            stats.bytes_received += received;
            stats.bytes_sent += sent;
            stats.open += u64::from(seat.open);
            stats.opened += u64::from(seat.open);
        }
        stats
    }
}

/// The owner has ended it.
pub(super) fn aborted() -> RelayError {
    RelayError::new(ErrorKind::Aborted, "The stream was ended")
}
