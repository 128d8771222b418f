//! Drives one control channel: moves events into the machine and carries out its actions. No decision is made here.

#![forbid(unsafe_code)]

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
use super::config::Secret;
use super::dialer::{DialFailure, Dialed, Dialing, control_target};
use super::events::{ListenerEvent, ListenerState};
use super::link::{Link, News};
use super::machine::{Action, Input, LinkId, Machine, millis};
use super::machine_config;
use super::shared::Shared;
use crate::error::{ErrorKind, RelayError};

/// What the handle tells a channel.
pub(super) enum Command {
    Token { value: Secret, expires_in: Option<Duration> },
    TokenFailed { error: RelayError, terminal: bool },
    UpdateToken { value: Secret, expires_in: Option<Duration> },
    RetryIn(Duration),
    Close,
}

impl From<Command> for Input<'static> {
    fn from(command: Command) -> Self {
        match command {
            Command::Token { value, expires_in } => Input::Token { value, expires_in },
            Command::TokenFailed { error, terminal } => Input::TokenFailed { error, terminal },
            Command::UpdateToken { value, expires_in } => Input::UpdateToken { value, expires_in },
            Command::RetryIn(delay) => Input::RetryIn(delay),
            Command::Close => Input::Close,
        }
    }
}

/// The task of one channel.
pub(super) struct ChannelTask {
    pub(super) channel: u16,
    pub(super) machine: Machine,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: UnboundedReceiver<Command>,
    /// Path and query of the handshake.
    pub(super) target: String,
}

impl ChannelTask {
    /// Runs until the machine is closed. A panic is a fault of ours that costs the channel, not the listener: it
    /// starts anew, by the policy for what only its owner can cure.
    pub(super) async fn run(self) {
        let Self { channel, mut machine, shared, mut commands, target } = self;
        let _end = End { channel, shared: shared.clone() };
        let reconnect = &shared.config.reconnect;
        let mut backoff = Backoff::new(reconnect.min_delay, reconnect.max_delay);
        let mut rng: Rng = Box::new(rand::random::<f64>);
        loop {
            let start = Instant::now();
            let driver = Driver {
                channel,
                machine,
                shared: shared.clone(),
                target: target.clone(),
                start,
                links: Vec::new(),
                dial: None,
            };
            if AssertUnwindSafe(driver.run(&mut commands)).catch_unwind().await.is_ok() {
                return;
            }
            if start.elapsed() >= reconnect.stable_after {
                backoff.reset();
            }
            let delay = backoff.next_patient(&mut rng);
            shared.set_state(channel, ListenerState::Reconnecting, None);
            shared.emit(panicked(channel, backoff.attempt(), delay));
            if closed_within(&mut commands, delay).await {
                return;
            }
            machine = Machine::new(machine_config(&shared, channel), Box::new(rand::random::<f64>));
        }
    }
}

fn panicked(channel: u16, attempt: u32, delay: Duration) -> ListenerEvent {
    let reason = "The control channel was lost by a fault of this package";
    let error = RelayError::new(ErrorKind::Internal, reason);
    ListenerEvent::Reconnecting { channel, attempt, delay: millis(delay), reason: reason.to_owned(), error }
}

/// Waits; true if the listener is closed meanwhile.
async fn closed_within(commands: &mut UnboundedReceiver<Command>, time: Duration) -> bool {
    let close = async {
        // A token that comes now is asked for again.
        while !matches!(commands.recv().await, Some(Command::Close) | None) {}
    };
    tokio::time::timeout(time, close).await.is_ok()
}

/// Tells the supervisor of the channel's end, however it came.
struct End {
    channel: u16,
    shared: Arc<Shared>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.channel_ended(self.channel);
    }
}

impl Driver {
    async fn run(mut self, commands: &mut UnboundedReceiver<Command>) {
        self.input(Input::Start);
        while self.machine.state() != ListenerState::Closed {
            let deadline = self.machine.next_deadline().map(|at| instant(self.start, at));
            let Driver { links, dial, .. } = &mut self;
            // Sockets before the timer: after a pause of the whole process the frames that wait are signs of life.
            tokio::select! {
                biased;
                command = commands.recv() => self.input(command.unwrap_or(Command::Close).into()),
                (link, result) = finished(dial) => self.dialled(link, result).await,
                (link, news) = next_news(links) => self.news(link, news),
                () = until(deadline) => self.input(Input::Tick),
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

async fn next_news(links: &mut [Link]) -> (LinkId, News) {
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

struct Driver {
    channel: u16,
    machine: Machine,
    shared: Arc<Shared>,
    target: String,
    start: Instant,
    links: Vec<Link>,
    dial: Option<(LinkId, Dialing)>,
}

impl Driver {
    fn input(&mut self, input: Input<'_>) {
        let actions = self.machine.handle(self.start.elapsed(), input);
        // Before the events: who asks for the state in a handler sees the new one.
        self.shared.set_state(self.channel, self.machine.state(), self.machine.rtt());
        for action in actions {
            self.act(action);
        }
    }

    async fn dialled(&mut self, link: LinkId, result: Result<Dialed, DialFailure>) {
        match result {
            Ok(dialed) => {
                self.links.push(Link::new(link, dialed.into_socket().await));
                self.input(Input::Opened(link));
            }
            Err(DialFailure { error, retry_after }) => {
                tracing::debug!(channel = self.channel, code = error.kind.code(), "control dial failed");
                self.input(Input::DialFailed { link, error, retry_after });
            }
        }
    }

    fn news(&mut self, link: LinkId, news: News) {
        if let News::Broken(why) = &news {
            tracing::debug!(channel = self.channel, why, "control channel broke");
        }
        match news {
            News::Message(Message::Text(text)) => self.input(Input::Text(link, &text)),
            News::Message(Message::Binary(_)) => self.input(Input::Binary(link)),
            News::Message(Message::Pong(_)) => self.input(Input::Pong(link)),
            News::Message(Message::Ping(_) | Message::Frame(_)) => self.input(Input::Frame(link)),
            News::Message(Message::Close(frame)) => {
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
                tracing::debug!(channel = self.channel, code, reason, "control channel closed by the relay");
                self.input(Input::Lost { link, code, reason });
            }
            News::Broken(why) => self.input(Input::Lost { link, code: None, reason: &why }),
        }
    }

    fn push(&mut self, id: LinkId, message: Message) {
        if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
            link.push(message);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::RequestToken { refresh, reason } => {
                self.shared.request_token(self.channel, refresh, reason)
            }
            Action::Dial { link, token } => {
                self.shared.counters.dialled();
                let config = &self.shared.config;
                let timeout = config.handshake_timeout;
                let target = control_target(&config.listen, &self.target, token.as_ref(), timeout);
                self.dial = Some((link, self.shared.dialer.dial(target)));
            }
            Action::AbortDial(link) => drop(self.dial.take_if(|(dialling, _)| *dialling == link)),
            Action::Send(link, text) => self.push(link, Message::text(text)),
            Action::Ping(link) => self.push(link, Message::Ping(Bytes::new())),
            Action::Pong(link) => self.push(link, Message::Pong(Bytes::new())),
            Action::Disconnect(link) => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                self.push(link, Message::Close(Some(frame)));
            }
            Action::Drop(id) => {
                if let Some(at) = self.links.iter().position(|link| link.id == id) {
                    self.links.swap_remove(at).farewell();
                }
            }
            Action::Offer { accept, address } => self.shared.offer(accept, address),
            Action::AnswerRequest { address, .. } => self.shared.answer_request(address),
            Action::Emit(event) => self.shared.emit(event),
        }
    }
}
