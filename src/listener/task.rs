//! Drives one control channel: moves events into the machine and carries out its actions. No decision is made here.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::backoff::{Backoff, Rng};
use super::control_socket::{ControlSocket, News};
use super::dialer::{DialFailure, Dialed, Dialing, control_target};
use super::events::{ListenerEvent, ListenerState};
use super::machine::{ChannelAction, ChannelInput, LinkId, Machine, millis};
use super::requests::{ChannelOrder, PendingAnswer};
use super::shared::Shared;
use crate::error::RelayError;

/// The task of one channel.
pub(super) struct ChannelTask {
    pub(super) channel: u16,
    pub(super) machine: Machine,
    pub(super) shared: Arc<Shared>,
    pub(super) inputs: UnboundedReceiver<ChannelOrder>,
    /// Path and query of the handshake.
    pub(super) target: String,
}

impl ChannelTask {
    /// Runs until the machine is closed. A panic is a fault of ours that costs the channel, not the listener: it
    /// starts anew, by the policy for what only its owner can cure.
    pub(super) async fn run(self) {
        let Self { channel, mut machine, shared, mut inputs, target } = self;
        let _end = ChannelEnd { channel, shared: shared.clone() };
        let reconnect = &shared.config.reconnect;
        let mut backoff = Backoff::new(reconnect.min_delay, reconnect.max_delay);
        let mut rng: Rng = Box::new(rand::random::<f64>);
        loop {
            let start = Instant::now();
            let driver = ChannelDriver {
                channel,
                machine,
                shared: shared.clone(),
                target: target.clone(),
                start,
                links: Vec::new(),
                dial: None,
            };
            if AssertUnwindSafe(driver.run(&mut inputs)).catch_unwind().await.is_ok() {
                return;
            }
            if start.elapsed() >= reconnect.stable_after {
                backoff.reset();
            }
            let delay = backoff.next_patient(&mut rng);
            shared.set_state(channel, ListenerState::Reconnecting, None);
            shared.sink.emit(panicked(channel, backoff.attempt(), delay));
            if closed_within(&mut inputs, delay).await {
                return;
            }
            machine = Machine::new(shared.machine_config(channel), Box::new(rand::random::<f64>));
        }
    }
}

fn panicked(channel: u16, attempt: u32, delay: Duration) -> ListenerEvent {
    let error = RelayError::fault("control channel");
    ListenerEvent::Reconnecting {
        channel,
        attempt,
        delay: millis(delay),
        reason: error.message.clone(),
        error,
    }
}

/// Waits; true if the listener is closed meanwhile.
async fn closed_within(inputs: &mut UnboundedReceiver<ChannelOrder>, time: Duration) -> bool {
    let close = async {
        // A token that comes now is asked for again.
        while !matches!(inputs.recv().await, Some(ChannelOrder::Input(ChannelInput::Close)) | None) {}
    };
    tokio::time::timeout(time, close).await.is_ok()
}

/// Tells the supervisor of the channel's end, however it came.
struct ChannelEnd {
    channel: u16,
    shared: Arc<Shared>,
}

impl Drop for ChannelEnd {
    fn drop(&mut self) {
        self.shared.channel_ended(self.channel);
    }
}

impl ChannelDriver {
    async fn run(mut self, inputs: &mut UnboundedReceiver<ChannelOrder>) {
        self.input(ChannelInput::Start);
        while self.machine.state() != ListenerState::Closed {
            let deadline = self.machine.next_deadline().map(|at| instant(self.start, at));
            let ChannelDriver { links, dial, .. } = &mut self;
            // Sockets before the timer: after a pause of the whole process the frames that wait are signs of life.
            tokio::select! {
                biased;
                order = inputs.recv() => self.order(order.unwrap_or(ChannelOrder::Input(ChannelInput::Close))),
                (link, result) = finished(dial) => self.dialled(link, result).await,
                (link, news) = next_news(links) => self.news(link, news),
                () = until(deadline) => self.input(ChannelInput::Tick),
            }
        }
    }
}

/// Tokens that last for ages have deadlines beyond what the clock can say: a look at it once a day will do.
fn instant(start: Instant, at: Duration) -> Instant {
    start.checked_add(at).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn finished(dial: &mut Option<(LinkId, Dialing)>) -> (LinkId, Result<Dialed, DialFailure>) {
    match dial {
        Some((link, dialing)) => {
            let (link, result) = (*link, dialing.await);
            *dial = None;
            (link, result)
        }
        None => std::future::pending().await,
    }
}

async fn next_news(links: &mut [ControlSocket]) -> (LinkId, News) {
    std::future::poll_fn(|cx| {
        for link in links.iter_mut() {
            if let Poll::Ready(news) = link.poll(cx) {
                return Poll::Ready((link.id, news));
            }
        }
        Poll::Pending
    })
    .await
}

struct ChannelDriver {
    channel: u16,
    machine: Machine,
    shared: Arc<Shared>,
    target: String,
    start: Instant,
    links: Vec<ControlSocket>,
    dial: Option<(LinkId, Dialing)>,
}

impl ChannelDriver {
    fn input(&mut self, input: ChannelInput<'_>) {
        let actions = self.machine.handle(self.start.elapsed(), input);
        // Before the events: who asks for the state in a handler sees the new one.
        self.shared.set_state(self.channel, self.machine.state(), self.machine.rtt());
        for action in actions {
            self.act(action);
        }
    }

    fn order(&mut self, order: ChannelOrder) {
        match order {
            ChannelOrder::Input(input) => self.input(input),
            ChannelOrder::Answer(link, answer) => self.answer(link, answer),
        }
    }

    fn answer(&mut self, id: LinkId, answer: PendingAnswer) {
        let requests = &self.shared.requests;
        let mut answer = requests.prepare(answer);
        answer.ticket.forget_link();
        let size = answer.body.as_ref().map_or(0, Bytes::len);
        let back = match self.links.iter_mut().find(|link| link.id == id) {
            Some(link) => link.answer(answer),
            None => Some(answer),
        };
        match back {
            None => requests.sent_by_channel(size),
            Some(answer) => requests.send_elsewhere(answer),
        }
        self.input(ChannelInput::Answered(id));
    }

    async fn dialled(&mut self, link: LinkId, result: Result<Dialed, DialFailure>) {
        match result {
            Ok(dialed) => {
                self.links.push(ControlSocket::new(link, dialed.into_socket().await));
                self.input(ChannelInput::Opened(link));
            }
            Err(DialFailure { error, retry_after }) => {
                tracing::debug!(channel = self.channel, code = error.kind.code(), "control dial failed");
                self.input(ChannelInput::DialFailed { link, error, retry_after });
            }
        }
    }

    fn news(&mut self, link: LinkId, news: News) {
        if let News::Broken(why) = &news {
            tracing::debug!(channel = self.channel, why, "control channel broke");
        }
        match news {
            News::Message(Message::Text(text)) => self.input(ChannelInput::Text(link, &text)),
            News::Message(Message::Binary(body)) => self.input(ChannelInput::Binary(link, body)),
            News::Message(Message::Pong(_)) => self.input(ChannelInput::Pong(link)),
            News::Message(Message::Ping(_) | Message::Frame(_)) => self.input(ChannelInput::Frame(link)),
            News::Message(Message::Close(frame)) => {
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
                tracing::debug!(channel = self.channel, code, reason, "control channel closed by the relay");
                self.input(ChannelInput::Lost { link, code, reason });
            }
            News::Broken(why) => self.input(ChannelInput::Lost { link, code: None, reason: &why }),
        }
    }

    fn push(&mut self, id: LinkId, message: Message) {
        if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
            link.push(message);
        }
    }

    fn act(&mut self, action: ChannelAction) {
        match action {
            ChannelAction::RequestToken { refresh } => self.shared.request_token(self.channel, refresh),
            ChannelAction::Dial { link, token } => {
                self.shared.sink.counters.dials.bump();
                let config = &self.shared.config;
                let timeout = config.handshake_timeout;
                let target = control_target(&config.listen, &self.target, &token, timeout);
                self.dial = Some((link, self.shared.dialer.dial(target)));
            }
            ChannelAction::AbortDial(link) => drop(self.dial.take_if(|(dialling, _)| *dialling == link)),
            ChannelAction::Send(link, text) => self.push(link, Message::text(text)),
            ChannelAction::Ping(link) => self.push(link, Message::Ping(Bytes::new())),
            ChannelAction::Pong(link) => self.push(link, Message::Pong(Bytes::new())),
            ChannelAction::Disconnect(link) => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                self.push(link, Message::Close(Some(frame)));
            }
            ChannelAction::Drop(id) => {
                if let Some(at) = self.links.iter().position(|link| link.id == id) {
                    let mut link = self.links.swap_remove(at);
                    for answer in link.take_answers() {
                        self.shared.requests.send_elsewhere(answer);
                    }
                    link.farewell();
                }
            }
            ChannelAction::Offer { accept, address } => self.shared.offer(accept, address),
            ChannelAction::Request { link, request, body } => {
                let refusal = self.shared.requests.receive((self.channel, link), *request, body);
                if let Some(text) = refusal {
                    self.push(link, Message::text(text));
                    self.input(ChannelInput::Answered(link));
                }
            }
            ChannelAction::FetchRequest(address) => self.shared.requests.fetch(address),
            ChannelAction::Emit(event) => self.shared.sink.emit(event),
        }
    }
}
