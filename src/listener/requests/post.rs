//! What the owner's thread hands to the task of a rendezvous: answers, and the fragments of their bodies, already framed.

use std::collections::VecDeque;
use std::mem;
use std::sync::Mutex;
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::prepared::PreparedAnswer;
use super::tickets::PendingAnswer;
use crate::buffers;
use crate::frame::{self, OpCode};
use crate::sync::lock;

/// Longest fragment of a body, and about as much as is collected before it is written.
pub(super) const FRAGMENT: usize = 64 * 1024;
/// Bytes of one answer that may wait for a sender who does not read, while the program does not heed that.
const MAX_WAITING: usize = 256 * 1024 * 1024;

/// One thing to do, in the order in which it was said.
pub(super) enum LegItem {
    /// Send a whole answer, or the head of one whose body streams.
    Answer { answer: PendingAnswer, streams: bool },
    /// Send an answer that was on its way to a control channel.
    Prepared(PreparedAnswer),
    /// Send these fragments.
    Fragments(Fragments),
    /// End the body, of which some has been posted or not.
    End { begun: bool },
    /// Close the connection without the end of the body.
    Cut,
}

/// Frames of an answer's body.
#[derive(Default)]
pub(super) struct Fragments {
    pub(super) bytes: Vec<u8>,
    /// How many of these are the program's.
    pub(super) body: usize,
}

/// The way into the task of one rendezvous.
#[derive(Default)]
pub(super) struct LegPost {
    posted: Mutex<Posted>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Posted {
    /// The exchange that all of this is about. What is said of another comes too late.
    serving: Option<u64>,
    items: VecDeque<LegItem>,
    /// Bytes in there.
    waiting: usize,
    /// The first fragment of the body has been posted.
    begun: bool,
    /// The task has ended.
    over: bool,
}

impl LegPost {
    /// For a rendezvous that is dialled for an exchange.
    pub(super) fn of(number: u64) -> Self {
        let post = Self::default();
        post.serve(Some(number));
        post
    }

    /// Posts an item about an exchange; gives it back where nobody is left to take it.
    pub(super) fn push(&self, number: u64, item: LegItem) -> Option<LegItem> {
        let mut posted = lock(&self.posted);
        if posted.over || posted.serving != Some(number) {
            return Some(item);
        }
        match &item {
            LegItem::Answer { answer, .. } => {
                posted.begun = false;
                posted.waiting += answer.body.len();
            }
            // Nothing of what was to go before matters any more.
            LegItem::Cut => {
                let dropped = mem::take(&mut posted.items);
                posted.waiting = 0;
                posted.items.push_back(item);
                drop(posted);
                drop(dropped);
                self.wake();
                return None;
            }
            LegItem::Prepared(_) | LegItem::Fragments(_) | LegItem::End { .. } => {}
        }
        posted.items.push_back(item);
        drop(posted);
        self.wake();
        None
    }

    /// Posts a part of the body. False if more waits than may.
    pub(super) fn write(&self, number: u64, chunk: &[u8]) -> bool {
        let mut posted = lock(&self.posted);
        if posted.over || posted.serving != Some(number) {
            return true;
        }
        if posted.waiting + chunk.len() > MAX_WAITING {
            return false;
        }
        posted.waiting += chunk.len();
        for part in chunk.chunks(FRAGMENT) {
            let opcode =
                if mem::replace(&mut posted.begun, true) { OpCode::Continuation } else { OpCode::Binary };
            append(&mut posted.items, opcode, part);
        }
        drop(posted);
        self.wake();
        true
    }

    /// Posts the end of the body.
    pub(super) fn end(&self, number: u64) {
        let begun = lock(&self.posted).begun;
        self.push(number, LegItem::End { begun });
    }

    /// The next item.
    pub(super) fn next(&self) -> Option<LegItem> {
        let mut posted = lock(&self.posted);
        let item = posted.items.pop_front()?;
        posted.waiting -= match &item {
            LegItem::Answer { answer, .. } => answer.body.len(),
            LegItem::Fragments(fragments) => fragments.body,
            LegItem::Prepared(_) | LegItem::End { .. } | LegItem::Cut => 0,
        };
        Some(item)
    }

    /// The task ends: gives back the items that it has not taken.
    pub(super) fn close(&self) -> VecDeque<LegItem> {
        let mut posted = lock(&self.posted);
        posted.over = true;
        mem::take(&mut posted.items)
    }

    /// Who is woken when something has been posted.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// The task has begun with an exchange, or is done with it.
    pub(super) fn serve(&self, number: Option<u64>) {
        let mut posted = lock(&self.posted);
        posted.serving = number;
        posted.waiting = 0;
        let dropped = mem::take(&mut posted.items);
        drop(posted);
        drop(dropped);
    }

    /// What a task was at that has not come to an end by itself.
    pub(super) fn serving(&self) -> Option<u64> {
        lock(&self.posted).serving
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

/// Frames a part of the body, together with others that wait where there is room.
fn append(items: &mut VecDeque<LegItem>, opcode: OpCode, part: &[u8]) {
    let size = frame::frame_len(part.len(), true);
    let fits = |fragments: &&mut Fragments| fragments.bytes.len() + size <= FRAGMENT;
    let last = match items.back_mut() {
        Some(LegItem::Fragments(fragments)) => Some(fragments).filter(fits),
        _ => None,
    };
    let mut fresh = None;
    let fragments = match last {
        Some(last) => last,
        None => fresh.insert(Fragments { bytes: buffers::take(size), body: 0 }),
    };
    frame::encode(&mut fragments.bytes, opcode, false, false, Some(rand::random()), part);
    fragments.body += part.len();
    items.extend(fresh.map(LegItem::Fragments));
}
