//! Reads a request target: the path, the service's own `sb-hc-` parameters, and what belongs to the user.

#![forbid(unsafe_code)]

use percent_encoding::percent_decode_str;

const PREFIX: &str = "sb-hc-";

/// A request target, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// True for `/$hc/…`, the WebSocket legs.
    pub hybrid: bool,
    /// The path without `/$hc`, as it was written.
    pub path: String,
    /// The query without the service's parameters, as it was written.
    pub query: Option<String>,
    service: Vec<(String, String)>,
}

impl Target {
    /// Reads origin form (`/path?query`) and absolute form (`http://host/path?query`).
    pub fn parse(text: &str) -> Option<Self> {
        let origin = match text.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
            }
            _ => text,
        };
        let origin = origin.split('#').next().unwrap_or_default();
        if !origin.starts_with('/') {
            return None;
        }
        let (path, query) = match origin.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (origin, None),
        };
        let (hybrid, path) = match path.strip_prefix("/$hc").or_else(|| path.strip_prefix("/%24hc")) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => (true, rest),
            _ => (false, path),
        };
        let mut service = Vec::new();
        let query = query.and_then(|query| {
            let mine = |pair: &&str| match service_parameter(pair) {
                Some(parameter) => {
                    service.push(parameter);
                    false
                }
                None => true,
            };
            let rest: Vec<&str> = query.split('&').filter(mine).collect();
            (!rest.is_empty()).then(|| rest.join("&"))
        });
        Some(Self { hybrid, path: path.to_owned(), query, service })
    }

    /// The first `sb-hc-<name>`, decoded.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.service.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Path and user query, as a listener is to see them.
    pub fn logical(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// A pair without `=` is the user's even where it begins like one of ours.
fn service_parameter(pair: &str) -> Option<(String, String)> {
    let (key, value) = pair.split_once('=')?;
    let key = form_decode(key);
    let head = key.get(..PREFIX.len())?;
    head.eq_ignore_ascii_case(PREFIX)
        .then(|| (key.get(PREFIX.len()..).unwrap_or_default().to_owned(), form_decode(value)))
}

/// Percent-decoding in which `+` is a space, as .NET and Java write it.
pub fn form_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The segments of an entity path in the form in which they are compared: decoded and in lower case.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().to_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn service_parameters_are_taken_out_and_the_rest_is_left_alone() {
        let target =
            Target::parse("/$hc/hyco/a%20b?null&x=%2F+1&sb-hc-action=connect&&Sb-Hc-Id=a+b&sb-hc-x").unwrap();
        assert!(target.hybrid);
        assert_eq!(target.path, "/hyco/a%20b");
        assert_eq!(target.query.as_deref(), Some("null&x=%2F+1&&sb-hc-x"));
        assert_eq!(target.get("action"), Some("connect"));
        assert_eq!(target.get("id"), Some("a b"));
        assert_eq!(target.get("token"), None);
    }

    #[test]
    fn plain_and_absolute_targets() {
        assert_eq!(Target::parse("/hyco?sb-hc-token=t").unwrap().logical(), "/hyco");
        assert_eq!(Target::parse("http://host:1/hyco?a").unwrap().logical(), "/hyco?a");
        assert_eq!(Target::parse("/hyco?u=http://x/").unwrap().logical(), "/hyco?u=http://x/");
        assert_eq!(Target::parse("/$hcx/hyco").map(|target| target.hybrid), Some(false));
        assert_eq!(Target::parse("*"), None);
        assert_eq!(Target::parse(""), None);
    }

    #[test]
    fn entity_paths_compare_decoded_and_without_case() {
        assert_eq!(segments("/My%20Hyco//Sub/"), ["my hyco", "sub"]);
        assert_eq!(segments("hübrid"), segments("/h%C3%BCbrid"));
        assert!(segments("/").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            if let Some(target) = Target::parse(&text) {
                let again = Target::parse(&target.logical()).expect("its own output");
                prop_assert_eq!(again.service, Vec::new());
            }
        }
    }
}
