//! Whose records JavaScript gets next: each slot in its turn, however much another has waiting.

use std::collections::VecDeque;
use std::mem;

use super::batch::Batch;

/// Records of one slot before the others get their turn: with small messages some tens of microseconds of JavaScript.
pub(super) const QUANTUM: usize = 256;

/// No batch, as an index.
const NONE: u32 = u32::MAX;

/// What one slot has waiting, as a list of indices of `Turns::nodes`.
#[derive(Clone, Copy)]
struct Lane {
    first: u32,
    last: u32,
}

#[derive(Default)]
struct Node {
    batch: Batch,
    next: u32,
}

/// Batches that wait for JavaScript. Those of a slot stay in order; the slots that have any go round.
#[derive(Default)]
pub(super) struct Turns {
    /// By slot, which are small numbers. An idle slot has no more than this.
    lanes: Vec<Lane>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    round: VecDeque<u32>,
    /// Records of the slot whose turn it is, in this turn.
    served: usize,
}

impl Turns {
    /// Takes a batch, all of whose records are of one slot.
    pub(super) fn push(&mut self, batch: Batch) {
        let Some(&[slot, ..]) = batch.records.first() else { return };
        let node = Node { batch, next: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        if self.lanes.len() <= slot as usize {
            self.lanes.resize(slot as usize + 1, Lane { first: NONE, last: NONE });
        }
        let lane = &mut self.lanes[slot as usize];
        if lane.first == NONE {
            lane.first = index;
            self.round.push_back(slot);
        } else {
            self.nodes[lane.last as usize].next = index;
        }
        lane.last = index;
    }

    /// The batch that is next, and how many of its records before it is another slot's turn.
    pub(super) fn next(&mut self) -> Option<(&mut Batch, usize)> {
        if self.served >= QUANTUM {
            self.served = 0;
            self.round.rotate_left(usize::from(!self.round.is_empty()));
        }
        let slot = *self.round.front()?;
        let node = self.nodes.get_mut(self.lanes[slot as usize].first as usize)?;
        Some((&mut node.batch, QUANTUM - self.served))
    }

    /// Counts `records` against the turn of the slot whose batch was next.
    pub(super) fn spend(&mut self, records: usize) {
        self.served += records;
    }

    /// Takes out the batch that was next, once all of its records have been moved.
    pub(super) fn take_served(&mut self) -> Option<Batch> {
        let slot = *self.round.front()?;
        let lane = &mut self.lanes[slot as usize];
        let index = lane.first;
        let node = self.nodes.get_mut(index as usize).filter(|node| node.batch.is_served())?;
        let node = mem::take(node);
        self.free.push(index);
        lane.first = node.next;
        if node.next == NONE {
            self.round.pop_front();
            self.served = 0;
        }
        Some(node.batch)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.round.is_empty()
    }
}
