//! Shared access signatures: made as hyco-ws makes them, read and checked as the service does.
//!
//! `SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>&skn=<rule>`, where the signature is the
//! HMAC-SHA256 of `<resource>\n<expiry>` under the text of the key. The resource is signed percent-encoded.

mod keyed;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use percent_encoding::percent_decode_str;

use crate::error::{ErrorKind, RelayError};
use crate::uri::{LegacyUrl, append_token, push_component};

const PREFIX: &str = "SharedAccessSignature ";

/// The text that a token for `uri` is made for, before it is percent-encoded.
///
/// # Errors
/// `InvalidFormat` where `uri` is not absolute or not readable.
pub fn resource_of(uri: &str) -> Result<String, RelayError> {
    Ok(LegacyUrl::parse(uri)?.resource())
}

/// A token for `uri` that is good until `expires_at` (Unix seconds), in hyco-ws's flavour.
///
/// # Errors
/// `InvalidFormat` where `uri` is not absolute or not readable.
pub fn sign(uri: &str, key_name: &str, key: &str, expires_at: i64) -> Result<String, RelayError> {
    Ok(sign_resource(&resource_of(uri)?, key_name, key, expires_at))
}

/// `uri` with such a token as its `sb-hc-token` parameter.
///
/// # Errors
/// `InvalidFormat` where `uri` is not absolute or not readable.
pub fn sign_and_append(uri: &str, key_name: &str, key: &str, expires_at: i64) -> Result<String, RelayError> {
    let url = LegacyUrl::parse(uri)?;
    let token = sign_resource(&url.resource(), key_name, key, expires_at);
    Ok(append_token(&url, &token))
}

/// A token for what [`resource_of`] gives, or for any other text. The rule's name goes in as it is: hyco-ws does not
/// encode it.
pub fn sign_resource(resource: &str, key_name: &str, key: &str, expires_at: i64) -> String {
    let expiry = expires_at.to_string();
    let mut token = String::with_capacity(PREFIX.len() + resource.len() * 3 / 2 + key_name.len() + 112);
    token.push_str(PREFIX);
    token.push_str("sr=");
    let start = token.len();
    push_component(&mut token, resource);
    let mac = signature(key, token.get(start..).unwrap_or_default(), &expiry).finalize().into_bytes();
    token.push_str("&sig=");
    let mut text = [0; 44];
    let length = STANDARD.encode_slice(mac, &mut text).unwrap_or_default();
    push_component(
        &mut token,
        text.get(..length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default(),
    );
    token.push_str("&se=");
    token.push_str(&expiry);
    token.push_str("&skn=");
    token.push_str(key_name);
    token
}

fn signature(key: &str, encoded_resource: &str, expiry: &str) -> keyed::HmacSha256 {
    let mut mac = keyed::state_for(key.as_bytes());
    mac.update(encoded_resource.as_bytes());
    mac.update(b"\n");
    mac.update(expiry.as_bytes());
    mac
}

/// A token taken apart. Its `Debug` does not show the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedToken {
    /// The URI that the token grants access to, decoded.
    pub resource: String,
    /// The signature, decoded from base64.
    pub signature: Vec<u8>,
    /// Unix seconds.
    pub expires_at: i64,
    /// The SAS rule's name.
    pub key_name: String,
    /// As the token spells them: the resource and the expiry, which were signed so, and the rule's name.
    spelled: [String; 3],
}

impl fmt::Debug for ParsedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedToken")
            .field("resource", &self.resource)
            .field("signature", &"***")
            .field("expires_at", &self.expires_at)
            .field("key_name", &self.key_name)
            .finish_non_exhaustive()
    }
}

impl ParsedToken {
    /// True if the token was signed with `key`; takes the same time whichever byte differs.
    pub fn is_signed_with(&self, key: &str) -> bool {
        let [resource, expiry, _] = &self.spelled;
        signature(key, resource, expiry).verify_slice(&self.signature).is_ok()
    }

    /// True if the token is one of `rule`, whose name some libraries encode and others, like hyco-ws, do not.
    pub fn is_of_rule(&self, rule: &str) -> bool {
        rule == self.key_name || rule == self.spelled[2]
    }
}

/// Takes a token apart. Fields may stand in any order; unknown ones are ignored.
///
/// # Errors
/// `InvalidFormat` where a field is missing, doubled or malformed. The text never quotes the token.
pub fn parse(token: &str) -> Result<ParsedToken, RelayError> {
    let fields = token.trim().split_at_checked(PREFIX.len());
    let (_, fields) = fields
        .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PREFIX))
        .ok_or_else(|| malformed("is no SharedAccessSignature"))?;
    let [mut sr, mut sig, mut se, mut skn] = [None; 4];
    for field in fields.trim_start().split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let slot = match name {
            "sr" => &mut sr,
            "sig" => &mut sig,
            "se" => &mut se,
            "skn" => &mut skn,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(malformed("has a field twice"));
        }
    }
    let (Some(sr), Some(sig), Some(se), Some(skn)) = (sr, sig, se, skn) else {
        return Err(malformed("lacks one of sr, sig, se and skn"));
    };
    Ok(ParsedToken {
        // .NET writes a space as `+`; a plus sign itself is always escaped.
        resource: decode(&sr.replace('+', " ")).ok_or_else(|| malformed("has a malformed resource"))?,
        signature: decode(sig)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| malformed("has a malformed signature"))?,
        expires_at: se.parse().map_err(|_| malformed("has a malformed expiry"))?,
        key_name: decode(&skn.replace('+', " ")).ok_or_else(|| malformed("has a malformed rule name"))?,
        spelled: [sr, se, skn].map(str::to_owned),
    })
}

/// When `token` expires, in Unix seconds: a signature's `se`, or the `exp` of a JSON Web Token.
pub fn expiry_of(token: &str) -> Option<i64> {
    let token = token.trim();
    if token.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX)) {
        return parse(token).ok().map(|token| token.expires_at);
    }
    let jwt = match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => rest.trim_start(),
        _ => token,
    };
    let claims = jwt.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let exp = claims.get("exp")?;
    // A NumericDate may have a fraction (RFC 7519 section 2).
    exp.as_i64().or_else(|| exp.as_f64().filter(|seconds| seconds.is_finite()).map(|seconds| seconds as i64))
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

fn malformed(what: &str) -> RelayError {
    RelayError::new(ErrorKind::InvalidFormat, format!("the token {what}"))
}

#[cfg(test)]
mod tests;
