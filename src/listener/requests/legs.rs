//! Opens the rendezvous of requests: for an answer that is large or streams, for a request that waits there, or early.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::leg::{Errand, Leg};
use super::leg_context::LegContext;
use super::leg_task;
use super::post::{LegItem, LegPost};
use super::prepared::PreparedAnswer;
use super::registry::Registry;
use super::tickets::{ChannelOrder, PendingAnswer, Tickets};
use crate::error::{ErrorKind, RelayError};
use crate::listener::answers::{Answers, listener_closed};
use crate::listener::config::ListenerConfig;
use crate::listener::dialer::{Dialed, Dialer, plain_target};
use crate::listener::stats::CountingSink;
use crate::protocol::address::{Address, HostPolicy};
use crate::protocol::control::MAX_INLINE;

/// Rendezvous that are dialled at once; the others wait.
const MAX_DIALS: usize = 64;
/// Requests that are fetched only to be refused; further ones are left to the relay's own limit.
const MAX_REFUSALS: usize = 64;

/// The rendezvous of one listener's requests.
pub(super) struct Legs {
    context: Arc<LegContext>,
    opener: Arc<Opener>,
    refusals: Arc<Semaphore>,
}

/// Dials them, a bounded number at once.
struct Opener {
    dialer: Arc<dyn Dialer>,
    answers: Arc<Answers>,
    listen: Address,
    hosts: HostPolicy,
    /// For one dial, from the beginning of its wait.
    limit: Duration,
    dials: Semaphore,
}

impl Opener {
    async fn open(&self, address: Address) -> Result<Dialed, RelayError> {
        let opening = async {
            let _turn = self.dials.acquire().await;
            self.answers.hosts.admit(0, &address).await?;
            self.dialer.dial(plain_target(address, self.limit)).await.map_err(|failure| failure.error)
        };
        let late =
            || RelayError::new(ErrorKind::Timeout, "The rendezvous of the request was not opened in time");
        tokio::select! {
            opened = timeout(self.limit, opening) => opened.unwrap_or_else(|_| Err(late())),
            () = self.answers.abandoned() => Err(listener_closed()),
        }
    }

    /// An address that came with a request in full form is looked at only when it is needed.
    fn check(&self, address: Option<String>) -> Result<Address, RelayError> {
        let Some(text) = address else {
            let text = "The request has no rendezvous that its answer could go by";
            return Err(RelayError::new(ErrorKind::Protocol, text));
        };
        let address = Address::parse(&text)?;
        self.hosts.check(&address, &self.listen)?;
        Ok(address)
    }
}

impl Legs {
    pub(super) fn new(
        config: &ListenerConfig,
        dialer: Arc<dyn Dialer>,
        answers: Arc<Answers>,
        sink: Arc<CountingSink>,
        (registry, tickets): (Arc<Registry>, Arc<Tickets>),
    ) -> Self {
        let opener = Opener {
            dialer,
            answers,
            listen: config.listen.clone(),
            hosts: config.rendezvous_hosts,
            limit: config.accept_timeout,
            dials: Semaphore::new(MAX_DIALS),
        };
        Self {
            context: Arc::new(LegContext::new(registry, tickets, sink)),
            opener: Arc::new(opener),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }

    /// A request waits at `address`.
    pub(super) fn fetch(&self, address: Address) {
        let ticket = self.context.tickets.admit(None, address.target.len());
        let mut refusal = None;
        if ticket.is_none() {
            self.context.sink.counters.requests_refused.bump();
            match self.refusals.clone().try_acquire_owned() {
                Ok(place) => refusal = Some(place),
                Err(_) => return,
            }
        }
        let (context, opener) = (self.context.clone(), self.opener.clone());
        self.opener.answers.track(async move {
            let opened = tokio::select! {
                opened = opener.open(address) => opened,
                () = context.at_once.cancelled() => return,
            };
            match opened {
                Ok(dialed) => run(&context, &opener, Arc::default(), dialed, Errand::Fetch(ticket)).await,
                Err(error) => context.lost(error),
            }
            drop(refusal);
        });
    }

    /// The rendezvous of an exchange that has none; what is to be said there goes into `post`.
    pub(super) fn dial(&self, number: u64, address: Option<String>, post: Arc<LegPost>) {
        let (context, opener) = (self.context.clone(), self.opener.clone());
        self.opener.answers.track(async move {
            let opened = match opener.check(address) {
                Ok(address) => opener.open(address).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(dialed) => run(&context, &opener, post, dialed, Errand::Answer(number)).await,
                Err(error) => unopened(&context, number, &post, error),
            }
        });
    }

    /// The rendezvous of an answer that needs one.
    pub(super) fn carry(&self, mut answer: PendingAnswer) {
        let (number, address) = (answer.number, answer.address.take());
        self.dial_with(number, address, LegItem::Answer { answer, streams: false });
    }

    /// The same for one that was on its way to a control channel.
    pub(super) fn deliver(&self, mut answer: PreparedAnswer) {
        let (number, address) = (answer.number, answer.address.take());
        self.dial_with(number, address, LegItem::Prepared(answer));
    }

    fn dial_with(&self, number: u64, address: Option<String>, item: LegItem) {
        let post = Arc::new(LegPost::of(number));
        post.push(number, item);
        self.dial(number, address, post);
    }

    /// An answer that its rendezvous cannot take.
    pub(super) fn undelivered(&self, answer: PendingAnswer, streams: bool) {
        let error = RelayError::new(ErrorKind::Disconnected, "The connection of the request was lost");
        undelivered(&self.context, answer, streams, error);
    }

    /// Closes those that wait for a next request; with `at_once` also those that wait for a first one.
    pub(super) fn close(&self, at_once: bool) {
        self.context.closing.cancel();
        if at_once {
            self.context.at_once.cancel();
        }
    }
}

/// Runs an open rendezvous to its end, or to that of the listener.
async fn run(context: &Arc<LegContext>, opener: &Opener, post: Arc<LegPost>, dialed: Dialed, errand: Errand) {
    let leg = Leg::new(context.clone(), post.clone(), dialed.io, errand);
    let running = AssertUnwindSafe(leg_task::run(leg, dialed.leftover)).catch_unwind();
    let fault = tokio::select! {
        ended = running => ended.is_err().then(|| RelayError::fault("connection")),
        () = opener.answers.abandoned() => Some(listener_closed()),
    };
    drop(post.close());
    if let (Some(error), Some(number)) = (fault, post.serving()) {
        context.registry.fail(number, error);
    }
}

/// The rendezvous of an exchange could not be opened.
fn unopened(context: &LegContext, number: u64, post: &LegPost, error: RelayError) {
    for item in post.close() {
        match item {
            LegItem::Answer { answer, streams } => return undelivered(context, answer, streams, error),
            LegItem::Prepared(_) => return context.registry.fail(number, error),
            LegItem::Fragments(_) | LegItem::End { .. } => {}
            // The owner has given it up.
            LegItem::Cut => return,
        }
    }
    if context.registry.lose_leg(number) {
        context.registry.fail(number, error);
    }
}

/// A small answer to a request that came on a control channel can go by that.
fn undelivered(context: &LegContext, mut answer: PendingAnswer, streams: bool, error: RelayError) {
    let number = answer.number;
    // It was good for one dial.
    answer.address = None;
    let back = match answer.ticket.link() {
        Some((channel, link)) if !streams && answer.body.len() <= MAX_INLINE => {
            context.tickets.tell(channel, ChannelOrder::Answer(link, answer)).is_some()
        }
        _ => true,
    };
    if back {
        context.registry.fail(number, error);
    }
}
