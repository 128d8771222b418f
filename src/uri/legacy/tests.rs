use super::*;
use proptest::prelude::*;

fn resource(uri: &str) -> Option<String> {
    LegacyUrl::parse(uri).ok().map(|url| url.resource())
}

/// What Node 20's `url.parse` and `url.format` answer, as hyco-ws calls them.
const ANSWERS: &[(&str, &str)] = &[
    ("  wss://h.example/p \n", "http://h.example/p"),
    ("wss:\\\\h.example\\$hc\\a?b\\c", "http://h.example/a"),
    ("wss://h.example/$hc/$hc/a", "http://h.example/$hc/a"),
    ("wss://u%3Ap%40:%C3%A9@h/x", "http://u:p%40:%C3%A9@h/x"),
    ("wss://a:b:443/x", "http://a:443/:b/x"),
    ("wss://h:/x", "http://h/x"),
    ("wss://h:0443/x", "http://h:0443/x"),
    ("wss://[::1]:443/x", "http://[::1]:443/x"),
    ("wss://[::1]?q", "http://[::1]/"),
    ("wss://[::1]:5 x/y", "http://[::1]:5/%20x/y"),
    ("wss://h;a/b", "http://h/;a/b"),
    ("wss://h x/b", "http://h/%20x/b"),
    ("wss://bücher.example/x", "http://xn--bcher-kva.example/x"),
    ("wss://BÜCHER.example", "http://xn--bcher-kva.example/"),
    ("wss://xn--bcher-kva.example/x", "http://xn--bcher-kva.example/x"),
    ("wss://faß.de/", "http://xn--fa-hia.de/"),
    ("wss://h\t.example/\t\"x'<>^`{|}", "http://h.example/%09%22x%27%3C%3E%5E%60%7B%7C%7D"),
    ("sb://h/", "http://h/"),
    ("wss://@h/x", "http://h/x"),
    ("wss://a@b@c/x", "http://a%40b@c/x"),
    ("wss://h/a#b?c", "http://h/a"),
    ("wss://＂.example/x", "http://\".example/x"),
    ("wss://h_1.example/x", "http://h_1.example/x"),
    ("wss://h%41/x", "http://h/%41/x"),
    ("wss://a。b/x", "http://a.b/x"),
    ("wss://-a-.example/", "http://-a-.example/"),
    ("wss://0x7f.1/", "http://0x7f.1/"),
    ("wss://a..b/x", "http://a..b/x"),
    ("wss://a\u{ad}b/x", "http://ab/x"),
];

#[test]
fn answers_as_node_does() {
    for (uri, expected) in ANSWERS {
        assert_eq!(resource(uri).as_deref(), Some(*expected), "{uri:?}");
    }
}

#[test]
fn a_scheme_that_node_does_not_know_needs_no_path() {
    assert_eq!(resource("sb://h").as_deref(), Some("http://h/"));
    assert_eq!(resource("sb://h?x").as_deref(), Some("http://h/"));
}

#[test]
fn refuses_what_names_no_host() {
    let long = format!("wss://{}/x", "a".repeat(256));
    let refused = [
        "",
        "h/x",
        "/x",
        "//h/x",
        "wss:h/x",
        "wss:///x",
        "wss://",
        "wss://:443/x",
        "wss://[::1]x",
        "wss://[]/x",
    ];
    let more = [
        "wss://xn--a/x",
        "javascript://h/x",
        "wss://%zz@h/x",
        "wss://%ff@h/x",
        "wss://h\0/x",
        "a b://h/x",
        &long,
    ];
    for uri in refused.iter().chain(&more) {
        assert_eq!(resource(uri), None, "{uri:?}");
    }
}

#[test]
fn formats_with_another_query() {
    let format = |uri: &str| LegacyUrl::parse(uri).map(|url| url.format_with_search("?q")).ok();
    assert_eq!(format("WSS://U:P@H:1/a b?old#f").as_deref(), Some("wss://U:P@h:1/a%20b?q#f"));
    assert_eq!(format("wss://h").as_deref(), Some("wss://h/?q"));
    assert_eq!(format("sb://h").as_deref(), Some("sb://h?q"));
    assert_eq!(format("sb://h;x").as_deref(), Some("sb://h/;x?q"));
}

proptest! {
    #[test]
    fn never_panics_and_keeps_its_parts_apart(uri in "\\PC{0,60}") {
        if let Ok(url) = LegacyUrl::parse(&uri) {
            prop_assert!(!url.pathname().contains(['?', '#']));
            prop_assert!(!url.search().contains('#'));
            prop_assert!(url.resource().starts_with("http://"));
        }
    }

    #[test]
    fn a_plain_uri_stays_as_it_is(host in "[a-z]{1,10}(\\.[a-z]{1,10}){0,3}", path in "(/[A-Za-z0-9._~%-]{0,8}){1,4}") {
        let uri = format!("wss://{host}{path}");
        prop_assert_eq!(resource(&uri), Some(format!("http://{host}{path}")));
    }

    #[test]
    fn parsing_what_was_formatted_changes_nothing(tail in "[ -~é€]{0,30}") {
        if let Ok(url) = LegacyUrl::parse(&format!("wss://h.example/{tail}")) {
            let again = LegacyUrl::parse(&url.format_with_search(url.search())).map(|url| url.resource());
            prop_assert_eq!(again.ok(), Some(url.resource()));
        }
    }
}
