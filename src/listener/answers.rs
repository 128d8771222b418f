//! Answers that need a dial of their own: rejections, and 501 to short-form HTTP requests. Bounded in number.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::dialer::{DialFailure, plain_target};
use super::events::ListenerEvent;
use super::shared::Shared;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::accept::reject_address;
use crate::protocol::address::Address;
use crate::protocol::control::{self, ControlMessage};

/// Answers that are dialled at once.
const MAX_ANSWERS: usize = 16;
/// Answers that wait for their turn. Their addresses die after 30 s, so a longer queue helps nobody.
const MAX_BACKLOG: usize = 1024;
/// Bytes of the addresses that they hold.
const MAX_BACKLOG_BYTES: usize = 16 * 1024 * 1024;
/// How long a short-form request's connection may take to close after its answer.
const LINGER: Duration = Duration::from_secs(5);

/// The dials of answers that are under way.
#[derive(Debug)]
pub(super) struct Answers {
    slots: Semaphore,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Set when the listener does not wait for them any longer.
    abandoned: CancellationToken,
}

/// One answer.
pub(super) struct Answer {
    /// The offer that is answered; 0 for a request.
    pub(super) id: u64,
    /// Where to dial.
    pub(super) address: Address,
    pub(super) says: Says,
}

/// What an answer says.
pub(super) enum Says {
    /// Tell the sender no.
    No { status: u16, reason: String },
    /// Read a request at the address and answer it with 501.
    NotImplemented,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            slots: Semaphore::new(MAX_ANSWERS),
            places: Arc::new(Semaphore::new(MAX_BACKLOG)),
            room: Arc::new(Semaphore::new(MAX_BACKLOG_BYTES)),
            tasks: TaskTracker::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// Starts an answer, or drops it if there are too many. Never blocks.
    pub(super) fn start(shared: &Arc<Shared>, answer: Answer) {
        let answers = &shared.answers;
        let size = u32::try_from(answer.address.target.len()).unwrap_or(u32::MAX);
        let place = answers.places.clone().try_acquire_owned();
        let room = answers.room.clone().try_acquire_many_owned(size);
        let (Ok(place), Ok(room)) = (place, room) else {
            shared.counters.reject_dropped();
            return;
        };
        let deadline = Instant::now() + shared.config.accept_timeout;
        let own = shared.clone();
        let answering = async move {
            tokio::select! {
                () = perform(&own, answer, deadline) => {}
                () = own.answers.abandoned() => own.counters.reject_dropped(),
            }
            drop((place, room));
        };
        answers.track(answering, &shared.runtime);
    }

    /// Runs something that the listener does not end before.
    pub(super) fn track(&self, work: impl Future<Output = ()> + Send + 'static, runtime: &Handle) {
        self.tasks.spawn_on(work, runtime);
    }

    /// The listener does not end while this is held.
    pub(super) fn stay(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    /// Returns when the listener does not wait any longer.
    pub(super) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
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
}

async fn perform(shared: &Shared, answer: Answer, deadline: Instant) {
    let Ok(_slot) = shared.answers.slots.acquire().await else { return };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return shared.counters.reject_dropped();
    }
    let Answer { id, address, says } = answer;
    let answering = async {
        shared.admit(id, &address).await?;
        match says {
            Says::No { status, reason } => reject(shared, address, status, &reason, left).await,
            Says::NotImplemented => refuse_request(shared, address, left).await,
        }
    };
    let late = || {
        let what = if id == 0 { "request" } else { "rejection" };
        RelayError::new(ErrorKind::Timeout, format!("The {what} could not be answered in time"))
    };
    match timeout(left, answering).await.unwrap_or_else(|_| Err(late())) {
        Ok(()) if id != 0 => shared.counters.rejected(),
        Ok(()) => {}
        Err(error) => shared.emit(ListenerEvent::RejectFailed { id, error }),
    }
}

/// The relay confirms a rejection with 410; everything else is a failure.
async fn reject(
    shared: &Shared,
    address: Address,
    status: u16,
    reason: &str,
    limit: Duration,
) -> Result<(), RelayError> {
    let address = Address { target: reject_address(&address.target, status, reason), ..address };
    match shared.dialer.dial(plain_target(address, limit)?).await {
        Err(DialFailure { error, .. }) if error.status == Some(410) => Ok(()),
        Err(DialFailure { error, .. }) => Err(error),
        Ok(_) => Err(RelayError::new(ErrorKind::Protocol, "The relay opened a connection for a rejection")),
    }
}

async fn refuse_request(shared: &Shared, address: Address, limit: Duration) -> Result<(), RelayError> {
    let lost =
        |why: String| RelayError::new(ErrorKind::Disconnected, format!("A relayed request was lost: {why}"));
    let dialed = shared.dialer.dial(plain_target(address, limit)?).await.map_err(|failure| failure.error)?;
    let mut socket = dialed.into_socket().await;
    let request = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match control::parse(&text)? {
                ControlMessage::Request(request) => break request,
                _ => return Err(RelayError::new(ErrorKind::Protocol, "Expected a request at its address")),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(lost("closed".to_owned())),
            Some(Err(error)) => return Err(lost(error.to_string())),
        }
    };
    socket
        .send(Message::text(control::not_implemented(&request.id)))
        .await
        .map_err(|error| lost(error.to_string()))?;
    // The answer is out; the body, if any, is read and forgotten while the connection closes.
    let _ = timeout(LINGER, async {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    Ok(())
}
