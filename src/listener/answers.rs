//! Rejections, which need a dial of their own. Bounded in number.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::config::ListenerConfig;
use super::dialer::{DialFailure, Dialer, plain_target};
use super::events::ListenerEvent;
use super::hosts::{Admission, Hosts};
use super::stats::CountingSink;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::accept::{header_safe, reject_address};
use crate::protocol::address::Address;

/// Answers that are dialled at once.
const MAX_ANSWERS: usize = 16;
/// Answers that wait for their turn. Their addresses die after 30 s, so a longer queue helps nobody.
const MAX_BACKLOG: usize = 1024;
/// Bytes of the addresses that they hold.
const MAX_BACKLOG_BYTES: usize = 16 * 1024 * 1024;

/// The dials of answers that are under way, and whatever else the listener does not end before.
pub(super) struct Answers {
    dialer: Arc<dyn Dialer>,
    pub(super) hosts: Hosts,
    sink: Arc<CountingSink>,
    runtime: Handle,
    /// For one answer, from the beginning of its wait to its end.
    limit: Duration,
    slots: Semaphore,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Set when the listener does not wait for them any longer.
    abandoned: CancellationToken,
}

/// One answer.
struct RelayAnswer {
    /// The offer that is answered.
    id: u64,
    /// Where to dial.
    address: Address,
    status: u16,
    reason: String,
}

impl Answers {
    pub(super) fn new(
        config: &ListenerConfig,
        dialer: Arc<dyn Dialer>,
        sink: Arc<CountingSink>,
        runtime: Handle,
    ) -> Self {
        Self {
            dialer,
            hosts: Hosts::new(config.rendezvous_hosts, sink.clone()),
            sink,
            runtime,
            limit: config.accept_timeout,
            slots: Semaphore::new(MAX_ANSWERS),
            places: Arc::new(Semaphore::new(MAX_BACKLOG)),
            room: Arc::new(Semaphore::new(MAX_BACKLOG_BYTES)),
            tasks: TaskTracker::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// Turns the sender of offer `id` away.
    pub(super) fn reject(self: &Arc<Self>, id: u64, address: Address, status: u16, reason: &str) {
        self.start(RelayAnswer { id, address, status, reason: header_safe(reason) });
    }

    /// Starts an answer, or drops it if there are too many. Never blocks.
    fn start(self: &Arc<Self>, answer: RelayAnswer) {
        let size = u32::try_from(answer.address.target.len()).unwrap_or(u32::MAX);
        let place = self.places.clone().try_acquire_owned();
        let room = self.room.clone().try_acquire_many_owned(size);
        let (Ok(place), Ok(room)) = (place, room) else {
            self.sink.counters.rejects_dropped.bump();
            return;
        };
        let deadline = Instant::now() + self.limit;
        let own = self.clone();
        let answering = async move {
            tokio::select! {
                () = own.perform(answer, deadline) => {}
                () = own.abandoned.cancelled() => own.sink.counters.rejects_dropped.bump(),
            }
            drop((place, room));
        };
        self.track(answering);
    }

    /// Asks about the host of an offer that the owner takes; `None` where there is nobody to ask. The listener does not
    /// end before this has, so that its last event stays the last one.
    pub(super) fn ask(self: &Arc<Self>, offer: u64, address: &Address) -> Option<Admission> {
        if !self.hosts.asks() {
            return None;
        }
        let (mut tell, admission) = oneshot::channel();
        let (own, address) = (self.clone(), address.clone());
        self.track(async move {
            let admitted = tokio::select! {
                admitted = own.hosts.admit(offer, &address) => admitted,
                // The dial was given up, by its own limit or by the owner.
                () = tell.closed() => return,
                () = own.abandoned.cancelled() => Err(listener_closed()),
            };
            let _ = tell.send(admitted);
        });
        Some(admission)
    }

    /// Runs something that the listener does not end before.
    pub(super) fn track(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Returns when nobody waits for what is under way any longer.
    pub(super) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// The listener does not end while this is held.
    pub(super) fn stay(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    /// Waits until all answers are given, or given up at `limit`: on a dead network they would hold up a process that
    /// wants to end.
    pub(super) async fn finish(&self, limit: Instant) {
        self.tasks.close();
        if timeout_at(limit, self.tasks.wait()).await.is_err() {
            self.abandoned.cancel();
            self.tasks.wait().await;
        }
    }

    async fn perform(&self, answer: RelayAnswer, deadline: Instant) {
        let Ok(_slot) = self.slots.acquire().await else { return };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return self.sink.counters.rejects_dropped.bump();
        }
        let RelayAnswer { id, address, status, reason } = answer;
        let answering = async {
            self.hosts.admit(id, &address).await?;
            reject(&*self.dialer, address, status, &reason, left).await
        };
        let late = || RelayError::new(ErrorKind::Timeout, "The rejection could not be answered in time");
        if let Err(error) = timeout(left, answering).await.unwrap_or_else(|_| Err(late())) {
            self.sink.emit(ListenerEvent::RejectFailed { id, error });
        }
    }
}

/// Why something comes to nothing that was under way.
pub(super) fn listener_closed() -> RelayError {
    RelayError::new(ErrorKind::Aborted, "The listener was closed")
}

/// The relay confirms a rejection with 410; everything else is a failure.
async fn reject(
    dialer: &dyn Dialer,
    address: Address,
    status: u16,
    reason: &str,
    limit: Duration,
) -> Result<(), RelayError> {
    let address = Address { target: reject_address(&address.target, status, reason), ..address };
    match dialer.dial(plain_target(address, limit)).await {
        Err(DialFailure { error, .. }) if error.status == Some(410) => Ok(()),
        Err(DialFailure { error, .. }) => Err(error),
        Ok(_) => Err(RelayError::new(ErrorKind::Protocol, "The relay opened a connection for a rejection")),
    }
}
