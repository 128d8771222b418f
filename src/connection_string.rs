//! Connection strings of a relay namespace or of one hybrid connection, as the portal hands them out.
//!
//! `Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, RelayError};
use crate::uri::authority::{is_loopback, split_port};
use crate::uri::{RelayAction, with_action};

/// What a connection string says. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// `sb://ns.servicebus.windows.net/`, as written.
    pub endpoint: String,
    /// The endpoint's host, with its port if it names one.
    pub fully_qualified_namespace: String,
    /// The hybrid connection.
    pub entity_path: Option<String>,
    /// The SAS rule's name.
    pub shared_access_key_name: Option<String>,
    /// The SAS rule's key.
    pub shared_access_key: Option<Zeroizing<String>>,
    /// A token made earlier.
    pub shared_access_signature: Option<Zeroizing<String>>,
    /// `Managed Identity` or another way to obtain a token.
    pub authentication: Option<String>,
    /// How long an operation may take.
    pub operation_timeout: Option<Duration>,
    /// The endpoint is an emulator on this machine: no TLS.
    pub use_development_emulator: bool,
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<Zeroizing<String>>| secret.as_ref().map(|_| "***");
        f.debug_struct("ConnectionString")
            .field("endpoint", &self.endpoint)
            .field("fully_qualified_namespace", &self.fully_qualified_namespace)
            .field("entity_path", &self.entity_path)
            .field("shared_access_key_name", &self.shared_access_key_name)
            .field("shared_access_key", &masked(&self.shared_access_key))
            .field("shared_access_signature", &masked(&self.shared_access_signature))
            .field("authentication", &self.authentication)
            .field("operation_timeout", &self.operation_timeout)
            .field("use_development_emulator", &self.use_development_emulator)
            .finish()
    }
}

/// The values by the names that may stand before an equals sign; case does not matter.
#[derive(Default)]
struct ConnectionStringFields<'a> {
    endpoint: Option<&'a str>,
    entity_path: Option<&'a str>,
    key_name: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    authentication: Option<&'a str>,
    operation_timeout: Option<&'a str>,
    emulator: Option<&'a str>,
}

impl<'a> ConnectionStringFields<'a> {
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'a str>)> {
        Some(match name.to_ascii_lowercase().as_str() {
            "endpoint" => ("Endpoint", &mut self.endpoint),
            "entitypath" => ("EntityPath", &mut self.entity_path),
            "sharedaccesskeyname" => ("SharedAccessKeyName", &mut self.key_name),
            "sharedaccesskey" => ("SharedAccessKey", &mut self.key),
            "sharedaccesssignature" => ("SharedAccessSignature", &mut self.signature),
            "authentication" => ("Authentication", &mut self.authentication),
            "operationtimeout" => ("OperationTimeout", &mut self.operation_timeout),
            "usedevelopmentemulator" => ("UseDevelopmentEmulator", &mut self.emulator),
            _ => return None,
        })
    }

    fn read(text: &'a str) -> Result<Self, RelayError> {
        let mut fields = Self::default();
        for (index, part) in text.split(';').enumerate() {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            // What cannot be named is counted: the text may be half of a key.
            let nth = index + 1;
            let (name, value) =
                part.split_once('=').ok_or_else(|| invalid(format!("part {nth} has no equals sign")))?;
            let (name, slot) = fields
                .slot(name.trim())
                .ok_or_else(|| invalid(format!("part {nth} begins with an unknown name")))?;
            let value = value.trim();
            if value.is_empty() {
                return Err(invalid(format!("{name} has no value")));
            }
            if value.starts_with(is_quote) || value.ends_with(is_quote) {
                return Err(invalid(format!("{name} has a quotation mark at its beginning or end")));
            }
            if slot.replace(value).is_some() {
                return Err(invalid(format!("{name} is given twice")));
            }
        }
        Ok(fields)
    }
}

/// Marks that are not to be seen and come along when text is copied: zero-width spaces, marks of direction, a BOM.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '«' | '»')
}

/// `text` without quotes around all of it.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix(is_quote).and_then(|rest| rest.strip_suffix(is_quote)).unwrap_or(text)
}

/// Reads a connection string. What copying adds to one is left out: invisible marks, and quotes around the whole.
///
/// # Errors
/// `InvalidFormat` with a text that names the part at fault and quotes no value.
pub fn parse(text: &str) -> Result<ConnectionString, RelayError> {
    if text.contains(is_invisible) {
        let visible: String = text.chars().filter(|&char| !is_invisible(char)).collect();
        return parse_visible(&Zeroizing::new(visible));
    }
    parse_visible(text)
}

fn parse_visible(text: &str) -> Result<ConnectionString, RelayError> {
    let text = unquoted(text);
    let fields = ConnectionStringFields::read(text)?;
    let endpoint = fields.endpoint.ok_or_else(|| invalid("Endpoint is missing"))?;
    let authority = authority_of(endpoint)?;
    if fields.key.is_some() != fields.key_name.is_some() {
        return Err(invalid("SharedAccessKeyName and SharedAccessKey go together"));
    }
    if fields.signature.is_some() && fields.key.is_some() {
        return Err(invalid("SharedAccessSignature excludes SharedAccessKeyName and SharedAccessKey"));
    }
    if fields.authentication.is_some() && (fields.signature.is_some() || fields.key.is_some()) {
        return Err(invalid("Authentication excludes SharedAccessKey and SharedAccessSignature"));
    }
    let use_development_emulator = fields.emulator.map_or(Ok(false), parse_bool)?;
    if use_development_emulator && !is_loopback(authority) {
        return Err(invalid("UseDevelopmentEmulator=true needs an endpoint on this machine"));
    }
    Ok(ConnectionString {
        endpoint: endpoint.to_owned(),
        fully_qualified_namespace: authority.to_owned(),
        entity_path: fields.entity_path.map(str::to_owned),
        shared_access_key_name: fields.key_name.map(str::to_owned),
        shared_access_key: fields.key.map(|key| Zeroizing::new(key.to_owned())),
        shared_access_signature: fields.signature.map(|token| Zeroizing::new(token.to_owned())),
        authentication: fields.authentication.map(str::to_owned),
        operation_timeout: fields.operation_timeout.map(parse_time_span).transpose()?,
        use_development_emulator,
    })
}

impl ConnectionString {
    /// The URI of a hybrid connection of this namespace: the one of `EntityPath`, or of `path`, which has to be below
    /// that.
    ///
    /// # Errors
    /// `InvalidFormat` where the string's own path is at fault, and `InvalidArgument` where `path` is.
    pub fn relay_uri(&self, action: RelayAction, path: Option<&str>) -> Result<String, RelayError> {
        let path = self.path_to(path)?;
        let authority = &self.fully_qualified_namespace;
        let (scheme, port) = match split_port(authority) {
            _ if self.use_development_emulator => ("ws", ""),
            Some((_, None)) => ("wss", ":443"),
            _ => ("wss", ""),
        };
        Ok(with_action(format!("{scheme}://{authority}{port}/$hc/{path}"), action, None, None))
    }

    fn path_to<'a>(&'a self, asked: Option<&'a str>) -> Result<&'a str, RelayError> {
        let own = self.entity_path.as_deref();
        let refused = |why: &str| Err(RelayError::new(ErrorKind::InvalidArgument, why));
        let Some(asked) = asked else {
            return match own {
                None => refused("it is needed, for the connection string has no EntityPath"),
                Some(own) if leads_away("", own) => {
                    Err(RelayError::new(ErrorKind::InvalidFormat, "its EntityPath leads away from /$hc"))
                }
                Some(own) => Ok(own),
            };
        };
        let is_below = |own: &str| {
            let rest = asked.strip_prefix(own);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        if asked.contains('#') {
            return refused("it has a fragment (\"#\")");
        }
        match own {
            Some(own) if !is_below(own) => refused("it is not below the connection string's EntityPath"),
            Some(own) if leads_away(own, asked) => {
                refused("it leads away from the connection string's EntityPath")
            }
            None if leads_away("", asked) => refused("it leads away from /$hc"),
            _ => Ok(asked),
        }
    }
}

/// Whether a URL parser leaves `own` by `asked`, or one that takes an escaped `../` for one, as servers may.
fn leads_away(own: &str, asked: &str) -> bool {
    let path_of = |path: &str| {
        let url = url::Url::parse(&format!("ws://namespace/$hc/{path}"));
        url.map(|url| url.path().to_owned()).unwrap_or_default()
    };
    let root = path_of(own);
    let root = root.trim_end_matches('/');
    let path = path_of(asked);
    if !path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return true;
    }
    let mut plain = path.into_bytes();
    // An escape may itself be escaped.
    loop {
        let read: Vec<u8> = percent_decode(&plain).collect();
        if read == plain {
            break;
        }
        plain = read;
    }
    plain.split(|byte| matches!(byte, b'/' | b'\\')).skip(1).any(|segment| segment == b"..")
}

fn invalid(what: impl fmt::Display) -> RelayError {
    RelayError::new(ErrorKind::InvalidFormat, format!("the connection string is malformed: {what}"))
}

/// The host, and the port if there is one, of `sb://host[:port][/]`.
fn authority_of(endpoint: &str) -> Result<&str, RelayError> {
    let wrong = || invalid("Endpoint is not of the form sb://host/");
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(wrong)?;
    if !["sb", "https", "http", "wss", "ws", "amqps"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(wrong());
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    // The url crate checks the host and the port; the path has to be empty.
    let url = url::Url::parse(&format!("https://{authority}/")).map_err(|_| wrong())?;
    let plain = !authority.contains(['/', '\\', '?', '#', '@']) && !authority.contains(char::is_whitespace);
    if url.host_str().is_none_or(str::is_empty) || !plain || authority.ends_with(':') {
        return Err(wrong());
    }
    Ok(authority)
}

fn parse_bool(text: &str) -> Result<bool, RelayError> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid("UseDevelopmentEmulator is neither true nor false")),
    }
}

/// A .NET `TimeSpan`: `[days.]hours:minutes[:seconds[.fraction]]`.
fn parse_time_span(text: &str) -> Result<Duration, RelayError> {
    time_span(text)
        .filter(|span| !span.is_zero())
        .ok_or_else(|| invalid("OperationTimeout is not of the form hh:mm:ss"))
}

fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let (days, hours) = match parts.next()? {
        first if first.contains('.') => first.split_once('.')?,
        first => ("0", first),
    };
    let (days, hours) = (number(days, 10_675_199)?, number(hours, 23)?);
    let minutes = number(parts.next()?, 59)?;
    let (seconds, nanos) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
            let digits = fraction.len();
            if digits > 7 {
                return None;
            }
            let scale = 10_u32.pow(9 - u32::try_from(digits).ok()?);
            (number(seconds, 59)?, u32::try_from(number(fraction, 9_999_999)?).ok()? * scale)
        }
    };
    if parts.next().is_some() {
        return None;
    }
    Some(Duration::new(((days * 24 + hours) * 60 + minutes) * 60 + seconds, nanos))
}

fn number(text: &str, largest: u64) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| plain && number <= largest)
}

#[cfg(test)]
mod tests;
