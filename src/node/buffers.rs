//! Buffers that JavaScript gets without a copy, and gives back when they are collected.

use napi::bindgen_prelude::*;

use super::guard::guard;
use crate::buffers;

/// Hands `data` over. Where the runtime allows no memory of others (Electron) the bytes are copied.
///
/// # Errors
/// If the runtime refuses to make a buffer.
#[allow(unsafe_code)]
pub(super) fn hand_over(env: &Env, mut data: Vec<u8>) -> Result<BufferSlice<'_>> {
    if data.is_empty() {
        return BufferSlice::from_data(env, data);
    }
    let (start, length) = (data.as_mut_ptr(), data.len());
    // SAFETY: the bytes belong to `data`, which moves into the finalizer and with it lives as long as the buffer. The
    // allocation stays where it is when the `Vec` moves, and nobody else has it.
    unsafe {
        BufferSlice::from_external(env, start, length, data, |_, data| {
            // The garbage collector calls this, and nobody is there to hear of a panic.
            let _ = guard("giveBack", || buffers::give(data));
        })
    }
}
