//! What the relay knows: hybrid connections, their listeners, who waits for a rendezvous, planned faults.
//!
//! One lock, held for lookups only and never across an await, because JavaScript's thread takes it, too.

pub mod channel;
mod faults;
mod glance;
pub mod offers;
mod pipe_entry;
mod recording;
mod refusing;
pub mod seats;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::auth;
use super::entity_path::segments;
use super::event::{RelayEvent, RelayStats, Totals};
use super::fault::{BodySide, Plans, RequestedAction, Signals};
use super::http::Upgrade;
use super::options::{EmulatorOptions, HybridConnectionOptions, Right};
use super::record_store::RecordStore;
use super::refusal::{RelayRefusal, unix_now};
use super::stream::InboundConnection;
use super::token_fate::TokenFate;

use crate::protocol::control::Response;
use crate::sas;
use crate::sync::lock;
use crate::uri::push_component;
use crate::uuid::random_uuid;
use channel::{ChannelHandle, EndOrder};
use pipe_entry::PipeEntry;

/// Who is told of events.
pub type Observer = Arc<dyn Fn(&RelayEvent) + Send + Sync>;

struct Entity {
    path: String,
    requires_client_authorization: bool,
    listeners: Vec<ChannelHandle>,
}

/// What a sender learns.
pub enum RendezvousVerdict {
    /// A listener dialled the rendezvous; its handshake is not answered yet.
    Accepted {
        /// The listener's connection.
        connection: Box<InboundConnection>,
        /// Its handshake.
        upgrade: Upgrade,
    },
    /// A listener said no.
    Rejected(RelayRefusal),
}

/// What becomes of a request that was offered.
pub enum RequestOutcome {
    /// The response on the control channel, and its body.
    Answered(Response, Vec<u8>),
    /// There is a response, but none that could be passed on; why.
    Unusable(&'static str),
    /// A fault has ended its time.
    Expired,
}

/// Who waits behind a rendezvous address.
pub struct Pending {
    /// What the address is for.
    pub action: RequestedAction,
    /// The subprotocols that the sender offered.
    pub protocols: Vec<String>,
    /// When the address expires.
    pub expires: Instant,
    /// Where the verdict goes.
    pub verdict: oneshot::Sender<RendezvousVerdict>,
}

struct NamespaceState {
    entities: BTreeMap<String, Entity>,
    pending: HashMap<String, Pending>,
    /// Where they came in, and who waits for what becomes of them.
    requests: HashMap<String, (String, oneshot::Sender<RequestOutcome>)>,
    pipes: HashMap<u64, PipeEntry>,
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
    state: Mutex<NamespaceState>,
    observer: Observer,
    records: OnceLock<Arc<RecordStore>>,
}

impl Namespace {
    /// The namespace that `options` describe, reachable as `authority`.
    pub fn new(options: EmulatorOptions, authority: String, observer: Observer) -> Self {
        let random = options.seed.map_or_else(rand::make_rng, StdRng::seed_from_u64);
        let state = NamespaceState {
            entities: BTreeMap::new(),
            pending: HashMap::new(),
            requests: HashMap::new(),
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
            records: OnceLock::new(),
            options,
        };
        for entity in namespace.options.hybrid_connections.clone() {
            namespace.add(entity);
        }
        namespace
    }

    fn state(&self) -> MutexGuard<'_, NamespaceState> {
        lock(&self.state)
    }

    /// Tells the observer.
    pub fn emit(&self, event: &RelayEvent) {
        (self.observer)(event);
    }

    /// Counts something.
    pub fn count(&self, one: impl FnOnce(&mut Totals) -> &mut u64) {
        *one(&mut self.state().totals) += 1;
    }

    /// A tracking id of this front end.
    pub fn tracking_id(&self) -> String {
        format!("{}_G{}", random_uuid(), self.front_end)
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
        let ending = EndOrder::Close(1001, self.close_reason("The endpoint was deleted."));
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
    pub fn verify(
        &self,
        token: &str,
        host: &str,
        path: &str,
        right: Right,
    ) -> Result<TokenFate, RelayRefusal> {
        let host = auth::host_name(host);
        let mut hosts = vec![host, self.authority.as_str()];
        hosts.extend(self.options.public_host.as_deref());
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        if loopback.contains(&host) {
            hosts.extend(loopback);
        }
        let demand = auth::Demand { hosts: &hosts, path, right, now: unix_now() };
        auth::verify(&self.options.shared_access_policies, token, &demand)
    }

    /// Makes a token for `uri` by one of the rules.
    pub fn sign(&self, uri: &str, key_name: &str, expires_at: i64) -> Option<String> {
        let options = &self.options.shared_access_policies;
        let policy = options.iter().find(|policy| policy.key_name == key_name)?;
        let mut name = String::new();
        push_component(&mut name, key_name);
        Some(sas::sign_resource(uri, &name, &policy.key, expires_at))
    }

    /// The refusal planned for `action`, if any.
    pub fn planned_refusal(&self, action: RequestedAction) -> Option<RelayRefusal> {
        self.state().plans.take_refusal(action)
    }

    /// The delay planned for `action`, if any.
    pub fn planned_delay(&self, action: RequestedAction) -> Option<Duration> {
        self.state().plans.delay_of(action)
    }

    /// Uses up the rendezvous address of `secret`; `admit` may look first and refuse without using it up.
    ///
    /// # Errors
    /// The address is unknown, used, expired, or for something else.
    pub fn claim(
        &self,
        secret: Option<&str>,
        action: RequestedAction,
        admit: impl FnOnce(&Pending) -> Result<(), RelayRefusal>,
    ) -> Result<Pending, RelayRefusal> {
        let gone = || RelayRefusal::new(403, "The rendezvous address is not valid or has expired.");
        let mut state = self.state();
        let secret = secret.ok_or_else(gone)?;
        let pending = state.pending.get(secret).filter(|pending| pending.expires > Instant::now());
        let pending = pending.ok_or_else(gone)?;
        if pending.action != action {
            return Err(RelayRefusal::new(400, "The action does not belong to this address."));
        }
        admit(pending)?;
        state.pending.remove(secret).ok_or_else(gone)
    }

    /// Tells what became of the request `id`; false where nobody waits for it any more.
    pub fn settle(&self, id: &str, outcome: RequestOutcome) -> bool {
        let waiting = self.state().requests.remove(id);
        waiting.is_some_and(|(_, waiting)| waiting.send(outcome).is_ok())
    }

    /// How much may pass of the body that begins now, where a fault is to cut it.
    pub fn planned_cut(&self, side: BodySide) -> Option<u64> {
        self.state().plans.take_cut(side)
    }

    /// Ends everything that is established; whoever still waits is let go.
    pub fn end_all(&self) {
        let ending = EndOrder::Close(1001, self.close_reason("The relay is shutting down."));
        let mut state = self.state();
        state.end_control(None, None, &ending);
        state.end_pipes(None, &ending);
        state.pending.clear();
        state.requests.clear();
    }

    /// A snapshot.
    pub fn stats(&self) -> RelayStats {
        let state = self.state();
        let paths: BTreeMap<_, _> =
            state.entities.values().map(|own| (own.path.clone(), own.listeners.len())).collect();
        RelayStats {
            listeners: paths.values().sum(),
            senders: state.pipes.len(),
            pending: state.pending.len(),
            paths,
            totals: state.totals,
        }
    }
}

impl NamespaceState {
    fn control(&self, path: Option<&str>) -> impl Iterator<Item = &ChannelHandle> {
        let wanted = path.map(|path| segments(path).join("/"));
        let meant = move |key: &str| wanted.as_deref().is_none_or(|wanted| wanted == key);
        self.entities.iter().filter(move |(key, _)| meant(key)).flat_map(|(_, own)| &own.listeners)
    }

    fn end_control(&self, path: Option<&str>, id: Option<&str>, ending: &EndOrder) -> usize {
        let meant = self.control(path).filter(|own| id.is_none_or(|id| own.id.eq_ignore_ascii_case(id)));
        meant.filter(|own| own.end(ending.clone())).count()
    }

    fn expire_requests(&mut self, path: Option<&str>) -> usize {
        let meant = meant_by(path);
        let struck = self.requests.extract_if(|_, (own, _)| meant(own));
        struck.filter_map(|(_, (_, waiting))| waiting.send(RequestOutcome::Expired).ok()).count()
    }

    fn end_pipes(&self, path: Option<&str>, ending: &EndOrder) -> usize {
        let meant = meant_by(path);
        let pipes = self.pipes.values().filter(|own| meant(&own.path));
        pipes.filter(|own| own.orders.send(ending.clone()).is_ok()).count()
    }
}

/// Whether a hybrid connection is the one at `path`; without a path each is.
fn meant_by(path: Option<&str>) -> impl Fn(&str) -> bool {
    let wanted = path.map(segments);
    move |own| wanted.as_ref().is_none_or(|wanted| *wanted == segments(own))
}

#[cfg(test)]
mod tests;
