//! The task of one open rendezvous: requests come by it one at a time, with bodies of any length, and are answered on it.
//! It ends when the sender does, when an answer was cut, or when nobody is to come any more.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use super::desk::LegDesk;
use super::post::{LegItem, LegPost};
use super::prepared::{PreparedAnswer, prepare};
use super::registry::Arrival;
use super::tickets::Ticket;
use super::wire::LegWire;
use crate::error::{ErrorKind, RelayError};
use crate::frame::header::Header;
use crate::frame::{FramePiece, FrameReader, OpCode, Role};
use crate::listener::dialer::Dialed;
use crate::listener::events::ListenerEvent;
use crate::listener::outlet::BodyOutlet;
use crate::protocol::control::{self, ControlMessage, MAX_MESSAGE};
use crate::protocol::relayed;

/// How long the relay may take to say the request that waits here.
const FETCH_TIME: Duration = Duration::from_secs(60);
/// How long the sender may take for its next request. The relay's own limit is shorter: this finds dead connections.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// How long nothing may come of a body that is left when its request has been answered.
const REST_TIME: Duration = Duration::from_secs(60);
/// How long the other side may take to close.
const LINGER: Duration = Duration::from_secs(5);
/// Longest fragment of a body that is here as a whole.
const PART: usize = 64 * 1024;

/// What an open rendezvous begins with.
pub(super) enum Errand {
    /// This exchange is to be answered here.
    Answer(u64),
    /// A request waits here. Without a ticket there is no room for it.
    Fetch(Option<Ticket>),
}

/// One open rendezvous.
pub(super) struct Leg {
    desk: Arc<LegDesk>,
    post: Arc<LegPost>,
    wire: LegWire,
    frames: FrameReader,
    incoming: Incoming,
    /// The frame at hand is the last one of its message.
    last_frame: bool,
    stage: LegStage,
    /// Since when the present wait lasts.
    since: Instant,
    /// No further request is wanted.
    leaving: bool,
    /// The present wait is another one than before.
    changed: bool,
}

/// What the message at hand is.
enum Incoming {
    Text(Vec<u8>),
    Body,
    Skipped,
}

enum LegStage {
    /// For a request that is waiting here.
    Fetching(Option<Ticket>),
    Serving(Serving),
    /// For the sender's next request.
    Idle(#[allow(dead_code, reason = "it is given back by being dropped")] OwnedSemaphorePermit),
    /// Our close frame is on its way.
    Closing {
        heard: bool,
    },
}

struct Serving {
    number: u64,
    /// The rest of the request's body goes there.
    body: Option<Arc<dyn BodyOutlet>>,
    answer: Answering,
}

enum Answering {
    Waiting,
    Sending(Sending),
    Sent,
}

struct Sending {
    /// Held until all of it is out.
    _ticket: Ticket,
    /// What is left of a whole body.
    rest: Bytes,
    begun: bool,
    /// Its parts come one by one.
    streams: bool,
    ended: bool,
    /// The owner has said all of it at once, and hears no more of it.
    whole: bool,
    /// The owner knows already that its own answer was none.
    failed: bool,
}

enum LegStep {
    /// Something else is waited for.
    Again,
    End(Result<(), RelayError>),
}

impl Leg {
    pub(super) fn new(
        desk: Arc<LegDesk>,
        post: Arc<LegPost>,
        dialed: Dialed,
        errand: Errand,
    ) -> (Self, Vec<u8>) {
        let stage = match errand {
            Errand::Answer(number) => {
                post.serve(Some(number));
                LegStage::Serving(Serving { number, body: None, answer: Answering::Waiting })
            }
            Errand::Fetch(ticket) => LegStage::Fetching(ticket),
        };
        let leg = Self {
            desk,
            post,
            wire: LegWire::new(dialed.io),
            frames: FrameReader::new(Role::Client, false),
            incoming: Incoming::Skipped,
            last_frame: true,
            stage,
            since: Instant::now(),
            leaving: false,
            changed: false,
        };
        (leg, dialed.leftover)
    }

    /// Runs to the end of the connection.
    pub(super) async fn run(mut self, mut leftover: Vec<u8>) {
        let desk = self.desk.clone();
        self.process(&mut leftover);
        drop(leftover);
        let end = loop {
            let deadline = self.deadline();
            let fetching = matches!(self.stage, LegStage::Fetching(_));
            tokio::select! {
                biased;
                step = poll_fn(|cx| self.poll(cx)) => match step {
                    LegStep::Again => {}
                    LegStep::End(end) => break end,
                },
                () = desk.closing.cancelled(), if !self.leaving => self.leave(),
                () = desk.at_once.cancelled(), if fetching => self.close(1000),
                () = until(deadline) => if matches!(self.stage, LegStage::Closing { .. }) {
                    break Ok(());
                } else {
                    self.expire();
                },
            }
        };
        if let Err(error) = end {
            self.fail(error);
        }
        drop(self.post.close());
        let _ = timeout(LINGER, self.wire.shutdown()).await;
    }

    fn deadline(&self) -> Option<Instant> {
        let limit = match &self.stage {
            LegStage::Fetching(_) => FETCH_TIME,
            LegStage::Idle(_) => IDLE_TIME,
            LegStage::Closing { .. } => LINGER,
            LegStage::Serving(Serving { answer: Answering::Sent, .. }) => REST_TIME,
            // The registry knows how long the relay waits for an answer.
            LegStage::Serving(_) => return None,
        };
        Some(self.since + limit)
    }

    fn expire(&mut self) {
        self.fail(RelayError::new(ErrorKind::Timeout, "The rest of the body did not come in time"));
        self.close(1000);
    }

    /// The listener is closing.
    fn leave(&mut self) {
        self.leaving = true;
        match &self.stage {
            LegStage::Idle(_) => self.close(1000),
            LegStage::Serving(Serving { answer: Answering::Sent, .. }) => {
                self.fail(RelayError::new(ErrorKind::Aborted, "The listener was closed"));
                self.close(1000);
            }
            LegStage::Fetching(_) | LegStage::Serving(_) | LegStage::Closing { .. } => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LegStep> {
        self.post.register(cx.waker());
        loop {
            if let Err(error) = self.write(cx) {
                return Poll::Ready(LegStep::End(Err(error)));
            }
            if matches!(self.stage, LegStage::Closing { heard: true }) && self.wire.is_clear() {
                return Poll::Ready(LegStep::End(Ok(())));
            }
            if mem::take(&mut self.changed) {
                return Poll::Ready(LegStep::Again);
            }
            let much = match &self.stage {
                LegStage::Serving(Serving { body: Some(body), .. }) if !body.may_read() => {
                    return Poll::Pending;
                }
                LegStage::Serving(Serving { body: Some(_), .. }) => true,
                _ => false,
            };
            match self.wire.poll_read(cx, much) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((mut buffer, count @ 1..))) => {
                    self.process(&mut buffer[..count]);
                    self.wire.keep(buffer);
                }
                Poll::Ready(Ok(_)) => return Poll::Ready(LegStep::End(Err(gone(None)))),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(LegStep::End(Err(gone(Some(error)))));
                }
            }
        }
    }

    /// Takes up what was posted, and writes it as far as that goes.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), RelayError> {
        loop {
            let took = self.take_up();
            let before = self.wire.waiting();
            let left = self.wire.poll_write(cx).map_err(|error| gone(Some(error)))?;
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
                let part = sending.rest.split_to(sending.rest.len().min(PART));
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
                let answer = prepare(answer, streams, &self.desk.registry);
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
        let (number, sink) = (serving.number, &self.desk.sink);
        if left > 0 {
            sink.counters.answer_bytes.add(left);
            if sending.streams {
                sink.emit(ListenerEvent::AnswerSent {
                    number,
                    bytes: u32::try_from(left).unwrap_or(u32::MAX),
                });
            }
        }
        if !sending.ended || !sending.rest.is_empty() || !self.wire.is_clear() {
            return;
        }
        sink.counters.answers_by_rendezvous.bump();
        // Its ticket goes with it.
        let Answering::Sending(sending) = mem::replace(&mut serving.answer, Answering::Sent) else { return };
        if !sending.failed && !sending.whole {
            self.desk.registry.tell_end(number, None);
        }
        self.settle();
    }

    /// Something has been completed: goes on to what is next.
    fn settle(&mut self) {
        let LegStage::Serving(Serving { answer: Answering::Sent, body, .. }) = &self.stage else { return };
        let rest = body.is_some();
        self.since = Instant::now();
        self.changed = true;
        match (rest, self.leaving) {
            (true, true) => return self.leave(),
            (true, false) => return,
            (false, _) => self.post.serve(None),
        }
        match self.desk.idle.clone().try_acquire_owned() {
            Ok(seat) if !self.leaving => self.stage = LegStage::Idle(seat),
            _ => self.close(1000),
        }
    }

    /// What was read.
    fn process(&mut self, mut bytes: &mut [u8]) {
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
            (OpCode::Text, LegStage::Fetching(_) | LegStage::Idle(_)) => {
                self.incoming = Incoming::Text(Vec::new());
            }
            (OpCode::Text, LegStage::Serving(_)) => {
                self.violated("a request before the last one was answered")
            }
            (OpCode::Binary, LegStage::Serving(Serving { body: Some(_), .. })) => {
                self.incoming = Incoming::Body
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
                    self.desk.registry.body_ended(serving.number);
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
        if let LegStage::Serving(Serving { body: Some(body), .. }) = &self.stage {
            self.desk.sink.counters.request_bytes.add(pieces.iter().map(|piece| piece.len()).sum());
            body.deliver(pieces, last);
            self.since = Instant::now();
            self.changed |= matches!(self.stage, LegStage::Serving(Serving { answer: Answering::Sent, .. }));
        }
        pieces.clear();
    }

    /// A request in full form.
    fn request(&mut self, text: Vec<u8>) {
        let parsed = String::from_utf8(text).ok().and_then(|text| control::parse(&text).ok());
        let Some(ControlMessage::Request(request)) = parsed else {
            return self.violated("something else than a request");
        };
        let Some(head) = &request.head else { return self.violated("a request in short form") };
        let LegDesk { registry, tickets, sink, .. } = &*self.desk;
        let stage = mem::replace(&mut self.stage, LegStage::Closing { heard: false });
        let ticket = match stage {
            LegStage::Fetching(ticket) => ticket,
            _ => {
                sink.counters.requests.bump();
                let ticket = tickets.admit(None, request.id.len() + head.size());
                if ticket.is_none() {
                    sink.counters.requests_refused.bump();
                }
                ticket
            }
        };
        let refusal = match (relayed::check(head), ticket) {
            (Err((status, _)), _) => Err(status),
            (_, None) => Err(503),
            (_, Some(ticket)) => Ok(ticket),
        };
        match refusal {
            Err(status) => {
                self.wire.text(&control::bare_response(&request.id, status));
                self.close(1000);
            }
            Ok(ticket) => {
                let has_body = head.body;
                let arrival = Arrival { ticket, address: None, leg: Some(self.post.clone()) };
                let post = self.post.clone();
                let outlet = |number| has_body.then(|| sink.outlet(number, Arc::new(move || post.wake())));
                if let Some((number, body)) = registry.begin(request, arrival, None, outlet) {
                    self.post.serve(Some(number));
                    self.stage = LegStage::Serving(Serving { number, body, answer: Answering::Waiting });
                    self.changed = true;
                }
            }
        }
    }

    /// The relay has closed the connection: the sender has left.
    fn left(&mut self, payload: &[u8]) {
        let code = payload.first_chunk().map_or(1000, |code| u16::from_be_bytes(*code));
        if !matches!(self.stage, LegStage::Closing { .. }) {
            self.fail(RelayError::new(
                ErrorKind::Disconnected,
                format!("The sender has left before the request was done ({code})"),
            ));
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

    /// The exchange at hand comes to nothing.
    fn fail(&mut self, error: RelayError) {
        let stage = mem::replace(&mut self.stage, LegStage::Closing { heard: false });
        if let LegStage::Serving(Serving { number, answer, .. }) = stage {
            self.post.serve(None);
            if matches!(&answer, Answering::Sending(Sending { failed: true, .. })) {
                self.desk.registry.forget(number);
            } else {
                self.desk.registry.fail(number, error);
            }
        }
    }

    fn close(&mut self, code: u16) {
        self.post.serve(None);
        self.incoming = Incoming::Skipped;
        self.wire.close(code);
        self.stage = LegStage::Closing { heard: false };
        self.since = Instant::now();
        self.changed = true;
    }
}

/// The connection has broken.
fn gone(error: Option<std::io::Error>) -> RelayError {
    let text = "The connection of the request was lost";
    match error {
        Some(error) => RelayError::new(ErrorKind::Disconnected, format!("{text}: {error}")).caused_by(error),
        None => RelayError::new(ErrorKind::Disconnected, text),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
