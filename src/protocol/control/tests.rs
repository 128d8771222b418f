use proptest::prelude::*;

use serde_json::Value;

use super::*;
use crate::http::headers::values;
use crate::mutations::mutated;

const ACCEPT: &str = r#"{"accept":{"address":"wss://g1-sb.servicebus.windows.net:443/$hc/hyco?sb-hc-action=accept&sb-hc-id=a",
  "id":"8f_G12","connectHeaders":{"Host":"contoso","Sec-WebSocket-Protocol":"b, a","X-A":"1"},
  "remoteEndpoint":{"address":"203.0.113.7","port":51234},"later":{"x":[1,2]}}}"#;

fn accept_of(text: &str) -> Accept {
    match parse(text) {
        Ok(ControlMessage::Accept(accept)) => accept,
        other => panic!("{other:?}"),
    }
}

fn request_of(text: &str) -> Request {
    match parse(text) {
        Ok(ControlMessage::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_an_accept_with_its_headers_in_order() {
    let accept = accept_of(ACCEPT);
    assert_eq!(accept.id, "8f_G12");
    assert_eq!(accept.remote_endpoint, Some(("203.0.113.7".to_owned(), 51234)));
    let names: Vec<_> = accept.connect_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "Sec-WebSocket-Protocol", "X-A"]);
    assert_eq!(values(&accept.connect_headers, "sec-websocket-PROTOCOL").next(), Some("b, a"));
    assert_eq!(values(&accept.connect_headers, "x-b").next(), None);
}

#[test]
fn an_accept_needs_its_address_only() {
    let accept = accept_of(r#"{"accept":{"address":"wss://h/"}}"#);
    assert_eq!((accept.id.as_str(), accept.connect_headers.len(), accept.remote_endpoint), ("", 0, None));
    let odd = r#"{"accept":{"address":"wss://h/","id":7,"connectHeaders":{"a":1,"b":null,"c":["x","y"]},"remoteEndpoint":5}}"#;
    let accept = accept_of(odd);
    assert_eq!(accept.id, "7");
    assert_eq!(
        accept.connect_headers,
        [("a".to_owned(), "1".to_owned()), ("c".to_owned(), "x, y".to_owned())]
    );
    assert_eq!(accept.remote_endpoint, None);
    let null = r#"{"accept":{"address":"wss://h/","id":null,"connectHeaders":null,"remoteEndpoint":{"address":"::1","port":"x"}}}"#;
    assert_eq!(accept_of(null).remote_endpoint, Some(("::1".to_owned(), 0)));
}

#[test]
fn reads_a_full_request() {
    let text = r#"{"request":{"address":"wss://h/","id":"1_G10","requestTarget":"/hyco/x?y=1","method":"POST",
        "remoteEndpoint":{"address":"h","port":1},"requestHeaders":{"Via":"1.1 h"},"body":true}}"#;
    let request = request_of(text);
    let head = request.head.unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str(), head.body), ("POST", "/hyco/x?y=1", true));
    assert_eq!(values(&head.headers, "via").next(), Some("1.1 h"));
}

#[test]
fn tells_the_short_form_by_its_missing_method() {
    assert!(request_of(r#"{"request":{"address":"wss://h/","id":"1"}}"#).head.is_none());
    let full = request_of(r#"{"request":{"address":"wss://h/","id":"1","method":"GET"}}"#);
    assert!(full.head.is_some_and(|head| !head.body));
    assert!(request_of(r#"{"request":{"address":"wss://h/","body":true}}"#).head.is_none());
}

#[test]
fn unknown_commands_are_named_and_no_error() {
    let text = r#"{"injectFault":{"delay":"00:00:01"}}"#;
    assert_eq!(parse(text).unwrap(), ControlMessage::Unknown("injectFault".into()));
    let both = r#"{"hint":1,"accept":{"address":"wss://h/"},"request":{}}"#;
    assert!(matches!(parse(both), Ok(ControlMessage::Accept(_))));
}

#[test]
fn malformed_messages_are_typed_errors_that_quote_nothing() {
    for text in [
        "",
        "x",
        "null",
        "[]",
        "{}",
        "{",
        "\"accept\"",
        r#"{"accept":null}"#,
        r#"{"accept":{}}"#,
        r#"{"accept":{"address":""}}"#,
        r#"{"accept":{"address":"s3cret","connectHeaders":"s3cret"}}"#,
        r#"{"accept":{"address":{"s3cret":1}}}"#,
        r#"{"request":{"id":"1"}}"#,
        r#"{"request":{"method":"GET","body":false}}"#,
        r#"{"request":{"method":5,"body":"s3cret"}}"#,
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind, ErrorKind::Protocol);
        assert!(!error.message.contains("s3cret"), "{}", error.message);
    }
}

#[test]
fn huge_and_deep_messages_are_refused() {
    let huge = format!(r#"{{"accept":{{"address":"{}"}}}}"#, "a".repeat(MAX_MESSAGE));
    assert!(parse(&huge).unwrap_err().message.contains("longer"));
    let nest = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(parse(&format!(r#"{{"accept":{{"address":"wss://h/","id":{nest}}}}}"#)).is_err());
    // A value that nobody reads is skipped without recursion.
    assert!(matches!(parse(&format!(r#"{{"x":{nest}}}"#)), Ok(ControlMessage::Unknown(_))));
}

#[test]
fn debug_shows_no_address_and_no_headers() {
    let text = format!(
        "{:?} {:?}",
        parse(ACCEPT),
        request_of(r#"{"request":{"address":"wss://h/?s3cret","id":"1"}}"#)
    );
    assert!(!text.contains("sb-hc") && !text.contains("s3cret") && !text.contains("X-A"));
}

#[test]
fn writes_what_the_guide_shows() {
    assert_eq!(renew_token("a\"b"), r#"{"renewToken":{"token":"a\"b"}}"#);
}

#[test]
fn an_accept_keeps_the_order_and_case_of_headers() {
    let told = Accept {
        address: "ws://h/$hc/p?x".into(),
        id: "id_G1".into(),
        connect_headers: vec![("X-B".into(), "1".into()), ("a".into(), "\"2\"".into())],
        remote_endpoint: Some(("127.0.0.1".into(), 7)),
    };
    assert_eq!(
        accept(&told),
        r#"{"accept":{"address":"ws://h/$hc/p?x","id":"id_G1","connectHeaders":{"X-B":"1","a":"\"2\""},"remoteEndpoint":{"address":"127.0.0.1","port":7}}}"#
    );
}

#[test]
fn a_request_has_two_forms() {
    let short = Request { id: "i".into(), address: Some("a".into()), head: None };
    assert_eq!(request(short.clone()), r#"{"request":{"address":"a","id":"i"}}"#);
    let head = RequestHead {
        method: "GET".into(),
        target: "/p".into(),
        headers: vec![("Via".into(), "1.1 h".into())],
        remote_endpoint: Some(("1.2.3.4".into(), 5)),
        body: false,
    };
    assert_eq!(
        request(Request { head: Some(head), ..short }),
        r#"{"request":{"address":"a","id":"i","requestTarget":"/p","method":"GET","requestHeaders":{"Via":"1.1 h"},"body":false,"remoteEndpoint":{"address":"1.2.3.4","port":5}}}"#
    );
}

#[test]
fn listeners_are_understood() {
    let message = parse_listener_message(br#"{"renewToken":{"token":"t","later":1},"hint":1}"#).unwrap();
    assert_eq!(message.renew_token.as_ref().map(|renewal| renewal.token.as_str()), Some("t"));
    assert!(!format!("{message:?}").contains("\"t\""));
    assert_eq!(parse_listener_message(br#"{"ping":{}}"#), Some(ListenerMessage::default()));
    for bad in ["", "[]", "{", r#"{"renewToken":{"token":1}}"#, r#"{"response":{"requestId":"x"}}"#] {
        assert_eq!(parse_listener_message(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse_listener_message(b"{\"\xff\":1}"), None);
    let text =
        br#"{"response":{"requestId":"r","statusCode":"404","responseHeaders":{"N":1,"A":"b"},"body":true}}"#;
    let response = parse_listener_message(text).and_then(|message| message.response).unwrap();
    assert_eq!((response.status_code, response.body), (404, true));
    assert_eq!(response.response_headers, [("N".into(), "1".into()), ("A".into(), "b".into())]);
    assert_eq!(parse_listener_message(br#"{"response":{"requestId":"r","statusCode":1000}}"#), None);
    assert_eq!(parse_listener_message(br#"{"response":{"requestId":"r","statusCode":99}}"#), None);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("accept".to_owned()),
        Just("request".to_owned()),
        Just("address".to_owned()),
        Just("connectHeaders".to_owned()),
        Just("remoteEndpoint".to_owned()),
        Just("method".to_owned()),
        Just("body".to_owned()),
        ".{0,4}",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics_on_text(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_json(value in json()) {
        let _ = parse(&value.to_string());
    }

    #[test]
    fn noise_of_a_listener_never_panics(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_listener_message(&text);
    }

    #[test]
    fn headers_survive(pairs in proptest::collection::vec(("[A-Za-z-]{1,8}", ".{0,12}"), 0..6)) {
        let body: Vec<String> =
            pairs.iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), Value::from(v.as_str()))).collect();
        let text = format!(r#"{{"accept":{{"address":"wss://h/","connectHeaders":{{{}}}}}}}"#, body.join(","));
        prop_assert_eq!(accept_of(&text).connect_headers, pairs);
    }

    #[test]
    fn a_token_survives_its_message(token in ".{0,40}") {
        let value: Value = serde_json::from_str(&renew_token(&token)).unwrap();
        prop_assert_eq!(value["renewToken"]["token"].as_str(), Some(token.as_str()));
        let heard = parse_listener_message(renew_token(&token).as_bytes()).and_then(|message| message.renew_token);
        prop_assert_eq!(heard.map(|renewal| renewal.token), Some(token));
    }
}

/// What the service really sends, and what is nearly that.
const CORPUS: [&str; 6] = [
    ACCEPT,
    r#"{"accept":{"address":"wss://g1-sb.servicebus.windows.net:443/$hc/hyco?sb-hc-action=accept&sb-hc-id=a","id":"8f_G12"}}"#,
    r#"{"request":{"address":"wss://h/","id":"1_G10","requestTarget":"/hyco/x?y=1","method":"POST","remoteEndpoint":{"address":"h","port":1},"requestHeaders":{"Via":"1.1 h"},"body":true}}"#,
    r#"{"request":{"address":"wss://g1-sb.servicebus.windows.net/$hc/hyco?sb-hc-action=request","id":"2"}}"#,
    r#"{"injectFault":{"delay":"00:00:01"}}"#,
    r#"{"accept":{"address":"wss://h/\u00e9","connectHeaders":{"a":["x",1,null]}},"accept":null}"#,
];

/// Pieces that parsers trip over.
const SPLICES: [&[u8]; 14] = [
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"null",
    b"1e999",
    b"-",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"\"",
    b"\"accept\":",
    b"\"address\":7,",
    b"\\",
    b"99999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn mutated_messages_are_read_or_refused_and_say_nothing_of_their_content(
        bytes in mutated(&CORPUS, &SPLICES),
    ) {
        match parse(&String::from_utf8_lossy(&bytes)) {
            // What is passed on can be read there, and says the same.
            Ok(ControlMessage::Accept(told)) => {
                prop_assert!(!told.address.is_empty());
                prop_assert_eq!(accept_of(&accept(&told)), told);
            }
            Ok(ControlMessage::Request(told)) => {
                prop_assert!(told.head.is_some() || told.address.is_some());
                prop_assert_eq!(request_of(&request(told.clone())), told);
            }
            Ok(ControlMessage::Unknown(name)) => prop_assert!(name.chars().count() <= 64),
            Err(error) => {
                prop_assert_eq!(error.kind, ErrorKind::Protocol);
                prop_assert!(
                    !error.message.contains("servicebus") && !error.message.contains("203.0.113.7")
                );
            }
        }
    }
}
