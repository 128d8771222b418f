//! The synchronous helpers: URIs, tokens, connection strings.
//!
//! lib/shared/helpers.js has checked the types of all arguments; what fails here is the value of one of them, and the
//! text of the error is made to follow the argument's name.

use napi::bindgen_prelude::Result;
use napi_derive::napi;
use zeroize::Zeroizing;

use super::convert::{self, ProxyOptions};
use super::guard::attempt;
use super::text::{Text, TextResult};
use super::thrown::thrown;
use crate::{connection_string, sas, uri};

/// A token for `uri` that expires at `expires_at`, in Unix seconds.
#[napi(
    ts_args_type = "uri: string, keyName: string, key: string, expiresAt: number",
    ts_return_type = "string",
    catch_unwind
)]
pub fn create_relay_token(uri: Text, key_name: Text, key: Text, expires_at: i64) -> Result<TextResult> {
    let key = Zeroizing::new(key.0);
    attempt("createRelayToken", || {
        sas::sign(&uri.0, &key_name.0, &key, expires_at).map(TextResult).map_err(|error| thrown(&error))
    })
}

/// `uri` with such a token in its query.
#[napi(
    ts_args_type = "uri: string, keyName: string, key: string, expiresAt: number",
    ts_return_type = "string",
    catch_unwind
)]
pub fn append_relay_token(uri: Text, key_name: Text, key: Text, expires_at: i64) -> Result<TextResult> {
    let key = Zeroizing::new(key.0);
    attempt("appendRelayToken", || {
        sas::sign_and_append(&uri.0, &key_name.0, &key, expires_at)
            .map(TextResult)
            .map_err(|error| thrown(&error))
    })
}

/// `text` as JavaScript's `encodeURIComponent` writes it.
#[napi(ts_args_type = "text: string", ts_return_type = "string", catch_unwind)]
pub fn encode_component(text: Text) -> Result<TextResult> {
    attempt("encodeComponent", || {
        let mut encoded = String::with_capacity(text.0.len() * 2);
        uri::push_component(&mut encoded, &text.0);
        Ok(TextResult(encoded))
    })
}

/// When a token expires, in Unix seconds; nothing where the token does not say.
#[napi(catch_unwind)]
pub fn token_expiry(token: String) -> Result<Option<i64>> {
    let token = Zeroizing::new(token);
    attempt("tokenExpiry", || Ok(sas::expiry_of(&token)))
}

/// The URL of the proxy that a destination needs, if any; fails where it cannot be used.
#[napi(catch_unwind)]
pub fn choose_proxy(proxies: ProxyOptions, secure: bool, host: String, port: u16) -> Result<Option<String>> {
    attempt("chooseProxy", || {
        let rules = convert::proxy_rules(proxies);
        let Some(proxy) = rules.choose(secure, &host, port) else { return Ok(None) };
        proxy.read().map_err(|error| thrown(&error))?;
        Ok(Some(proxy.url.trim().to_owned()))
    })
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
#[napi(catch_unwind)]
pub fn parse_connection_string(text: String) -> Result<ConnectionStringProperties> {
    let text = Zeroizing::new(text);
    let parse = || connection_string::parse(&text).map_err(|error| thrown(&error));
    let parsed = attempt("parseConnectionString", parse)?;
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
