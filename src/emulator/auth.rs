//! Checks what a SAS token admits to, as the service does: signature, expiry, audience, right.

use super::entity_path::segments;
use super::options::{PolicyOptions, Right};
use super::refusal::{RelayRefusal, timestamp};
use crate::sas;

/// What somebody asks for.
pub struct Demand<'a> {
    /// The names under which this namespace is known, without ports.
    pub hosts: &'a [&'a str],
    /// The path asked for, raw.
    pub path: &'a str,
    /// The right needed.
    pub right: Right,
    /// Unix seconds.
    pub now: i64,
}

/// The host, without userinfo and port, and the path of an audience.
fn audience(uri: &str) -> Option<(String, Vec<String>)> {
    let (_, rest) = uri.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some((host_name(host).to_ascii_lowercase(), segments(path)))
}

/// `[::1]:80` -> `[::1]`, `host:80` -> `host`.
pub fn host_name(authority: &str) -> &str {
    if let Some(end) = authority.rfind(']') {
        return authority.get(..=end).unwrap_or(authority);
    }
    authority.split(':').next().unwrap_or_default()
}

/// Checks `text` for `demand` and gives its expiry in Unix seconds.
///
/// # Errors
/// 401 for a token that is not good here, 403 for a good one whose rule lacks the right.
pub fn verify(policies: &[PolicyOptions], text: &str, demand: &Demand<'_>) -> Result<i64, RelayRefusal> {
    if is_of_entra_id(text) {
        let reason = "UnsupportedToken: The emulator takes SAS tokens, and none of Entra ID.";
        return Err(RelayRefusal::new(401, reason));
    }
    let malformed = || RelayRefusal::new(401, "MalformedToken: The token is malformed.");
    let token = sas::parse(text).map_err(|_| malformed())?;
    let (host, scope) = audience(&token.resource).ok_or_else(malformed)?;

    // A rule of one hybrid connection signs for that and below; a rule of the namespace for everything.
    let policy = policies
        .iter()
        .filter(|policy| token.is_of_rule(&policy.key_name))
        .filter(|policy| policy.path.as_deref().is_none_or(|path| scope.starts_with(&segments(path))))
        .find(|policy| token.is_signed_with(&policy.key))
        .ok_or_else(|| RelayRefusal::new(401, "InvalidSignature: The token has an invalid signature."))?;

    if token.expires_at <= demand.now {
        let at = timestamp(token.expires_at);
        return Err(RelayRefusal::new(
            401,
            format!("ExpiredToken: The token is expired. Expiration time: {at}."),
        ));
    }
    let known = demand.hosts.iter().any(|own| host_name(own).eq_ignore_ascii_case(&host));
    if !known || !segments(demand.path).starts_with(&scope) {
        return Err(RelayRefusal::new(401, "InvalidAudience: The token was issued for another resource."));
    }
    let right = demand.right;
    if !policy.rights.iter().any(|own| *own == right || *own == Right::Manage) {
        return Err(RelayRefusal::new(
            403,
            format!("Unauthorized access. '{right:?}' claim(s) are required to perform this operation."),
        ));
    }
    Ok(token.expires_at)
}

/// Whether it has the looks of a JWT, whose signature only Entra ID's keys could check.
fn is_of_entra_id(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

#[cfg(test)]
mod tests;
