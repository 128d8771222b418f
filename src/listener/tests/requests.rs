//! HTTP requests and their answers, frame by frame.

use serde_json::{Value, json};

use super::*;

mod closing;
mod limits;
mod order;
mod rendezvous;

/// The rendezvous of request `id`.
pub fn address(id: &str) -> String {
    format!("wss://g1-sb.servicebus.windows.net/$hc/hyco?sb-hc-action=request&sb-hc-id={id}")
}

/// A request in full form.
pub fn full(id: &str, method: &str, body: bool) -> String {
    let request = json!({
        "address": address(id), "id": id, "requestTarget": "/hyco/x?y=1", "method": method, "body": body,
        "remoteEndpoint": { "address": "203.0.113.7", "port": 5 }, "requestHeaders": { "A": "b" }
    });
    json!({ "request": request }).to_string()
}

/// A request in short form.
pub fn short(id: &str) -> String {
    json!({ "request": { "address": address(id), "id": id } }).to_string()
}

pub fn head(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nX-A: b\r\nConnection: keep-alive\r\n\r\n").into_bytes()
}

pub fn binary(bytes: &[u8]) -> Message {
    Message::binary(bytes.to_vec())
}

impl Stage {
    /// The next request: its event, and its number.
    pub async fn request(&mut self) -> (u64, Value) {
        let event = self.event("request").await;
        (event["number"].as_u64().unwrap(), event)
    }

    pub fn respond(&self, number: u64, status: &str, body: &[u8]) -> bool {
        self.listener.respond(number, head(status), body.to_vec())
    }

    /// How an exchange has ended: nothing, or the error's code.
    pub async fn exchange_end(&mut self, number: u64) -> Option<String> {
        let event = self.event("exchangeEnd").await;
        assert_eq!(event["number"], number, "{event}");
        event["error"]["code"].as_str().map(str::to_owned)
    }

    /// The body of a request that streams, to its end.
    pub async fn body(&mut self, number: u64) -> String {
        let mut text = String::new();
        loop {
            let event = self.event("body").await;
            assert_eq!(event["number"], number);
            text.push_str(event["text"].as_str().unwrap());
            if event["last"] == true {
                return text;
            }
        }
    }
}

impl Peer {
    /// The next answer: its text, and its body if it has one.
    pub async fn answer(&mut self) -> (Value, Option<Vec<u8>>) {
        let response = soon(self.hear_json()).await["response"].take();
        let body = match response["body"].as_bool().unwrap() {
            true => match soon(self.hear()).await {
                Some(Message::Binary(body)) => Some(body.to_vec()),
                other => panic!("{other:?}"),
            },
            false => None,
        };
        (response, body)
    }

    pub async fn hears_close(&mut self, code: u16) {
        match soon(self.hear()).await {
            Some(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), code),
            other => panic!("{other:?}"),
        }
    }

    /// Ends as the relay does when the sender has left.
    pub async fn leave(mut self) {
        self.shut(1001, "").await;
        while self.hear().await.is_some() {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_told_as_it_came() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1_G10", "POST", true)).await;
    peer.send(binary(b"body")).await;
    let (number, event) = stage.request().await;
    let expected = json!({
        "type": "request", "number": number, "id": "1_G10", "method": "POST", "target": "/hyco/x?y=1",
        "host": "ns.servicebus.windows.net", "secure": true, "remoteEndpoint": ["203.0.113.7", 5],
        "headers": [["Host", "ns.servicebus.windows.net"], ["A", "b"], ["Content-Length", "4"]],
        "streams": false, "body": "body"
    });
    assert_eq!(event, expected);
    assert!(stage.respond(number, "201 Made", b"made"));
    let (response, body) = peer.answer().await;
    let expected = json!({
        "requestId": "1_G10", "statusCode": 201, "statusDescription": "Made", "body": true,
        "responseHeaders": { "X-A": "b" }
    });
    assert_eq!((response, body.as_deref()), (expected, Some(&b"made"[..])));
    assert!(!stage.respond(number, "200 OK", b""), "once is enough");
    let stats = stage.listener.stats();
    assert_eq!((stats.requests, stats.requests_pending, stats.answers_by_channel), (1, 0, 1));
    assert_eq!((stats.request_bytes, stats.answer_bytes, stats.answer_latency.count), (4, 4, 1));
    stage.closed().await;
}

/// What the sender asks, what the program answers at once, and what the relay gets.
struct Case {
    /// By the control channel, or by a rendezvous where the request waits.
    fetched: bool,
    method: &'static str,
    sent: Option<usize>,
    status: &'static str,
    answered: usize,
    /// By the rendezvous, and how many bytes of body if there is one.
    expected: (bool, Option<usize>),
}

#[tokio::test(start_paused = true)]
async fn each_form_of_a_request_gets_each_form_of_an_answer() {
    let case = |fetched, method, sent, status, answered, expected| Case {
        fetched,
        method,
        sent,
        status,
        answered,
        expected,
    };
    let cases = [
        case(false, "GET", None, "200 OK", 0, (false, None)),
        case(false, "GET", None, "200 OK", 1, (false, Some(1))),
        case(false, "GET", None, "200 OK", 65_536, (false, Some(65_536))),
        case(false, "GET", None, "200 OK", 65_537, (true, Some(65_537))),
        case(false, "GET", None, "200 OK", 1_000_000, (true, Some(1_000_000))),
        case(false, "HEAD", None, "200 OK", 10, (false, None)),
        case(false, "GET", None, "204 No Content", 10, (false, None)),
        case(false, "GET", None, "304 Not Modified", 0, (false, None)),
        case(false, "POST", Some(0), "200 OK", 1, (false, Some(1))),
        case(false, "POST", Some(65_536), "502 Bad Gateway", 1, (false, Some(1))),
        case(true, "GET", None, "200 OK", 0, (true, None)),
        case(true, "GET", None, "200 OK", 1, (true, Some(1))),
        case(true, "HEAD", None, "200 OK", 10, (true, None)),
        case(true, "PUT", Some(0), "200 OK", 1, (true, Some(1))),
        case(true, "PUT", Some(10), "204 No Content", 0, (true, None)),
        case(true, "PUT", Some(300_000), "200 OK", 300_000, (true, Some(300_000))),
    ];
    let (mut stage, mut peer) = Stage::online(config()).await;
    for (index, case) in cases.iter().enumerate() {
        let id = format!("{index}_G1");
        let sent = case.sent.map(|size| "x".repeat(size));
        let mut rendezvous = None;
        if case.fetched {
            peer.say(short(&id)).await;
            let call = stage.call().await;
            assert!(call.target.target.ends_with(&format!("sb-hc-id={id}")));
            rendezvous = Some(call.open().await);
        }
        let source = rendezvous.as_mut().unwrap_or(&mut peer);
        source.say(full(&id, case.method, sent.is_some())).await;
        if let Some(body) = &sent {
            let (text, binary) = (body.clone(), !case.fetched);
            let (mut sink, stream) =
                futures_util::StreamExt::split(std::mem::replace(source, Peer::nowhere().await).0);
            let sending = tokio::spawn(async move {
                futures_util::SinkExt::send(&mut sink, Message::binary(text)).await.unwrap();
                sink
            });
            let (number, event) = stage.request().await;
            if binary {
                assert_eq!(event["body"].as_str(), Some(body.as_str()));
            } else {
                assert_eq!(event["headers"][2], json!(["Transfer-Encoding", "chunked"]));
                assert!(stage.listener.flow_body(number, true));
                assert_eq!(&stage.body(number).await, body);
            }
            source.0 = stream.reunite(sending.await.unwrap()).unwrap();
            assert!(stage.respond(number, case.status, &vec![7; case.answered]));
        } else {
            let (number, event) = stage.request().await;
            assert_eq!(event["headers"].as_array().unwrap().len(), 2, "{event}");
            assert!(stage.respond(number, case.status, &vec![7; case.answered]));
        }
        if case.expected.0 && !case.fetched {
            rendezvous = Some(stage.call().await.open().await);
        }
        let by = rendezvous.as_mut().unwrap_or(&mut peer);
        let (response, body) = by.answer().await;
        assert_eq!(
            (response["requestId"].as_str(), &response["statusDescription"]),
            (Some(&*id), &json!(case.status[4..]))
        );
        assert_eq!(body.map(|body| body.len()), case.expected.1, "case {index}");
        if let Some(rendezvous) = rendezvous {
            rendezvous.leave().await;
        }
    }
    let stats = stage.listener.stats();
    assert_eq!((stats.requests, stats.requests_pending, stats.requests_failed), (16, 0, 0));
    assert_eq!((stats.answers_by_channel, stats.answers_by_rendezvous), (8, 8));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_answered_with_400_and_told() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut message: Value = serde_json::from_str(&full("1", "GET", false)).unwrap();
        change(&mut message["request"]);
        message.to_string()
    };
    for (text, status) in [
        (with(&|request| request["requestTarget"] = json!("http://evil.example/")), 400),
        (with(&|request| request["requestTarget"] = json!("/a\r\nX: y")), 400),
        (with(&|request| request["method"] = json!("G\r\nT")), 400),
        (with(&|request| request["requestHeaders"] = json!({ "a b": "c" })), 400),
        (with(&|request| request["requestHeaders"] = json!({ "a": "b\r\nc: d" })), 400),
        (with(&|request| request["requestHeaders"] = json!({ "a": "b".repeat(40_000) })), 431),
    ] {
        peer.say(text).await;
        assert_eq!(peer.answer().await.0["statusCode"], status);
        stage.event("malformed").await;
    }
    // The text is a command as any other.
    peer.say(full("lost", "POST", true)).await;
    peer.say(full("next", "GET", false)).await;
    let (response, _) = peer.answer().await;
    assert_eq!((response["requestId"].as_str(), &response["statusCode"]), (Some("lost"), &json!(400)));
    stage.event("malformed").await;
    let (number, event) = stage.request().await;
    assert_eq!(event["id"], "next");
    assert!(stage.respond(number, "200 OK", b""));
    assert_eq!(peer.answer().await.0["requestId"], "next");
    // Names that mean something to JavaScript, and a request without anything that may be left out.
    peer.say(r#"{"request":{"id":"bare","method":"OPTIONS","requestTarget":"*","requestHeaders":{"__proto__":"x"}}}"#).await;
    let (number, event) = stage.request().await;
    assert_eq!((&event["target"], &event["headers"][1]), (&json!("*"), &json!(["__proto__", "x"])));
    assert!(stage.respond(number, "200 OK", b""));
    assert_eq!(peer.answer().await.0["requestId"], "bare");
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_sent_becomes_500() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(32 * 1024));
    for (head, code) in [(long.as_str(), "ERR_HYCO_LIMIT"), ("rubbish", "ERR_INVALID_ARG_VALUE")] {
        peer.say(full("1", "GET", false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.listener.respond(number, head.as_bytes().to_vec(), b"body".to_vec()));
        let (response, body) = peer.answer().await;
        assert_eq!((&response["statusCode"], body), (&json!(500), None));
        let event = stage.event("exchangeEnd").await;
        assert_eq!(
            (event["error"]["code"].as_str(), &event["error"]["trackingId"]),
            (Some(code), &json!("1"))
        );
    }
    // The same where it was to stream.
    peer.say(full("2", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.begin_answer(number, long.into_bytes()));
    stage.listener.write_answer(number, b"body");
    let mut rendezvous = stage.call().await.open().await;
    assert_eq!(rendezvous.answer().await.0["statusCode"], 500);
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_LIMIT"));
    assert!(!stage.listener.end_answer(number));
    assert_eq!(stage.listener.stats().requests_pending, 0);
    rendezvous.leave().await;
    stage.closed().await;
}
