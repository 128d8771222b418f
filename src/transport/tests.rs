use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

const TOKEN: &str = "sb-hc-token=SharedAccessSignature-hidden";

fn request_to(port: u16) -> DialRequest {
    let mut head = HeaderLines::default();
    head.push("Host", "relay");
    head.push("Connection", "Upgrade");
    head.push("Upgrade", "websocket");
    head.push("ServiceBusAuthorization", "hidden");
    DialRequest {
        secure: false,
        host: "127.0.0.1".into(),
        port,
        target: format!("/$hc/path?{TOKEN}").into(),
        head,
        tls: None,
        server_name: None,
        proxy: None,
        handshake_timeout: None,
        admission: None,
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// Answers as a WebSocket server, with a frame right behind the head, then echoes.
async fn upgrade(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = read_request(&mut stream).await;
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n\x01\x02"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte).await {
        let _ = stream.write_all(&byte).await;
        let _ = stream.flush().await;
    }
    request
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn answer(text: &'static str) -> (u16, JoinHandle<()>) {
    let (listener, port) = listen().await;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(text.as_bytes()).await.unwrap();
    });
    (port, peer)
}

fn assert_discreet(error: &RelayError) {
    let shown = format!("{error:?} {}", serde_json::to_string(&error.report()).unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn a_plain_handshake_hands_over_the_stream() {
    let (listener, port) = listen().await;
    let peer = tokio::spawn(async move { upgrade(listener.accept().await.unwrap().0).await });
    let mut request = request_to(port);
    let head = request.head.to_string();
    let mut opened = open(&mut request).await.unwrap();
    let negotiated = check_upgrade(&opened.response, &opened.key, &[], false).unwrap();
    assert_eq!(negotiated, Negotiated::default());
    assert_eq!(opened.response.reason, "Switching Protocols");
    let mut early = opened.leftover;
    while early.len() < 2 {
        early.push(opened.stream.read_u8().await.unwrap());
    }
    assert_eq!(early, [1, 2]);
    opened.stream.write_all(b"x").await.unwrap();
    assert_eq!(opened.stream.read_u8().await.unwrap(), b'x');
    let (tcp, tls, decrypted) = opened.stream.into_parts();
    assert!(tls.is_none() && decrypted.is_empty());
    assert_eq!(tcp.peer_addr().unwrap().port(), port);
    assert!(tcp.local_addr().unwrap().ip().is_loopback());
    drop(tcp);
    let sent = peer.await.unwrap();
    let key = &opened.key;
    assert_eq!(sent, format!("GET {} HTTP/1.1\r\n{}Sec-WebSocket-Key: {key}\r\n\r\n", *request.target, head));
}

struct TlsServer {
    port: u16,
    config: Arc<ClientConfig>,
    peer: JoinHandle<String>,
}

async fn tls_server(name: &str) -> TlsServer {
    let pair = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&pair).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], pair.serialize_der().try_into().unwrap())
        .unwrap();
    let (listener, port) = listen().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let peer = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        upgrade(acceptor.accept(tcp).await.unwrap()).await
    });
    let options = TlsOptions { ca: vec![cert.pem()], ..Default::default() };
    TlsServer { port, config: client_config(&options).unwrap(), peer }
}

#[tokio::test]
async fn a_secure_handshake_hands_the_connection_over() {
    let server = tls_server("relay.example").await;
    let mut request = DialRequest {
        secure: true,
        tls: Some(server.config.clone()),
        server_name: Some("relay.example".into()),
        ..request_to(server.port)
    };
    let mut opened = open(&mut request).await.unwrap();
    assert!(check_upgrade(&opened.response, &opened.key, &[], false).is_ok());
    assert!(opened.stream.is_write_vectored());
    opened.stream.write_all(b"x").await.unwrap();
    opened.stream.flush().await.unwrap();
    let mut got = opened.leftover;
    while got.len() < 3 {
        got.push(opened.stream.read_u8().await.unwrap());
    }
    assert_eq!(got, [1, 2, b'x']);
    let (tcp, tls, decrypted) = opened.stream.into_parts();
    assert!(!tls.unwrap().reader().closed() && decrypted.is_empty());
    drop(tcp);
    assert!(server.peer.await.unwrap().starts_with("GET /$hc/path?"));
}

#[tokio::test]
async fn without_a_server_name_the_address_is_verified() {
    for server_name in [None, Some(String::new())] {
        let server = tls_server("127.0.0.1").await;
        let mut request = DialRequest {
            secure: true,
            tls: Some(server.config.clone()),
            server_name,
            ..request_to(server.port)
        };
        drop(open(&mut request).await.unwrap());
        server.peer.await.unwrap();
    }
}

#[tokio::test]
async fn a_secure_handshake_goes_through_a_proxy() {
    let server = tls_server("relay.invalid").await;
    let (listener, proxy_port) = listen().await;
    let target = server.port;
    let proxy = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let request = read_request(&mut near).await;
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        request
    });
    let mut request = DialRequest {
        secure: true,
        host: "relay.invalid".into(),
        port: 443,
        tls: Some(server.config.clone()),
        proxy: Some(Arc::new(ProxyRules {
            https: Some(NamedProxy {
                name: "https_proxy".into(),
                url: format!("http://u:p@127.0.0.1:{proxy_port}"),
            }),
            ..ProxyRules::default()
        })),
        ..request_to(0)
    };
    let opened = open(&mut request).await.unwrap();
    assert_eq!(opened.response.status, 101);
    drop(opened);
    let connect = proxy.await.unwrap();
    assert!(connect.starts_with("CONNECT relay.invalid:443 HTTP/1.1\r\n"));
    assert!(!connect.contains("hidden"), "the tunnel request must not have the handshake's headers");
    server.peer.await.unwrap();
}

#[tokio::test]
async fn another_status_is_for_the_caller_to_judge() {
    let (port, peer) = answer(
        "HTTP/1.1 404 Endpoint does not exist. TrackingId:1_G2, SystemTracker:x\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    let opened = open(&mut request_to(port)).await.unwrap();
    assert_eq!(opened.response.status, 404);
    assert_eq!(opened.response.reason, "Endpoint does not exist. TrackingId:1_G2, SystemTracker:x");
    let mut body = body::read_body(opened.stream, &opened.response, opened.leftover).unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = body.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"hello");
    peer.await.unwrap();
}

#[tokio::test]
async fn failures_do_not_repeat_the_request() {
    let (port, peer) = answer("").await;
    let error = open(&mut request_to(port)).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Network, "socket hang up"));
    assert_discreet(&error);
    peer.await.unwrap();

    let (port, peer) = answer("nonsense hidden\r\n\r\n").await;
    let error = open(&mut request_to(port)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Handshake);
    assert_discreet(&error);
    peer.await.unwrap();

    assert_discreet(&open(&mut request_to(port)).await.unwrap_err());
    let mut secure = DialRequest { secure: true, ..request_to(port) };
    let error = open(&mut secure).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_discreet(&error);
    let mut smuggled = DialRequest { target: format!("/ {TOKEN}").into(), ..request_to(port) };
    let error = open(&mut smuggled).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_discreet(&error);
    assert!(!format!("{smuggled:?}").contains("hidden"));
}

#[tokio::test]
async fn a_silent_server_runs_into_the_deadline() {
    let (listener, port) = listen().await;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let mut request = DialRequest { handshake_timeout: Some(Duration::from_millis(50)), ..request_to(port) };
    let error = open(&mut request).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Timeout, "Opening handshake has timed out"));
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_spans_all_phases() {
    let slow = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        Ok(())
    };
    let limit = Duration::from_millis(100);
    assert_eq!(within(Some(limit), slow).await.unwrap_err().kind, ErrorKind::Timeout);
    assert!(within(Some(limit), async { Ok(()) }).await.is_ok());
}

#[test]
fn an_open_handshake_is_a_small_future() {
    let mut request = request_to(1);
    let future = open(&mut request);
    assert!(size_of_val(&future) <= 256, "{}", size_of_val(&future));
}
