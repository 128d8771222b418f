//! The numbers of the tables that cross, both ways, for `lib/engine/records.js`; and how the meta of a frame to send is
//! read.

use std::collections::HashMap;

use napi::bindgen_prelude::Result;
use napi_derive::napi;

use super::exchange_records::{FAILED, HAS_BODY, LAST, SECURE, WHOLE_BODY};
use super::guard::attempt;
use crate::frame::OpCode;
use crate::socket::delivery::{BLOCK, DrainEnd, FLAG_CHUNK, FLAG_LARGE, Kind, RECORD_WORDS};
use crate::socket::{CAUSE_CODES, Masking, Outline};

const OPCODE: u32 = 15;
const FIN: u32 = 16;
const RSV1: u32 = 32;
const COMPRESS: u32 = 64;
const MASK: u32 = 128;
const RECEIPT: u32 = 256;
/// Of a row that is no frame: the closing handshake has begun, and is given up after so many milliseconds as the row has in
/// the place of an offset.
pub(super) const CLOSING: u32 = 512;
/// Of a row that is no frame: our side ends once everything is written.
pub(super) const END: u32 = 1024;

/// By their names in JavaScript.
type Numbered = HashMap<&'static str, u32>;

/// What both sides go by.
#[napi(object, object_from_js = false)]
pub struct Records {
    /// Of a record.
    pub words: u32,
    /// Bytes of the block for small payloads.
    pub block: u32,
    /// What records say.
    #[napi(ts_type = "Record<string, number>")]
    pub kinds: Numbered,
    /// Bits of a record's meta.
    #[napi(ts_type = "Record<string, number>")]
    pub flags: Numbered,
    /// Why a drain ended.
    #[napi(ts_type = "Record<string, number>")]
    pub ends: Numbered,
    /// Bits of the meta of a frame to send, beside its opcode, and of a row that speaks of the end.
    #[napi(ts_type = "Record<string, number>")]
    pub frame: Numbered,
    /// Flags of a relayed HTTP request.
    #[napi(ts_type = "Record<string, number>")]
    pub request: Numbered,
    /// Details of what follows it: the last piece of a body, an end that nobody has asked for.
    #[napi(ts_type = "Record<string, number>")]
    pub exchange: Numbered,
    /// Node's codes for what a connection broke of; empty where there is none.
    pub causes: Vec<&'static str>,
}

/// The numbers of the tables that cross.
#[napi(catch_unwind)]
pub fn records() -> Result<Records> {
    attempt("records", || {
        let kinds = [
            ("TEXT", Kind::Text),
            ("BINARY", Kind::Binary),
            ("PING", Kind::Ping),
            ("PONG", Kind::Pong),
            ("CLOSE", Kind::Close),
            ("ERROR", Kind::Error),
            ("END", Kind::End),
            ("CLOSED", Kind::Closed),
            ("OPEN", Kind::Open),
            ("FAILED", Kind::Failed),
            ("RESPONSE", Kind::Response),
            ("BODY", Kind::Body),
            ("BODY_END", Kind::BodyEnd),
            ("SENT", Kind::Sent),
            ("FRAGMENTS", Kind::Fragments),
            ("LISTENER", Kind::Listener),
            ("SHUT", Kind::Shut),
            ("LOST", Kind::Lost),
            ("OFFER", Kind::Offer),
            ("REQUEST", Kind::Request),
            ("REQUEST_BODY", Kind::RequestBody),
            ("ANSWER_SENT", Kind::AnswerSent),
            ("EXCHANGE_END", Kind::ExchangeEnd),
        ];
        let ends = [
            ("EMPTY", DrainEnd::Empty),
            ("TABLE_FULL", DrainEnd::TableFull),
            ("BLOCK_FULL", DrainEnd::BlockFull),
            ("CHUNK", DrainEnd::Chunk),
        ];
        Ok(Records {
            words: RECORD_WORDS as u32,
            block: BLOCK as u32,
            kinds: kinds.into_iter().map(|(name, kind)| (name, kind as u32)).collect(),
            flags: [("LARGE", FLAG_LARGE), ("CHUNK", FLAG_CHUNK)].into(),
            ends: ends.into_iter().map(|(name, end)| (name, end as u32)).collect(),
            frame: [
                ("FIN", FIN),
                ("RSV1", RSV1),
                ("COMPRESS", COMPRESS),
                ("MASK", MASK),
                ("RECEIPT", RECEIPT),
                ("CLOSING", CLOSING),
                ("END", END),
            ]
            .into(),
            request: [("BODY", HAS_BODY), ("WHOLE", WHOLE_BODY), ("SECURE", SECURE)].into(),
            exchange: [("LAST", LAST.into()), ("FAILED", FAILED.into())].into(),
            causes: CAUSE_CODES.to_vec(),
        })
    })
}

/// A frame to send, by its meta; nothing where its opcode is none.
pub(super) fn outline(meta: u32) -> Option<Outline> {
    let opcode = match meta & OPCODE {
        0 => OpCode::Continuation,
        1 => OpCode::Text,
        2 => OpCode::Binary,
        8 => OpCode::Close,
        9 => OpCode::Ping,
        10 => OpCode::Pong,
        _ => return None,
    };
    Some(Outline {
        opcode,
        fin: meta & FIN != 0,
        rsv1: meta & RSV1 != 0,
        compress: meta & COMPRESS != 0,
        mask: if meta & MASK != 0 { Masking::Random } else { Masking::None },
        receipt: meta & RECEIPT != 0,
    })
}
