use proptest::prelude::*;

use super::*;

fn head(lines: &[(&str, &str)]) -> HeaderLines {
    let mut head = HeaderLines::default();
    for (name, value) in lines {
        head.push(name, value);
    }
    head
}

#[test]
fn a_request_is_put_together() {
    let request = head(&[("Host", "h"), ("X-A", "caf\u{e9}\t~")]).request("GET", "/p?q=1").unwrap();
    assert_eq!(&**request, b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\nX-A: caf\xe9\t~\r\n\r\n");
    assert_eq!(&**head(&[]).request("CONNECT", "h:1").unwrap(), b"CONNECT h:1 HTTP/1.1\r\n\r\n");
}

#[test]
fn what_would_make_another_request_is_refused() {
    for (name, value) in [
        ("X-A", "a\r\nEvil: yes"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0"),
        ("X-A", "\u{7f}"),
        ("X-A", "\u{10d}\u{10a}"),
        ("X-A\r\nEvil", "yes"),
        ("X A", "a"),
        (" X", "a"),
        ("", "a"),
    ] {
        let spoilt = head(&[("Host", "h"), (name, value), ("X-B", "b")]);
        assert_eq!(&*spoilt, "Host: h\r\nX-B: b\r\n");
        let error = spoilt.request("GET", "/").unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.contains("headers"), "{}", error.message);
    }
    for target in ["", "/a b", "/\r\nHost: evil", "/\t", "/\u{7f}"] {
        let error = head(&[("Host", "h")]).request("GET", target).unwrap_err();
        assert!(error.message.contains("target"), "{}", error.message);
    }
}

#[test]
fn it_grows_and_shows_nothing() {
    let value = "v".repeat(700);
    let long = head(&[("A", &value), ("B", &value), ("C", "c")]);
    assert_eq!(&*long, format!("A: {value}\r\nB: {value}\r\nC: c\r\n"));
    assert!(!format!("{long:?}").contains('v'));
}

proptest! {
    #[test]
    fn every_pair_is_one_line(name in any::<String>(), value in any::<String>()) {
        let head = head(&[(&name, &value)]);
        match head.request("GET", "/") {
            Ok(bytes) => prop_assert_eq!(bytes.split(|&byte| byte == b'\n').count(), 4),
            Err(_) => prop_assert!(head.is_empty()),
        }
    }
}
