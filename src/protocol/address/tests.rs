use proptest::prelude::*;

use super::*;

const GATEWAY: &str = "wss://g63-prod-by3-001-sb.servicebus.windows.net:443/$hc/hyco/sub%20path?a=%2F&sb-hc-action=accept&sb-hc-id=x_G1";

#[test]
fn keeps_path_and_query_verbatim() {
    let address = Address::parse(GATEWAY).unwrap();
    assert!(address.secure);
    assert_eq!(address.host, "g63-prod-by3-001-sb.servicebus.windows.net");
    assert_eq!(address.port, 443);
    assert_eq!(address.target, "/$hc/hyco/sub%20path?a=%2F&sb-hc-action=accept&sb-hc-id=x_G1");
    assert_eq!(address.host_header(), "g63-prod-by3-001-sb.servicebus.windows.net");
}

#[test]
fn names_a_port_that_is_not_the_schemes_own() {
    assert_eq!(Address::parse("ws://127.0.0.1:8080/x").unwrap().host_header(), "127.0.0.1:8080");
    assert_eq!(Address::parse("ws://[::1]:8080/x").unwrap().host_header(), "[::1]:8080");
    assert_eq!(Address::parse("ws://[::1]/x").unwrap().host, "::1");
    assert_eq!(Address::parse("wss://h?a=1").unwrap().target, "/?a=1");
}

#[test]
fn refuses_absurd_addresses() {
    for text in [
        "",
        "wss:",
        "wss://",
        "wss:///path",
        "wss://:443/",
        "http://ns.servicebus.windows.net/",
        "file:///etc/passwd",
        "wss://ns.servicebus.windows.net@evil.example/",
        "wss://h:0/",
        "wss://h:65536/",
        "wss://h:+443/",
        "wss://h:44x/",
        "wss://h/a b",
        "wss://h/a\r\nX: y",
        "wss://h/\u{7f}",
        "wss://a b/",
        "wss://[::1/",
        "/just/a/path",
    ] {
        let error = Address::parse(text).expect_err(text);
        assert_eq!(error.kind, ErrorKind::Protocol);
    }
}

#[test]
fn encodes_what_a_program_may_write_in_a_listen_uri() {
    let address =
        Address::parse_listen("wss://contoso.servicebus.windows.net:443/$hc/my hübrid?sb-hc-action=listen");
    assert_eq!(address.unwrap().target, "/$hc/my%20h%C3%BCbrid?sb-hc-action=listen");
    assert_eq!(Address::parse_listen("no uri").unwrap_err().kind, ErrorKind::InvalidFormat);
}

#[test]
fn debug_hides_the_query() {
    assert!(!format!("{:?}", Address::parse(GATEWAY).unwrap()).contains("sb-hc"));
}

#[test]
fn allows_the_namespaces_own_gateways_only() {
    let listen = "contoso.servicebus.windows.net";
    assert!(host_allowed("g1-prod-sb.servicebus.windows.net", listen));
    assert!(host_allowed("CONTOSO.servicebus.windows.net.", listen));
    assert!(host_allowed("a.b.servicebus.windows.net", listen));
    assert!(!host_allowed("servicebus.windows.net.evil.example", listen));
    assert!(!host_allowed("evilservicebus.windows.net", listen));
    assert!(!host_allowed("servicebus.windows.net", listen));
    assert!(!host_allowed(".servicebus.windows.net", listen));
    assert!(!host_allowed("evil.example", listen));
    assert!(!host_allowed("127.0.0.1", listen));
}

#[test]
fn addresses_and_short_names_must_be_identical() {
    assert!(host_allowed("127.0.0.1", "127.0.0.1"));
    assert!(!host_allowed("127.0.0.2", "127.0.0.1"));
    assert!(!host_allowed("10.0.0.1", "11.0.0.1"));
    assert!(host_allowed("[::1]", "::1"));
    assert!(host_allowed("localhost", "localhost"));
    assert!(!host_allowed("x.localhost", "localhost"));
    assert!(!host_allowed("evil.com", "relay.com"));
    assert!(!host_allowed("evil.co.uk", "relay.co.uk"));
    assert!(host_allowed("b.example.com", "a.example.com"));
}

#[test]
fn never_gives_up_tls() {
    let listen = Address::parse("wss://a.example.com/").unwrap();
    let plain = Address::parse("ws://a.example.com/").unwrap();
    for policy in [HostPolicy::ParentDomain, HostPolicy::Owner] {
        assert!(policy.check(&plain, &listen).is_err());
        assert!(policy.check(&listen, &plain).is_ok());
        assert!(policy.check(&plain, &plain).is_ok());
    }
}

#[test]
fn an_owner_takes_the_place_of_the_domain_rule() {
    let listen = Address::parse("wss://a.example.com/").unwrap();
    let strange = Address::parse("wss://node.other.example/").unwrap();
    assert!(HostPolicy::ParentDomain.check(&strange, &listen).is_err());
    assert!(HostPolicy::Owner.check(&strange, &listen).is_ok());
}

#[test]
fn a_hostname_is_spelled_as_javascript_does() {
    let hostname = |uri: &str| Address::parse(uri).unwrap().hostname();
    assert_eq!(hostname("wss://G1.Example.com.:444/"), "g1.example.com");
    assert_eq!(hostname("wss://127.1/"), "127.0.0.1");
    assert_eq!(hostname("wss://[0::1]:1/"), "[::1]");
    assert_eq!(hostname("wss://[::ffff:1.2.3.4]/"), "[::ffff:102:304]");
}

#[test]
fn a_host_is_no_longer_than_a_name_can_be() {
    let of = |length: usize| Address::parse(&format!("wss://{}/", "a.".repeat(length / 2) + "a"));
    assert!(of(252).is_ok());
    assert_eq!(of(254).unwrap_err().kind, ErrorKind::Protocol);
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*", host in "\\PC{0,20}", listen in "\\PC{0,20}") {
        let _ = Address::parse(&text);
        let _ = Address::parse_listen(&format!("ws://{text}"));
        let _ = host_allowed(&host, &listen);
    }

    #[test]
    fn what_is_accepted_fits_a_request_line(tail in "[ -~\u{a0}-\u{ff}]{0,40}") {
        if let Ok(address) = Address::parse(&format!("wss://h.example.com/{tail}")) {
            prop_assert!(address.target.bytes().all(|b| b > b' ' && b < 0x7f));
            prop_assert!(address.target.starts_with('/'));
            let again = format!("wss://{}{}", address.host_header(), address.target);
            prop_assert_eq!(Address::parse(&again).unwrap(), address);
        }
    }

    #[test]
    fn a_strange_domain_is_never_allowed(name in "[a-z]{1,10}\\.[a-z]{1,10}\\.[a-z]{2,3}") {
        prop_assume!(!name.ends_with(".windows.net"));
        prop_assert!(!host_allowed(&name, "contoso.servicebus.windows.net"));
    }
}
