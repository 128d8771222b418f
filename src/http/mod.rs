//! HTTP/1.1 without IO: heads and bodies as they come in, heads and chunks as they go out, for both sides.

pub mod body;
pub mod head;
pub mod headers;
mod malformed;
pub mod write;

pub use body::{BodyLength, BodyReader};
pub use head::{HeadReader, HttpRequestHead, ResponseHead};
pub use malformed::Malformed;
pub use write::HeaderLines;
