//! The body of a relayed request on its way to JavaScript: no more of it is read than JavaScript keeps up with, as of
//! sockets.

use std::sync::{Arc, Weak};

use super::exchange_records::push_body;
use crate::listener::{BodyOutlet, BodyWaker};
use crate::socket::Credit;
use crate::socket::delivery::{Batch, Delivery, Owner};

/// Bytes of one body that may wait for JavaScript.
const BODY_HIGH_WATER: usize = 256 * 1024;

/// One body.
pub(super) struct BodyFlow {
    own: Weak<Self>,
    slot: u32,
    number: u64,
    credit: Credit,
    delivery: Arc<Delivery>,
    wake: BodyWaker,
}

impl BodyFlow {
    pub(super) fn start(slot: u32, number: u64, delivery: Arc<Delivery>, wake: BodyWaker) -> Arc<Self> {
        let credit = Credit::new(BODY_HIGH_WATER);
        credit.pause(true);
        Arc::new_cyclic(|own| Self { own: own.clone(), slot, number, credit, delivery, wake })
    }

    fn owner(&self) -> Option<Arc<dyn Owner>> {
        self.own.upgrade().map(|own| own as Arc<dyn Owner>)
    }
}

impl BodyOutlet for BodyFlow {
    fn flow(&self, flowing: bool) {
        self.credit.pause(!flowing);
        if flowing {
            (self.wake)();
        }
    }

    fn may_read(&self) -> bool {
        let Some(owner) = self.owner() else { return false };
        self.credit.may_read(&self.delivery, &|| Arc::clone(&owner))
    }

    fn deliver(&self, pieces: &[&[u8]], last: bool) {
        let mut batch = Batch::default();
        push_body(&mut batch, self.slot, self.number, pieces, last);
        self.credit.deliver(batch.weight());
        self.delivery.push(&mut batch, self.owner());
    }
}

impl Owner for BodyFlow {
    fn drained(&self, bytes: usize) {
        if self.credit.drained(bytes) {
            (self.wake)();
        }
    }

    fn room(&self) {
        self.credit.room();
        (self.wake)();
    }
}
