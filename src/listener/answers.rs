//! Answers that need a dial of their own: rejections, and 501 to short-form HTTP requests. Bounded in number.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dialer::{DialFailure, plain_target};
use super::events::ListenerEvent;
use super::shared::Shared;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::accept::reject_address;
use crate::protocol::address::Address;
use crate::protocol::control::{self, ControlMessage};

/// Answers that wait for their turn. Their addresses die after 30 s, so a longer queue helps nobody.
const MAX_BACKLOG: usize = 1024;
/// How long a short-form request's connection may take to close after its answer.
const LINGER: Duration = Duration::from_secs(5);

/// The dials of answers that are under way.
#[derive(Debug)]
pub(super) struct Answers {
    slots: Arc<Semaphore>,
    backlog: AtomicUsize,
    tasks: TaskTracker,
    /// Set when the listener does not wait for them any longer.
    abandoned: CancellationToken,
}

/// A place in the backlog, which is free again however its answer ends.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.answers.backlog.fetch_sub(1, Relaxed);
    }
}

/// One answer.
pub(super) enum Answer {
    /// Tell the sender no.
    Reject { id: u64, address: Address, status: u16, reason: String },
    /// Read a request at the address and answer it with 501.
    Request { address: Address },
}

impl Answers {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            backlog: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// Starts an answer, or drops it if there are too many. Never blocks.
    pub(super) fn start(shared: &Arc<Shared>, answer: Answer) {
        let answers = &shared.answers;
        if answers.backlog.fetch_add(1, Relaxed) >= MAX_BACKLOG {
            answers.backlog.fetch_sub(1, Relaxed);
            shared.counters.reject_dropped();
            return;
        }
        let deadline = Instant::now() + shared.config.accept_timeout;
        let place = Place(shared.clone());
        let shared = shared.clone();
        let runtime = shared.runtime.clone();
        let tasks = answers.tasks.clone();
        tasks.spawn_on(
            async move {
                tokio::select! {
                    () = perform(&shared, answer, deadline) => {}
                    () = shared.answers.abandoned.cancelled() => shared.counters.reject_dropped(),
                }
                drop(place);
            },
            &runtime,
        );
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
    let (id, result) = match answer {
        Answer::Reject { id, address, status, reason } => {
            (id, reject(shared, address, status, &reason, left).await)
        }
        Answer::Request { address } => {
            let late = || RelayError::new(ErrorKind::Timeout, "The request could not be answered in time");
            (0, timeout(left, refuse_request(shared, address, left)).await.unwrap_or_else(|_| Err(late())))
        }
    };
    match result {
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
    let dial = shared.dialer.dial(plain_target(address, limit)?);
    match timeout(limit, dial).await {
        Ok(Err(DialFailure { error, .. })) if error.status == Some(410) => Ok(()),
        Ok(Err(DialFailure { error, .. })) => Err(error),
        Ok(Ok(_)) => {
            Err(RelayError::new(ErrorKind::Protocol, "The relay opened a connection for a rejection"))
        }
        Err(_) => Err(RelayError::new(ErrorKind::Timeout, "The rejection was not answered in time")),
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
