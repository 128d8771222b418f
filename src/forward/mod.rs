//! Byte streams: connections and sockets of this machine, joined with relayed connections. No byte of them reaches
//! JavaScript.
//!
//! ```text
//!  remote ── the listener's end: offers ──> targets        local ── the sender's end: a port ──> dials
//!       `──────────── streams: who is there, what they have carried, the end ────────────´
//!                        pump: moves the bytes of one, both ways
//!                   wire: the relayed end          target: the other one
//!                   preamble: azbridge's first bytes, without IO
//! ```

pub mod events;
mod failure;
pub mod local;
pub mod options;
pub mod preamble;
mod pump;
pub mod remote;
mod streams;
mod tally;
pub mod target;
mod wire;

pub use events::{ForwardEvent, ForwardSink};
pub use local::LocalForwarder;
pub use options::ForwardOptions;
pub use remote::{AdmittedSender, RemoteForwarder, StreamRoutes};
pub use tally::ForwardStats;
pub use target::StreamTarget;

#[cfg(test)]
mod tests;
