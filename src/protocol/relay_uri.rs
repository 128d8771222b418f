//! What a program's address of a hybrid connection says. It is read as text and not put together anew, for the relay's own
//! parts are opaque.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::target::below_hybrid;
use crate::uri::{RelayAction, decode_component};

/// `sb://namespace/path`, as connection strings and the Azure SDKs write it, as the WebSocket URI that it stands for;
/// `None` for other addresses, which are what they say.
pub fn translate(address: &str, action: RelayAction) -> Option<String> {
    const SCHEME: &str = "sb://";
    let scheme = address.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
    let rest = address[scheme.len()..].split('#').next().unwrap_or_default();
    let (place, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let path = match (below_hybrid(path), path) {
        (Some(_), _) => path.to_owned(),
        (None, "") => "/$hc/".to_owned(),
        (None, _) => format!("/$hc{path}"),
    };
    let uri = format!("wss://{authority}{path}{query}");
    if query.contains("?sb-hc-action=") || query.contains("&sb-hc-action=") {
        return Some(uri);
    }
    let joint = match query {
        "" => "?",
        "?" => "",
        _ => "&",
    };
    Some(format!("{uri}{joint}sb-hc-action={}", action.as_str()))
}

/// Whether a URI asks the relay for `action`.
pub fn asks_for(uri: &str, action: RelayAction) -> bool {
    let query = uri.split('#').next().and_then(|uri| uri.split_once('?')).map_or("", |(_, query)| query);
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or_default();
        name.eq_ignore_ascii_case("sb-hc-action") && value.eq_ignore_ascii_case(action.as_str())
    })
}

/// A URI without the token in its query, and that token: so that it can travel in a header instead of in everybody's
/// logs. `None` where there is no token.
pub fn split_token(uri: &str) -> Option<(String, Zeroizing<String>)> {
    let (place, query) = uri.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let token = decoded(query.split('&').rev().find_map(token_in)?);
    if token.is_empty() {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| token_in(pair).is_none()).collect();
    let uri = if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) };
    Some((uri, token))
}

fn token_in(pair: &str) -> Option<&str> {
    pair.strip_prefix("sb-hc-token=")
}

/// As forms are encoded; what is malformed is taken as it is.
fn decoded(text: &str) -> Zeroizing<String> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let plain = decode_component(&spaced).map(Cow::into_owned);
    Zeroizing::new(plain.unwrap_or_else(|_| text.to_owned()))
}

#[cfg(test)]
mod tests;
