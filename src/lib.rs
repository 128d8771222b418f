//! The core of hyco-ws-rs: WebSockets through Azure Relay Hybrid Connections.
//!
//! ```text
//!  node                       #[napi] layer: convert, call, deliver; the only module that names napi
//!   |
//!  forward                    byte streams between relayed connections and sockets of this machine
//!   |
//!  listener, socket           tokio tasks and their handles
//!   |
//!  transport                  opens one WebSocket handshake: TCP, proxy, TLS, HTTP
//!   |
//!  frame                      RFC 6455 and RFC 7692: bytes <-> frames, sans-IO
//!  protocol, sas, uri,        pure: no IO, no clock
//!  connection_string, http,
//!  buffers, keep_alive,
//!  error, sync, uuid
//! ```
//!
//! Arrows only point down. `emulator` stands beside `listener`: the service's side of the protocol, which no
//! client code imports.

#![warn(missing_docs)]
// For all files; `node` alone lifts it.
#![deny(unsafe_code)]

pub mod buffers;
pub mod connection_string;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod error;
pub mod forward;
pub mod frame;
pub mod http;
pub mod keep_alive;
pub mod listener;
#[cfg(test)]
mod mutations;
#[cfg(feature = "node")]
pub mod node;
pub mod protocol;
pub mod sas;
pub mod socket;
pub mod sync;
pub mod transport;
pub mod uri;
pub mod uuid;
