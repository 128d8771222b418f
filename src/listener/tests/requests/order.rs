//! Any order of fragments, pings and answers: nothing of one request is in another, and nothing comes between a head and its
//! body.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::frame::{self, OpCode};

/// One step of a conversation on a control channel.
#[derive(Debug, Clone)]
enum Step {
    /// A request comes, with a body of so many bytes, or one that waits elsewhere.
    Request(Option<usize>),
    Fetch(usize),
    Ping,
    /// The one of the open exchanges is answered with so many bytes.
    Answer(usize, usize),
    Stream(usize, usize),
    Cut(usize),
    Token,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::option::of(0usize..3000).prop_map(Step::Request),
        1 => (0usize..100_000).prop_map(Step::Fetch),
        1 => Just(Step::Ping),
        4 => (any::<usize>(), prop_oneof![0usize..3000, Just(65_536), Just(65_537)]).prop_map(|(which, size)| Step::Answer(which, size)),
        1 => (any::<usize>(), 0usize..100_000).prop_map(|(which, size)| Step::Stream(which, size)),
        1 => any::<usize>().prop_map(Step::Cut),
        1 => Just(Step::Token),
        1 => Just(Step::Wait),
    ]
}

/// What is said of exchange `id`: nobody else's bytes look like these.
fn text_of(id: &str, size: usize) -> String {
    id.chars().cycle().take(size).collect()
}

/// What came on a connection, by request: the body of its answer, if that was whole.
type Heard = BTreeMap<String, Option<String>>;

/// Reads answers until the end. Whatever comes between a head and its body fails.
async fn listen(
    mut peer: futures_util::stream::SplitStream<tokio_tungstenite::WebSocketStream<tokio::io::DuplexStream>>,
) -> Heard {
    let mut heard = Heard::new();
    let mut body_of: Option<String> = None;
    while let Some(Ok(message)) = futures_util::StreamExt::next(&mut peer).await {
        match message {
            Message::Text(text) => {
                assert!(body_of.is_none(), "between a head and its body: {text}");
                let message: Value = serde_json::from_str(&text).unwrap();
                let Some(id) = message["response"]["requestId"].as_str() else { continue };
                if message["response"]["body"] == true {
                    body_of = Some(id.to_owned());
                } else {
                    assert!(heard.insert(id.to_owned(), Some(String::new())).is_none());
                }
            }
            Message::Binary(body) => {
                let id = body_of.take().expect("a body without a head");
                assert!(heard.insert(id, Some(String::from_utf8(body.to_vec()).unwrap())).is_none());
            }
            _ => {}
        }
    }
    heard.extend(body_of.map(|id| (id, None)));
    heard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn nothing_of_one_request_is_in_another(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(conversation(steps));
    }

    #[test]
    fn a_body_arrives_whole_however_it_is_cut(
        cuts in proptest::collection::vec(0usize..5000, 1..20), pings in any::<u32>(), reads in 1usize..300
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(fragments(cuts, pings, reads));
    }
}

async fn conversation(steps: Vec<Step>) {
    let (mut stage, peer) = Stage::online(config()).await;
    let (mut say, hear) = futures_util::StreamExt::split(peer.0);
    let mut listening = vec![tokio::spawn(listen(hear))];
    let mut open: Vec<(u64, String)> = Vec::new();
    let mut expected = Heard::new();
    for (index, step) in steps.into_iter().enumerate() {
        // Letters, so that the body of each can be told.
        let id: String = index.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        match step {
            Step::Request(body) => {
                let text = full(&id, "POST", body.is_some());
                futures_util::SinkExt::feed(&mut say, Message::text(text)).await.unwrap();
                if let Some(size) = body {
                    futures_util::SinkExt::feed(&mut say, Message::Ping(Default::default())).await.unwrap();
                    futures_util::SinkExt::feed(&mut say, Message::binary(text_of(&id, size))).await.unwrap();
                }
                futures_util::SinkExt::flush(&mut say).await.unwrap();
                let (number, event) = stage.request().await;
                assert_eq!(event["body"].as_str(), body.map(|size| text_of(&id, size)).as_deref());
                open.push((number, id));
            }
            Step::Fetch(size) => {
                futures_util::SinkExt::send(&mut say, Message::text(short(&id))).await.unwrap();
                let mut rendezvous = loop {
                    let call = stage.call().await;
                    let mine = call.target.target.ends_with(&format!("id={id}"));
                    let peer = call.open().await;
                    if mine {
                        break peer;
                    }
                    listening.push(tokio::spawn(listen(futures_util::StreamExt::split(peer.0).1)));
                };
                rendezvous.say(full(&id, "POST", true)).await;
                let (number, _) = stage.request().await;
                assert!(stage.listener.flow_body(number, true));
                let (mut say, hear) = futures_util::StreamExt::split(rendezvous.0);
                listening.push(tokio::spawn(listen(hear)));
                let body = text_of(&id, size);
                let sending = tokio::spawn(async move {
                    futures_util::SinkExt::send(&mut say, Message::binary(body)).await.unwrap();
                });
                assert_eq!(stage.body(number).await, text_of(&id, size));
                sending.await.unwrap();
                open.push((number, id));
            }
            Step::Ping => {
                futures_util::SinkExt::send(&mut say, Message::Ping(Default::default())).await.unwrap();
            }
            Step::Token => stage.listener.update_token("another").unwrap(),
            Step::Wait => tokio::time::sleep(Duration::from_millis(1)).await,
            _ if open.is_empty() => {}
            Step::Answer(which, size) => {
                let (number, id) = open.swap_remove(which % open.len());
                assert!(stage.respond(number, "200 OK", text_of(&id, size).as_bytes()));
                expected.insert(id.clone(), Some(text_of(&id, size)));
            }
            Step::Stream(which, size) => {
                let (number, id) = open.swap_remove(which % open.len());
                assert!(stage.listener.begin_answer(number, head("200 OK")));
                for part in text_of(&id, size).as_bytes().chunks(7001) {
                    assert!(stage.listener.write_answer(number, part));
                }
                assert!(stage.listener.end_answer(number));
                expected.insert(id.clone(), Some(text_of(&id, size)));
            }
            Step::Cut(which) => {
                let (number, _) = open.swap_remove(which % open.len());
                assert!(stage.listener.cut_answer(number));
            }
        }
    }
    for (number, id) in open {
        assert!(stage.respond(number, "200 OK", id.as_bytes()));
        expected.insert(id.clone(), Some(id));
    }
    stage.listener.close(true);
    let opening = async {
        while let Some(call) = stage.calls.recv().await {
            let peer = call.open().await;
            listening.push(tokio::spawn(listen(futures_util::StreamExt::split(peer.0).1)));
            if stage.listener.is_closed() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), opening).await;
    stage.event("closed").await;
    let mut heard = Heard::new();
    for listener in listening {
        heard.extend(soon(listener).await.unwrap());
    }
    assert_eq!(heard, expected);
    assert_eq!(stage.listener.stats().requests_pending, 0);
}

async fn fragments(cuts: Vec<usize>, pings: u32, reads: usize) {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(short("1")).await;
    let rendezvous = stage.call().await.open_with(reads).await;
    let (mut bytes, mut body) = (Vec::new(), String::new());
    frame::encode(&mut bytes, OpCode::Text, true, false, None, full("1", "PUT", true).as_bytes());
    for (index, size) in cuts.iter().enumerate() {
        let part = text_of(&index.to_string(), *size);
        let opcode = if index == 0 { OpCode::Binary } else { OpCode::Continuation };
        frame::encode(&mut bytes, opcode, false, false, None, part.as_bytes());
        if pings >> index & 1 == 1 {
            frame::encode(&mut bytes, OpCode::Ping, true, false, None, b"still there?");
        }
        body.push_str(&part);
    }
    frame::encode(&mut bytes, OpCode::Continuation, true, false, None, b"");
    let (mut reader, mut writer) = tokio::io::split(rendezvous.0.into_inner());
    let sending = tokio::spawn(async move {
        writer.write_all(&bytes).await.unwrap();
        writer
    });
    // Who does not read would be waited for: the pongs have to go somewhere.
    let reading = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
    });
    let (number, _) = stage.request().await;
    assert!(stage.listener.flow_body(number, true));
    assert_eq!(stage.body(number).await, body);
    drop(soon(sending).await.unwrap());
    assert!(stage.respond(number, "200 OK", b""));
    reading.abort();
    drop(peer);
    stage.closed().await;
}
