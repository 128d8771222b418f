//! Names and values of headers: the one look-up, and what either may hold.

/// Names and values in the order in which they came, names in the peer's own case.
pub type HeaderList = Vec<(String, String)>;

/// Headers that end at each hop, beside those that `Connection` names.
pub const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Close",
];

/// The values of `name` in any case, one for each line.
pub fn values<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// All values of `name`, joined with `, ` as Node joins repeated headers.
pub fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let mut values = values(headers, name);
    let mut joined = values.next()?.to_owned();
    for value in values {
        joined.push_str(", ");
        joined.push_str(value);
    }
    Some(joined)
}

/// The members of the comma-separated list `name`.
pub fn members<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    values(headers, name).flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// True where the list `name` has `member`, in any case.
pub fn has_member(headers: &[(String, String)], name: &str, member: &str) -> bool {
    members(headers, name).any(|item| item.eq_ignore_ascii_case(member))
}

/// All headers but those `left_out`, one pair a name, repeated ones joined, in the case of the first.
pub fn merged(headers: &[(String, String)], left_out: &[&str]) -> HeaderList {
    let mut merged = HeaderList::new();
    for (name, value) in headers {
        if left_out.iter().any(|out| out.eq_ignore_ascii_case(name)) {
            continue;
        }
        match merged.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, joined)) => {
                joined.push_str(", ");
                joined.push_str(value);
            }
            None => merged.push((name.clone(), value.clone())),
        }
    }
    merged
}

/// True for an RFC 9110 token, which header names and subprotocols are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// True for a byte that a token may have.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Visible ASCII, spaces and tabs.
pub fn is_ascii_text(text: &str) -> bool {
    text.is_ascii() && is_value(text)
}

/// What Node lets stand in a header's value: Latin-1 without control characters, but for tabs.
pub fn is_value(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}'))
}
