use super::*;

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> RequestHead {
    RequestHead {
        method: method.into(),
        target: target.into(),
        headers: list(headers),
        remote_endpoint: None,
        body: false,
    }
}

fn list(headers: &[(&str, &str)]) -> HeaderList {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_no_program_could_be_given_is_refused() {
    let long = "x".repeat(MAX_METADATA);
    for (status, head) in [
        (400, head("", "/", &[])),
        (400, head("G T", "/", &[])),
        (400, head("GET", "http://x/", &[])),
        (400, head("GET", "**", &[])),
        (400, head("GET", "/a b", &[])),
        (400, head("GET", "/a\r\nX: y", &[])),
        (400, head("GET", "/", &[("", "x")])),
        (400, head("GET", "/", &[("A B", "x")])),
        (400, head("GET", "/", &[("A", "x\r\nB: y")])),
        (400, head("GET", "/", &[("A", "x\0")])),
        (431, head("GET", "/", &[("A", &long)])),
    ] {
        assert_eq!(check(&head).unwrap_err().0, status, "{} {}", head.method, head.target);
    }
    for head in [
        head("GET", "/", &[("__proto__", "x"), ("A", "\u{e4}\t\u{20ac}"), ("B", "")]),
        head("OPTIONS", "*", &[]),
        head("PROPFIND", "", &[]),
        head("GET", "/\u{e4}?&&&", &[]),
        head("GET", "/", &[("A", &long[1..])]),
    ] {
        assert_eq!(check(&head), Ok(()));
    }
}

#[test]
fn what_is_the_relays_own_is_taken_off_a_target_and_the_rest_stays() {
    for (target, expected) in [
        ("", "/"),
        ("/hyco/a%20b?&&&", "/hyco/a%20b?&&&"),
        ("/hyco?sb-hc-id=1", "/hyco"),
        ("/hyco?a=1&sb-hc-id=1&b=%2F&", "/hyco?a=1&b=%2F&"),
        ("/hyco?sb-hc-x&SB-HC-token=s3cret", "/hyco?sb-hc-x"),
        ("/sb-hc-id=1?x", "/sb-hc-id=1?x"),
        ("*", "*"),
    ] {
        assert_eq!(program_target(target.to_owned()), expected);
    }
}

#[test]
fn the_length_of_a_body_is_what_came_and_not_what_was_said() {
    let lying =
        [("content-length", "7"), ("Transfer-Encoding", "gzip, chunked"), ("host", "own"), ("A", "b")];
    for (body, expected) in [
        (RelayedBody::None, vec![("host", "own"), ("A", "b")]),
        (RelayedBody::Whole(3), vec![("host", "own"), ("A", "b"), ("Content-Length", "3")]),
        (RelayedBody::Streams, vec![("host", "own"), ("A", "b"), ("Transfer-Encoding", "chunked")]),
    ] {
        assert_eq!(program_headers(list(&lying), "ns", body), list(&expected));
    }
    assert_eq!(
        program_headers(list(&[("A", "b")]), "ns:1", RelayedBody::None),
        list(&[("Host", "ns:1"), ("A", "b")])
    );
}
