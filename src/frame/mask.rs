//! Masking: XOR with a four-byte key (RFC 6455, section 5.3), and where keys come from.

use std::hash::{BuildHasher, RandomState};

/// Bytes of randomness drawn from the system at a time: 2,048 keys.
const POOL: usize = 8 * 1024;

/// Blocks in which a payload is copied and masked: small enough to be still in the first-level cache for the
/// second step, and a multiple of the key's length.
const BLOCK: usize = 2 * 1024;
/// From here on a block is masked while it is copied. `memcpy` would do the copying with `rep movsb`, which some
/// processors (Zen 4) run fifteen times slower where the target lies a few bytes, such as a frame's header, behind
/// the source in its page.
const FUSED: usize = 512;

/// Masks or unmasks `data`, whose first byte is the payload's byte number `phase`.
#[inline]
pub fn apply(data: &mut [u8], key: [u8; 4], phase: usize) {
    // Turned so that the first byte of the key belongs to the first byte of `data`.
    let key = u32::from_le_bytes(key).rotate_right((phase as u32 & 3) * 8);
    let wide = widen(key);

    let (lanes, rest) = data.as_chunks_mut::<16>();
    for lane in lanes {
        *lane = (u128::from_le_bytes(*lane) ^ wide).to_le_bytes();
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_le_bytes(*word) ^ key).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_le_bytes()) {
        *byte ^= key;
    }
}

/// Appends `payload`, masked.
#[inline]
pub fn append(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    out.reserve(payload.len());
    for block in payload.chunks(BLOCK) {
        let start = out.len();
        if block.len() < FUSED {
            out.extend_from_slice(block);
            apply(&mut out[start..], key, 0);
        } else {
            out.resize(start + block.len(), 0);
            copy(&mut out[start..], block, u32::from_le_bytes(key));
        }
    }
}

/// Copies `from` masked into `to`, which is as long.
fn copy(to: &mut [u8], from: &[u8], key: u32) {
    let wide = widen(key);
    let (to_lanes, to_rest) = to.as_chunks_mut::<16>();
    let (from_lanes, from_rest) = from.as_chunks::<16>();
    for (to, from) in to_lanes.iter_mut().zip(from_lanes) {
        *to = (u128::from_le_bytes(*from) ^ wide).to_le_bytes();
    }
    for ((to, from), key) in to_rest.iter_mut().zip(from_rest).zip(key.to_le_bytes().into_iter().cycle()) {
        *to = from ^ key;
    }
}

fn widen(key: u32) -> u128 {
    u128::from(key) * 0x0000_0001_0000_0001_0000_0001_0000_0001
}

/// A source of masking keys that asks the system for randomness once in 2,048 frames.
#[derive(Debug, Default)]
pub struct MaskKeys {
    pool: Vec<u8>,
    used: usize,
}

impl MaskKeys {
    /// A source whose pool is filled on first use.
    pub const fn new() -> Self {
        Self { pool: Vec::new(), used: 0 }
    }

    /// A key that nobody can foresee.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        match self.pool.get(self.used..).and_then(|left| left.first_chunk::<4>()) {
            Some(key) => {
                self.used += 4;
                *key
            }
            None => self.refill(),
        }
    }

    #[cold]
    fn refill(&mut self) -> [u8; 4] {
        self.pool.resize(POOL, 0);
        self.used = 4;
        if getrandom::fill(&mut self.pool).is_err() {
            // The system's generator does not answer: go on with std's keyed hash, which it seeded earlier.
            let hasher = RandomState::new();
            for (index, word) in self.pool.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *word = hasher.hash_one(index).to_ne_bytes();
            }
        }
        self.pool.first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
