//! A listener's control channel: offers go out, renewals and responses come in, until the token expires or the channel
//! is as old as the service lets one become.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::event::RelayEvent;
use super::fault::Signals;
use super::frames::{put_fragments, put_frame};
use super::namespace::channel::{ChannelMessage, EndOrder, ListenerOrigin, QueuedMessage};
use super::namespace::seats::ListenerSeat;
use super::namespace::{Namespace, RequestOutcome};
use super::options::Right;
use super::record::{RecordDetail, RecordedRefusal};
use super::refusal::unix_now;
use super::stream::{self, InboundConnection, InboundStream};
use crate::frame::{Decoder, DecoderOptions, NO_STATUS, OpCode, Payload, Role, Sink, close_payload};
use crate::protocol::control::{MAX_MESSAGE, Response, parse_listener_message};

/// Pongs that wait for a client which does not read; beyond it the newest are dropped.
const MAX_PONGS: usize = 64;

/// What a renewed token comes in.
const RENEWAL: Option<&str> = Some("renewToken");

enum ChannelReply {
    Pong(Vec<u8>),
    Close {
        payload: Vec<u8>,
        /// The client's close frame came already, or none is to be expected: the session ends once this one is out.
        answer: bool,
    },
}

struct ControlSession<'a> {
    namespace: &'a Arc<Namespace>,
    authority: &'a str,
    target: &'a str,
    path: String,
    id: String,
    replies: mpsc::Sender<ChannelReply>,
    expiry: Option<Instant>,
    /// A response whose body is the next binary message.
    awaiting_body: Option<Response>,
    /// Set once a close frame was queued: when to stop waiting for the client's.
    closing: Option<Instant>,
    /// Our close frame was queued before the bytes at hand were read: a close frame in them answers it.
    asked: bool,
    answered: bool,
    origin: Arc<ListenerOrigin>,
    /// The first close frame, for the record: who sent it, and what it says.
    goodbye: Option<(&'static str, u16, String)>,
}

/// Runs the channel to its end; `target` is the path that it was dialled with.
pub async fn run(
    namespace: &Arc<Namespace>,
    connection: InboundConnection,
    target: &str,
    mut seat: ListenerSeat,
    expires_at: i64,
) {
    let InboundConnection { stream, early, authority, .. } = connection;
    let (mut reader, mut writer) = tokio::io::split(stream);
    // Pongs leave room for two close frames.
    let (replies, outgoing) = mpsc::channel(MAX_PONGS + 2);
    let mut session = ControlSession {
        namespace,
        authority: &authority,
        target,
        path: seat.path.clone(),
        id: seat.id.clone(),
        replies,
        expiry: None,
        awaiting_body: None,
        closing: None,
        asked: false,
        answered: false,
        origin: Arc::clone(&seat.origin),
        goodbye: None,
    };
    session.expires(expires_at);
    namespace.emit(&RelayEvent::Listener { path: seat.path.clone(), id: seat.id.clone() });
    let signals = namespace.signals.subscribe();
    let end = {
        let writing = write(&mut writer, &mut seat.messages, outgoing, signals.clone());
        tokio::pin!(writing);
        tokio::select! {
            end = session.read(&mut reader, early, &mut seat.endings, signals) => end,
            () = &mut writing => ControlEnd::Gone,
        }
    };
    namespace.record(&session.path, &session.id, || {
        let (by, code, reason) = session.goodbye.take().unwrap_or(("none", 1006, String::new()));
        RecordDetail::ListenerClosed { code, reason, by }
    });
    drop(seat);
    match end {
        ControlEnd::Cut { reset } => stream::cut(reader, writer, reset),
        ControlEnd::Closed | ControlEnd::Gone => stream::finish(reader, writer).await,
    }
}

enum ControlEnd {
    /// Both sides said goodbye, or the time for it is over.
    Closed,
    /// The client is gone.
    Gone,
    Cut {
        reset: bool,
    },
}

impl ControlSession<'_> {
    fn expires(&mut self, expires_at: i64) {
        let left = u64::try_from(expires_at.saturating_sub(unix_now())).unwrap_or_default();
        let grace = Duration::from_millis(self.namespace.options.token_grace);
        self.expiry = Instant::now().checked_add(Duration::from_secs(left).saturating_add(grace));
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.note_goodbye("relay", code, reason);
        self.say_goodbye(close_payload(code, reason), false);
    }

    fn note_goodbye(&mut self, by: &'static str, code: u16, reason: &str) {
        self.goodbye.get_or_insert_with(|| (by, code, reason.to_owned()));
    }

    fn say_goodbye(&mut self, payload: Vec<u8>, answer: bool) {
        if self.closing.is_none() {
            let _ = self.replies.try_send(ChannelReply::Close { payload, answer });
            self.closing = Some(Instant::now() + self.namespace.options.close_time());
        }
    }

    async fn read(
        &mut self,
        reader: &mut ReadHalf<InboundStream>,
        mut early: Vec<u8>,
        endings: &mut mpsc::UnboundedReceiver<EndOrder>,
        mut signals: watch::Receiver<Signals>,
    ) -> ControlEnd {
        // A text that is no UTF-8 is as malformed as one that is no JSON.
        let options = DecoderOptions {
            max_payload: MAX_MESSAGE as u64,
            skip_utf8: true,
            ..DecoderOptions::new(Role::Server)
        };
        let mut decoder = Decoder::new(options);
        let recycled = match self.namespace.options.recycle_after {
            0 => None,
            ms => Instant::now().checked_add(Duration::from_millis(ms)),
        };
        let mut buffer = vec![0; 16 * 1024];
        // What came with the handshake is read first.
        if self.feed(&mut early, &mut decoder) {
            return ControlEnd::Closed;
        }
        drop(early);
        loop {
            let silent = signals.borrow_and_update().silence.control;
            let count = tokio::select! {
                // What was ordered comes before what arrived after the order.
                biased;
                changed = signals.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return ControlEnd::Gone,
                },
                // Disabled once nobody is left who could order an end.
                Some(ending) = endings.recv() => match ending {
                    EndOrder::Close(code, reason) => {
                        self.end(code, &reason);
                        continue;
                    }
                    EndOrder::Cut { reset, .. } => return ControlEnd::Cut { reset },
                },
                () = at(self.expiry), if self.closing.is_none() && !silent => {
                    let reason = self.namespace.close_reason("ExpiredToken: The token is expired.");
                    self.end(1008, &reason);
                    continue;
                }
                () = at(recycled), if self.closing.is_none() && !silent => {
                    let reason = self.namespace.close_reason("InternalServerError: NameRenewalFailed.");
                    self.end(1011, &reason);
                    continue;
                }
                () = at(self.closing), if self.closing.is_some() && !silent => return ControlEnd::Closed,
                read = reader.read(&mut buffer), if !silent => match read {
                    Ok(0) | Err(_) => return ControlEnd::Gone,
                    Ok(count) => count,
                },
            };
            if self.feed(buffer.get_mut(..count).unwrap_or_default(), &mut decoder) {
                return ControlEnd::Closed;
            }
        }
    }

    /// Handles some bytes; true once the client has answered our close frame.
    fn feed(&mut self, bytes: &mut [u8], decoder: &mut Decoder) -> bool {
        self.asked = self.closing.is_some();
        if let Err(error) = decoder.decode(bytes, self) {
            self.note_goodbye("relay", error.status, &error.message);
            // No close frame is expected from a client that breaks the rules: the session ends once ours is out.
            self.say_goodbye(close_payload(error.status, &error.message), true);
        }
        self.answered
    }

    fn text(&mut self, text: &[u8]) {
        let Some(message) = parse_listener_message(text) else {
            let reason = self.namespace.close_reason("The message is not valid.");
            return self.end(1008, &reason);
        };
        // Nobody knows what is what where a text stands in the place of a body.
        if let Some(lost) = self.awaiting_body.take() {
            let why = "The listener sent a text in the place of its response's body.";
            self.namespace.settle(&lost.request_id, RequestOutcome::Unusable(why));
        }
        if let Some(renewal) = message.renew_token {
            self.renew(&renewal.token);
        } else if let Some(response) = message.response {
            if response.body {
                self.awaiting_body = Some(response);
            } else {
                self.respond(response, Vec::new());
            }
        }
    }

    /// A response that nobody waits for any more is late, and dropped.
    fn respond(&self, response: Response, body: Vec<u8>) {
        let id = response.request_id.clone();
        self.namespace.settle(&id, RequestOutcome::Answered(response, body));
    }

    fn renew(&mut self, token: &str) {
        match self.namespace.verify(token, self.authority, self.target, Right::Listen) {
            Ok(fate) => {
                let expires_at = fate.expires_at.unwrap_or(i64::MAX);
                self.expires(expires_at);
                self.origin.expires_at.store(expires_at, Ordering::Relaxed);
                self.namespace.count(|totals| &mut totals.renewals);
                self.namespace.emit(&RelayEvent::Renewed { path: self.path.clone(), id: self.id.clone() });
                self.namespace.record(&self.path, &self.id, || RecordDetail::Renewed {
                    token: Box::new(fate.in_place(RENEWAL)),
                });
            }
            Err(refusal) => {
                let reason = self.namespace.close_reason(&refusal.text);
                self.namespace.record(&self.path, &self.id, || {
                    let token = refusal.token.map(|fate| fate.in_place(RENEWAL));
                    RecordDetail::Refused(Box::new(RecordedRefusal::of_renewal(
                        self.target,
                        refusal.status,
                        &reason,
                        token,
                    )))
                });
                self.end(1008, &reason);
            }
        }
    }
}

impl Sink for ControlSession<'_> {
    fn message(&mut self, binary: bool, payload: Payload<'_>, _fragments: &[u32]) {
        if self.closing.is_some() {
            return;
        }
        if !binary {
            self.text(&payload);
        } else if let Some(response) = self.awaiting_body.take() {
            self.respond(response, payload.to_vec());
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.namespace.count(|totals| &mut totals.pings);
        self.namespace.emit(&RelayEvent::Ping { path: self.path.clone(), id: self.id.clone() });
        if !self.namespace.signals.borrow().swallow_pongs && self.replies.capacity() > 2 {
            let _ = self.replies.try_send(ChannelReply::Pong(payload.to_vec()));
        }
    }

    fn pong(&mut self, _payload: &[u8]) {}

    fn close(&mut self, code: u16, reason: &[u8]) {
        self.answered = self.asked;
        self.note_goodbye("listener", code, &String::from_utf8_lossy(reason));
        let payload = match str::from_utf8(reason) {
            Ok("") if code == NO_STATUS => Vec::new(),
            Ok(reason) => close_payload(code, reason),
            Err(_) => close_payload(1002, "A close reason is not UTF-8"),
        };
        self.say_goodbye(payload, true);
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Writes what is queued. Returns when the connection fails, or after a close frame that needs no answer; after one
/// that does it writes nothing more and waits for the reader to end the session.
async fn write(
    writer: &mut WriteHalf<InboundStream>,
    messages: &mut mpsc::Receiver<QueuedMessage>,
    mut replies: mpsc::Receiver<ChannelReply>,
    mut signals: watch::Receiver<Signals>,
) {
    let mut out = Vec::new();
    loop {
        out.clear();
        let (mut closing, mut told) = (None, None);
        tokio::select! {
            biased;
            Some(reply) = replies.recv() => match reply {
                ChannelReply::Pong(payload) => put_frame(&mut out, OpCode::Pong, &payload),
                ChannelReply::Close { payload, answer } => {
                    put_frame(&mut out, OpCode::Close, &payload);
                    closing = Some(answer);
                    // Nothing follows a close frame: what is queued is for another channel.
                    messages.close();
                    while messages.try_recv().is_ok() {}
                }
            },
            Some((message, _share)) = messages.recv() => match message {
                ChannelMessage::Text(text) => put_frame(&mut out, OpCode::Text, text.as_bytes()),
                ChannelMessage::Offer { text, body, sent } => {
                    put_frame(&mut out, OpCode::Text, text.as_bytes());
                    if let Some(body) = body {
                        put_fragments(&mut out, &body);
                    }
                    told = Some(sent);
                }
            },
            else => return,
        }
        let _ = signals.wait_for(|signals| !signals.silence.control).await;
        if writer.write_all(&out).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        if let Some(told) = told {
            // Whoever made the offer may be gone.
            let _ = told.send(());
        }
        match closing {
            Some(true) => return,
            Some(false) => return std::future::pending().await,
            None => {}
        }
    }
}
