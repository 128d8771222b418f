//! HMAC states by key, so that a program that signs many tokens hashes each of its few keys once.

use std::sync::Mutex;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::sync::lock;

/// The MAC of a token. Wiped when dropped.
pub type HmacSha256 = Hmac<Sha256>;

/// Enough for a program with a rule or two for each of a few namespaces.
const CAPACITY: usize = 8;
/// No SAS key is longer; anything else is not worth keeping.
const LONGEST_KEPT: usize = 1024;

struct Entry {
    key: Zeroizing<Vec<u8>>,
    state: HmacSha256,
}

/// Most recently used first.
static STATES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// A fresh MAC under `key`.
pub fn state_for(key: &[u8]) -> HmacSha256 {
    let mut states = lock(&STATES);
    if let Some(at) = states.iter().position(|entry| entry.key.as_slice() == key) {
        if let Some(recent) = states.get_mut(..=at) {
            recent.rotate_right(1);
        }
        if let Some(entry) = states.first() {
            return entry.state.clone();
        }
    }
    let state = keyed(key);
    if key.len() <= LONGEST_KEPT {
        states.truncate(CAPACITY - 1);
        states.insert(0, Entry { key: Zeroizing::new(key.to_vec()), state: state.clone() });
    }
    state
}

fn keyed(key: &[u8]) -> HmacSha256 {
    // An HMAC takes keys of every length; `new_from_slice` cannot fail.
    HmacSha256::new_from_slice(key).expect("an HMAC takes a key of any length")
}

#[cfg(test)]
pub(super) fn kept() -> usize {
    lock(&STATES).len()
}
