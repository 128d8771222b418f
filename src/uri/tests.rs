use super::*;
use proptest::prelude::*;

#[test]
fn builds_the_uris_of_hyco_ws() {
    let (ns, path) = ("contoso.servicebus.windows.net", "hyco");
    assert_eq!(base_uri(ns, path), "wss://contoso.servicebus.windows.net:443/$hc/hyco");
    assert_eq!(
        listen_uri(ns, path, None, None),
        "wss://contoso.servicebus.windows.net:443/$hc/hyco?sb-hc-action=listen"
    );
    assert_eq!(
        send_uri(ns, "hyco?a=1", Some("a b&c=d/é'"), Some("{id}")),
        "wss://contoso.servicebus.windows.net:443/$hc/hyco?a=1&sb-hc-action=connect\
         &sb-hc-token=a%20b%26c%3Dd%2F%C3%A9'&sb-hc-id=%7Bid%7D"
    );
}

#[test]
fn builds_the_uris_of_hyco_https() {
    assert_eq!(https_uri("ns", "p", None, None), "https://ns/p");
    assert_eq!(https_uri("ns", "p", Some("t+"), Some("i")), "https://ns/p?sb-hc-token=t%2B&sb-hc-id=i");
    assert_eq!(https_uri("ns", "p", None, Some("i")), "https://ns/p?sb-hc-id=i");
    assert_eq!(https_uri("ns", "p?a", Some(""), None), "https://ns/p?a&sb-hc-token=");
}

#[test]
fn appends_a_token() {
    let append = |uri: &str| LegacyUrl::parse(uri).ok().map(|url| append_token(&url, "t="));
    assert_eq!(append("wss://H/p").as_deref(), Some("wss://h/p?sb-hc-token=t%3D"));
    assert_eq!(append("wss://h/p?a=1#f").as_deref(), Some("wss://h/p?a=1&sb-hc-token=t%3D#f"));
    assert_eq!(append("wss://h/p?").as_deref(), Some("wss://h/p?&sb-hc-token=t%3D"));
    assert_eq!(append("h/p"), None);
}

#[test]
fn encodes_as_encode_uri_component() {
    let mut out = String::new();
    push_component(&mut out, "aZ09-_.!~*'() +/=&?#%é€😀\0");
    assert_eq!(out, "aZ09-_.!~*'()%20%2B%2F%3D%26%3F%23%25%C3%A9%E2%82%AC%F0%9F%98%80%00");
}

proptest! {
    #[test]
    fn a_component_decodes_to_itself(text in "\\PC{0,40}") {
        let mut out = String::new();
        push_component(&mut out, &text);
        prop_assert!(out.is_ascii());
        let decoded = percent_encoding::percent_decode_str(&out).decode_utf8().map(|text| text.into_owned());
        prop_assert_eq!(decoded.ok(), Some(text));
    }
}
