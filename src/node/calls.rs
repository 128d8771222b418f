//! The functions that JavaScript calls for every delivery and for every socket that closes. Each knows its engine: to find it
//! by `this` takes napi several times as long as the call itself, for it asks V8 for two private properties and enters
//! the loan in a table.

use std::cell::RefCell;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;

use super::guard::{attempt, guard};
use super::records::{CLOSING, END, outline};
use super::slots::Slots;
use super::text::TextResult;
use super::thrown::thrown;
use crate::error::{ErrorKind, RelayError};
use crate::frame::MaskKeys;
use crate::socket::SocketStats;
use crate::socket::delivery::{BLOCK, RECORD_WORDS};

/// Mutable views, which `#[napi]` takes by alias only.
type Words<'a> = &'a mut [u32];
type Bytes<'a> = &'a mut [u8];
pub(super) type Numbers<'a> = &'a mut [f64];

/// What a socket has carried, in numbers.
const TALLY: usize = 8;

/// Makes these functions for one engine.
pub(super) fn of<'a>(env: &'a Env, slots: &Arc<Slots>) -> Result<Object<'a>> {
    let mut calls = Object::new(env)?;
    let own = Arc::clone(slots);
    let call = move |cx: FunctionCallContext<'_>| {
        attempt("drain", || drain(&own, cx.get(0)?, cx.get(1)?, cx.get(2)?, cx.get(3)?, cx.get(4)?))
    };
    calls.set("drain", env.create_function_from_closure::<(), u32, _>("drain", call)?)?;
    let own = Arc::clone(slots);
    let keys = RefCell::new(MaskKeys::default());
    let call = move |cx: FunctionCallContext<'_>| {
        flush(&own, &mut keys.borrow_mut(), cx.get(0)?, cx.get(1)?, cx.get(2)?);
        Ok(())
    };
    calls.set("flush", env.create_function_from_closure::<(), (), _>("flush", call)?)?;
    let own = Arc::clone(slots);
    let call = move |cx: FunctionCallContext<'_>| Ok(release(&own, cx.get(0)?, cx.get(1)?));
    calls.set("release", env.create_function_from_closure::<(), TextResult, _>("release", call)?)?;
    Ok(calls)
}

/// Moves up to `rows` records into `table` and their payloads into `intake`, which no program ever sees, and from
/// there into `block`, from `from` on. Returns three numbers in one: why it ended in the lowest two bits (0 empty,
/// 1 table full, 2 block full, 3 chunk), the count of records in the next eleven, then that of bytes in `block`.
fn drain(
    slots: &Slots,
    table: Words<'_>,
    intake: Bytes<'_>,
    block: Bytes<'_>,
    from: u32,
    rows: u32,
) -> Result<u32> {
    let table = table.get_mut(..rows as usize * RECORD_WORDS).filter(|table| !table.is_empty());
    let block = block.get_mut(from as usize..).filter(|block| block.len() <= BLOCK);
    let (Some(table), Some(block)) = (table, block) else { return Err(missing("table or block")) };
    let Some(intake) = intake.get_mut(..block.len()) else { return Err(missing("intake")) };
    let drained = slots.delivery.drain(table, intake);
    block[..drained.used].copy_from_slice(&intake[..drained.used]);
    Ok((drained.used as u32) << 13 | (drained.count as u32) << 2 | drained.ended as u32)
}

/// Sends `count` frames: rows of slot, meta, offset and length, and the block that the payloads lie in. Among them are
/// rows that begin the closing handshake or end our side.
fn flush(slots: &Slots, keys: &mut MaskKeys, table: &[u32], block: &[u8], count: u32) {
    let mut rows = table.chunks_exact(RECORD_WORDS).take(count as usize).peekable();
    while let Some(&&[slot, ..]) = rows.peek() {
        let mut run = iter::from_fn(|| rows.next_if(|row| row[0] == slot));
        slots.with("flush", slot, |socket| {
            let mut frames = socket.send(keys);
            for row in &mut run {
                let &[_, meta, offset, length] = row else { continue };
                if meta & CLOSING != 0 {
                    frames.close_within(Duration::from_millis(offset.into()));
                }
                if meta & END != 0 {
                    frames.end();
                }
                if meta & (CLOSING | END) != 0 {
                    continue;
                }
                let (from, to) = (offset as usize, offset as usize + length as usize);
                if let (Some(outline), Some(payload)) = (outline(meta), block.get(from..to)) {
                    frames.frame(outline, payload);
                }
            }
        });
        // What is for nobody, or was not reached.
        run.for_each(drop);
    }
}

/// Frees a slot after its last record, and returns the addresses of its socket. Fills in what that has carried, and
/// behind it the bytes that were still sent to it after the record.
fn release(slots: &Slots, slot: u32, into: Numbers<'_>) -> TextResult {
    let release = || {
        let socket = slots.take(slot)?;
        tell(&socket.stats(), into);
        if let Some(unsent) = into.get_mut(TALLY) {
            *unsent = socket.buffered_amount() as f64;
        }
        Some(socket.addresses())
    };
    TextResult(guard("release", release).flatten().unwrap_or_default())
}

/// What was asked for is not there, which only a fault of ours explains: never to be taken for something empty.
pub(super) fn missing(what: &str) -> Error {
    thrown(&RelayError::new(ErrorKind::Internal, format!("The engine has no such {what}")))
}

/// Fills in what a socket has carried, as `lib/socket/stats.js` numbers it.
pub(super) fn tell(stats: &SocketStats, into: &mut [f64]) {
    let numbers: [f64; TALLY] = [
        stats.messages_sent as f64,
        stats.bytes_sent as f64,
        stats.wire_bytes_sent as f64,
        stats.messages_received as f64,
        stats.bytes_received as f64,
        stats.wire_bytes_received as f64,
        stats.held as f64,
        stats.rtt.map_or(f64::NAN, |rtt| rtt.as_secs_f64() * 1000.0),
    ];
    for (to, from) in into.iter_mut().zip(numbers) {
        *to = from;
    }
}
