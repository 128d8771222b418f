//! Answers that stream, and the life of a rendezvous.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_sender_s_next_request_comes_by_the_rendezvous_that_a_large_answer_took() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.respond(number, "200 OK", &[1; 100_000]));
    let mut rendezvous = stage.call().await.open().await;
    assert_eq!(rendezvous.answer().await.1.unwrap().len(), 100_000);
    for id in ["2", "3"] {
        rendezvous.say(full(id, "GET", false)).await;
        let (number, event) = stage.request().await;
        assert_eq!(event["id"], id);
        assert!(stage.respond(number, "200 OK", b"small"));
        let (response, body) = rendezvous.answer().await;
        assert_eq!((response["requestId"].as_str(), body.as_deref()), (Some(id), Some(&b"small"[..])));
    }
    // With a body, and an answer that streams.
    rendezvous.say(full("4", "POST", true)).await;
    rendezvous.send(binary(b"up")).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.begin_answer(number, head("200 OK")));
    stage.listener.flow_body(number, true);
    assert_eq!(stage.body(number).await, "up");
    assert!(stage.listener.write_answer(number, b"do"));
    assert!(stage.listener.write_answer(number, b"wn"));
    assert!(stage.listener.end_answer(number));
    assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"down"[..]));
    assert_eq!(stage.exchange_end(number).await, None);
    assert_eq!(stage.listener.stats().answers_by_rendezvous, 4);
    rendezvous.leave().await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_stream_goes_out_before_its_body_and_the_end_is_told() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.begin_answer(number, head("200 OK")));
    assert!(!stage.listener.begin_answer(number, head("200 OK")));
    let mut rendezvous = stage.call().await.open().await;
    assert_eq!(rendezvous.hear_json().await["response"]["body"], true);
    assert!(stage.listener.write_answer(number, b"event"));
    let event = stage.event("answerSent").await;
    assert_eq!((&event["number"], &event["bytes"]), (&json!(number), &json!(5)));
    assert!(stage.listener.end_answer(number));
    assert!(!stage.listener.write_answer(number, b"late"));
    assert_eq!(stage.exchange_end(number).await, None);
    assert_eq!(soon(rendezvous.hear()).await, Some(binary(b"event")));
    rendezvous.leave().await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_nothing_has_its_end_and_one_without_a_body_has_none() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for (method, status, body) in
        [("GET", "200 OK", true), ("HEAD", "200 OK", false), ("GET", "204 No", false)]
    {
        peer.say(full("1", method, false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.listener.begin_answer(number, head(status)));
        assert!(stage.listener.end_answer(number));
        let mut rendezvous = stage.call().await.open().await;
        assert_eq!(rendezvous.hear_json().await["response"]["body"], body);
        assert_eq!(stage.exchange_end(number).await, None);
        if body {
            assert_eq!(soon(rendezvous.hear()).await, Some(binary(b"")));
        }
        rendezvous.say(full("2", "GET", false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.respond(number, "200 OK", b"x"));
        assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"x"[..]));
        rendezvous.leave().await;
    }
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_never_looks_whole() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    // Nothing is out.
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.cut_answer(number));
    assert!(!stage.listener.cut_answer(number) && !stage.respond(number, "200 OK", b""));
    // The head is.
    peer.say(full("2", "GET", false)).await;
    let (number, _) = stage.request().await;
    stage.listener.begin_answer(number, head("200 OK"));
    stage.listener.write_answer(number, b"half");
    let mut rendezvous = stage.call().await.open().await;
    rendezvous.hear_json().await;
    stage.event("answerSent").await;
    assert!(stage.listener.cut_answer(number));
    // A message that has begun and has no end is no message: the close comes instead.
    rendezvous.hears_close(1011).await;
    drop(rendezvous);
    // While it is dialled.
    peer.say(full("3", "GET", false)).await;
    let (number, _) = stage.request().await;
    stage.listener.begin_answer(number, head("200 OK"));
    let call = stage.call().await;
    assert!(stage.listener.cut_answer(number));
    call.open().await.hears_close(1011).await;
    let stats = stage.listener.stats();
    assert_eq!((stats.requests_pending, stats.requests_failed), (0, 3));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_leaves_is_noticed_wherever_the_exchange_is() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for point in 0..4 {
        peer.say(short("1")).await;
        let mut rendezvous = stage.call().await.open().await;
        rendezvous.say(full("1", "POST", true)).await;
        let (number, _) = stage.request().await;
        if point > 0 {
            assert!(stage.listener.flow_body(number, true));
        }
        if point > 1 {
            stage.listener.begin_answer(number, head("200 OK"));
            rendezvous.hear_json().await;
        }
        if point > 2 {
            // All is said; of the request's body some is left.
            stage.listener.end_answer(number);
            assert_eq!(stage.exchange_end(number).await, None);
        }
        if point == 0 {
            // Nobody reads: the listener learns of it when somebody does.
            rendezvous.shut(1001, "").await;
            stage.listener.flow_body(number, true);
        } else {
            rendezvous.leave().await;
        }
        assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_DISCONNECTED"), "{point}");
        assert!(!stage.listener.end_answer(number) && !stage.listener.flow_body(number, true));
    }
    assert_eq!(stage.listener.stats().requests_pending, 0);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_until_it_is_wanted() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(short("1")).await;
    let mut rendezvous = stage.call().await.open_with(1024).await;
    rendezvous.say(full("1", "POST", true)).await;
    let (number, _) = stage.request().await;
    let sending = tokio::spawn(async move {
        rendezvous.send(Message::binary(vec![b'x'; 1 << 20])).await;
        rendezvous
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!sending.is_finished(), "nobody has asked for it");
    assert!(stage.listener.flow_body(number, true));
    stage.event("body").await;
    assert!(stage.listener.flow_body(number, false));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!sending.is_finished());
    // The answer need not wait for it.
    assert!(stage.respond(number, "200 OK", b"early"));
    assert!(stage.listener.flow_body(number, true));
    stage.body(number).await;
    let mut rendezvous = soon(sending).await.unwrap();
    assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"early"[..]));
    assert!(!stage.listener.flow_body(number, true), "it is at its end");
    rendezvous.say(full("2", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.respond(number, "200 OK", b""));
    assert_eq!(rendezvous.answer().await.0["requestId"], "2");
    rendezvous.leave().await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_s_rendezvous_is_dialled_early_and_takes_the_answer() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let start = Instant::now();
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    let mut rendezvous = stage.call().await.open().await;
    assert_eq!(start.elapsed().as_secs(), 20);
    assert_eq!(stage.event("slowRequest").await["number"], number);
    assert_eq!(start.elapsed().as_secs(), 55);
    assert!(stage.respond(number, "200 OK", b"at last"));
    assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"at last"[..]));
    // On demand it is dialled at once, and once.
    peer.say(full("2", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.listener.dial_request(number));
    assert!(!stage.listener.dial_request(number));
    let second = stage.call().await.open().await;
    second.leave().await;
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_DISCONNECTED"));
    rendezvous.leave().await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_answer_after_a_minute() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let reader = tokio::spawn(async move {
        peer.say(full("1", "GET", false)).await;
        (peer.hear().await, peer)
    });
    let (number, _) = stage.request().await;
    let start = Instant::now();
    let mut rendezvous = stage.call().await.open().await;
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_TIMEOUT"));
    assert_eq!(start.elapsed().as_secs(), 60);
    rendezvous.hears_close(1011).await;
    assert!(!stage.respond(number, "200 OK", b"late"));
    assert!(!reader.is_finished(), "a late answer is dropped");
    assert_eq!(stage.listener.stats().requests_pending, 0);
    reader.abort();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_rendezvous_that_is_refused_costs_only_what_needs_it() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    // A small answer, before and after the refusal, does without.
    for early in [false, true] {
        peer.say(full("1", "GET", false)).await;
        let (number, _) = stage.request().await;
        assert!(stage.listener.dial_request(number));
        let call = stage.call().await;
        if early {
            assert!(stage.respond(number, "200 OK", b"small"));
        }
        call.refuse(403, "expired");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !early {
            assert!(stage.respond(number, "200 OK", b"small"));
        }
        assert_eq!(peer.answer().await.1.as_deref(), Some(&b"small"[..]));
    }
    for large in [true, false] {
        peer.say(full("2", "GET", false)).await;
        let (number, _) = stage.request().await;
        if large {
            assert!(stage.respond(number, "200 OK", &[0; 100_000]));
        } else {
            assert!(stage.listener.begin_answer(number, head("200 OK")));
        }
        stage.call().await.refuse(403, "expired");
        assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_FORBIDDEN"));
    }
    // One that no host rule allows is not even dialled.
    let mut message: Value = serde_json::from_str(&full("3", "GET", false)).unwrap();
    message["request"]["address"] = json!("wss://evil.example/");
    peer.say(message.to_string()).await;
    let (number, _) = stage.request().await;
    assert!(stage.respond(number, "200 OK", &[0; 100_000]));
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_PROTOCOL"));
    assert!(stage.calls.try_recv().is_err());
    assert_eq!(stage.listener.stats().requests_pending, 0);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_breaks_the_rules_at_a_rendezvous_loses_it_alone() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for text in ["{", r#"{"accept":{"address":"wss://x"}}"#, &short("1"), &"x".repeat(300_000)] {
        peer.say(short("1")).await;
        let mut rendezvous = stage.call().await.open().await;
        rendezvous.say(text).await;
        rendezvous.hears_close(1002).await;
        assert_eq!(stage.event("requestLost").await["error"]["code"], "ERR_HYCO_PROTOCOL");
    }
    // A request that cannot be one.
    peer.say(short("1")).await;
    let mut rendezvous = stage.call().await.open().await;
    rendezvous.say(full("1", "G T", false)).await;
    assert_eq!(rendezvous.answer().await.0["statusCode"], 400);
    assert_eq!(stage.event("requestLost").await["error"]["code"], "ERR_HYCO_PROTOCOL");
    // A second request before the first is answered.
    peer.say(short("2")).await;
    let mut rendezvous = stage.call().await.open().await;
    rendezvous.say(full("2", "GET", false)).await;
    rendezvous.say(full("3", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert_eq!(stage.exchange_end(number).await.as_deref(), Some("ERR_HYCO_PROTOCOL"));
    rendezvous.hears_close(1002).await;
    // Bytes that are no frames, and an end without goodbye.
    for bytes in [&[0xff; 4][..], &[]] {
        peer.say(short("4")).await;
        let mut rendezvous = stage.call().await.open().await;
        rendezvous.say(full("4", "GET", false)).await;
        let (number, _) = stage.request().await;
        tokio::io::AsyncWriteExt::write_all(rendezvous.0.get_mut(), bytes).await.unwrap();
        drop(rendezvous);
        stage.exchange_end(number).await.unwrap();
    }
    let stats = stage.listener.stats();
    assert_eq!((stats.requests_pending, stats.online), (0, 1));
    stage.closed().await;
}
