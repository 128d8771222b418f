use super::*;
use proptest::prelude::*;

fn place(namespace: &str) -> NamespacePlace<'_> {
    NamespacePlace::read(namespace).unwrap()
}

#[test]
fn builds_the_uris_of_hyco_ws() {
    let (ns, path) = (place("contoso.servicebus.windows.net"), "hyco");
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
    let ns = place("ns");
    assert_eq!(https_uri(ns, "p", None, None), "https://ns/p");
    assert_eq!(https_uri(ns, "p", Some("t+"), Some("i")), "https://ns/p?sb-hc-token=t%2B&sb-hc-id=i");
    assert_eq!(https_uri(ns, "p", None, Some("i")), "https://ns/p?sb-hc-id=i");
    assert_eq!(https_uri(ns, "p?a", Some(""), None), "https://ns/p?a&sb-hc-token=");
}

#[test]
fn a_namespace_may_have_a_port_and_a_scheme() {
    for (namespace, web_socket, http) in [
        ("127.0.0.1:18090", "wss://127.0.0.1:18090", "https://127.0.0.1:18090"),
        ("contoso.test:443/", "wss://contoso.test:443", "https://contoso.test:443"),
        ("[::1]:8080", "wss://[::1]:8080", "https://[::1]:8080"),
        ("ws://127.0.0.1:18090", "ws://127.0.0.1:18090", "http://127.0.0.1:18090"),
        ("WS://LocalHost:80/", "ws://LocalHost:80", "http://LocalHost:80"),
        ("ws://[::1]", "ws://[::1]:80", "http://[::1]"),
        ("wss://contoso.test", "wss://contoso.test:443", "https://contoso.test"),
        ("WSS://contoso.test:444/", "wss://contoso.test:444", "https://contoso.test:444"),
    ] {
        let place = place(namespace);
        assert_eq!(
            (place.web_socket_origin(), place.http_origin()),
            (web_socket.to_owned(), http.to_owned())
        );
    }
}

#[test]
fn what_is_no_host_with_a_port_is_a_name() {
    for namespace in
        ["::1", "[::1]", "a:0", "a:65536", "a:", ":80", "a:b:80", "a/b:80", "u@a:80", "a b:80", "a//", ""]
    {
        assert_eq!(place(namespace).web_socket_origin(), format!("wss://{namespace}:443"));
        assert_eq!(place(namespace).http_origin(), format!("https://{namespace}"));
    }
}

#[test]
fn a_scheme_wants_a_host_and_ws_this_machine() {
    for namespace in
        ["ws://", "ws:///", "ws://127.0.0.1:0", "ws://127.0.0.1:", "wss://a/b", "wss://u:p@a", "wss://a//"]
    {
        assert!(NamespacePlace::read(namespace).is_err(), "{namespace}");
    }
    for namespace in ["ws://contoso.servicebus.windows.net", "ws://10.0.0.1:80", "ws://localhost.test:80"] {
        let error = NamespacePlace::read(namespace).unwrap_err();
        assert!(error.to_string().contains("this machine"), "{error}");
    }
}

#[test]
fn a_second_scheme_is_the_one_that_counts() {
    let resource = |uri| LegacyUrl::parse(uri).map(|url| url.resource()).ok();
    assert_eq!(resource("http://ws://127.0.0.1:80"), Some("http://127.0.0.1:80/".to_owned()));
    assert_eq!(resource("HTTPS://WSS://h/$hc/p?q"), Some("http://h/p".to_owned()));
    assert_eq!(resource("http://ws:80//h"), Some("http://ws:80//h".to_owned()));
    assert_eq!(resource("http://http://h"), Some("http://http//h".to_owned()));
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
    fn any_namespace_is_read_without_a_panic(namespace in "(wss?://)?\\PC{0,12}(:[0-9]{0,6})?/?") {
        let _ = NamespacePlace::read(&namespace);
    }

    #[test]
    fn a_component_decodes_to_itself(text in "\\PC{0,40}") {
        let mut out = String::new();
        push_component(&mut out, &text);
        prop_assert!(out.is_ascii());
        let decoded = percent_encoding::percent_decode_str(&out).decode_utf8().map(|text| text.into_owned());
        prop_assert_eq!(decoded.ok(), Some(text));
    }
}
