//! Checks SAS tokens as the service does: signature, expiry, audience, right.
//!
//! Written apart from the client's own signing code on purpose: each is the other's oracle.

#![forbid(unsafe_code)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::options::{PolicyOptions, Right};
use super::refusal::{Refusal, timestamp};
use super::target::{form_decode, segments};

/// The alphabet that `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `encodeURIComponent`.
pub fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// A SAS rule, ready to check with.
pub struct Policy {
    name: String,
    key: Zeroizing<String>,
    rights: Vec<Right>,
    scope: Vec<String>,
}

impl Policy {
    /// Takes a rule from the options.
    pub fn new(options: &PolicyOptions) -> Self {
        Self {
            name: options.key_name.clone(),
            key: Zeroizing::new(options.key.clone()),
            rights: options.rights.clone(),
            scope: options.path.as_deref().map(segments).unwrap_or_default(),
        }
    }

    fn grants(&self, right: Right) -> bool {
        self.rights.iter().any(|own| *own == right || *own == Right::Manage)
    }

    fn signed(&self, token: &Token<'_>) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else { return false };
        mac.update(token.resource.as_bytes());
        mac.update(b"\n");
        mac.update(token.expiry.as_bytes());
        // The comparison inside takes constant time.
        mac.verify_slice(&token.signature).is_ok()
    }
}

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

struct Token<'a> {
    resource: &'a str,
    expiry: &'a str,
    key_name: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let fields = text.trim().strip_prefix("SharedAccessSignature")?.strip_prefix([' ', '\t'])?;
        let (mut resource, mut expiry, mut key_name, mut signature) = (None, None, None, None);
        for field in fields.trim_start().split('&') {
            let (name, value) = field.split_once('=')?;
            let slot = match name {
                "sr" => &mut resource,
                "se" => &mut expiry,
                "skn" => &mut key_name,
                "sig" => &mut signature,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let signature = percent_decode_str(signature?).decode_utf8().ok()?;
        let signature = STANDARD.decode(signature.as_bytes()).ok()?;
        Some(Self { resource: resource?, expiry: expiry?, key_name: key_name?, signature })
    }
}

/// The host, without userinfo and port, and the path of an audience.
fn audience(resource: &str) -> Option<(String, Vec<String>)> {
    let uri = form_decode(resource);
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
pub fn verify(policies: &[Policy], text: &str, demand: &Demand<'_>) -> Result<i64, Refusal> {
    let malformed = || Refusal::new(401, "MalformedToken: The token is malformed.");
    let token = Token::parse(text).ok_or_else(malformed)?;
    let expires_at: i64 = token.expiry.parse().map_err(|_| malformed())?;
    let (host, scope) = audience(token.resource).ok_or_else(malformed)?;

    // A rule of one hybrid connection signs for that and below; a rule of the namespace for everything.
    let name = form_decode(token.key_name);
    let named = |policy: &&Policy| policy.name == token.key_name || policy.name == name;
    let policy = policies
        .iter()
        .filter(named)
        .filter(|policy| scope.starts_with(&policy.scope))
        .find(|policy| policy.signed(&token))
        .ok_or_else(|| Refusal::new(401, "InvalidSignature: The token has an invalid signature."))?;

    if expires_at <= demand.now {
        let at = timestamp(expires_at.clamp(0, 253_402_300_799));
        return Err(Refusal::new(401, format!("ExpiredToken: The token is expired. Expiration time: {at}.")));
    }
    let known = demand.hosts.iter().any(|own| host_name(own).eq_ignore_ascii_case(&host));
    if !known || !segments(demand.path).starts_with(&scope) {
        return Err(Refusal::new(401, "InvalidAudience: The token was issued for another resource."));
    }
    if !policy.grants(demand.right) {
        let right = demand.right;
        return Err(Refusal::new(
            403,
            format!("Unauthorized access. '{right:?}' claim(s) are required to perform this operation."),
        ));
    }
    Ok(expires_at)
}

/// Signs a token for `uri`, in the flavour of the Node packages but with an encoded rule name.
pub fn sign(uri: &str, key_name: &str, key: &str, expires_at: i64) -> Option<String> {
    let resource = encode_component(uri);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(format!("{resource}\n{expires_at}").as_bytes());
    let signature = encode_component(&STANDARD.encode(mac.finalize().into_bytes()));
    let key_name = encode_component(key_name);
    Some(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires_at}&skn={key_name}"))
}

#[cfg(test)]
mod tests;
