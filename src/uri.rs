//! Relay URIs, byte for byte as hyco-ws and hyco-https build them.

pub mod authority;
mod escape;
mod legacy;
mod namespace;

pub use escape::push_component;
pub use legacy::{LegacyUrl, decode_component};
pub use namespace::NamespacePlace;

/// What a WebSocket URI asks the relay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayAction {
    /// To be a listener of the hybrid connection.
    Listen,
    /// To be brought to a listener.
    Connect,
}

impl RelayAction {
    /// As the parameter `sb-hc-action` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            RelayAction::Listen => "listen",
            RelayAction::Connect => "connect",
        }
    }

    /// What a URI for this one must not ask for.
    pub fn opposite(self) -> Self {
        match self {
            RelayAction::Listen => RelayAction::Connect,
            RelayAction::Connect => RelayAction::Listen,
        }
    }
}

/// `wss://{namespace}:443/$hc/{path}`: the address of a hybrid connection.
pub fn base_uri(namespace: NamespacePlace<'_>, path: &str) -> String {
    format!("{}/$hc/{path}", namespace.web_socket_origin())
}

/// The URI on which a listener opens its control channel.
pub fn listen_uri(
    namespace: NamespacePlace<'_>,
    path: &str,
    token: Option<&str>,
    id: Option<&str>,
) -> String {
    with_action(base_uri(namespace, path), RelayAction::Listen, token, id)
}

/// The URI to which a sender connects.
pub fn send_uri(namespace: NamespacePlace<'_>, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    with_action(base_uri(namespace, path), RelayAction::Connect, token, id)
}

/// The same of an address such as [`base_uri`] makes, with or without a query.
pub fn with_action(mut uri: String, action: RelayAction, token: Option<&str>, id: Option<&str>) -> String {
    uri.reserve(room_for(token, id) + 24);
    uri.push_str(if uri.contains('?') { "&sb-hc-action=" } else { "?sb-hc-action=" });
    uri.push_str(action.as_str());
    for (name, value) in [("&sb-hc-token=", token), ("&sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

/// The URI of a hybrid connection for plain HTTPS requests, as hyco-https builds it.
pub fn https_uri(namespace: NamespacePlace<'_>, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    let mut uri = format!("{}/{path}", namespace.http_origin());
    uri.reserve(room_for(token, id));
    for (name, value) in [("sb-hc-token=", token), ("sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

/// `url` with `token` as its `sb-hc-token` parameter.
pub fn append_token(url: &LegacyUrl<'_>, token: &str) -> String {
    let mut search = String::with_capacity(url.search().len() + token.len() * 2 + 16);
    search.push_str(url.search());
    // hyco-ws wrote `?null&sb-hc-token=` for a URI without a query; an empty one (`?`) it kept, and so do we.
    search.push_str(if search.is_empty() { "?sb-hc-token=" } else { "&sb-hc-token=" });
    push_component(&mut search, token);
    url.format_with_search(&search)
}

/// The room that the two take in a query, about.
fn room_for(token: Option<&str>, id: Option<&str>) -> usize {
    token.map_or(0, |token| token.len() + token.len() / 2 + 16) + id.map_or(0, |id| id.len() + 16)
}

#[cfg(test)]
mod tests;
