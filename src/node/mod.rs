//! The binding: converts, calls and delivers. The only module that names napi.

#![allow(missing_docs, reason = "what users read is index.d.ts")]
#![allow(unsafe_code, reason = "#[napi] expands to it")]

mod body_flow;
pub mod buffers;
mod calls;
mod convert;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod engine;
mod exchange_records;
pub mod forward;
pub mod guard;
pub mod helpers;
pub mod listener;
mod offer_record;
mod packed_record;
pub mod records;
pub mod requests;
pub mod runtime;
mod slots;
mod text;
mod thrown;
pub mod tls;
mod trace;
