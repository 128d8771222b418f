//! The listener: keeps control channels up and turns what comes over them into events.

#![forbid(unsafe_code)]

pub mod backoff;
pub mod config;
pub mod events;
pub mod machine;
