//! What goes out by a rendezvous: the answer, and its body as it is said.

use std::mem;
use std::task::Context;

use super::leg::{Answering, Leg, LegStage, Sending, Serving};
use super::post::{FRAGMENT, LegItem};
use super::prepared::PreparedAnswer;
use crate::listener::events::ListenerEvent;

impl Leg {
    /// Takes up what was posted, and writes it as far as that goes.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        loop {
            let took = self.take_up();
            let before = self.wire.waiting();
            let left = self.wire.poll_write(cx)?;
            self.sent(left);
            if !took && self.wire.waiting() == before {
                return Ok(());
            }
        }
    }

    /// Takes up as much as there is room for; false if there is nothing, or no room.
    fn take_up(&mut self) -> bool {
        let mut took = false;
        while self.wire.has_room() {
            if let LegStage::Serving(Serving { answer: Answering::Sending(sending), .. }) = &mut self.stage
                && !sending.rest.is_empty()
            {
                let part = sending.rest.split_to(sending.rest.len().min(FRAGMENT));
                let first = !mem::replace(&mut sending.begun, true);
                self.wire.part(first, sending.rest.is_empty(), &part);
                took = true;
                continue;
            }
            let Some(item) = self.post.next() else { break };
            took = true;
            self.take(item);
        }
        took
    }

    fn take(&mut self, item: LegItem) {
        let LegStage::Serving(serving) = &mut self.stage else { return };
        match (item, &mut serving.answer) {
            (LegItem::Answer { answer, streams }, Answering::Waiting) => {
                let answer = self.context.registry.prepare(answer, streams);
                self.answer(answer);
            }
            (LegItem::Prepared(answer), Answering::Waiting) => self.answer(answer),
            (LegItem::Fragments(fragments), Answering::Sending(sending)) if sending.streams => {
                self.wire.fragments(fragments);
            }
            (LegItem::End { begun }, Answering::Sending(sending)) => {
                if sending.streams {
                    self.wire.part(!begun, true, b"");
                }
                sending.ended = true;
            }
            (LegItem::Cut, _) => {
                self.wire.discard();
                self.close(1011);
            }
            _ => {}
        }
    }

    fn answer(&mut self, answer: PreparedAnswer) {
        let LegStage::Serving(serving) = &mut self.stage else { return };
        let PreparedAnswer { text, body, streams, whole, failed, ticket, .. } = answer;
        self.wire.text(&text);
        serving.answer = Answering::Sending(Sending {
            _ticket: ticket,
            rest: body.unwrap_or_default(),
            begun: false,
            streams,
            ended: whole,
            whole,
            failed,
        });
    }

    /// So much more of the answer's body has left.
    fn sent(&mut self, left: usize) {
        let LegStage::Serving(serving) = &mut self.stage else { return };
        let Answering::Sending(sending) = &serving.answer else { return };
        let (number, sink) = (serving.number, &self.context.sink);
        if left > 0 {
            sink.counters.answer_bytes.add(left);
            if sending.streams {
                let bytes = u32::try_from(left).unwrap_or(u32::MAX);
                sink.emit(ListenerEvent::AnswerSent { number, bytes });
            }
        }
        if !sending.ended || !sending.rest.is_empty() || !self.wire.is_clear() {
            return;
        }
        sink.counters.answers_by_rendezvous.bump();
        // Its ticket goes with it.
        if let Answering::Sending(Sending { failed: false, whole: false, .. }) =
            mem::replace(&mut serving.answer, Answering::Sent)
        {
            self.context.registry.tell_end(number, None);
        }
        self.settle();
    }
}
