//! The synchronous helpers: URIs, tokens, connection strings.
//!
//! lib/helpers.js has checked the types of all arguments; what fails here is the value of one of them, and the
//! text of the error is made to follow the argument's name.

use napi::bindgen_prelude::Result;
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::error::RelayError;
use crate::{connection_string, sas, uri};

fn refusal(error: RelayError) -> napi::Error {
    napi::Error::new(napi::Status::InvalidArg, error.message)
}

/// A token for `uri` that expires at `expires_at`, in Unix seconds.
#[napi]
pub fn create_relay_token(uri: String, key_name: String, key: String, expires_at: i64) -> Result<String> {
    let key = Zeroizing::new(key);
    sas::sign(&uri, &key_name, &key, expires_at).map_err(refusal)
}

/// `uri` with such a token in its query.
#[napi]
pub fn append_relay_token(uri: String, key_name: String, key: String, expires_at: i64) -> Result<String> {
    let key = Zeroizing::new(key);
    sas::sign_and_append(&uri, &key_name, &key, expires_at).map_err(refusal)
}

/// The address of a hybrid connection.
#[napi]
pub fn create_relay_base_uri(namespace: String, path: String) -> String {
    uri::base_uri(&namespace, &path)
}

/// The address to listen on.
#[napi]
pub fn create_relay_listen_uri(
    namespace: String,
    path: String,
    token: Option<String>,
    id: Option<String>,
) -> String {
    uri::listen_uri(&namespace, &path, token.as_deref(), id.as_deref())
}

/// The address to send to.
#[napi]
pub fn create_relay_send_uri(
    namespace: String,
    path: String,
    token: Option<String>,
    id: Option<String>,
) -> String {
    uri::send_uri(&namespace, &path, token.as_deref(), id.as_deref())
}

/// The address for plain HTTPS requests.
#[napi]
pub fn create_relay_https_uri(
    namespace: String,
    path: String,
    token: Option<String>,
    id: Option<String>,
) -> String {
    uri::https_uri(&namespace, &path, token.as_deref(), id.as_deref())
}

/// When a token expires, in Unix seconds; nothing where the token does not say.
#[napi]
pub fn token_expiry(token: String) -> Option<i64> {
    sas::expiry_of(&Zeroizing::new(token))
}

/// A text with the value of every `sb-hc-token` masked.
#[napi]
pub fn redact_uri(uri: String) -> String {
    uri::redact(&Zeroizing::new(uri))
}

/// A connection string, taken apart. The names are those of @azure/service-bus.
#[napi(object)]
pub struct ConnectionStringProperties {
    /// `sb://host/`, as written.
    pub endpoint: String,
    /// The host, with its port if there is one.
    pub fully_qualified_namespace: String,
    /// The hybrid connection.
    pub entity_path: Option<String>,
    /// The SAS rule.
    pub shared_access_key_name: Option<String>,
    /// The SAS rule's key.
    pub shared_access_key: Option<String>,
    /// A token made earlier.
    pub shared_access_signature: Option<String>,
    /// `Managed Identity` or the like.
    pub authentication: Option<String>,
    /// Milliseconds.
    pub operation_timeout: Option<f64>,
    /// Present and true for an emulator on this machine.
    pub use_development_emulator: Option<bool>,
}

/// Takes a connection string apart.
#[napi]
pub fn parse_connection_string(text: String) -> Result<ConnectionStringProperties> {
    let parsed = connection_string::parse(&Zeroizing::new(text)).map_err(refusal)?;
    Ok(ConnectionStringProperties {
        endpoint: parsed.endpoint,
        fully_qualified_namespace: parsed.fully_qualified_namespace,
        entity_path: parsed.entity_path,
        shared_access_key_name: parsed.shared_access_key_name,
        shared_access_key: parsed.shared_access_key.map(|key| key.to_string()),
        shared_access_signature: parsed.shared_access_signature.map(|token| token.to_string()),
        authentication: parsed.authentication,
        operation_timeout: parsed.operation_timeout.map(|span| span.as_secs_f64() * 1000.0),
        use_development_emulator: parsed.use_development_emulator.then_some(true),
    })
}
