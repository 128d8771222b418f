//! Requests outlive their control channel, and the listener waits for them or does not.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_replaced_channel_stays_until_its_requests_are_answered() {
    let mut config = config();
    config.recycle_after = Duration::from_secs(3600);
    let (mut stage, mut old) = Stage::online(config).await;
    // Who reads answers pings.
    let late = tokio::time::sleep(Duration::from_secs(3430));
    tokio::select! { () = late => {}, message = old.hear() => panic!("{message:?}") }
    let mut number = 0;
    let mut new = None;
    while new.is_none() {
        tokio::select! {
            call = stage.calls.recv() => new = Some(call.unwrap().open().await),
            message = old.hear() => panic!("{message:?}"),
            () = tokio::time::sleep(Duration::from_secs(15)) => {
                if number != 0 {
                    assert!(stage.respond(number, "200 OK", b""));
                    old.answer().await;
                }
                old.say(full("1", "GET", false)).await;
                number = stage.request().await.0;
            }
        }
    }
    stage.event("listening").await;
    let early = tokio::time::timeout(Duration::from_secs(30), old.hear()).await;
    assert!(early.is_err(), "it still owes an answer: {early:?}");
    assert!(stage.respond(number, "200 OK", b"late"));
    let _rendezvous = stage.calls.try_recv();
    let (_, body) = old.answer().await;
    assert_eq!(body.as_deref(), Some(&b"late"[..]));
    old.hears_close(1000).await;
    drop(new);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_channel_is_gone_goes_by_the_rendezvous() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (number, _) = stage.request().await;
    drop(peer);
    stage.event("reconnecting").await;
    let peer = stage.call().await.open().await;
    stage.event("listening").await;
    assert!(stage.respond(number, "200 OK", b"small"));
    let call = stage.call().await;
    assert!(call.target.target.contains("sb-hc-action=request"));
    let mut rendezvous = call.open().await;
    assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"small"[..]));
    let stats = stage.listener.stats();
    assert_eq!((stats.answers_by_channel, stats.answers_by_rendezvous), (0, 1));
    rendezvous.leave().await;
    drop(peer);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn with_drain_requests_are_finished_first_and_new_ones_get_503() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (small, _) = stage.request().await;
    peer.say(full("2", "GET", false)).await;
    let (streamed, _) = stage.request().await;
    assert!(stage.listener.begin_answer(streamed, head("200 OK")));
    let mut rendezvous = stage.call().await.open().await;
    stage.listener.close(true);
    peer.say(full("3", "GET", false)).await;
    assert_eq!(peer.answer().await.0["statusCode"], 503);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(stage.respond(small, "200 OK", b"done"));
    assert_eq!(peer.answer().await.1.as_deref(), Some(&b"done"[..]));
    assert!(stage.listener.write_answer(streamed, b"done"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!stage.listener.is_closed());
    assert!(stage.listener.end_answer(streamed));
    assert_eq!(rendezvous.answer().await.1.as_deref(), Some(&b"done"[..]));
    assert_eq!(stage.exchange_end(streamed).await, None);
    // Nobody is to come by it any more.
    rendezvous.hears_close(1000).await;
    peer.hears_close(1000).await;
    drop((peer, rendezvous));
    stage.event("closed").await;
}

#[tokio::test(start_paused = true)]
async fn without_drain_whoever_waits_gets_503_and_half_an_answer_is_cut() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(full("1", "GET", false)).await;
    let (waiting, _) = stage.request().await;
    peer.say(full("2", "GET", false)).await;
    let (streamed, _) = stage.request().await;
    assert!(stage.listener.begin_answer(streamed, head("200 OK")));
    assert!(stage.listener.write_answer(streamed, b"half"));
    let mut cut = stage.call().await.open().await;
    cut.hear_json().await;
    peer.say(short("3")).await;
    let mut fetched = stage.call().await.open().await;
    fetched.say(full("3", "POST", true)).await;
    let (third, _) = stage.request().await;
    peer.say(short("4")).await;
    let mut unsaid = stage.call().await.open().await;
    tokio::time::sleep(Duration::from_millis(1)).await;

    stage.listener.close(false);
    let mut ended = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let event = stage.event("exchangeEnd").await;
        assert_eq!(event["error"]["code"], "ERR_HYCO_ABORTED");
        ended.insert(event["number"].as_u64().unwrap());
    }
    assert_eq!(ended, [waiting, streamed, third].into());
    assert_eq!(peer.answer().await.0["statusCode"], 503);
    peer.hears_close(1000).await;
    cut.hears_close(1011).await;
    assert_eq!(fetched.answer().await.0["statusCode"], 503);
    fetched.hears_close(1000).await;
    unsaid.hears_close(1000).await;
    drop((peer, cut, fetched, unsaid));
    stage.event("closed").await;
    assert!(stage.events.try_recv().is_err(), "closed is the last event");
    assert!(!stage.respond(waiting, "200 OK", b""));
}

#[tokio::test(start_paused = true)]
async fn of_an_answer_that_is_complete_nothing_is_lost_with_the_rest_of_the_body() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let mut rendezvous = Vec::new();
    for id in ["1", "2"] {
        peer.say(short(id)).await;
        let mut fetched = stage.call().await.open().await;
        fetched.say(full(id, "POST", true)).await;
        rendezvous.push((stage.request().await.0, fetched));
    }
    let (answered, waiting) = (rendezvous[0].0, rendezvous[1].0);
    assert!(stage.respond(answered, "200 OK", b"early"));
    // Once more is no more.
    stage.listener.close(false);
    stage.listener.close(false);
    for _ in 0..2 {
        let event = stage.event("exchangeEnd").await;
        assert!([json!(answered), json!(waiting)].contains(&event["number"]), "{event}");
        assert_eq!(event["error"]["code"], "ERR_HYCO_ABORTED");
    }
    for ((_, fetched), (status, body)) in rendezvous.iter_mut().zip([(200, Some(&b"early"[..])), (503, None)])
    {
        let (response, came) = fetched.answer().await;
        assert_eq!((&response["statusCode"], came.as_deref()), (&json!(status), body));
        fetched.hears_close(1000).await;
    }
    assert_eq!(stage.listener.stats().requests_failed, 2);
    drop((peer, rendezvous));
    stage.event("closed").await;
    assert!(stage.events.try_recv().is_err(), "each is told once");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_hangs_holds_up_the_end_for_a_short_time() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(short("1")).await;
    let _fetching = stage.call().await;
    peer.say(full("2", "GET", false)).await;
    let (number, _) = stage.request().await;
    assert!(stage.respond(number, "200 OK", &[0; 100_000]));
    let _dialling = stage.call().await;
    let start = Instant::now();
    stage.listener.close(false);
    stage.event("closed").await;
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(peer);
}
