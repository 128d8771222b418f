//! Records, while somebody looks on. Without a recorder none of it is made.

use std::sync::Arc;

use super::Namespace;
use super::seats::ListenerSeat;
use crate::emulator::admission::action_of;
use crate::emulator::record::{ListenerHandshake, RecordDetail, RecordedHandshake, RecordedRefusal, role_of};
use crate::emulator::record_store::RecordStore;
use crate::emulator::refusal::RelayRefusal;
use crate::emulator::stream::InboundConnection;
use crate::emulator::token_fate::TokenFate;
use crate::http::HttpRequestHead;
use crate::protocol::target::RequestTarget;

impl Namespace {
    /// Records from now on; false where that has begun already.
    pub fn start_recording(&self, store: RecordStore) -> bool {
        self.records.set(Arc::new(store)).is_ok()
    }

    /// The recorder, if there is one.
    pub fn recorder(&self) -> Option<&Arc<RecordStore>> {
        self.records.get()
    }

    /// Records something about `id` at a hybrid connection.
    pub fn record(&self, path: &str, id: &str, detail: impl FnOnce() -> RecordDetail) {
        if let Some(store) = self.recorder() {
            store.push(path.into(), id.into(), detail());
        }
    }

    /// Records a listener whose handshake is complete.
    pub fn record_listener(
        &self,
        seat: &ListenerSeat,
        connection: &InboundConnection,
        head: &HttpRequestHead,
        token: TokenFate,
    ) {
        self.record(&seat.path, &seat.id, || {
            let handshake = RecordedHandshake::of(connection.peer, head, token);
            let listeners = self.state().control(Some(&seat.path)).count();
            RecordDetail::Listener(Box::new(ListenerHandshake { handshake, listeners }))
        });
    }

    /// Records that somebody was not admitted.
    pub(super) fn record_refusal(
        &self,
        remote_address: String,
        head: Option<&HttpRequestHead>,
        refusal: &RelayRefusal,
        reason: &str,
    ) {
        let Some(store) = self.recorder() else { return };
        let target = head.and_then(|head| RequestTarget::parse(&head.target));
        let path = target.as_ref().and_then(|target| self.entity(target.path, false));
        let id = target.as_ref().and_then(|target| target.parameter("id"));
        let refused = RecordedRefusal {
            role: role_of(target.as_ref().and_then(action_of)),
            remote_address: Some(remote_address),
            target: head.map(|head| head.target.clone()).unwrap_or_default(),
            headers: head.map(|head| head.headers.clone()).unwrap_or_default(),
            status: refusal.status,
            reason: reason.to_owned(),
            token: refusal.token.as_deref().cloned(),
        };
        let path = path.map(|(path, _)| path).unwrap_or_default();
        store.push(path.into(), id.unwrap_or_default().into(), RecordDetail::Refused(Box::new(refused)));
    }
}
