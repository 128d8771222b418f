use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

fn http(host: &str, port: u16, authorization: Option<&str>) -> Proxy {
    Proxy::Http { host: host.into(), port, authorization: authorization.map(Into::into) }
}

fn named(url: &str) -> Option<NamedProxy> {
    Some(NamedProxy { name: "HTTP_PROXY".into(), url: url.into() })
}

/// Accepts one connection, reads a request up to its blank line, answers, and gives back what it read.
async fn scripted(answer: &'static str) -> (u16, JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(request).unwrap(), stream)
    });
    (port, peer)
}

#[test]
fn proxy_urls_are_read() {
    assert_eq!(parse("http://proxy:3128").unwrap(), http("proxy", 3128, None));
    assert_eq!(parse(" proxy:3128 ").unwrap(), http("proxy", 3128, None));
    assert_eq!(parse("http://proxy/path").unwrap(), http("proxy", 80, None));
    assert_eq!(parse("http://[::1]:8080").unwrap(), http("::1", 8080, None));
    assert_eq!(parse("http://us%40er:p%3Aw@proxy").unwrap(), http("proxy", 80, Some("Basic dXNAZXI6cDp3")));
    let socks =
        Proxy::Socks5 { host: "s".into(), port: 1080, user: Some("u".into()), password: Some("p w".into()) };
    assert_eq!(parse("socks5h://u:p%20w@s").unwrap(), socks);
    let bare = Proxy::Socks5 { host: "s".into(), port: 9, user: None, password: None };
    assert_eq!(parse("socks5://s:9").unwrap(), bare);
    assert_eq!(parse("HTTP://Proxy:65535").unwrap(), http("proxy", 65535, None));
    assert_eq!(parse("http://proxy:").unwrap(), http("proxy", 80, None));
    assert_eq!(parse("http://proxy:80").unwrap(), http("proxy", 80, None));
}

#[test]
fn credentials_of_a_proxy_end_at_the_last_at() {
    let basic = |url: &str| match parse(url).unwrap() {
        Proxy::Http { host, port, authorization } => {
            let value =
                authorization.map(|value| STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap());
            (host, port, value.map(|value| String::from_utf8(value).unwrap()))
        }
        other => panic!("{other:?}"),
    };
    for (url, login) in [
        ("http://user:p@ss@proxy:1", Some("user:p@ss")),
        ("us@er:p@s:s@@proxy:1", Some("us@er:p@s:s@")),
        ("http://user:p%40ss@proxy:1", Some("user:p@ss")),
        ("http://user:50%@proxy:1", Some("user:50%")),
        ("http://user:pä€@proxy:1", Some("user:pä€")),
        ("http://user@proxy:1", Some("user:")),
        ("http://:word@proxy:1", Some(":word")),
        ("http://@proxy:1", None),
        ("http://proxy:1/@x", None),
    ] {
        assert_eq!(basic(url), ("proxy".into(), 1, login.map(Into::into)), "{url}");
    }
    // Bytes that are no text stay what they are.
    assert_eq!(parse("http://u:%FF@p").unwrap(), http("p", 80, Some("Basic dTr/")));
    let socks =
        Proxy::Socks5 { host: "::1".into(), port: 1, user: Some("u".into()), password: Some("p@w".into()) };
    assert_eq!(parse("socks5://u:p@w@[::1]:1").unwrap(), socks);
}

#[test]
fn what_is_wrong_with_a_proxy_url_is_said() {
    for (url, text) in [
        ("http://u:secret@proxy:65536", "its port must be a number from 1 to 65535"),
        ("http://u:secret@proxy:99999999999999999999", "its port must be a number from 1 to 65535"),
        ("socks5://u:secret@proxy:65536", "its port must be a number from 1 to 65535"),
        ("http://u:secret@proxy:0", "its port must be a number from 1 to 65535"),
        ("proxy:http", "its port must be a number from 1 to 65535"),
        ("http://proxy:-1", "its port must be a number from 1 to 65535"),
        // A password with a slash, which ends the host.
        ("http://u:sec/ret@proxy:1", "its port must be a number from 1 to 65535"),
        ("https://proxy", "its scheme must be http, socks5 or socks5h"),
        ("socks4://proxy:1", "its scheme must be http, socks5 or socks5h"),
        ("socks5://:1", "it has no host"),
        ("socks5:///x", "it has no host"),
        ("http://", "it has no host"),
        ("http://pro xy", "it cannot be read"),
        ("http://[::1", "it cannot be read"),
    ] {
        assert_eq!(parse(url), Err(text), "{url}");
        let error = named(url).unwrap().read().unwrap_err();
        assert_eq!(error.message, format!("The \"HTTP_PROXY\" argument is invalid: {text}"));
    }
}

#[test]
fn other_urls_are_refused_without_being_repeated() {
    for url in [
        "",
        "https://u:secret@proxy",
        "socks4://u:secret@proxy",
        "ftp://u:secret@x",
        "http://u:secret@:1",
        "::",
    ] {
        let error = named(url).unwrap().read().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{url}");
        assert!(!error.message.contains("secret"));
    }
}

#[test]
fn the_environment_chooses_by_scheme() {
    let env = ProxyRules {
        http: named("http://a"),
        https: named("http://b"),
        all: named("http://c"),
        ..Default::default()
    };
    assert_eq!(env.proxy_for(false, "h", 80).unwrap(), Some(http("a", 80, None)));
    assert_eq!(env.proxy_for(true, "h", 443).unwrap(), Some(http("b", 80, None)));
    let env = ProxyRules { all: named("http://c"), ..Default::default() };
    assert_eq!(env.proxy_for(true, "::1", 443).unwrap(), Some(http("c", 80, None)));
    assert_eq!(env.proxy_for(false, "localhost", 80).unwrap(), Some(http("c", 80, None)));
    assert_eq!(ProxyRules::default().proxy_for(true, "h", 443).unwrap(), None);
    // A proxy that was asked for is never passed by in silence.
    let env = ProxyRules { https: named("https://proxy"), ..Default::default() };
    assert!(env.proxy_for(true, "h", 443).is_err());
}

#[test]
fn no_proxy_rules_are_followed() {
    let env = ProxyRules {
        all: named("http://p"),
        no: "example.com, .dotted.net,10.0.0.0/8, ::1 ,127.0.0.1".into(),
        ..Default::default()
    };
    let direct = |host: &str| env.proxy_for(true, host, 443).unwrap().is_none();
    for host in ["example.com", "a.EXAMPLE.com", "x.dotted.net", "10.1.2.3", "::1", "127.0.0.1"] {
        assert!(direct(host), "{host}");
    }
    for host in ["notexample.com", "example.com.evil", "11.0.0.1", "::2", "localhost"] {
        assert!(!direct(host), "{host}");
    }
    let all = ProxyRules { all: named("http://p"), no: "*".into(), ..Default::default() };
    assert_eq!(all.proxy_for(true, "h", 443).unwrap(), None);
}

#[test]
fn no_proxy_is_read_as_people_write_it() {
    let direct = |no: &str, host: &str, port: u16| {
        let env = ProxyRules { all: named("http://p"), no: no.into(), ..Default::default() };
        env.proxy_for(true, host, port).unwrap().is_none()
    };
    for (no, yes, not) in [
        (
            "*.example.com",
            vec!["a.example.com", "b.a.EXAMPLE.com", "example.com"],
            vec!["badexample.com", "com"],
        ),
        ("example.com.", vec!["example.com", "a.example.com", "example.com."], vec!["example.org."]),
        ("*.Example.com.:443", vec!["a.example.com"], vec!["example.org"]),
        ("example.com:443", vec!["example.com", "a.example.com"], vec!["example.org"]),
        ("example.com:8443,example.com:80", vec![], vec!["example.com"]),
        ("example.com:99999,example.com:,example.com:https", vec![], vec!["example.com"]),
        ("[::1]", vec!["::1", "0:0:0:0:0:0:0:1"], vec!["::2", "127.0.0.1"]),
        ("::1", vec!["::1"], vec!["::2"]),
        ("[::1]:443", vec!["::1"], vec!["::2"]),
        ("[::1]:80", vec![], vec!["::1"]),
        ("2001:db8::/32", vec!["2001:db8::7"], vec!["2001:db9::7"]),
        ("10.0.0.1:443 ,10.0.0.2:80", vec!["10.0.0.1"], vec!["10.0.0.2"]),
        ("  a.test\tb.test , .c.test,,", vec!["a.test", "b.test", "x.c.test", "c.test"], vec!["d.test"]),
        ("localhost, *", vec!["any.test", "10.0.0.1", "::1"], vec![]),
        ("*:443", vec!["any.test", "10.0.0.1"], vec![]),
        ("*:80", vec![], vec!["any.test", "10.0.0.1"]),
        // Wildcards elsewhere are not known, and nothing is exempt by them.
        ("*example.com,ex*.com,.", vec![], vec!["example.com", "badexample.com", "a.test"]),
        ("", vec![], vec!["example.com"]),
    ] {
        for host in yes {
            assert!(direct(no, host, 443), "{no:?} {host}");
        }
        for host in not {
            assert!(!direct(no, host, 443), "{no:?} {host}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_variable_breaks_the_choice(url in "\\PC{0,40}", no in "[*.:,\\[\\]a-z0-9/ %é]{0,40}", host in "[*.:\\[\\]a-z0-9é]{0,20}") {
        let env = ProxyRules { all: named(&url), no, ..Default::default() };
        let _ = env.proxy_for(true, &host, 443);
    }
}

#[test]
fn credentials_do_not_show_in_debug() {
    let env = ProxyRules { http: named("http://u:hidden@p"), ..Default::default() };
    let shown = format!(
        "{env:?} {:?} {:?}",
        http("p", 1, Some("Basic hidden")),
        parse("socks5://hidden:hidden@s").unwrap()
    );
    assert!(!shown.contains("hidden") && !shown.contains("Basic"), "{shown}");
    assert!(shown.contains("***") && shown.contains("HTTP_PROXY"));
}

#[tokio::test]
async fn connect_opens_a_tunnel() {
    let (port, peer) = scripted("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await;
    let proxy = http("127.0.0.1", port, Some("Basic dTpw"));
    let mut stream = connect(&proxy, "relay.example", 443).await.unwrap();
    let (request, mut far) = peer.await.unwrap();
    assert_eq!(
        request,
        "CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    );
    far.write_all(b"through").await.unwrap();
    let mut got = [0; 7];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"through");
}

#[tokio::test]
async fn a_v6_destination_is_bracketed() {
    let (port, peer) = scripted("HTTP/1.0 200\r\n\r\n").await;
    connect(&http("127.0.0.1", port, None), "2001:db8::1", 8443).await.unwrap();
    assert!(
        peer.await
            .unwrap()
            .0
            .starts_with("CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n")
    );
}

#[tokio::test]
async fn a_destination_with_control_characters_never_reaches_the_proxy() {
    for host in
        ["relay\r\nEvil: yes", "relay\n", "relay\0", "relay\t", "re lay", "relay\u{7f}", "relay\u{a0}\u{10a}"]
    {
        let (port, peer) = scripted("HTTP/1.1 200 OK\r\n\r\n").await;
        let error = connect(&http("127.0.0.1", port, None), host, 443).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{host:?}");
        // The connection is there, and ends without a byte.
        assert!(peer.await.unwrap_err().is_panic(), "{host:?}");
    }
}

#[tokio::test]
async fn a_refusal_has_status_and_reason() {
    let (port, _peer) = scripted("HTTP/1.1 407 Proxy Authentication Required\r\n\r\nbody").await;
    let error = connect(&http("127.0.0.1", port, Some("Basic hidden")), "h", 443).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Proxy);
    assert_eq!(error.message, "Proxy answered 407 Proxy Authentication Required");
    assert_eq!((error.status, error.reason.as_deref()), (Some(407), Some("Proxy Authentication Required")));
    assert!(!format!("{error:?}").contains("hidden"));
}

#[tokio::test]
async fn what_only_the_owner_can_cure_is_told_from_what_passes() {
    for (answer, passes) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", false),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", false),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", false),
        ("HTTP/1.1 408 Request Timeout\r\n\r\n", true),
        ("HTTP/1.1 429 Too Many Requests\r\n\r\n", true),
        ("HTTP/1.1 500 Internal Server Error\r\n\r\n", true),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", true),
        ("HTTP/1.1 302 Found\r\n\r\n", true),
    ] {
        let (port, _peer) = scripted(answer).await;
        let error = connect(&http("127.0.0.1", port, None), "h", 443).await.unwrap_err();
        assert_eq!((error.kind, error.is_transient()), (ErrorKind::Proxy, passes), "{answer}");
    }
    for (reply, passes) in [(1, true), (2, false), (3, true), (4, true), (5, true), (6, true), (7, false)] {
        let (port, _peer) = socks(reply).await;
        let proxy = parse(&format!("socks5://127.0.0.1:{port}")).unwrap();
        let error = connect(&proxy, "relay.invalid", 443).await.unwrap_err();
        assert_eq!((error.kind, error.is_transient()), (ErrorKind::Proxy, passes), "{reply}");
    }
}

#[tokio::test]
async fn a_socks_login_that_is_refused_does_not_pass() {
    for (method, login) in [(2, Some([1, 1])), (0xff, None)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 2];
            stream.read_exact(&mut greeting).await.unwrap();
            stream.read_exact(&mut vec![0; greeting[1].into()]).await.unwrap();
            stream.write_all(&[5, method]).await.unwrap();
            if let Some(answer) = login {
                stream.read_exact(&mut [0; 11]).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let proxy = parse(&format!("socks5://user:word@127.0.0.1:{port}")).unwrap();
        let error = connect(&proxy, "relay.invalid", 443).await.unwrap_err();
        assert_eq!((error.kind, error.is_transient()), (ErrorKind::Proxy, false), "{error}");
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn a_host_cannot_add_to_the_request_for_a_tunnel() {
    for host in ["h\r\nX: y", "h\n", "h x", "h\tx", "h\x7f", "h\0"] {
        let (port, peer) = scripted("HTTP/1.1 200 OK\r\n\r\n").await;
        let error = connect(&http("127.0.0.1", port, None), host, 443).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{host:?}");
        // Not even a part of it was sent.
        assert!(peer.await.is_err(), "{host:?}");
    }
}

#[tokio::test]
async fn a_bad_answer_is_the_proxys_fault() {
    for (answer, text) in [
        ("SSH-2.0\r\n\r\n", "The proxy gave no valid answer: Parse Error: Expected HTTP/, RTSP/ or ICE/"),
        ("HTTP/1.1 200 OK\r\n\r\nearly", "The proxy sent data ahead of the tunnel"),
    ] {
        let (port, _peer) = scripted(answer).await;
        let error = connect(&http("127.0.0.1", port, None), "h", 443).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Proxy, text));
    }
    let (port, peer) = scripted("").await;
    let hung_up = tokio::spawn(async move { drop(peer.await) });
    let error = connect(&http("127.0.0.1", port, None), "h", 443).await.unwrap_err();
    assert_eq!(error.message, "The proxy gave no valid answer: socket hang up");
    hung_up.await.unwrap();
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(format!("HTTP/1.1 200 {}", "x".repeat(MAX_ANSWER)).as_bytes()).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let error = connect(&http("127.0.0.1", port, None), "h", 443).await.unwrap_err();
    assert_eq!(error.message, "The proxy gave no valid answer: Parse Error: Header overflow");
    peer.await.unwrap();
}

#[tokio::test]
async fn an_unreachable_proxy_keeps_the_systems_error() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = connect(&http("127.0.0.1", port, None), "h", 443).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Proxy);
    assert_eq!(error.message, format!("Cannot reach the proxy: connect ECONNREFUSED 127.0.0.1:{port}"));
    assert_eq!(error.system.unwrap().code, "ECONNREFUSED");
}

/// A SOCKS 5 server with user/password authentication that answers with `reply`; gives back the request it
/// got.
async fn socks(reply: u8) -> (u16, JoinHandle<(Vec<u8>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.unwrap();
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await.unwrap();
        let mut login = Vec::new();
        if methods.contains(&2) {
            stream.write_all(&[5, 2]).await.unwrap();
            stream.read_u8().await.unwrap();
            for _ in 0..2 {
                let mut field = vec![0; stream.read_u8().await.unwrap().into()];
                stream.read_exact(&mut field).await.unwrap();
                login.extend_from_slice(&field);
            }
            stream.write_all(&[1, 0]).await.unwrap();
        } else {
            stream.write_all(&[5, 0]).await.unwrap();
        }
        let mut request = vec![0; 5];
        stream.read_exact(&mut request).await.unwrap();
        let rest = if request[3] == 3 { usize::from(request[4]) + 2 } else { 5 };
        let mut tail = vec![0; rest];
        stream.read_exact(&mut tail).await.unwrap();
        request.extend_from_slice(&tail);
        stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        (login, request)
    });
    (port, peer)
}

#[tokio::test]
async fn socks_resolves_the_name_remotely() {
    let (port, peer) = socks(0).await;
    let proxy = parse(&format!("socks5://user:word@127.0.0.1:{port}")).unwrap();
    connect(&proxy, "relay.invalid", 443).await.unwrap();
    let (login, request) = peer.await.unwrap();
    assert_eq!(login, b"userword");
    assert_eq!(request, [&[5, 1, 0, 3, 13][..], b"relay.invalid", &[1, 187]].concat());

    let (port, peer) = socks(0).await;
    connect(&parse(&format!("socks5://127.0.0.1:{port}")).unwrap(), "10.0.0.1", 80).await.unwrap();
    assert_eq!(peer.await.unwrap().1, [5, 1, 0, 1, 10, 0, 0, 1, 0, 80]);
}

#[tokio::test]
async fn a_socks_refusal_is_a_proxy_error() {
    let (port, _peer) = socks(2).await;
    let proxy = parse(&format!("socks5://user:hidden@127.0.0.1:{port}")).unwrap();
    let error = connect(&proxy, "relay.invalid", 443).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Proxy);
    assert_eq!(error.message, "The SOCKS proxy refused: Connection not allowed by ruleset");
    assert!(!format!("{error:?}").contains("hidden"));
}
