//! The one step before every dial of an address that the relay has named: where hosts are the owner's to decide, it is
//! asked by an event and answers by number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::events::ListenerEvent;
use super::stats::CountingSink;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::address::{Address, HostPolicy};
use crate::sync::lock;

/// What becomes of the question about an accepted offer's host; its dial waits for it.
pub type Admission = oneshot::Receiver<Result<(), RelayError>>;

/// Who is asked about hosts.
pub(super) struct Hosts {
    policy: HostPolicy,
    sink: Arc<CountingSink>,
    questions: Mutex<Questions>,
}

/// Questions that the owner has not answered. As many as there are answers and accepts under way at most.
#[derive(Default)]
struct Questions {
    last: u64,
    open: HashMap<u64, oneshot::Sender<bool>>,
}

/// Withdraws a question when nobody waits any more.
struct Question<'a> {
    hosts: &'a Hosts,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.hosts.questions).open.remove(&self.id);
    }
}

impl Hosts {
    pub(super) fn new(policy: HostPolicy, sink: Arc<CountingSink>) -> Self {
        Self { policy, sink, questions: Mutex::default() }
    }

    /// Whether there is anybody to ask. If not, the channel's check of the address was all.
    pub(super) fn asks(&self) -> bool {
        self.policy == HostPolicy::Owner
    }

    /// Returns when `address` may be dialled, for `offer` or, with 0, for a request. Waits as long as the owner does not
    /// answer: the limit is the caller's.
    ///
    /// # Errors
    /// `Protocol` if the owner says no.
    pub(super) async fn admit(&self, offer: u64, address: &Address) -> Result<(), RelayError> {
        if !self.asks() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut questions = lock(&self.questions);
            questions.last += 1;
            let id = questions.last;
            questions.open.insert(id, answer);
            id
        };
        let _question = Question { hosts: self, id };
        let host = address.hostname();
        self.sink.emit(ListenerEvent::Host { id, offer, host: host.clone() });
        if answered.await == Ok(true) {
            return Ok(());
        }
        let text = format!("The relay named a rendezvous host that is not allowed: {host}");
        Err(RelayError::new(ErrorKind::Protocol, text))
    }

    /// Answers a question, unless nobody waits for that any more.
    pub(super) fn answer(&self, id: u64, admitted: bool) {
        let answer = lock(&self.questions).open.remove(&id);
        if let Some(answer) = answer {
            let _ = answer.send(admitted);
        }
    }
}
