//! Data sockets: the engine between tokio and V8.
//!
//! A [`Socket`] is shared by two threads. JavaScript encodes what it sends into the socket's outgoing queue and, when
//! the kernel takes it, writes it there and then; the IO thread reads, decodes, compresses and finishes what met a
//! full kernel buffer. What the socket has received goes to JavaScript through the packed [`delivery`] queue.
//!
//! The policy of a WebSocket's life (ready states, when to answer a close frame, which events follow which) is
//! JavaScript's, where ws keeps it too: it depends on what user code does between two messages.

mod assembling;
mod compression;
mod credit;
pub mod delivery;
mod driver;
mod ends;
mod handle;
mod intake;
mod link;
#[cfg(all(test, hyco_loom))]
mod models;
mod opening;
mod options;
mod outgoing;
mod pulse;
mod report;
mod send_side;
mod spin;
mod tally;
#[cfg(test)]
mod tests;

pub use self::assembling::Assembling;
pub use self::compression::Compression;
pub use self::credit::Credit;
pub use self::driver::run;
pub use self::handle::{SendRun, Socket};
pub use self::link::{Chunk, ReadStep, SocketLink};
pub use self::opening::Opening;
pub use self::options::{SocketOptions, Tuning};
pub use self::outgoing::{Masking, Outgoing, Outline};
pub use self::pulse::{Beat, Pulse};
pub use self::report::CAUSE_CODES;
pub use self::spin::{come_back, extend as stay_awake_for_more, run as stay_awake};
pub use self::tally::{Carried, SocketStats};
