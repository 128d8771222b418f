//! Locks and atomics: those of std, or, where its models run, those of loom, which tries every order of what two threads
//! do. Only what has a model needs them from here; see CONTRIBUTING.md.

use std::sync::{self, LockResult, PoisonError};

#[cfg(hyco_loom)]
pub use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(hyco_loom))]
pub use std::sync::{Mutex, MutexGuard, atomic};

/// What a lock guards, also after a panic of somebody who held it: nothing here is half done when it may panic, and a
/// second panic would only strike others.
pub fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// The same, of a lock of std.
pub fn lock<T>(mutex: &sync::Mutex<T>) -> sync::MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}
