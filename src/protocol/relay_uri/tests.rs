use proptest::prelude::*;

use super::*;
use crate::protocol::target::RequestTarget;

#[test]
fn an_sb_address_stands_for_a_websocket_uri() {
    for (address, expected) in [
        ("sb://ns.test/hyco", "wss://ns.test/$hc/hyco?sb-hc-action=connect"),
        ("sb://ns.test:123/$hc/hyco?a=1", "wss://ns.test:123/$hc/hyco?a=1&sb-hc-action=connect"),
        ("SB://ns.test/h?sb-hc-action=connect", "wss://ns.test/$hc/h?sb-hc-action=connect"),
        ("sb://ns.test/h?a&sb-hc-action=listen", "wss://ns.test/$hc/h?a&sb-hc-action=listen"),
        ("sb://ns.test", "wss://ns.test/$hc/?sb-hc-action=connect"),
        ("sb://ns.test?x", "wss://ns.test/$hc/?x&sb-hc-action=connect"),
        ("sb://ns.test/%24HC", "wss://ns.test/%24HC?sb-hc-action=connect"),
        ("sb://ns.test/$hcx?#f", "wss://ns.test/$hc/$hcx?sb-hc-action=connect"),
        ("sb://ns.test/a#b?c", "wss://ns.test/$hc/a?sb-hc-action=connect"),
    ] {
        assert_eq!(translate(address, RelayAction::Connect).as_deref(), Some(expected));
    }
    for address in ["wss://ns.test/h", " sb://ns.test/h", "sb:/ns.test", "sb:", "", "s\u{e9}b://x"] {
        assert_eq!(translate(address, RelayAction::Listen), None);
    }
}

#[test]
fn an_action_is_read_in_any_case() {
    assert!(asks_for("wss://h/x?a&SB-HC-Action=LISTEN#f", RelayAction::Listen));
    assert!(asks_for("wss://h/x?sb-hc-action=connect&sb-hc-action=listen", RelayAction::Listen));
    for uri in ["wss://h/x", "wss://h/x#?sb-hc-action=listen", "?sb-hc-action=listen=", "?sb-hc-action"] {
        assert!(!asks_for(uri, RelayAction::Listen), "{uri}");
    }
}

#[test]
fn a_token_is_taken_out_wherever_it_stands() {
    let split = |uri| split_token(uri).map(|(uri, token)| (uri, token.to_string()));
    let is = |uri: &str, token: &str| Some((uri.to_owned(), token.to_owned()));
    assert_eq!(split("wss://ns/h?sb-hc-token=a%20b"), is("wss://ns/h", "a b"));
    assert_eq!(split("wss://ns/h?x=1&sb-hc-token=a+b&y=2#f"), is("wss://ns/h?x=1&y=2", "a b"));
    assert_eq!(split("wss://ns/h?sb-hc-token=a&sb-hc-token=b"), is("wss://ns/h", "b"));
    assert_eq!(split("wss://ns/h?sb-hc-token=a+%zz"), is("wss://ns/h", "a+%zz"));
    assert_eq!(split("wss://ns/h?sb-hc-token=%ff"), is("wss://ns/h", "%ff"));
    for uri in
        ["wss://ns/h?x=1", "wss://ns/h", "?sb-hc-token=", "?sb-hc-token=a&sb-hc-token=", "?SB-HC-TOKEN=a"]
    {
        assert_eq!(split(uri), None, "{uri}");
    }
}

proptest! {
    #[test]
    fn what_is_translated_means_what_it_says(tail in "\\PC{0,30}") {
        let uri = translate(&format!("sb://h{tail}"), RelayAction::Listen).unwrap_or_default();
        prop_assert!(uri.starts_with("wss://h") && !uri.contains('#'));
        prop_assert_eq!(translate(&uri, RelayAction::Listen), None);
        prop_assert!(RequestTarget::of_address(&uri).logical().starts_with('/'));
    }

    #[test]
    fn no_token_is_left(uri in "[a-z?&#=+%]{0,10}(sb-hc-token=[a-z%+&#?]{0,5}){0,3}") {
        if let Some((bare, token)) = split_token(&uri) {
            prop_assert!(!token.is_empty());
            prop_assert!(bare.split_once('?').is_none_or(|(_, query)| !query.split('&').any(|pair| token_in(pair).is_some())));
        }
    }
}
