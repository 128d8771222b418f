//! The one step before every dial of an address that the relay has named: where hosts are the owner's to decide, it is
//! asked by an event and answers by number.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::events::ListenerEvent;
use super::shared::Shared;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::address::{Address, HostPolicy};

/// What becomes of the question about an accepted offer's host; its dial waits for it.
pub type Admission = oneshot::Receiver<Result<(), RelayError>>;

/// Questions that the owner has not answered. As many as there are answers and accepts under way at most.
#[derive(Default)]
pub(super) struct Questions {
    last: u64,
    open: HashMap<u64, oneshot::Sender<bool>>,
}

impl Questions {
    fn ask(&mut self) -> (u64, oneshot::Receiver<bool>) {
        self.last += 1;
        let (answer, answered) = oneshot::channel();
        self.open.insert(self.last, answer);
        (self.last, answered)
    }

    /// Answers a question, unless nobody waits for that any more.
    pub(super) fn answer(&mut self, id: u64, admitted: bool) {
        if let Some(answer) = self.open.remove(&id) {
            let _ = answer.send(admitted);
        }
    }
}

/// Withdraws a question when nobody waits any more.
struct Question<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.shared.lock().questions.open.remove(&self.id);
    }
}

impl Shared {
    /// Returns when `address` may be dialled, for `offer` or, with 0, for a request. Waits as long as the owner does not
    /// answer: the limit is the caller's.
    ///
    /// # Errors
    /// `Protocol` if the owner says no.
    pub(super) async fn admit(&self, offer: u64, address: &Address) -> Result<(), RelayError> {
        // Without an owner's rule there is nothing left to ask: the channel has checked the address.
        if self.config.rendezvous_hosts != HostPolicy::Owner {
            return Ok(());
        }
        let (id, answered) = self.lock().questions.ask();
        let _question = Question { shared: self, id };
        let host = address.hostname();
        self.emit(ListenerEvent::Host { id, offer, host: host.clone() });
        if answered.await == Ok(true) {
            return Ok(());
        }
        let text = format!("The relay named a rendezvous host that is not allowed: {host}");
        Err(RelayError::new(ErrorKind::Protocol, text))
    }

    /// Asks about the host of an offer that the owner takes; `None` where there is nobody to ask. The listener does not
    /// end before this has, so that its last event stays the last one.
    pub(super) fn ask(self: &Arc<Self>, offer: u64, address: &Address) -> Option<Admission> {
        if self.config.rendezvous_hosts != HostPolicy::Owner {
            return None;
        }
        let (mut tell, admission) = oneshot::channel();
        let (shared, address) = (self.clone(), address.clone());
        let asking = async move {
            let admitted = tokio::select! {
                admitted = shared.admit(offer, &address) => admitted,
                // The dial was given up, by its own limit or by the owner.
                () = tell.closed() => return,
                () = shared.answers.abandoned() => {
                    Err(RelayError::new(ErrorKind::Aborted, "The listener was closed"))
                }
            };
            let _ = tell.send(admitted);
        };
        self.answers.track(asking, &self.runtime);
        Some(admission)
    }
}
