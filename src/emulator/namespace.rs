//! What the relay knows: hybrid connections, their listeners, who waits for a rendezvous, planned faults.
//!
//! One lock, held for lookups only and never across an await; so the JavaScript thread may ask and order too.

#![forbid(unsafe_code)]

mod faults;
mod offers;
mod seats;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::auth::{self, Policy};
use super::event::{Event, Stats, Totals};
use super::fault::{Action, Plans, Signals};
use super::http::Upgrade;
use super::options::{EmulatorOptions, HybridConnectionOptions, Right};
use super::protocol::Response;
use super::refusal::{Refusal, guid, unix_now};
use super::stream::Connection;
use super::target::segments;

use offers::Queue;

use crate::sync::unpoisoned;
pub use offers::{Listener, Message, Queued};
pub use seats::{PipeSeat, Seat, Waiting};

/// Who is told of events.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// How the relay ends a session.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With a closing handshake.
    Close(u16, String),
    /// By cutting the connection.
    Cut {
        /// Half a frame is left behind.
        mid_frame: bool,
        /// RST instead of FIN.
        reset: bool,
    },
}

struct Entity {
    path: String,
    requires_client_authorization: bool,
    listeners: Vec<Listener>,
}

/// What a sender learns.
pub enum Verdict {
    /// A listener dialled the rendezvous; its handshake is not answered yet.
    Accepted {
        /// The listener's connection.
        connection: Box<Connection>,
        /// Its handshake.
        upgrade: Upgrade,
    },
    /// A listener said no.
    Rejected(Refusal),
}

/// Who waits behind a rendezvous address.
pub struct Pending {
    /// What the address is for.
    pub action: Action,
    /// The subprotocols that the sender offered.
    pub protocols: Vec<String>,
    /// When the address expires.
    pub expires: Instant,
    /// Where the verdict goes.
    pub verdict: oneshot::Sender<Verdict>,
}

struct State {
    entities: BTreeMap<String, Entity>,
    policies: Vec<Policy>,
    pending: HashMap<String, Pending>,
    responses: HashMap<String, oneshot::Sender<Response>>,
    pipes: HashMap<u64, (String, mpsc::UnboundedSender<Ending>)>,
    plans: Plans,
    totals: Totals,
    random: StdRng,
    next_key: u64,
}

/// The relay's knowledge, shared by all its connections.
pub struct Namespace {
    /// As started.
    pub options: EmulatorOptions,
    /// `host:port` that is bound.
    pub authority: String,
    /// The number of this front end in tracking ids.
    pub front_end: u8,
    /// Cancelled when the relay stops.
    pub closing: CancellationToken,
    /// The lasting faults.
    pub signals: watch::Sender<Signals>,
    /// Changes whenever a control channel comes or goes.
    roster: watch::Sender<()>,
    state: Mutex<State>,
    observer: Observer,
}

impl Namespace {
    /// The namespace that `options` describe, reachable as `authority`.
    pub fn new(options: EmulatorOptions, authority: String, observer: Observer) -> Self {
        let random = options.seed.map_or_else(rand::make_rng, StdRng::seed_from_u64);
        let state = State {
            entities: BTreeMap::new(),
            policies: options.shared_access_policies.iter().map(Policy::new).collect(),
            pending: HashMap::new(),
            responses: HashMap::new(),
            pipes: HashMap::new(),
            plans: Plans::default(),
            totals: Totals::default(),
            random,
            next_key: 0,
        };
        let namespace = Self {
            authority,
            front_end: rand::rng().random_range(1..100),
            closing: CancellationToken::new(),
            signals: watch::Sender::new(Signals::default()),
            roster: watch::Sender::new(()),
            state: Mutex::new(state),
            observer,
            options,
        };
        for entity in namespace.options.hybrid_connections.clone() {
            namespace.add(entity);
        }
        namespace
    }

    fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    /// Tells the observer.
    pub fn emit(&self, event: &Event) {
        (self.observer)(event);
    }

    /// Counts something.
    pub fn count(&self, one: impl FnOnce(&mut Totals) -> &mut u64) {
        *one(&mut self.state().totals) += 1;
    }

    /// A tracking id of this front end.
    pub fn tracking_id(&self) -> String {
        format!("{}_G{}", guid(), self.front_end)
    }

    /// `text` with a tracking id, short enough for a close reason.
    pub fn close_reason(&self, text: &str) -> String {
        format!("{text} TrackingId:{}", self.tracking_id())
    }

    /// Adds or replaces a hybrid connection.
    pub fn add(&self, options: HybridConnectionOptions) {
        let key = segments(&options.path).join("/");
        let path = options.path.trim_matches('/').to_owned();
        let requires_client_authorization = options.requires_client_authorization;
        let mut state = self.state();
        let listeners = state.entities.remove(&key).map(|old| old.listeners).unwrap_or_default();
        state.entities.insert(key, Entity { path, requires_client_authorization, listeners });
    }

    /// Removes a hybrid connection and closes what hangs on it with 1001, as the service does.
    pub fn remove(&self, path: &str) -> bool {
        let key = segments(path).join("/");
        let ending = Ending::Close(1001, self.close_reason("The endpoint was deleted."));
        let mut state = self.state();
        let Some(entity) = state.entities.remove(&key) else { return false };
        for listener in &entity.listeners {
            listener.end(ending.clone());
        }
        state.end_pipes(Some(&entity.path), &ending);
        drop(state);
        self.roster.send_replace(());
        true
    }

    /// The hybrid connection that serves `path` (exactly, or as its longest prefix) and whether its senders
    /// need a token.
    pub fn entity(&self, path: &str, exact: bool) -> Option<(String, bool)> {
        let segments = segments(path);
        let state = self.state();
        let shortest = if exact { segments.len() } else { 1 };
        (shortest..=segments.len())
            .rev()
            .find_map(|length| state.entities.get(&segments.get(..length)?.join("/")))
            .map(|entity| (entity.path.clone(), entity.requires_client_authorization))
    }

    /// Checks a token for `path` of the namespace that the client calls `host`.
    ///
    /// # Errors
    /// The token does not admit.
    pub fn verify(&self, token: &str, host: &str, path: &str, right: Right) -> Result<i64, Refusal> {
        let host = auth::host_name(host);
        let mut hosts = vec![host, self.authority.as_str()];
        hosts.extend(self.options.public_host.as_deref());
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        if loopback.contains(&host) {
            hosts.extend(loopback);
        }
        let demand = auth::Demand { hosts: &hosts, path, right, now: unix_now() };
        auth::verify(&self.state().policies, token, &demand)
    }

    /// Makes a token for `uri` by one of the rules.
    pub fn sign(&self, uri: &str, key_name: &str, expires_at: i64) -> Option<String> {
        let options = &self.options.shared_access_policies;
        let policy = options.iter().find(|policy| policy.key_name == key_name)?;
        auth::sign(uri, key_name, &policy.key, expires_at)
    }

    /// The refusal planned for `action`, if any.
    pub fn planned_refusal(&self, action: Action) -> Option<Refusal> {
        self.state().plans.take_refusal(action)
    }

    /// The delay planned for `action`, if any.
    pub fn planned_delay(&self, action: Action) -> Option<Duration> {
        self.state().plans.delay_of(action)
    }

    /// Registers a control channel until the seat is dropped.
    ///
    /// # Errors
    /// The hybrid connection has as many as it admits, or is gone.
    pub fn register(self: &Arc<Self>, path: &str, id: String, authority: String) -> Result<Seat, Refusal> {
        let max = self.options.max_listeners;
        let (queue, inbox) = Queue::new();
        let (endings, ends) = mpsc::unbounded_channel();
        let mut guard = self.state();
        let state = &mut *guard;
        let entity = state.entities.get_mut(&segments(path).join("/")).ok_or_else(no_endpoint)?;
        if entity.listeners.iter().filter(|own| !own.is_closing()).count() >= max {
            return Err(Refusal::new(
                403,
                format!("QuotaExceeded: MaximumListenersPerEndpoint quota of {max} was exceeded."),
            ));
        }
        let key = state.next_key;
        state.next_key += 1;
        state.totals.listeners += 1;
        let path = entity.path.clone();
        entity.listeners.push(Listener {
            key,
            id: id.clone(),
            authority,
            queue,
            endings,
            ending: Arc::default(),
        });
        drop(guard);
        self.roster.send_replace(());
        Ok(Seat { namespace: Arc::clone(self), key, path, id, messages: inbox, endings: ends })
    }

    /// The listeners of `path` that `eligible` admits, in random order.
    ///
    /// # Errors
    /// There is none.
    pub fn listeners(&self, path: &str, eligible: impl Fn(&str) -> bool) -> Result<Vec<Listener>, Refusal> {
        let mut guard = self.state();
        let state = &mut *guard;
        let entity = state.entities.get(&segments(path).join("/")).ok_or_else(no_endpoint)?;
        if entity.listeners.is_empty() {
            return Err(Refusal::new(404, "There are no listeners connected for the endpoint."));
        }
        let mut chosen: Vec<_> = entity.listeners.iter().filter(|own| eligible(&own.id)).cloned().collect();
        if chosen.is_empty() {
            return Err(Refusal::new(
                404,
                "None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria.",
            ));
        }
        chosen.shuffle(&mut state.random);
        Ok(chosen)
    }

    /// Opens a rendezvous address; its secret goes into the address, the guard closes it.
    pub fn open_rendezvous(self: &Arc<Self>, pending: Pending) -> Waiting {
        let secret = guid().replace('-', "");
        self.state().pending.insert(secret.clone(), pending);
        Waiting { namespace: Arc::clone(self), secret, request: None }
    }

    /// Uses up the rendezvous address of `secret`; `admit` may look first and refuse without using it up.
    ///
    /// # Errors
    /// The address is unknown, used, expired, or for something else.
    pub fn claim(
        &self,
        secret: Option<&str>,
        action: Action,
        admit: impl FnOnce(&Pending) -> Result<(), Refusal>,
    ) -> Result<Pending, Refusal> {
        let gone = || Refusal::new(403, "The rendezvous address is not valid or has expired.");
        let mut state = self.state();
        let secret = secret.ok_or_else(gone)?;
        let pending = state.pending.get(secret).filter(|pending| pending.expires > Instant::now());
        let pending = pending.ok_or_else(gone)?;
        if pending.action != action {
            return Err(Refusal::new(400, "The action does not belong to this address."));
        }
        admit(pending)?;
        state.pending.remove(secret).ok_or_else(gone)
    }

    /// Delivers a listener's `response`; false where nobody waits for it any more.
    pub fn respond(&self, response: Response) -> bool {
        let waiting = self.state().responses.remove(&response.request_id);
        waiting.is_some_and(|waiting| waiting.send(response).is_ok())
    }

    /// Enters an established rendezvous until the guard is dropped.
    pub fn enter_pipe(self: &Arc<Self>, path: &str) -> PipeSeat {
        let (orders, endings) = mpsc::unbounded_channel();
        let mut state = self.state();
        let key = state.next_key;
        state.next_key += 1;
        state.totals.rendezvous += 1;
        state.pipes.insert(key, (path.to_owned(), orders));
        PipeSeat { namespace: Arc::clone(self), key, endings }
    }

    /// Ends everything that is established; whoever still waits is let go.
    pub fn end_all(&self) {
        let ending = Ending::Close(1001, self.close_reason("The relay is shutting down."));
        let mut state = self.state();
        state.end_control(None, None, &ending);
        state.end_pipes(None, &ending);
        state.pending.clear();
        state.responses.clear();
    }

    /// A snapshot.
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let paths: BTreeMap<_, _> =
            state.entities.values().map(|own| (own.path.clone(), own.listeners.len())).collect();
        Stats {
            listeners: paths.values().sum(),
            senders: state.pipes.len(),
            pending: state.pending.len(),
            paths,
            totals: state.totals,
        }
    }
}

fn no_endpoint() -> Refusal {
    Refusal::new(404, "Endpoint does not exist.")
}

#[cfg(test)]
mod tests;
