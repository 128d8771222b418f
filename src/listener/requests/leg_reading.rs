//! What comes in by a rendezvous: requests, their bodies piece by piece, and the end.

use std::mem;
use std::sync::Arc;

use super::leg::{Answering, Incoming, Leg, LegStage, Serving};
use super::leg_context::LegContext;
use super::registry::Arrival;
use crate::error::{ErrorKind, RelayError};
use crate::frame::header::Header;
use crate::frame::{FramePiece, OpCode};
use crate::protocol::answer::bare_response;
use crate::protocol::control::{self, ControlMessage, MAX_MESSAGE, Request};
use crate::protocol::relayed;

impl Leg {
    /// Takes what was read.
    pub(super) fn process(&mut self, mut bytes: &mut [u8]) {
        let mut pieces: Vec<&[u8]> = Vec::new();
        loop {
            match self.frames.next(&mut bytes) {
                Ok(Some(FramePiece::Head(header))) => {
                    self.begin_frame(&header);
                    if header.len == 0 && header.fin {
                        self.end_message(&mut pieces);
                    }
                }
                Ok(Some(FramePiece::Payload(payload))) => {
                    match &mut self.incoming {
                        Incoming::Text(text) if text.len() + payload.len() > MAX_MESSAGE => {
                            return self.violated("a message that is too long");
                        }
                        Incoming::Text(text) => text.extend_from_slice(payload),
                        Incoming::Body => pieces.push(payload),
                        Incoming::Skipped => {}
                    }
                    if self.last_frame && !self.frames.in_payload() {
                        self.end_message(&mut pieces);
                    }
                }
                Ok(Some(FramePiece::Control(OpCode::Ping, payload))) => self.wire.pong(&payload),
                Ok(Some(FramePiece::Control(OpCode::Close, payload))) => {
                    self.deliver(&mut pieces, false);
                    return self.left(&payload);
                }
                Ok(Some(FramePiece::Control(..))) => {}
                Ok(None) => break,
                Err(error) => {
                    self.deliver(&mut pieces, false);
                    return self.violated(&error.message);
                }
            }
        }
        self.deliver(&mut pieces, false);
    }

    fn begin_frame(&mut self, header: &Header) {
        self.last_frame = header.fin;
        match (header.opcode, &self.stage) {
            (OpCode::Text, LegStage::Fetching(_) | LegStage::Idle { .. }) => {
                self.incoming = Incoming::Text(Vec::new());
            }
            (OpCode::Text, LegStage::Serving(_)) => {
                self.violated("a request before the last one was answered");
            }
            (OpCode::Binary, LegStage::Serving(Serving { body: Some(_), .. })) => {
                self.incoming = Incoming::Body;
            }
            (OpCode::Text | OpCode::Binary, _) => self.incoming = Incoming::Skipped,
            _ => {}
        }
    }

    fn end_message(&mut self, pieces: &mut Vec<&[u8]>) {
        match mem::replace(&mut self.incoming, Incoming::Skipped) {
            Incoming::Text(text) => self.request(text),
            Incoming::Body => {
                self.deliver(pieces, true);
                if let LegStage::Serving(serving) = &mut self.stage {
                    serving.body = None;
                    self.context.registry.body_ended(serving.number);
                }
                self.settle();
            }
            Incoming::Skipped => {}
        }
    }

    /// Hands on what a read has brought of the body.
    fn deliver(&mut self, pieces: &mut Vec<&[u8]>, last: bool) {
        if pieces.is_empty() && !last {
            return;
        }
        if let LegStage::Serving(Serving { body: Some(body), answer, .. }) = &self.stage {
            self.context.sink.counters.request_bytes.add(pieces.iter().map(|piece| piece.len()).sum());
            body.deliver(pieces, last);
            // Only then is it waited for.
            if matches!(answer, Answering::Sent) {
                self.since = tokio::time::Instant::now();
                self.changed = true;
            }
        }
        pieces.clear();
    }

    /// A request in full form.
    fn request(&mut self, text: Vec<u8>) {
        let parsed = String::from_utf8(text).ok().and_then(|text| control::parse(&text).ok());
        let Some(ControlMessage::Request(Request { id, head: Some(head), .. })) = parsed else {
            return self.violated("something else than a request in full form");
        };
        let context = self.context.clone();
        let LegContext { registry, tickets, sink, .. } = &*context;
        let ticket = match mem::replace(&mut self.stage, LegStage::Closing { heard: false }) {
            LegStage::Fetching(ticket) => ticket,
            _ => {
                sink.counters.requests.bump();
                let ticket = tickets.admit(None, id.len() + head.size());
                if ticket.is_none() {
                    sink.counters.requests_refused.bump();
                }
                ticket
            }
        };
        let ticket = match (relayed::check(&head), ticket) {
            (Ok(()), Some(ticket)) => ticket,
            (checked, _) => {
                let status = checked.map_or_else(|(status, _)| status, |()| 503);
                if let Err((_, why)) = checked {
                    context.lost(RelayError::new(ErrorKind::Protocol, why));
                }
                self.wire.text(&bare_response(&id, status));
                return self.close(1000);
            }
        };
        let has_body = head.body;
        let arrival = Arrival { ticket, address: None, leg: Some(self.post.clone()) };
        let post = self.post.clone();
        let outlet = |number| has_body.then(|| sink.outlet(number, Arc::new(move || post.wake())));
        let (number, body) = registry.begin((id, head), arrival, None, outlet);
        self.serve(number, body);
    }

    /// The relay has closed the connection: the sender has left.
    fn left(&mut self, payload: &[u8]) {
        let code = payload.first_chunk().map_or(1000, |code| u16::from_be_bytes(*code));
        if !matches!(self.stage, LegStage::Closing { .. }) {
            let text = format!("The sender has left before the request was done ({code})");
            self.fail(RelayError::new(ErrorKind::Disconnected, text));
            self.wire.discard();
            self.close(code);
        }
        self.stage = LegStage::Closing { heard: true };
    }

    fn violated(&mut self, what: &str) {
        let text = format!("The relay broke the protocol at the rendezvous of a request: {what}");
        self.fail(RelayError::new(ErrorKind::Protocol, text));
        self.wire.discard();
        self.close(1002);
    }
}
