//! Relay URIs, byte for byte as hyco-ws and hyco-https build them.

#![forbid(unsafe_code)]

mod escape;
mod legacy;

pub use escape::push_component;
pub use legacy::LegacyUrl;

use crate::error::RelayError;

/// `wss://{namespace}:443/$hc/{path}`: the address of a hybrid connection.
pub fn base_uri(namespace: &str, path: &str) -> String {
    let mut uri = String::with_capacity(namespace.len() + path.len() + 16);
    push_base(&mut uri, namespace, path);
    uri
}

/// The URI on which a listener opens its control channel.
pub fn listen_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    action_uri("listen", namespace, path, token, id)
}

/// The URI to which a sender connects.
pub fn send_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    action_uri("connect", namespace, path, token, id)
}

/// The URI of a hybrid connection for plain HTTPS requests, as hyco-https builds it.
pub fn https_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    let mut uri = with_room_for(namespace, path, token, id);
    uri.push_str("https://");
    uri.push_str(namespace);
    uri.push('/');
    uri.push_str(path);
    for (name, value) in [("sb-hc-token=", token), ("sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

/// `uri` with `token` as its `sb-hc-token` parameter.
///
/// # Errors
/// `InvalidFormat` where `uri` is not absolute or not readable.
pub fn append_token(uri: &str, token: &str) -> Result<String, RelayError> {
    Ok(append_token_to(&LegacyUrl::parse(uri)?, token))
}

/// The same for a URI that has been parsed already.
pub fn append_token_to(url: &LegacyUrl<'_>, token: &str) -> String {
    let mut search = String::with_capacity(url.search().len() + token.len() * 2 + 16);
    search.push_str(url.search());
    // hyco-ws wrote `?null&sb-hc-token=` for a URI without a query; an empty one (`?`) it kept, and so do we.
    search.push_str(if search.is_empty() { "?sb-hc-token=" } else { "&sb-hc-token=" });
    push_component(&mut search, token);
    url.format_with_search(&search)
}

fn action_uri(action: &str, namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    let mut uri = with_room_for(namespace, path, token, id);
    push_base(&mut uri, namespace, path);
    uri.push_str(if uri.contains('?') { "&sb-hc-action=" } else { "?sb-hc-action=" });
    uri.push_str(action);
    for (name, value) in [("&sb-hc-token=", token), ("&sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

fn push_base(uri: &mut String, namespace: &str, path: &str) {
    uri.push_str("wss://");
    uri.push_str(namespace);
    uri.push_str(":443/$hc/");
    uri.push_str(path);
}

fn with_room_for(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    let encoded = token.map_or(0, |token| token.len() + token.len() / 2) + id.map_or(0, str::len);
    String::with_capacity(namespace.len() + path.len() + encoded + 80)
}

#[cfg(test)]
mod tests;
