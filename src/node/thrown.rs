//! How a failure of the core leaves the addon.

use napi::bindgen_prelude::Error;

use crate::error::RelayError;

/// The error that a synchronous call throws; JavaScript makes a typed one of it.
pub(super) fn thrown(error: &RelayError) -> Error {
    Error::from_reason(serde_json::to_string(&error.report()).unwrap_or_else(|_| error.to_string()))
}
