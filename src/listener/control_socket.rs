//! One WebSocket of a control channel: what is received, and what waits for a relay that does not read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::Message;

use super::dialer::ControlWebSocket;
use super::machine::LinkId;
use super::requests::PreparedAnswer;

/// Messages that wait for a relay that does not read, and their bytes. Beyond that the link is as good as lost.
const MAX_OUTBOX: usize = 1024;
const MAX_OUTBOX_BYTES: usize = 1024 * 1024;

/// One socket of the channel. There are two while a replacement takes over.
pub(super) struct ControlSocket {
    pub(super) id: LinkId,
    socket: ControlWebSocket,
    outbox: VecDeque<Message>,
    /// Bytes in the outbox.
    waiting: usize,
    /// Answers to requests. They are bounded by what requests may be in progress, and go behind what is in the outbox.
    answers: VecDeque<PreparedAnswer>,
    /// The rest of an answer, whose beginning has gone: nothing may come between.
    rest: Option<Message>,
    /// Goes last.
    close: Option<Message>,
    /// The outbox was full. What the relay still has to say would only fill it again.
    full: bool,
    /// Writing failed; what was received before is still read.
    broken: Option<String>,
    /// A close frame came, or the end: nothing more is read, and the answer waits for the machine's word.
    ended: bool,
    /// Our close frame has gone: nothing may follow it.
    closed: bool,
}

/// What a link has to say.
pub(super) enum News {
    Message(Message),
    Broken(String),
}

impl ControlSocket {
    pub(super) fn new(id: LinkId, socket: ControlWebSocket) -> Self {
        Self {
            id,
            socket,
            outbox: VecDeque::new(),
            waiting: 0,
            answers: VecDeque::new(),
            rest: None,
            close: None,
            full: false,
            broken: None,
            ended: false,
            closed: false,
        }
    }

    pub(super) fn push(&mut self, message: Message) {
        if self.close.is_some() || self.ended || self.full {
            return;
        }
        if matches!(message, Message::Close(_)) {
            self.close = Some(message);
            return;
        }
        let waiting = self.waiting + message.len();
        if self.outbox.len() >= MAX_OUTBOX || waiting > MAX_OUTBOX_BYTES {
            self.full = true;
            self.outbox = VecDeque::new();
            return;
        }
        self.waiting = waiting;
        self.outbox.push_back(message);
    }

    /// Takes an answer to a request; gives it back where it would not get to the relay.
    pub(super) fn answer(&mut self, answer: PreparedAnswer) -> Option<PreparedAnswer> {
        if self.closed || self.close.is_some() || self.ended || self.full || self.broken.is_some() {
            return Some(answer);
        }
        self.answers.push_back(answer);
        None
    }

    /// The answers that have not gone.
    pub(super) fn take_answers(&mut self) -> VecDeque<PreparedAnswer> {
        std::mem::take(&mut self.answers)
    }

    /// What is written next.
    fn next(&mut self) -> Option<Message> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        if let Some(message) = self.outbox.pop_front() {
            self.waiting -= message.len();
            return Some(message);
        }
        if let Some(answer) = self.answers.pop_front() {
            self.rest = answer.body.map(Message::Binary);
            return Some(Message::text(answer.text));
        }
        if self.closed {
            return None;
        }
        self.closed = self.close.is_some();
        self.close.clone()
    }

    fn has_next(&self) -> bool {
        let closing = self.close.is_some() && !self.closed;
        closing || self.rest.is_some() || !self.outbox.is_empty() || !self.answers.is_empty()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        if self.ended {
            return Poll::Pending;
        }
        if self.full {
            self.ended = true;
            return Poll::Ready(News::Broken("the relay does not read".to_owned()));
        }
        if self.broken.is_none() {
            self.broken = self.poll_write(cx).err();
        }
        let news = match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => News::Message(message),
            Poll::Ready(Some(Err(error))) => News::Broken(error.to_string()),
            Poll::Ready(None) => News::Broken(String::new()),
            Poll::Pending => match self.broken.take() {
                Some(why) => News::Broken(why),
                None => return Poll::Pending,
            },
        };
        self.ended = matches!(news, News::Broken(_) | News::Message(Message::Close(_)));
        Poll::Ready(news)
    }

    /// Writes what can be written without waiting.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        while self.has_next() {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.next() {
                Pin::new(&mut self.socket).start_send(message).map_err(|error| error.to_string())?;
            }
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Sends the answer to the relay's close frame, if it goes without waiting.
    pub(super) fn farewell(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_flush(&mut cx);
    }
}
