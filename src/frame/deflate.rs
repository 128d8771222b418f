//! The two compression contexts of a connection (RFC 7692).
//!
//! A context is made on first use. With "no context takeover" it goes back to a small pool of the thread after
//! each message, so that only sockets which must remember keep the memory (about 270 KiB for deflate, 40 KiB for
//! inflate at 15 bits).

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::negotiation::DeflateParams;
use super::{FrameError, Role};

/// What a sync flush ends with; not sent at the end of a message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Least room to inflate into, and most to reserve before knowing what comes.
const ROOM: std::ops::RangeInclusive<usize> = 256..=64 * 1024;

/// Spare contexts that a thread keeps, of each kind.
const POOLED: usize = 2;

/// zlib's level when nobody chose one.
pub const DEFAULT_LEVEL: u8 = 6;

thread_local! {
    static DEFLATERS: RefCell<Vec<(u8, u8, Compress)>> = const { RefCell::new(Vec::new()) };
    static INFLATERS: RefCell<Vec<(u8, Decompress)>> = const { RefCell::new(Vec::new()) };
}

/// zlib cannot do raw deflate with 8 bits; like zlib's users, take 9 for it.
fn window(bits: Option<u8>) -> u8 {
    bits.unwrap_or(15).clamp(9, 15)
}

/// Compresses what we send.
#[derive(Debug)]
pub struct Deflate {
    bits: u8,
    level: u8,
    forget: bool,
    context: Option<Compress>,
}

impl Deflate {
    /// The outgoing half of what was negotiated; `level` is 0–9, and 6 for anything else.
    pub fn new(role: Role, params: &DeflateParams, level: u8) -> Self {
        let (bits, forget) = match role {
            Role::Client => (params.client_max_window_bits, params.client_no_context_takeover),
            Role::Server => (params.server_max_window_bits, params.server_no_context_takeover),
        };
        let level = if level > 9 { DEFAULT_LEVEL } else { level };
        Self { bits: window(bits), level, forget, context: None }
    }

    /// Appends the compressed `payload`, a whole message or a fragment (`fin` for the last one).
    ///
    /// # Errors
    /// If zlib fails, which no input makes it do.
    pub fn compress(&mut self, payload: &[u8], fin: bool, out: &mut Vec<u8>) -> Result<(), FrameError> {
        if payload.is_empty() {
            // The stream stands at a byte boundary: an empty stored block, which zlib would not repeat.
            out.push(0);
            out.extend_from_slice(&TAIL);
        } else {
            let (bits, level) = (self.bits, self.level);
            let context = self.context.get_or_insert_with(|| take_deflater(bits, level));
            if let Err(error) = run_deflate(context, payload, out) {
                self.context = None;
                return Err(error);
            }
        }
        if fin {
            out.truncate(out.len().saturating_sub(TAIL.len()));
            if self.forget {
                self.release();
            }
        }
        Ok(())
    }

    fn release(&mut self) {
        if let Some(mut context) = self.context.take() {
            context.reset();
            give_back(&DEFLATERS, (self.bits, self.level, context));
        }
    }
}

impl Drop for Deflate {
    fn drop(&mut self) {
        self.release();
    }
}

fn run_deflate(context: &mut Compress, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    // Room for incompressible data, so that one call will do; zlib wants more than six spare bytes for the tail.
    out.reserve((payload.len() + payload.len() / 8).min(*ROOM.end()) + 64);
    let start = context.total_in();
    let mut rest = payload;
    loop {
        context.compress_vec(rest, out, FlushCompress::Sync).map_err(|_| FrameError::deflate_failed())?;
        rest = payload.get((context.total_in() - start) as usize..).unwrap_or_default();
        // Room left over means that the flush is complete, too.
        if out.len() < out.capacity() && rest.is_empty() {
            return Ok(());
        }
        out.reserve(out.len().max(*ROOM.start()));
    }
}

/// Decompresses what we receive.
#[derive(Debug)]
pub struct Inflate {
    bits: u8,
    forget: bool,
    context: Option<Decompress>,
}

impl Inflate {
    /// The incoming half of what was negotiated.
    pub fn new(role: Role, params: &DeflateParams) -> Self {
        let (bits, forget) = match role {
            Role::Client => (params.server_max_window_bits, params.server_no_context_takeover),
            Role::Server => (params.client_max_window_bits, params.client_no_context_takeover),
        };
        Self { bits: window(bits), forget, context: None }
    }

    /// Appends the inflated `data`, the payload of one frame (`fin` for the message's last one). `out` holds the
    /// message so far and may not grow beyond `limit` bytes (0 for no limit).
    ///
    /// # Errors
    /// If the data is corrupt or exceeds the limit; it stops there.
    pub fn inflate(
        &mut self,
        data: &[u8],
        fin: bool,
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), FrameError> {
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let bits = self.bits;
        let context = self.context.get_or_insert_with(|| take_inflater(bits));
        let ended = run_inflate(context, data, out, limit)
            .and_then(|ended| Ok(ended || (fin && run_inflate(context, &TAIL, out, limit)?)));
        match ended {
            // After a block marked as final the rest of the frame is ignored and the context starts anew, as in ws.
            Ok(ended) => {
                if ended || (fin && self.forget) {
                    self.release();
                }
                Ok(())
            }
            Err(error) => {
                self.context = None;
                Err(error)
            }
        }
    }

    fn release(&mut self) {
        if let Some(mut context) = self.context.take() {
            context.reset(false);
            give_back(&INFLATERS, (self.bits, context));
        }
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether the stream ended before all of `data` was used.
fn run_inflate(
    context: &mut Decompress,
    data: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<bool, FrameError> {
    if data.is_empty() {
        return Ok(false);
    }
    let mut want = data.len().saturating_mul(4).clamp(*ROOM.start(), *ROOM.end());
    let start = context.total_in();
    let mut rest = data;
    loop {
        // One byte more than allowed is enough to see that it is too much.
        let most = limit.saturating_sub(out.len()).saturating_add(1);
        if out.capacity() - out.len() < want.min(most) {
            out.reserve(want.min(most));
        }
        let status = context
            .decompress_vec(rest, out, FlushDecompress::Sync)
            .map_err(|error| FrameError::corrupt(error.message().map(zlib_text)))?;
        if out.len() > limit {
            return Err(FrameError::too_big());
        }
        rest = data.get((context.total_in() - start) as usize..).unwrap_or_default();
        if status == Status::StreamEnd {
            return Ok(!rest.is_empty());
        }
        // Room left over: nothing more comes out of this input.
        if out.len() < out.capacity() && (rest.is_empty() || status == Status::BufError) {
            return Ok(false);
        }
        want = out.len().max(*ROOM.start());
    }
}

/// zlib-rs's fast loop overwrites the reason with this text of its own; take zlib's general one then.
fn zlib_text(text: &str) -> &str {
    if text == "repeated call with bad state" { "data error" } else { text }
}

fn take_deflater(bits: u8, level: u8) -> Compress {
    take(&DEFLATERS, |(b, l, _)| (*b, *l) == (bits, level)).map_or_else(
        || Compress::new_with_window_bits(Compression::new(level.into()), false, bits),
        |(_, _, context)| context,
    )
}

fn take_inflater(bits: u8) -> Decompress {
    take(&INFLATERS, |(b, _)| *b == bits)
        .map_or_else(|| Decompress::new_with_window_bits(false, bits), |(_, context)| context)
}

type Pool<T> = std::thread::LocalKey<RefCell<Vec<T>>>;

fn take<T>(pool: &'static Pool<T>, fits: impl Fn(&T) -> bool) -> Option<T> {
    // The thread may be ending, and its pool gone.
    pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let index = pool.iter().position(fits)?;
        Some(pool.swap_remove(index))
    })
    .ok()
    .flatten()
}

/// Keeps the latest contexts: a thread's sockets mostly share their parameters.
fn give_back<T>(pool: &'static Pool<T>, context: T) {
    let _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() >= POOLED {
            pool.remove(0);
        }
        pool.push(context);
    });
}

#[cfg(test)]
mod tests;
