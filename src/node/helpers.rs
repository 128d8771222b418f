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
use crate::connection_string::{self, ConnectionString};
use crate::error::RelayError;
use crate::protocol::relay_uri;
use crate::sas;
use crate::uri::{self, NamespacePlace, RelayAction};

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

/// The address of a hybrid connection.
#[napi(ts_args_type = "namespaceName: string, path: string", ts_return_type = "string", catch_unwind)]
pub fn create_relay_base_uri(namespace: Text, path: Text) -> Result<TextResult> {
    attempt("createRelayBaseUri", || Ok(TextResult(uri::base_uri(place(&namespace)?, &path.0))))
}

/// The URI to listen on.
#[napi(
    ts_args_type = "namespaceName: string, path: string, token?: string, id?: string",
    ts_return_type = "string",
    catch_unwind
)]
pub fn create_relay_listen_uri(
    namespace: Text,
    path: Text,
    token: Option<Text>,
    id: Option<Text>,
) -> Result<TextResult> {
    attempt("createRelayListenUri", || {
        Ok(TextResult(uri::listen_uri(place(&namespace)?, &path.0, text_of(&token), text_of(&id))))
    })
}

/// The URI to send to.
#[napi(
    ts_args_type = "namespaceName: string, path: string, token?: string, id?: string",
    ts_return_type = "string",
    catch_unwind
)]
pub fn create_relay_send_uri(
    namespace: Text,
    path: Text,
    token: Option<Text>,
    id: Option<Text>,
) -> Result<TextResult> {
    attempt("createRelaySendUri", || {
        Ok(TextResult(uri::send_uri(place(&namespace)?, &path.0, text_of(&token), text_of(&id))))
    })
}

/// The URI for plain HTTPS requests.
#[napi(
    ts_args_type = "namespaceName: string, path: string, token?: string, id?: string",
    ts_return_type = "string",
    catch_unwind
)]
pub fn create_relay_https_uri(
    namespace: Text,
    path: Text,
    token: Option<Text>,
    id: Option<Text>,
) -> Result<TextResult> {
    attempt("createRelayHttpsUri", || {
        Ok(TextResult(uri::https_uri(place(&namespace)?, &path.0, text_of(&token), text_of(&id))))
    })
}

fn place(namespace: &Text) -> Result<NamespacePlace<'_>> {
    NamespacePlace::read(&namespace.0).map_err(|error| thrown(&error))
}

fn text_of(text: &Option<Text>) -> Option<&str> {
    text.as_ref().map(|text| text.0.as_str())
}

/// What a program's address of a hybrid connection says.
#[napi(object)]
pub struct RelayUriParts {
    /// The URI that it stands for, if that is another one.
    pub uri: Option<String>,
    /// That URI without the token in its query, if it has one.
    pub bare: Option<String>,
    /// That token.
    pub token: Option<String>,
    /// It is one to send to where one to listen on is meant, or the other way round.
    pub opposed: bool,
}

/// Reads an address, as one to listen on or as one to send to.
#[napi(ts_args_type = "address: string, listens: boolean", catch_unwind)]
pub fn read_relay_uri(address: Text, listens: bool) -> Result<RelayUriParts> {
    let action = action(listens);
    attempt("readRelayUri", || {
        let uri = relay_uri::translate(&address.0, action);
        let read = uri.as_deref().unwrap_or(&address.0);
        let opposed = relay_uri::asks_for(read, action.opposite());
        let (bare, token) = relay_uri::split_token(read).unzip();
        Ok(RelayUriParts { bare, token: token.map(|token| token.to_string()), opposed, uri })
    })
}

fn action(listens: bool) -> RelayAction {
    if listens { RelayAction::Listen } else { RelayAction::Connect }
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

impl From<ConnectionString> for ConnectionStringProperties {
    fn from(parsed: ConnectionString) -> Self {
        Self {
            endpoint: parsed.endpoint,
            fully_qualified_namespace: parsed.fully_qualified_namespace,
            entity_path: parsed.entity_path,
            shared_access_key_name: parsed.shared_access_key_name,
            shared_access_key: parsed.shared_access_key.map(|key| key.to_string()),
            shared_access_signature: parsed.shared_access_signature.map(|token| token.to_string()),
            authentication: parsed.authentication,
            operation_timeout: parsed.operation_timeout.map(|span| span.as_secs_f64() * 1000.0),
            use_development_emulator: parsed.use_development_emulator.then_some(true),
        }
    }
}

/// Takes a connection string apart.
#[napi(catch_unwind)]
pub fn parse_connection_string(text: String) -> Result<ConnectionStringProperties> {
    let text = Zeroizing::new(text);
    attempt("parseConnectionString", || {
        connection_string::parse(&text).map(Into::into).map_err(|error| thrown(&error))
    })
}

/// A hybrid connection of a connection string, and what that says besides.
#[napi(object)]
pub struct ConnectionStringTarget {
    pub uri: String,
    pub properties: ConnectionStringProperties,
}

/// Reads a connection string for a listener or a sender. An invalid argument is the path.
#[napi(catch_unwind)]
pub fn read_connection_string(
    text: String,
    listens: bool,
    path: Option<String>,
) -> Result<ConnectionStringTarget> {
    let text = Zeroizing::new(text);
    let read = || {
        let parsed = connection_string::parse(&text)?;
        let uri = parsed.relay_uri(action(listens), path.as_deref())?;
        Ok(ConnectionStringTarget { uri, properties: parsed.into() })
    };
    attempt("readConnectionString", || read().map_err(|error: RelayError| thrown(&error)))
}
