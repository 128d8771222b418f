//! The emulator for JavaScript: options, faults, events and figures cross as JSON.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use super::guard::attempt;
use super::thrown::thrown;
use crate::emulator::RelayEmulator;
use crate::emulator::event::RelayEvent;
use crate::emulator::options::EmulatorOptions;
use crate::error::{ErrorKind, RelayError};
use crate::sync::lock;

type Callback = ThreadsafeFunction<String, (), String, Status, false>;
/// Taken out with the last event, so that the process may end.
type Slot = Arc<Mutex<Option<Callback>>>;

/// Events that wait for an event loop which is busy; what happens beyond that is not told.
const MAX_EVENTS: usize = 10_000;

/// Where it is reached.
#[napi(object)]
pub struct Place {
    /// `host:port`.
    pub authority: String,
    /// The bound port.
    pub port: u16,
}

#[napi]
#[derive(Default)]
pub struct NativeEmulator {
    relay: Option<RelayEmulator>,
    callback: Slot,
    observed: Arc<AtomicBool>,
}

#[napi]
impl NativeEmulator {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Result<Self> {
        attempt("newEmulator", || Ok(Self::default()))
    }

    /// Starts. `onEvent` gets each event as JSON, the last one of type `closed`; an empty text says that there are records.
    #[napi(catch_unwind)]
    pub fn start(
        &mut self,
        options: String,
        #[napi(ts_arg_type = "(event: string) => void")] on_event: Function<'_, String, ()>,
    ) -> Result<Place> {
        let started = attempt("startEmulator", || self.run(&options, on_event));
        if started.is_err() {
            // Nothing will call it, and it would keep the process alive.
            *lock(&self.callback) = None;
        }
        started
    }

    fn run(&mut self, options: &str, on_event: Function<'_, String, ()>) -> Result<Place> {
        let options: EmulatorOptions = parse(options)?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let delivered = Arc::clone(&waiting);
        let deliver = move |context: ThreadsafeCallContext<String>| {
            // An empty text is none.
            if !context.value.is_empty() {
                delivered.fetch_sub(1, Ordering::Relaxed);
            }
            Ok(context.value)
        };
        let builder = on_event.build_threadsafe_function::<String>().callee_handled::<false>();
        *lock(&self.callback) = Some(builder.build_callback(deliver)?);
        let (slot, observed) = (Arc::clone(&self.callback), Arc::clone(&self.observed));
        let observer = move |event: &RelayEvent| {
            let last = *event == RelayEvent::Closed;
            let is_told = observed.load(Ordering::Relaxed) && waiting.load(Ordering::Relaxed) < MAX_EVENTS;
            if !last && !is_told {
                return;
            }
            let mut callback = lock(&slot);
            if let (Some(call), Ok(text)) = (callback.as_ref(), serde_json::to_string(event)) {
                waiting.fetch_add(1, Ordering::Relaxed);
                call.call(text, ThreadsafeFunctionCallMode::NonBlocking);
            }
            if last {
                *callback = None;
            }
        };
        let relay = RelayEmulator::start(options, Arc::new(observer)).map_err(|error| thrown(&error))?;
        let place = Place { authority: relay.authority().to_owned(), port: relay.address().port() };
        self.relay = Some(relay);
        Ok(place)
    }

    /// Begins to stop; the event `closed` tells the end.
    #[napi(catch_unwind)]
    pub fn close(&self, force: bool) -> Result<()> {
        self.with("closeEmulator", |relay| relay.close(force)).map(drop)
    }

    /// Turns the delivery of events on.
    #[napi(catch_unwind)]
    pub fn observe(&self, on: bool) -> Result<()> {
        attempt("observe", || {
            self.observed.store(on, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Records what passes from now on; false where that has begun already.
    #[napi(catch_unwind)]
    pub fn record(&self, limits: String) -> Result<bool> {
        let limits = parse(&limits)?;
        let slot = Arc::clone(&self.callback);
        let wake = move || {
            let mode = ThreadsafeFunctionCallMode::NonBlocking;
            let told = lock(&slot).as_ref().map(|call| call.call(String::new(), mode));
            told.is_some_and(|status| status == Status::Ok)
        };
        self.with("record", |relay| relay.record(limits, Box::new(wake))).map(Option::unwrap_or_default)
    }

    /// At most `limit` records behind number `after`, as a JSON array.
    #[napi(catch_unwind)]
    pub fn read_records(&self, after: f64, limit: u32) -> Result<String> {
        let records = self.with("readRecords", |relay| {
            relay.records().map(|store| store.read(after as u64, limit as usize))
        });
        Ok(records?.flatten().unwrap_or_else(|| "[]".to_owned()))
    }

    /// True where there are records behind number `after`; otherwise the next one is told.
    #[napi(catch_unwind)]
    pub fn arm_records(&self, after: f64) -> Result<bool> {
        let armed =
            self.with("armRecords", |relay| relay.records().is_some_and(|store| store.arm(after as u64)));
        armed.map(Option::unwrap_or_default)
    }

    /// The relay at a glance, as JSON.
    #[napi(catch_unwind)]
    pub fn overview(&self) -> Result<String> {
        let overview = self.with("overview", RelayEmulator::overview)?.unwrap_or_default();
        // Texts and numbers only: this cannot fail.
        Ok(serde_json::to_string(&overview).unwrap_or_default())
    }

    /// Carries out a fault; gives the number of connections struck.
    #[napi(catch_unwind)]
    pub fn inflict(&self, fault: String) -> Result<u32> {
        let fault = parse(&fault)?;
        let struck = self.with("inflict", |relay| relay.inflict(fault))?.unwrap_or_default();
        Ok(u32::try_from(struck).unwrap_or(u32::MAX))
    }

    #[napi(catch_unwind)]
    pub fn add(&self, hybrid_connection: String) -> Result<()> {
        let options = parse(&hybrid_connection)?;
        self.with("add", |relay| relay.add(options)).map(drop)
    }

    #[napi(catch_unwind)]
    pub fn remove(&self, path: String) -> Result<bool> {
        self.with("remove", |relay| relay.remove(&path)).map(Option::unwrap_or_default)
    }

    #[napi(catch_unwind)]
    pub fn token(&self, path: String, key_name: String, seconds: i64) -> Result<Option<String>> {
        self.with("token", |relay| relay.token(&path, &key_name, seconds)).map(Option::flatten)
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> Result<String> {
        let stats = self.with("stats", RelayEmulator::stats)?.unwrap_or_default();
        // Strings and numbers only: this cannot fail.
        Ok(serde_json::to_string(&stats).unwrap_or_default())
    }

    /// Keeps the process alive while the relay runs.
    #[napi(js_name = "ref", catch_unwind)]
    #[allow(deprecated, reason = "cloning would not let go of the event loop")]
    pub fn refer(&self, env: Env) -> Result<()> {
        let refer = || lock(&self.callback).as_mut().map_or(Ok(()), |callback| callback.refer(&env));
        attempt("refEmulator", refer)
    }

    /// Lets the process end although the relay runs.
    #[napi(catch_unwind)]
    #[allow(deprecated, reason = "dropping would end the delivery of events")]
    pub fn unref(&self, env: Env) -> Result<()> {
        let unref = || lock(&self.callback).as_mut().map_or(Ok(()), |callback| callback.unref(&env));
        attempt("unrefEmulator", unref)
    }

    /// Does something to the relay, if it is there.
    fn with<T>(&self, name: &str, act: impl FnOnce(&RelayEmulator) -> T) -> Result<Option<T>> {
        attempt(name, || Ok(self.relay.as_ref().map(act)))
    }
}

/// JavaScript has checked it all; what went wrong is told without the text, which may hold a key.
fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("Invalid JSON at {}:{}", error.line(), error.column());
        thrown(&RelayError::new(ErrorKind::Internal, message))
    })
}
