//! What is beyond a limit gets 503, and is not counted for ever.

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_at_once_stay_bounded() {
    let (mut stage, peer) = Stage::online(ListenerConfig { max_pending_requests: 100, ..config() }).await;
    let (mut tell, mut hear) = futures_util::StreamExt::split(peer.0);
    let telling = tokio::spawn(async move {
        for number in 0..10_000 {
            let text = full(&number.to_string(), "GET", false);
            futures_util::SinkExt::send(&mut tell, Message::text(text)).await.unwrap();
        }
        tell
    });
    let mut refused = 0;
    while refused < 9_900 {
        let message = soon(futures_util::StreamExt::next(&mut hear)).await.unwrap().unwrap();
        if let Message::Text(text) = message {
            assert!(text.contains(r#""statusCode":503"#), "{text}");
            refused += 1;
        }
    }
    let stats = stage.listener.stats();
    assert_eq!((stats.requests, stats.requests_pending, stats.requests_refused), (10_000, 100, 9_900));
    for _ in 0..100 {
        let (number, _) = stage.request().await;
        assert!(stage.respond(number, "200 OK", b"x"));
    }
    assert!(stage.events.try_recv().is_err(), "the program does not hear of the others");
    let mut peer = Peer(hear.reunite(telling.await.unwrap()).unwrap());
    for _ in 0..100 {
        assert_eq!(peer.answer().await.0["statusCode"], 200);
    }
    assert_eq!(stage.listener.stats().requests_pending, 0);
    peer.say(full("more", "GET", false)).await;
    stage.request().await;
    drop(peer);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_here_hold_a_bounded_number_of_bytes() {
    let (mut stage, mut peer) =
        Stage::online(ListenerConfig { max_request_bytes: 100_000, ..config() }).await;
    for round in 0..2 {
        peer.say(full("1", "POST", true)).await;
        peer.send(binary(&[b'x'; 60_000])).await;
        let (number, _) = stage.request().await;
        peer.say(full("2", "POST", true)).await;
        peer.send(binary(&[b'x'; 60_000])).await;
        let (response, _) = peer.answer().await;
        assert_eq!((&response["requestId"], &response["statusCode"]), (&json!("2"), &json!(503)), "{round}");
        assert!(stage.respond(number, "200 OK", b""));
        assert_eq!(peer.answer().await.0["requestId"], "1");
    }
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_elsewhere_are_bounded_and_refused_there() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_pending_requests: 0, ..config() }).await;
    for _ in 0..1000 {
        peer.say(short("1")).await;
    }
    peer.say("end").await;
    stage.event("malformed").await;
    let mut calls = Vec::new();
    while let Ok(call) = stage.calls.try_recv() {
        calls.push(call);
    }
    assert_eq!(calls.len(), 64, "no more are fetched only to be refused");
    let mut rendezvous = calls.pop().unwrap().open().await;
    rendezvous.say(full("1", "POST", true)).await;
    assert_eq!(rendezvous.answer().await.0["statusCode"], 503);
    rendezvous.hears_close(1000).await;
    drop((rendezvous, calls));
    assert_eq!(stage.listener.stats().requests_refused, 1000);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_dialled_at_once() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for number in 0..100 {
        peer.say(full(&number.to_string(), "GET", false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.listener.dial_request(number));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut calls = Vec::new();
    while let Ok(call) = stage.calls.try_recv() {
        calls.push(call);
    }
    assert_eq!(calls.len(), 64);
    calls.pop().unwrap().refuse(403, "");
    drop(stage.call().await);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn of_idle_rendezvous_so_many_are_kept() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let mut kept = Vec::new();
    for number in 0..257 {
        peer.say(short(&number.to_string())).await;
        let mut rendezvous = stage.call().await.open().await;
        rendezvous.say(full(&number.to_string(), "GET", false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.respond(number, "200 OK", b""));
        rendezvous.answer().await;
        kept.push(rendezvous);
    }
    let mut last = kept.pop().unwrap();
    last.hears_close(1000).await;
    // The others are good for another.
    kept[0].say(full("again", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.respond(number, "200 OK", b""));
    assert_eq!(kept[0].answer().await.0["requestId"], "again");
    // A silent connection is dead some time.
    let start = Instant::now();
    kept[0].hears_close(1000).await;
    assert_eq!(start.elapsed().as_secs(), 300);
    drop(kept);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_does_not_read_costs_bounded_memory() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.begin_answer(number, head("200 OK")));
    let rendezvous = stage.call().await.open_with(1024).await;
    let chunk = vec![0; 1 << 20];
    let mut written = 0;
    while stage.listener.write_answer(number, &chunk) {
        written += 1;
        assert!(written <= 260);
    }
    assert!(written >= 256);
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_LIMIT"));
    drop(rendezvous);
    stage.closed().await;
}
