//! A panic on JavaScript's thread would end the process. It costs what was asked for instead: each exported function
//! runs within one of these, and is `#[napi(catch_unwind)]` besides, for its arguments are converted before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::Result;
use napi_derive::napi;

use super::thrown::thrown;
use crate::error::RelayError;

/// Does what the exported function `name` is for; `None` where that panicked.
pub(super) fn guard<T>(name: &str, act: impl FnOnce() -> T) -> Option<T> {
    let act = || {
        switch::trip(name);
        act()
    };
    // Whoever may have been struck in the middle of something is ended by the caller.
    catch_unwind(AssertUnwindSafe(act)).ok()
}

/// The same for a function whose failures are thrown: a panic is one of them.
pub(super) fn attempt<T>(name: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    guard(name, act).unwrap_or_else(|| Err(thrown(&RelayError::fault("call"))))
}

/// Makes the exported function of that name panic the next time, for tests: in debug builds only. False elsewhere.
#[napi(catch_unwind)]
pub fn panic_once(name: String) -> bool {
    guard("panicOnce", || switch::arm(name)).unwrap_or_default()
}

#[cfg(debug_assertions)]
mod switch {
    use std::sync::{Mutex, MutexGuard};

    use crate::sync::lock;

    static ARMED: Mutex<Option<String>> = Mutex::new(None);

    fn armed() -> MutexGuard<'static, Option<String>> {
        lock(&ARMED)
    }

    pub(super) fn arm(name: String) -> bool {
        *armed() = Some(name);
        true
    }

    pub(super) fn trip(name: &str) {
        let tripped = armed().take_if(|armed| armed == name);
        assert!(tripped.is_none(), "on purpose, in {name}");
    }
}

#[cfg(not(debug_assertions))]
mod switch {
    pub(super) fn arm(_: String) -> bool {
        false
    }

    pub(super) fn trip(_: &str) {}
}
