//! One WebSocket of a control channel: what is received, and what waits for a relay that does not read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::Message;

use super::dialer::ControlWebSocket;
use super::machine::LinkId;

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
    /// The outbox was full. What the relay still has to say would only fill it again.
    full: bool,
    /// Writing failed; what was received before is still read.
    broken: Option<String>,
    /// A close frame came, or the end: nothing more is read, and the answer waits for the machine's word.
    ended: bool,
    /// Our close frame is on its way: nothing may follow it.
    closing: bool,
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
            full: false,
            broken: None,
            ended: false,
            closing: false,
        }
    }

    pub(super) fn push(&mut self, message: Message) {
        if self.closing || self.ended || self.full {
            return;
        }
        let waiting = self.waiting + message.len();
        if self.outbox.len() >= MAX_OUTBOX || waiting > MAX_OUTBOX_BYTES {
            self.full = true;
            self.outbox = VecDeque::new();
            return;
        }
        self.waiting = waiting;
        self.closing = matches!(message, Message::Close(_));
        self.outbox.push_back(message);
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
        let mut socket = Pin::new(&mut self.socket);
        while !self.outbox.is_empty() {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.outbox.pop_front() {
                self.waiting -= message.len();
                socket.as_mut().start_send(message).map_err(|error| error.to_string())?;
            }
        }
        match socket.poll_flush(cx) {
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
