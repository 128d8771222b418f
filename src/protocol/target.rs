//! What a request target asks for: the path, the relay's own `sb-hc-` parameters, and the query that is the user's.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Prefix of every query parameter that belongs to the relay.
const PARAMETER_PREFIX: &str = "sb-hc-";

/// A request target, taken apart without changing a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    /// True for `/$hc/…`, the WebSockets; the dollar sign may be percent-encoded.
    pub hybrid: bool,
    /// The path without `/$hc`.
    pub path: &'a str,
    query: Option<&'a str>,
}

impl<'a> RequestTarget<'a> {
    /// Reads what stands on a request line: origin form (`/path?query`) or absolute form (`http://host/path?query`).
    pub fn parse(text: &'a str) -> Option<Self> {
        let origin = match text.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
            }
            _ => text,
        };
        origin.starts_with('/').then(|| Self::split(origin))
    }

    /// What an address of the relay asks for.
    pub fn of_address(address: &'a str) -> Self {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        Self::split(rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]))
    }

    fn split(origin: &'a str) -> Self {
        let origin = origin.split('#').next().unwrap_or_default();
        let (whole, query) = match origin.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (origin, None),
        };
        let inner = below_hybrid(whole);
        Self { hybrid: inner.is_some(), path: inner.unwrap_or(whole), query }
    }

    /// The first parameter of the relay's own whose name behind `sb-hc-` is `name`, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut own = self.query?.split('&').filter_map(relay_parameter);
        own.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| form_decode(value).into_owned())
    }

    /// The query without the relay's parameters.
    pub fn user_query(&self) -> Option<String> {
        let kept: Vec<&str> = self.query?.split('&').filter(|pair| relay_parameter(pair).is_none()).collect();
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    /// Path and query as the program sees them.
    pub fn logical(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { self.path };
        match self.user_query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}

/// The rest of a path that begins with `/$hc`, whose dollar sign may be percent-encoded.
pub fn below_hybrid(path: &str) -> Option<&str> {
    ["/$hc", "/%24hc"].into_iter().find_map(|infix| {
        let rest = path.get(infix.len()..)?;
        let begins = path[..infix.len()].eq_ignore_ascii_case(infix);
        (begins && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
    })
}

/// The name behind the prefix, decoded, and the value. A parameter without `=` is the sender's own even with the prefix:
/// that is how the service treats it.
fn relay_parameter(pair: &str) -> Option<(String, &str)> {
    let (key, value) = pair.split_once('=')?;
    let key = form_decode(key);
    let (prefix, name) = key.split_at_checked(PARAMETER_PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PARAMETER_PREFIX).then(|| (name.to_owned(), value))
}

/// Percent-decoding in which `+` is a space, as .NET and Java write it.
fn form_decode(text: &str) -> Cow<'_, str> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    match spaced {
        Cow::Borrowed(text) => percent_decode_str(text).decode_utf8_lossy(),
        Cow::Owned(text) => Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> RequestTarget<'_> {
        RequestTarget::parse(text).unwrap()
    }

    #[test]
    fn service_parameters_are_taken_out_and_the_rest_is_left_alone() {
        let target =
            parse("/$hc/hyco/a%20b?null&x=%2F+1&sb-hc-action=connect&&Sb-Hc-Id=a+b&sb-hc-x&sb%2Dhc-y=1");
        assert!(target.hybrid);
        assert_eq!(target.path, "/hyco/a%20b");
        assert_eq!(target.user_query().as_deref(), Some("null&x=%2F+1&&sb-hc-x"));
        assert_eq!(target.parameter("action").as_deref(), Some("connect"));
        assert_eq!(target.parameter("id").as_deref(), Some("a b"));
        assert_eq!(target.parameter("token"), None);
    }

    #[test]
    fn plain_and_absolute_targets() {
        assert_eq!(parse("/hyco?sb-hc-token=t").logical(), "/hyco");
        assert_eq!(parse("http://host:1/hyco?a").logical(), "/hyco?a");
        assert_eq!(parse("/hyco?u=http://x/").logical(), "/hyco?u=http://x/");
        assert!(!parse("/$hcx/hyco").hybrid);
        assert_eq!(RequestTarget::parse("*"), None);
        assert_eq!(RequestTarget::parse(""), None);
    }

    #[test]
    fn the_program_sees_neither_infix_nor_relay_parameters() {
        for (address, expected) in [
            ("wss://h:443/$hc/hyco?sb-hc-action=accept&sb-hc-id=1", "/hyco"),
            (
                "wss://h/$hc/hyco/sub/path?a=1&sb-hc-action=accept&b=%20&SB-HC-ID=1",
                "/hyco/sub/path?a=1&b=%20",
            ),
            ("wss://h/$hc/hyco?sb%2Dhc%2Dtoken=x&a", "/hyco?a"),
            ("wss://h/$hc/hyco?sb-hc-flag&sb-hc-action=accept", "/hyco?sb-hc-flag"),
            ("wss://h/$hc/hyco?&&&&sb-hc-action=accept", "/hyco?&&&"),
            ("wss://h/%24hc/hyco", "/hyco"),
            ("wss://g1.test/%24hc/hyco?SB-HC-Id=1&sb%2Dhc-x=2", "/hyco"),
            ("wss://g1.test/$hcx/hyco?%zz=1", "/$hcx/hyco?%zz=1"),
            ("wss://g1.test?x=1", "/?x=1"),
            ("wss://h/$hcx/hyco?x=1#f", "/$hcx/hyco?x=1"),
            ("wss://h/$hc", "/"),
            ("wss://h?sb-hc-id=1", "/"),
            ("wss://h", "/"),
            ("", "/"),
        ] {
            assert_eq!(RequestTarget::of_address(address).logical(), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_address_is_read_without_a_panic(text in "\\PC*") {
            let _ = RequestTarget::of_address(&text).logical();
        }

        #[test]
        fn no_relay_parameter_is_left(pairs in proptest::collection::vec("(sb-hc-|SB-hc-|)[a-z]{1,4}=[a-z]{0,3}", 0..6)) {
            let target = RequestTarget::of_address(&format!("wss://h/$hc/x?{}", pairs.join("&"))).logical();
            prop_assert!(!target.to_ascii_lowercase().contains("sb-hc-"));
            let own = pairs.iter().filter(|pair| !pair.to_ascii_lowercase().starts_with("sb-hc-")).count();
            prop_assert_eq!(target.matches('=').count(), own);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            if let Some(target) = RequestTarget::parse(&text) {
                let logical = target.logical();
                let again = RequestTarget::parse(&logical).expect("its own output");
                let own = again.query.unwrap_or_default().split('&').find_map(relay_parameter);
                prop_assert_eq!(own, None);
            }
        }
    }
}
