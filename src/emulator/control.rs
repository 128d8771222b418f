//! A listener's control channel: offers go out, renewals and responses come in, until the token or the day is
//! over.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::event::Event;
use super::fault::Signals;
use super::frame::{self, Decoder, Sink};
use super::namespace::Namespace;
use super::namespace::channel::{Ending, Message, Queued};
use super::namespace::seats::Seat;
use super::options::Right;
use super::protocol::{self, FromListener, Response};
use super::refusal::unix_now;
use super::stream::{self, Connection, Stream};

/// The longest text and the longest body that a control channel carries.
const MAX_MESSAGE: usize = 256 * 1024;
/// Pongs that wait for a client which does not read; beyond it the newest are dropped.
const MAX_PONGS: usize = 64;

enum Reply {
    Pong(Vec<u8>),
    Close {
        payload: Vec<u8>,
        /// It answers the client's close frame, or there will be none, so the session ends once it is out.
        answer: bool,
    },
}

/// Collects messages, which here are small.
#[derive(Default)]
struct Inbox {
    opcode: u8,
    last: bool,
    message: Vec<u8>,
    complete: Vec<(u8, Vec<u8>)>,
    controls: Vec<(u8, Vec<u8>)>,
    too_long: bool,
}

impl Sink for Inbox {
    fn begin(&mut self, first: u8, length: u64) {
        if first & 0x0f != frame::CONTINUATION {
            self.opcode = first & 0x0f;
            self.message.clear();
        }
        self.last = first & frame::FIN != 0;
        self.too_long |= length.saturating_add(self.message.len() as u64) > MAX_MESSAGE as u64;
    }

    fn payload(&mut self, bytes: &[u8]) {
        if !self.too_long {
            self.message.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) {
        if self.last {
            self.complete.push((self.opcode, std::mem::take(&mut self.message)));
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.controls.push((opcode, payload.to_vec()));
    }
}

struct Session<'a> {
    namespace: &'a Arc<Namespace>,
    authority: &'a str,
    target: &'a str,
    path: String,
    id: String,
    replies: mpsc::Sender<Reply>,
    expiry: Option<Instant>,
    /// A response whose body is the next binary message.
    awaiting_body: Option<Response>,
    /// Set once a close frame was queued: when to stop waiting for the client's.
    closing: Option<Instant>,
}

/// Runs the channel to its end; `target` is the path that it was dialled with.
pub async fn run(
    namespace: &Arc<Namespace>,
    connection: Connection,
    target: &str,
    mut seat: Seat,
    expires_at: i64,
) {
    let Connection { stream, early, authority, .. } = connection;
    let (mut reader, mut writer) = tokio::io::split(stream);
    // Room for both close frames stays free of pongs.
    let (replies, outgoing) = mpsc::channel(MAX_PONGS + 2);
    let mut session = Session {
        namespace,
        authority: &authority,
        target,
        path: seat.path.clone(),
        id: seat.id.clone(),
        replies,
        expiry: None,
        awaiting_body: None,
        closing: None,
    };
    session.expires(expires_at);
    namespace.emit(&Event::Listener { path: seat.path.clone(), id: seat.id.clone() });
    let signals = namespace.signals.subscribe();
    let end = {
        let writing = write(&mut writer, &mut seat.messages, outgoing, signals.clone());
        tokio::pin!(writing);
        tokio::select! {
            end = session.read(&mut reader, early, &mut seat.endings, signals) => end,
            () = &mut writing => End::Gone,
        }
    };
    drop(seat);
    match end {
        End::Cut { reset } => stream::cut(reader, writer, reset),
        End::Closed | End::Gone => stream::finish(reader, writer).await,
    }
}

enum End {
    /// Both sides said goodbye, or the time for it is over.
    Closed,
    /// The client is gone.
    Gone,
    Cut {
        reset: bool,
    },
}

impl Session<'_> {
    fn expires(&mut self, expires_at: i64) {
        let left = u64::try_from(expires_at.saturating_sub(unix_now())).unwrap_or_default();
        let grace = Duration::from_millis(self.namespace.options.token_grace);
        self.expiry = Instant::now().checked_add(Duration::from_secs(left).saturating_add(grace));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.say_goodbye(frame::close_payload(code, reason), false);
    }

    fn say_goodbye(&mut self, payload: Vec<u8>, answer: bool) {
        if self.closing.is_none() {
            let _ = self.replies.try_send(Reply::Close { payload, answer });
            self.closing = Some(Instant::now() + self.namespace.options.close_time());
        }
    }

    async fn read(
        &mut self,
        reader: &mut ReadHalf<Stream>,
        mut early: Vec<u8>,
        endings: &mut mpsc::UnboundedReceiver<Ending>,
        mut signals: watch::Receiver<Signals>,
    ) -> End {
        let mut decoder = Decoder::new(false);
        let mut inbox = Inbox::default();
        let day = match self.namespace.options.recycle_after {
            0 => None,
            ms => Instant::now().checked_add(Duration::from_millis(ms)),
        };
        let mut buffer = vec![0; 16 * 1024];
        // What came with the handshake is read first.
        if self.feed(&mut early, &mut decoder, &mut inbox) {
            return End::Closed;
        }
        drop(early);
        loop {
            let silent = signals.borrow_and_update().silence.control;
            let count = tokio::select! {
                // What was ordered comes before what arrived after the order.
                biased;
                changed = signals.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Gone,
                },
                // Without anybody left who could order an end, this arm rests.
                Some(ending) = endings.recv() => match ending {
                    Ending::Close(code, reason) => {
                        self.close(code, &reason);
                        continue;
                    }
                    Ending::Cut { reset, .. } => return End::Cut { reset },
                },
                () = at(self.expiry), if self.closing.is_none() && !silent => {
                    let reason = self.namespace.close_reason("ExpiredToken: The token is expired.");
                    self.close(1008, &reason);
                    continue;
                }
                () = at(day), if self.closing.is_none() && !silent => {
                    let reason = self.namespace.close_reason("InternalServerError: NameRenewalFailed.");
                    self.close(1011, &reason);
                    continue;
                }
                () = at(self.closing), if self.closing.is_some() && !silent => return End::Closed,
                read = reader.read(&mut buffer), if !silent => match read {
                    Ok(0) | Err(_) => return End::Gone,
                    Ok(count) => count,
                },
            };
            if self.feed(buffer.get_mut(..count).unwrap_or_default(), &mut decoder, &mut inbox) {
                return End::Closed;
            }
        }
    }

    /// Handles some bytes; true once the client has answered our close frame. Nothing is kept beyond the message that is
    /// not complete yet.
    fn feed(&mut self, bytes: &mut [u8], decoder: &mut Decoder, inbox: &mut Inbox) -> bool {
        let fed = decoder.feed(bytes, inbox);
        if inbox.too_long {
            self.close(1009, "The message is too long for the control channel.");
        }
        let answered = self.take(inbox);
        if let Err(violation) = fed {
            // Who breaks the rules can't be asked for a close frame of his own: this is the end once ours is out.
            self.say_goodbye(frame::close_payload(1002, violation), true);
        }
        answered
    }

    /// Handles what was read; true once the client has answered our close frame.
    fn take(&mut self, inbox: &mut Inbox) -> bool {
        let was_closing = self.closing.is_some();
        // Nothing comes behind a close frame, so messages come first.
        for (opcode, message) in std::mem::take(&mut inbox.complete) {
            if self.closing.is_none() {
                self.message(opcode, message);
            }
        }
        for (opcode, payload) in std::mem::take(&mut inbox.controls) {
            match opcode {
                frame::PING => {
                    self.namespace.count(|totals| &mut totals.pings);
                    self.namespace.emit(&Event::Ping { path: self.path.clone(), id: self.id.clone() });
                    if !self.namespace.signals.borrow().swallow_pongs && self.replies.capacity() > 2 {
                        let _ = self.replies.try_send(Reply::Pong(payload));
                    }
                }
                frame::CLOSE => {
                    if was_closing {
                        return true;
                    }
                    self.say_goodbye(payload, true);
                }
                _ => {}
            }
        }
        false
    }

    fn message(&mut self, opcode: u8, message: Vec<u8>) {
        if opcode == frame::BINARY {
            if let Some(mut response) = self.awaiting_body.take() {
                response.body = message;
                self.namespace.respond(response);
            }
            return;
        }
        match protocol::parse(&message) {
            FromListener::RenewToken(token) => self.renew(&token),
            FromListener::Response(response) if response.has_body => self.awaiting_body = Some(response),
            FromListener::Response(response) => {
                self.namespace.respond(response);
            }
            FromListener::Unknown => {}
            FromListener::Malformed => {
                let reason = self.namespace.close_reason("The message is not valid.");
                self.close(1008, &reason);
            }
        }
    }

    fn renew(&mut self, token: &str) {
        match self.namespace.verify(token, self.authority, self.target, Right::Listen) {
            Ok(expires_at) => {
                self.expires(expires_at);
                self.namespace.count(|totals| &mut totals.renewals);
                self.namespace.emit(&Event::Renewed { path: self.path.clone(), id: self.id.clone() });
            }
            Err(refusal) => {
                let reason = self.namespace.close_reason(&refusal.text);
                self.close(1008, &reason);
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Writes what is queued. Returns when the connection fails or the last word is said; after a close frame of
/// ours it writes nothing more and leaves the end to the reader.
async fn write(
    writer: &mut WriteHalf<Stream>,
    messages: &mut mpsc::Receiver<Queued>,
    mut replies: mpsc::Receiver<Reply>,
    mut signals: watch::Receiver<Signals>,
) {
    let mut out = Vec::new();
    loop {
        out.clear();
        let (mut closing, mut told) = (None, None);
        tokio::select! {
            biased;
            Some(reply) = replies.recv() => match reply {
                Reply::Pong(payload) => frame::put_frame(&mut out, frame::PONG, &payload),
                Reply::Close { payload, answer } => {
                    frame::put_frame(&mut out, frame::CLOSE, &payload);
                    closing = Some(answer);
                    // Nothing follows a close frame: what is queued is for another channel.
                    messages.close();
                    while messages.try_recv().is_ok() {}
                }
            },
            Some((message, _share)) = messages.recv() => match message {
                Message::Text(text) => frame::put_frame(&mut out, frame::TEXT, text.as_bytes()),
                Message::Offer(text, sent) => {
                    frame::put_frame(&mut out, frame::TEXT, text.as_bytes());
                    told = Some(sent);
                }
                Message::WithBody(text, body) => {
                    frame::put_frame(&mut out, frame::TEXT, text.as_bytes());
                    frame::put_frame(&mut out, frame::BINARY, &body);
                }
            },
            else => return,
        }
        let _ = signals.wait_for(|signals| !signals.silence.control).await;
        if writer.write_all(&out).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        if let Some(told) = told {
            // The sender may be gone.
            let _ = told.send(());
        }
        match closing {
            Some(true) => return,
            Some(false) => return std::future::pending().await,
            None => {}
        }
    }
}
