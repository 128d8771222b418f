//! What a hostile relay can make a listener keep is bounded, in bytes too.

use super::*;
use crate::listener::offers::Offers;
use crate::listener::stats::CountingSink;
use crate::protocol::address::Address;
use crate::protocol::control::{self, Accept};

#[tokio::test(start_paused = true)]
async fn thousands_of_accepts_at_once_stay_bounded() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_pending_accepts: 2, ..config() }).await;
    for number in 0..5000 {
        peer.say(accept(number)).await;
    }
    peer.say("end").await;
    stage.event("malformed").await;
    let stats = stage.listener.stats();
    assert_eq!((stats.offers, stats.pending, stats.rejected), (5000, 2, 4998));
    assert!(stats.rejects_dropped >= 5000 - 1024 - 2 - 16, "{stats:?}");
    let mut calls = Vec::new();
    while let Ok(call) = stage.calls.try_recv() {
        assert!(call.target.target.contains("statusCode=503"));
        calls.push(call);
    }
    assert_eq!(calls.len(), 16, "no more dials at once than that");
    calls.pop().unwrap().refuse(410, "");
    drop(stage.call().await);
    assert_eq!(stage.listener.stats().online, 1);
    while let Ok(event) = stage.events.try_recv() {
        assert_ne!(event["type"], "offer", "the owner does not hear of them");
    }
}

#[tokio::test(start_paused = true)]
async fn rejections_that_wait_hold_a_bounded_number_of_bytes() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_pending_accepts: 0, ..config() }).await;
    let long = format!("wss://g1-sb.servicebus.windows.net/{}", "a".repeat(250_000));
    for _ in 0..100 {
        peer.say(accept_at(&long)).await;
    }
    peer.say("end").await;
    stage.event("malformed").await;
    let stats = stage.listener.stats();
    assert_eq!((stats.rejected, stats.rejects_dropped), (100, 100 - (16 << 20) / 250_001));
    // What was given frees its place.
    for _ in 0..50 {
        stage.call().await.refuse(410, "");
    }
    peer.say(accept_at(&long)).await;
    while !stage.call().await.target.target.contains("aaa") {}
    drop(stage);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_being_dialled_is_still_among_the_pending_ones() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_pending_accepts: 1, ..config() }).await;
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    let pending = stage.listener.accept(id).unwrap().pending;
    peer.say(accept(2)).await;
    stage.call().await.refuse(410, "");
    pending.opened();
    peer.say(accept(3)).await;
    assert_eq!(stage.event("offer").await["refused"], serde_json::Value::Null);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded_from_the_offer_until_they_have_left() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_connections: 2, ..config() }).await;
    peer.say(accept(1)).await;
    let first = id_of(&stage.event("offer").await);
    stage.listener.accept(first).unwrap().pending.opened();
    peer.say(accept(2)).await;
    let second = id_of(&stage.event("offer").await);
    // Each of these is told, with what it got already.
    peer.say(accept(3)).await;
    let event = stage.event("offer").await;
    assert_eq!(event["refused"], 503);
    assert!(stage.listener.accept(id_of(&event)).is_none());
    let call = stage.call().await;
    assert!(call.target.target.contains("sb-hc-id=3&sb-hc-statusCode=503"));
    call.refuse(410, "");
    let dialling = stage.listener.accept(second).unwrap();
    peer.say(accept(4)).await;
    assert_eq!(stage.event("offer").await["refused"], 503);
    // One that fails makes room, and so does one that leaves.
    drop(dialling);
    stage.listener.left();
    for id in [5, 6] {
        peer.say(accept(id)).await;
        assert_eq!(stage.event("offer").await["refused"], serde_json::Value::Null);
    }
    peer.say(accept(7)).await;
    assert_eq!(stage.event("offer").await["refused"], 503);
    let stats = stage.listener.stats();
    assert_eq!((stats.offers, stats.accepted, stats.rejected, stats.failed), (7, 1, 3, 1));
}

#[test]
fn offers_that_wait_hold_a_bounded_number_of_bytes() {
    let sink = Arc::new(CountingSink::new(Arc::new(|_: ListenerEvent| {})));
    let offers = Arc::new(Offers::new(
        &ListenerConfig { max_pending_accepts: usize::MAX, ..config() },
        sink,
        Arc::default(),
    ));
    let address = Address::parse("wss://h.example.com/").unwrap();
    let accept = Accept {
        address: "a".repeat(3 << 20),
        id: String::new(),
        connect_headers: vec![("a".into(), "b".repeat(1 << 20))],
        remote_endpoint: None,
    };
    let fill = || {
        let mut ids = Vec::new();
        while let Ok(id) = offers.receive(&accept, address.clone()) {
            ids.push(id);
        }
        let count = ids.len();
        ids.into_iter().for_each(|id| drop(offers.accept(id)));
        count
    };
    assert_eq!(fill(), 16);
    assert_eq!(fill(), 16, "nothing is counted for ever");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_read_costs_bounded_memory() {
    // Many small answers, and few large ones: 1,024 of the latter would be 32 MiB.
    flood_unread(5000, 1).await;
    flood_unread(100, control::MAX_ID).await;
}

/// Requests without anybody who reads the answers.
async fn flood_unread(count: usize, id: usize) {
    // What waits for a program is bounded elsewhere: these are the answers that the listener makes by itself.
    let mut stage = Stage::new(ListenerConfig { max_pending_requests: 0, ..config() });
    let mut peer = stage.call().await.open_with(256).await;
    stage.event("listening").await;
    let (mut tell, _hold) = futures_util::StreamExt::split(peer.0);
    let flood = tokio::spawn(async move {
        let id = "r".repeat(id);
        for _ in 0..count {
            let text =
                format!(r#"{{"request":{{"id":"{id}","method":"GET","requestTarget":"/","body":false}}}}"#);
            if futures_util::SinkExt::send(&mut tell, Message::text(text)).await.is_err() {
                break;
            }
        }
        tell
    });
    let event = stage.event("reconnecting").await;
    assert!(event["reason"].as_str().unwrap().contains("does not read"), "{event}");
    drop(flood);
    peer = stage.call().await.open().await;
    drop(peer);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_id_that_no_sender_can_have_is_not_repeated() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let address = "wss://g1-sb.servicebus.windows.net/$hc/hyco";
    for length in [control::MAX_ID, control::MAX_ID + 1] {
        let id = "r".repeat(length);
        let full = serde_json::json!({ "id": id, "method": "GET", "requestTarget": "/", "body": false });
        peer.say(serde_json::json!({ "request": full }).to_string()).await;
        if length <= control::MAX_ID {
            let number = stage.event("request").await["number"].as_u64().unwrap();
            assert!(stage.listener.respond(number, b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Vec::new()));
            assert_eq!(peer.hear_json().await["response"]["requestId"], id);
        } else {
            assert!(stage.event("malformed").await["message"].as_str().unwrap().contains("id"));
            peer.say(serde_json::json!({ "request": { "id": id, "address": address } }).to_string()).await;
            stage.event("malformed").await;
        }
    }
    assert!(stage.calls.try_recv().is_err());
    stage.closed().await;
}
