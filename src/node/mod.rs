//! The `#[napi]` layer: converts, calls, delivers. The only place that names napi.

pub mod helpers;
mod text;
