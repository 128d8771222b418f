//! Checks what a SAS token admits to, as the service does: signature, expiry, audience, right.

use super::entity_path::segments;
use super::options::{PolicyOptions, Right};
use super::refusal::{RelayRefusal, timestamp};
use super::token_fate::{TokenFate, TokenFlaw, TokenResult};
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

/// Checks `text` for `demand`.
///
/// # Errors
/// 401 for a token that is not good here, 403 for a good one whose rule lacks the right; each says what was wrong with it.
pub fn verify(
    policies: &[PolicyOptions],
    text: &str,
    demand: &Demand<'_>,
) -> Result<TokenFate, RelayRefusal> {
    if is_of_entra_id(text) {
        return Err(of_entra_id());
    }
    let token = sas::parse(text).map_err(|error| malformed(&error.message))?;
    let (host, scope) =
        audience(&token.resource).ok_or_else(|| malformed("its resource (sr) is no address"))?;
    let known_as = |result, flaw| TokenFate {
        rule: Some(token.key_name.clone()),
        expires_at: Some(token.expires_at),
        ..TokenFate::flawed(result, flaw)
    };

    // A rule of one hybrid connection signs for that and below; a rule of the namespace for everything.
    let own = policies
        .iter()
        .filter(|policy| token.is_of_rule(&policy.key_name))
        .filter(|policy| policy.path.as_deref().is_none_or(|path| scope.starts_with(&segments(path))));
    let policy = own.clone().find(|policy| token.is_signed_with(&policy.key)).ok_or_else(|| {
        let fate = match own.clone().next() {
            Some(_) => known_as(TokenResult::WrongKey, wrong_key(&token.key_name)),
            None => known_as(TokenResult::UnknownRule, unknown_rule(policies, &token.key_name)),
        };
        RelayRefusal::new(401, "InvalidSignature: The token has an invalid signature.").because(fate)
    })?;

    if token.expires_at <= demand.now {
        let at = timestamp(token.expires_at);
        let flaw = TokenFlaw {
            part: "expiry (se)",
            expected: format!("a time after {}", timestamp(demand.now)),
            found: format!("{at}, {} seconds ago", demand.now.saturating_sub(token.expires_at)),
            remedy: "Make a new token, or have it made when it is needed (keyName and key, or a function as token); and \
                     compare the clocks of both machines.",
        };
        return Err(RelayRefusal::new(
            401,
            format!("ExpiredToken: The token is expired. Expiration time: {at}."),
        )
        .because(known_as(TokenResult::Expired, flaw)));
    }
    let known = demand.hosts.iter().any(|own| host_name(own).eq_ignore_ascii_case(&host));
    if !known || !segments(demand.path).starts_with(&scope) {
        let flaw = TokenFlaw {
            part: "resource (sr)",
            expected: format!(
                "http://{}{}, or what is above it",
                demand.hosts.first().copied().unwrap_or_default(),
                demand.path
            ),
            found: token.resource.clone(),
            remedy: "Sign the address that is dialled: host and path of the token have to be its own.",
        };
        let refusal = RelayRefusal::new(401, "InvalidAudience: The token was issued for another resource.");
        return Err(refusal.because(known_as(TokenResult::WrongAudience, flaw)));
    }
    let right = demand.right;
    if !policy.rights.iter().any(|own| *own == right || *own == Right::Manage) {
        let flaw = TokenFlaw {
            part: "rights of its rule",
            expected: format!("{right:?}"),
            found: policy.rights.iter().map(|own| format!("{own:?}")).collect::<Vec<_>>().join(", "),
            remedy: "Give the rule this right, or use a rule that has it.",
        };
        let text =
            format!("Unauthorized access. '{right:?}' claim(s) are required to perform this operation.");
        return Err(RelayRefusal::new(403, text).because(known_as(TokenResult::NoRight, flaw)));
    }
    Ok(TokenFate::admitted(&token.key_name, token.expires_at))
}

fn malformed(why: &str) -> RelayRefusal {
    let flaw = TokenFlaw {
        part: "token",
        expected: "a SAS token, which has the fields sr, sig, se and skn, each of them once".to_owned(),
        found: why.to_owned(),
        remedy: "Make it with createRelayToken(), or with createToken() of the emulator, and send it whole; in a query it has to \
                 be percent-encoded.",
    };
    RelayRefusal::new(401, "MalformedToken: The token is malformed.")
        .because(TokenFate::flawed(TokenResult::Malformed, flaw))
}

fn of_entra_id() -> RelayRefusal {
    let flaw = TokenFlaw {
        part: "token",
        expected: "a SAS token".to_owned(),
        found: "a token of Entra ID (JWT)".to_owned(),
        remedy: "The emulator knows SAS tokens only: give listener and sender keyName and key.",
    };
    RelayRefusal::new(401, "UnsupportedToken: The emulator takes SAS tokens, and none of Entra ID.")
        .because(TokenFate::flawed(TokenResult::Malformed, flaw))
}

fn wrong_key(rule: &str) -> TokenFlaw {
    TokenFlaw {
        part: "signature (sig)",
        expected: format!("one made with the key of the rule {rule}"),
        found: "one made with another key, or for another resource or expiry than the token names".to_owned(),
        remedy: "Take the key that the emulator was started with or has printed: without a key in its options it makes a \
                 new one with each start.",
    }
}

fn unknown_rule(policies: &[PolicyOptions], rule: &str) -> TokenFlaw {
    let names: Vec<_> = policies
        .iter()
        .map(|own| match &own.path {
            Some(path) => format!("{} (of {path})", own.key_name),
            None => own.key_name.clone(),
        })
        .collect();
    TokenFlaw {
        part: "rule (skn)",
        expected: format!("one of: {}", names.join(", ")),
        found: rule.to_owned(),
        remedy: "Use a rule that the emulator was started with (sharedAccessPolicies, --key-name), on its own hybrid \
                 connection where it belongs to one.",
    }
}

/// Whether it has the looks of a JWT, whose signature only Entra ID's keys could check.
fn is_of_entra_id(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

#[cfg(test)]
mod tests;
