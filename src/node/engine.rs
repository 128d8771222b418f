//! The native end of `lib/engine/engine.js`: slots, deliveries and sends.

use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use super::buffers;
use super::calls::{self, Numbers, missing, tell};
use super::convert::{self, DialOptions, EngineOptions};
use super::guard::{attempt, guard};
use super::records::outline;
use super::runtime::IoThread;
use super::slots::Slots;
use super::text::TextResult;
use super::thrown::thrown;
use super::trace;
use crate::error::{ErrorKind, RelayError};
use crate::frame::MaskKeys;
use crate::socket::delivery::Delivery;
use crate::socket::{Masking, Outline, Socket};
use crate::sync::lock;

/// Bytes that may wait for JavaScript, over all sockets, before the IO thread stops reading.
const DELIVERY_LIMIT: usize = 64 * 1024 * 1024;

type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What is alive, for tests that look for leaks.
#[napi(object)]
pub struct LiveCounts {
    /// Tasks of the IO thread, of all environments.
    pub tasks: u32,
    /// Sockets of this environment.
    pub sockets: u32,
    /// Listeners of this environment.
    pub listeners: u32,
}

/// One engine per JavaScript environment.
#[napi]
pub struct NativeEngine {
    wake: Arc<Mutex<Wake>>,
    slots: Arc<Slots>,
    keys: MaskKeys,
}

#[napi]
impl NativeEngine {
    /// `wake` is called when there is something to drain. It does not keep the process alive until `ref()`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, wake: Function<(), ()>, options: EngineOptions) -> Result<Self> {
        attempt("constructor", || Self::start(env, wake, &options))
    }

    /// Keeps the process alive.
    #[napi(js_name = "ref", catch_unwind)]
    #[allow(deprecated)]
    pub fn reference(&self, env: Env) -> Result<()> {
        attempt("ref", || lock(&self.wake).refer(&env))
    }

    /// Lets the process end.
    #[napi(js_name = "unref", catch_unwind)]
    #[allow(deprecated)]
    pub fn unreference(&self, env: Env) {
        // Called when something has ended, and there is nobody left to tell.
        let _ = guard("unref", || lock(&self.wake).unref(&env));
    }

    /// The functions that every delivery calls: `drain`, `flush` and `release` of `calls.rs`.
    #[napi(ts_return_type = "Record<string, Function>", catch_unwind)]
    pub fn calls<'a>(&self, env: &'a Env) -> Result<Object<'a>> {
        attempt("calls", || calls::of(env, &self.slots))
    }

    /// The chunk that the next records are about, after a drain that ended with 3.
    #[napi(catch_unwind)]
    pub fn take_chunk<'a>(&self, env: &'a Env) -> Result<BufferSlice<'a>> {
        attempt("takeChunk", || {
            let chunk = self.slots.delivery.take_chunk().ok_or_else(|| missing("chunk"))?;
            buffers::hand_over(env, chunk)
        })
    }

    /// The payload that a record has announced under that number.
    #[napi(catch_unwind)]
    pub fn take_large<'a>(&self, env: &'a Env, number: u32) -> Result<BufferSlice<'a>> {
        attempt("takeLarge", || {
            let payload = self.slots.delivery.take_large(number).ok_or_else(|| missing("payload"))?;
            buffers::hand_over(env, payload)
        })
    }

    /// Sends one frame that is too large to be collected.
    #[napi(catch_unwind)]
    pub fn send(&mut self, slot: u32, meta: u32, payload: &[u8]) {
        let slots = Arc::clone(&self.slots);
        slots.with("send", slot, |socket| {
            if let Some(outline) = outline(meta) {
                socket.send(&mut self.keys).frame(outline, payload);
            }
        });
    }

    /// Sends one frame under a masking key of the user's.
    #[napi(catch_unwind)]
    pub fn send_keyed(&mut self, slot: u32, meta: u32, payload: &[u8], key: u32) {
        let slots = Arc::clone(&self.slots);
        slots.with("sendKeyed", slot, |socket| {
            if let Some(outline) = outline(meta) {
                let outline = Outline { mask: Masking::Key(key.to_be_bytes()), ..outline };
                socket.send(&mut self.keys).frame(outline, payload);
            }
        });
    }

    /// Opens a connection under `slot`; its records say what comes of it. Returns the offer of permessage-deflate where
    /// it was left to us to write.
    #[napi(ts_return_type = "string | null", catch_unwind)]
    pub fn dial(&mut self, slot: u32, options: DialOptions) -> Result<Option<TextResult>> {
        attempt("dial", || {
            let (opening, limits, offer) = convert::opening(options)?;
            self.slots.open(slot, Arc::new(limits), opening);
            Ok(offer.map(TextResult))
        })
    }

    /// Delivers what the core traces under `slot`, as records of JSON.
    #[napi(catch_unwind)]
    pub fn trace(&self, slot: u32) -> Result<()> {
        attempt("trace", || {
            trace::subscribe(&self.slots.delivery, slot);
            Ok(())
        })
    }

    /// Drops the connection, or the attempt.
    #[napi(catch_unwind)]
    pub fn terminate(&self, slot: u32) {
        self.slots.with("terminate", slot, Socket::terminate);
    }

    /// The same, for a fault of this package: the socket's records say so.
    #[napi(catch_unwind)]
    pub fn fail(&self, slot: u32) {
        self.slots.with("fail", slot, Socket::fail);
    }

    /// Stops reading.
    #[napi(catch_unwind)]
    pub fn pause(&self, slot: u32) {
        self.slots.with("pause", slot, Socket::pause);
    }

    /// Reads on.
    #[napi(catch_unwind)]
    pub fn resume(&self, slot: u32) {
        self.slots.with("resume", slot, Socket::resume);
    }

    /// Gives the connection up because more waits for its peer than may.
    #[napi(catch_unwind)]
    pub fn give_up(&self, slot: u32) {
        self.slots.with("giveUp", slot, Socket::give_up);
    }

    /// Asks for the body of a response that is not an upgrade.
    #[napi(catch_unwind)]
    pub fn read_body(&self, slot: u32) {
        self.slots.with("readBody", slot, Socket::want_body);
    }

    /// Bytes that the kernel has not taken yet.
    #[napi(catch_unwind)]
    pub fn buffered_amount(&self, slot: u32) -> f64 {
        self.slots.with("bufferedAmount", slot, Socket::buffered_amount).unwrap_or_default() as f64
    }

    /// Both ends of the connection, as `local remote`; each is empty where it is not known.
    #[napi(ts_return_type = "string", catch_unwind)]
    pub fn addresses(&self, slot: u32) -> TextResult {
        TextResult(self.slots.with("addresses", slot, Socket::addresses).unwrap_or_default())
    }

    /// What the socket has carried, as `lib/socket/stats.js` numbers it.
    #[napi(catch_unwind)]
    pub fn socket_stats(&self, slot: u32, #[napi(ts_arg_type = "Float64Array")] into: Numbers<'_>) {
        self.slots.with("socketStats", slot, |socket| tell(&socket.stats(), into));
    }

    /// What is alive.
    #[napi(catch_unwind)]
    pub fn live_counts(&self) -> Result<LiveCounts> {
        attempt("liveCounts", || {
            let (sockets, listeners) = self.slots.live();
            Ok(LiveCounts {
                tasks: self.slots.io.tasks() as u32,
                sockets: sockets as u32,
                listeners: listeners as u32,
            })
        })
    }

    fn start(env: Env, wake: Function<'_, (), ()>, options: &EngineOptions) -> Result<Self> {
        let wake: Wake = wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?;
        let wake = Arc::new(Mutex::new(wake));
        // The cleanup hook below holds the queue for as long as the environment lives; the function need not.
        let caller = Arc::downgrade(&wake);
        let delivery = Arc::new(Delivery::new(DELIVERY_LIMIT, move || {
            if let Some(wake) = caller.upgrade() {
                lock(&wake).call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        }));
        let io = IoThread::get().map_err(|error| {
            let text = format!("The IO thread does not start: {error}");
            thrown(&RelayError::new(ErrorKind::Internal, text))
        })?;
        let slots = Arc::new(Slots::new(io, delivery, options.tuning()));
        env.add_env_cleanup_hook(Arc::clone(&slots), |slots| slots.close())?;
        Ok(Self { wake, slots, keys: MaskKeys::default() })
    }

    /// What its listeners share with it.
    pub(super) fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots)
    }
}

impl Drop for NativeEngine {
    fn drop(&mut self) {
        self.slots.close();
    }
}
