use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::*;

mod bounds;
mod hosts;
mod network;
mod panics;
mod relay;
mod requests;
use relay::*;

fn id_of(event: &serde_json::Value) -> u64 {
    event["id"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_offer_becomes_a_rendezvous_with_its_address_verbatim() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(accept(1)).await;
    peer.say(accept(1)).await;
    let first = stage.event("offer").await;
    let second = stage.event("offer").await;
    assert_ne!(id_of(&first), id_of(&second), "duplicate ids of the relay are two offers");
    assert_eq!(first["target"], "/hyco/a%20b?x=1");
    let told: serde_json::Value = serde_json::from_str(&accept(1)).unwrap();
    assert_eq!(first["accept"]["address"], told["accept"]["address"]);
    assert_eq!(first["accept"]["connectHeaders"], told["accept"]["connectHeaders"]);
    assert_eq!(first["host"], "g1-sb.servicebus.windows.net");
    let mut rendezvous = stage.listener.accept(id_of(&first)).unwrap();
    assert!(stage.listener.accept(id_of(&first)).is_none());
    assert_eq!(rendezvous.address.target, "/$hc/hyco/a%20b?x=1&sb-hc-action=accept&sb-hc-id=1");
    assert_eq!(rendezvous.extensions.as_deref(), Some("permessage-deflate"));
    let request = rendezvous.dial_request(Some("b"), None, &["X-A: 1".into()]);
    assert_eq!((request.host.as_str(), request.port), ("g1-sb.servicebus.windows.net", 443));
    assert!(request.head.contains("Sec-WebSocket-Protocol: b\r\nX-A: 1\r\n"));
    assert!(!request.head.contains("ServiceBusAuthorization"));
    let smuggled = rendezvous.dial_request(None, None, &["X: a\r\nY: b".into()]);
    assert!(smuggled.head.request("GET", "/").is_err());
    assert!(stage.listener.reject(id_of(&second), 503, ""));
    let stats = stage.listener.stats();
    assert_eq!((stats.offers, stats.accepted, stats.pending, stats.dials), (2, 0, 0, 1));
    tokio::time::sleep(Duration::from_millis(30)).await;
    rendezvous.pending.opened();
    let stats = stage.listener.stats();
    assert_eq!((stats.accepted, stats.rejected, stats.failed), (1, 1, 0));
    assert_eq!((stats.accept_latency.count, stats.accept_latency.max), (1, 30.0));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_done_when_the_relay_says_gone() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for (status, failure) in
        [(Some(410), None), (Some(403), Some("ERR_HYCO_FORBIDDEN")), (None, Some("ERR_HYCO_PROTOCOL"))]
    {
        peer.say(accept(1)).await;
        let id = id_of(&stage.event("offer").await);
        assert!(stage.listener.reject(id, 401, "Not you\r\nX: y"));
        assert!(!stage.listener.reject(id, 401, ""));
        let call = stage.call().await;
        let tail = "&sb-hc-id=1&sb-hc-statusCode=401&sb-hc-statusDescription=Not+you++X%3A+y";
        assert!(call.target.target.ends_with(tail), "{}", *call.target.target);
        match status {
            Some(status) => call.refuse(status, "x"),
            None => drop(call.open().await),
        }
        if let Some(code) = failure {
            let event = stage.event("rejectFailed").await;
            assert_eq!((id_of(&event), event["error"]["code"].as_str()), (id, Some(code)));
        }
    }
    let stats = stage.listener.stats();
    assert_eq!((stats.rejected, stats.reject_failures), (3, 2));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_nobody_decides_is_rejected_in_time() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let start = Instant::now();
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    assert_eq!(stage.turned_away().await, (id, 504));
    assert_eq!(start.elapsed().as_secs(), 20);
    let call = stage.call().await;
    let tail = "&sb-hc-statusCode=504&sb-hc-statusDescription=Gateway+Timeout";
    assert!(call.target.target.ends_with(tail), "{}", *call.target.target);
    call.refuse(410, "");
    assert!(stage.listener.accept(id).is_none());
    let stats = stage.listener.stats();
    assert_eq!((stats.offers, stats.rejected, stats.expired, stats.failed), (1, 1, 1, 0));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn absurd_addresses_are_never_dialled() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for address in [
        "wss://evil.example/$hc/hyco?sb-hc-action=accept",
        "ws://g1-sb.servicebus.windows.net/$hc/hyco",
        "https://g1-sb.servicebus.windows.net/$hc/hyco",
        "wss://169.254.169.254/latest",
        "wss://g1-sb.servicebus.windows.net/a\r\nX: y",
        "rubbish",
    ] {
        peer.say(accept_at(address)).await;
        stage.event("malformed").await;
        peer.say(serde_json::json!({ "request": { "address": address, "id": "1" } }).to_string()).await;
        stage.event("malformed").await;
    }
    assert!(stage.calls.try_recv().is_err());
    assert_eq!(stage.listener.stats().offers, 0);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn malformed_and_huge_messages_are_survived() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    for text in ["{", "[]", r#"{"accept":{"address":7}}"#, r#"{"tomorrow":{}}"#] {
        peer.say(text).await;
        stage.event("malformed").await;
    }
    peer.send(Message::binary(vec![1, 2, 3])).await;
    stage.event("malformed").await;
    peer.say("x".repeat(300 * 1024)).await;
    assert!(stage.event("malformed").await["message"].as_str().unwrap().contains("longer"));
    peer.say(accept(1)).await;
    stage.event("offer").await;
    // More than the socket takes at all: the channel goes, the listener stays.
    let flood = tokio::spawn(async move {
        let _ = futures_util::SinkExt::send(&mut peer.0, Message::text("x".repeat(2 << 20))).await;
    });
    stage.event("reconnecting").await;
    let _peer = stage.call().await.open().await;
    stage.event("listening").await;
    flood.await.unwrap();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_offer_survives_the_loss_of_its_channel() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    drop(peer);
    stage.event("reconnecting").await;
    assert_eq!(stage.listener.stats().online, 0);
    assert!(stage.listener.accept(id).is_some());
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_daily_recycle_is_answered_when_the_new_channel_is_up() {
    let (mut stage, mut old) = Stage::online(config()).await;
    old.shut(1011, "NameRenewalFailed. TrackingId:1").await;
    let call = stage.call().await;
    let early = tokio::time::timeout(Duration::from_secs(1), old.hear()).await;
    assert!(early.is_err(), "the old channel is still open: {early:?}");
    let mut new = call.open().await;
    let event = stage.event("listening").await;
    assert_eq!(event["replaced"], true);
    assert!(matches!(soon(old.hear()).await, Some(Message::Close(_)) | None));
    new.say(accept(1)).await;
    stage.event("offer").await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_healthy_channel_is_replaced_before_the_service_recycles_it() {
    let mut config = config();
    config.recycle_after = Duration::from_secs(3600);
    let (mut stage, mut old) = Stage::online(config).await;
    let answering = tokio::spawn(async move {
        let seen = old.hear().await;
        (old, seen)
    });
    let mut new = stage.call().await.open().await;
    assert_eq!(stage.event("listening").await["replaced"], true);
    let (_, seen) = soon(answering).await.unwrap();
    assert!(matches!(seen, Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1000));
    new.say(accept(1)).await;
    stage.event("offer").await;
    assert_eq!(stage.listener.stats().reconnects, 0);
    stage.closed().await;
}

fn sas(life: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    format!(
        "SharedAccessSignature sr=http%3A%2F%2Fns%2F&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&se={}&skn=k",
        now + life
    )
}

#[tokio::test(start_paused = true)]
async fn tokens_are_asked_for_put_in_the_header_and_renewed() {
    let mut stage = Stage::new(ListenerConfig { rule: None, ..config() });
    stage.event("token").await;
    let first = sas(600);
    stage.listener.provide_token(first.clone());
    let call = stage.call().await;
    assert!(call.target.head.contains(&format!("ServiceBusAuthorization: {first}\r\n")));
    assert!(call.target.target.starts_with("/$hc/hyco?sb-hc-action=listen&sb-hc-id="));
    let mut peer = call.open().await;
    let start = Instant::now();
    let renewal = tokio::spawn(async move { (peer.hear_json().await, peer) });
    stage.event("token").await;
    assert!((280..=300).contains(&start.elapsed().as_secs()));
    let second = sas(1200);
    stage.listener.provide_token(second.clone());
    let (json, _peer) = soon(renewal).await.unwrap();
    assert_eq!(json["renewToken"]["token"], second);
    stage.event("tokenRenewed").await;
    let stats = stage.listener.stats();
    assert_eq!((stats.tokens, stats.renewals, stats.reconnects), (2, 1, 0));
    stage.closed().await;
}

fn token_of(head: &str) -> String {
    let value = head.split("ServiceBusAuthorization: ").nth(1).unwrap();
    value.split("\r\n").next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn of_a_rule_tokens_are_made_and_renewed_without_the_owner() {
    let verify = |token: &str, key: &str| crate::sas::parse(token).unwrap().is_signed_with(key);
    let audience = "wss://ns.servicebus.windows.net/$hc/hyco";
    let lifetime = Duration::from_secs(600);
    let rule = SasRule { lifetime, ..rule(&["rotated away", "good"], audience) };
    let mut stage = Stage::new(ListenerConfig { rule: Some(rule), ..config() });
    let call = stage.call().await;
    assert!(verify(&token_of(&call.target.head), "rotated away"));
    call.refuse(401, "The token has an invalid signature");
    let call = stage.call().await;
    assert!(verify(&token_of(&call.target.head), "good"));
    let mut peer = call.open().await;
    // Who reads answers pings.
    let reader = tokio::spawn(async move { (peer.hear_json().await, peer.hear().await) });
    let start = Instant::now();
    let mut kinds = Vec::new();
    // By the wall clock no time passes: the second token may be the first one again, which is complained of.
    while !kinds.iter().any(|kind| kind == "tokenRenewed" || kind == "error") {
        let event = soon(stage.events.recv()).await.unwrap();
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert!((280..=300).contains(&start.elapsed().as_secs()));
    assert!(!kinds.iter().any(|kind| kind == "token"), "{kinds:?}");
    assert_eq!(stage.listener.stats().tokens, 3);
    reader.abort();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_sign_is_told_of_and_tried_again() {
    let mut stage = Stage::new(ListenerConfig { rule: Some(rule(&["key"], "no uri")), ..config() });
    for _ in 0..2 {
        assert_eq!(stage.event("tokenFailed").await["error"]["code"], "ERR_HYCO_TOKEN");
    }
    stage.listener.update_token("good").unwrap();
    assert_eq!(token_of(&stage.call().await.target.head), "good");
    stage.closed().await;
    let none = ListenerConfig { rule: Some(rule(&[], "wss://ns/x")), ..config() }.checked();
    assert_eq!(none.unwrap_err().kind, ErrorKind::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_asked_for_afresh_and_odd_tokens_are_failures() {
    let mut stage = Stage::new(ListenerConfig { rule: None, ..config() });
    stage.event("token").await;
    stage.listener.provide_token("first".into());
    stage.call().await.refuse(401, "The token has an invalid signature. TrackingId:7_G1, x");
    let event = stage.event("reconnecting").await;
    assert_eq!((event["delay"].as_u64(), event["error"]["trackingId"].as_str()), (Some(0), Some("7_G1")));
    stage.event("token").await;
    stage.listener.provide_token("bad\r\nX: y".into());
    let error = stage.event("error").await;
    assert_eq!(
        (error["error"]["code"].as_str(), error["terminal"].as_bool()),
        (Some("ERR_HYCO_TOKEN"), Some(false))
    );
    stage.event("token").await;
    stage.listener.fail_token("the vault is shut");
    stage.event("token").await;
    stage.listener.provide_token("third".into());
    stage.call().await.refuse(403, "no");
    stage.event("offline").await;
    assert_eq!(stage.listener.stats().online, 0);
    assert!(stage.listener.update_token("").is_err());
    stage.listener.update_token("good").unwrap();
    let call = stage.call().await;
    assert!(call.target.head.contains("ServiceBusAuthorization: good\r\n"));
    let _peer = call.open().await;
    stage.event("listening").await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_token_of_the_owner_is_sent_at_once() {
    let uri = format!("{LISTEN}&sb-hc-token=abc");
    let config = ListenerConfig { rule: config().rule, ..ListenerConfig::new(&uri).unwrap() };
    let mut stage = Stage::new(config);
    let call = stage.call().await;
    assert!(!call.target.target.contains("sb-hc-token"), "tokens travel in the header");
    let mut peer = call.open().await;
    stage.event("listening").await;
    stage.listener.update_token("rotated").unwrap();
    assert_eq!(peer.hear_json().await["renewToken"]["token"], "rotated");
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_network_is_found_out_within_two_intervals() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say("{").await;
    stage.event("malformed").await;
    let start = Instant::now();
    // Nobody reads the peer's end any more: pings go out, nothing comes back.
    let event = stage.event("reconnecting").await;
    assert!(event["reason"].as_str().unwrap().contains("dead"));
    assert!(start.elapsed() <= Duration::from_secs(60));
    drop(peer);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_named() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    assert!(stage.listener.reject(id, 401, ""));
    let _unanswered = stage.call().await;
    let event = stage.event("rejectFailed").await;
    assert_eq!((id_of(&event), event["error"]["code"].as_str()), (id, Some("ERR_HYCO_TIMEOUT")));
    assert_eq!(event["error"]["message"], "The rejection could not be answered in time");
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_round_trip_is_in_milliseconds() {
    let (stage, mut peer) = Stage::online(config()).await;
    assert_eq!(stage.listener.stats().rtt, None);
    // The first ping went out at once, and the relay takes its time.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    tokio::select! {
        _ = peer.hear() => unreachable!("there are pings alone"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
    assert_eq!(stage.listener.stats().rtt, Some(2500.0));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn answered_pings_keep_the_channel_and_measure_it() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    let reader = tokio::spawn(async move { peer.hear().await });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.listener.stats().online, 1);
    assert!(stage.listener.stats().rtt.is_some());
    stage.listener.close(false);
    assert!(
        matches!(soon(reader).await.unwrap(), Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1000)
    );
    stage.event("closed").await;
}

#[tokio::test(start_paused = true)]
async fn several_channels_share_one_question_and_stand_in_for_each_other() {
    let mut stage = Stage::new(ListenerConfig { rule: None, control_channels: 3, ..config() });
    stage.event("token").await;
    stage.listener.provide_token("t".into());
    let mut peers = Vec::new();
    let mut targets = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let call = stage.call().await;
        targets.insert(call.target.target.to_string());
        peers.push(call.open().await);
        stage.event("listening").await;
    }
    assert_eq!(targets.len(), 3, "each channel has an id of its own");
    assert_eq!(stage.listener.stats().tokens, 1);
    peers.remove(1);
    stage.event("reconnecting").await;
    assert_eq!(stage.listener.stats().online, 2);
    peers[0].say(accept(1)).await;
    peers[1].say(accept(1)).await;
    let (first, second) = (stage.event("offer").await, stage.event("offer").await);
    assert_ne!(id_of(&first), id_of(&second));
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn draining_lets_offers_be_decided_and_close_rejects_the_rest() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(accept(1)).await;
    peer.say(accept(2)).await;
    let (first, second) = (id_of(&stage.event("offer").await), id_of(&stage.event("offer").await));
    stage.listener.close(true);
    peer.say(accept(3)).await;
    let call = stage.call().await;
    assert!(call.target.target.contains("sb-hc-id=3&sb-hc-statusCode=503"), "nothing new is taken");
    call.refuse(410, "");
    assert_eq!(stage.event("offer").await["refused"], 503);
    assert!(stage.listener.accept(first).is_some(), "what was offered may still be taken");
    assert_eq!(stage.listener.stats().online, 1, "there is still somebody to decide about");
    stage.listener.close(false);
    assert_eq!(stage.turned_away().await, (second, 503));
    let call = stage.call().await;
    assert!(call.target.target.contains("sb-hc-id=2&sb-hc-statusCode=503"));
    call.refuse(410, "");
    assert!(matches!(peer.hear().await, Some(Message::Close(_))));
    drop(peer);
    stage.event("closed").await;
    assert!(stage.listener.is_closed());
    let stats = stage.listener.stats();
    assert_eq!((stats.offers, stats.rejected, stats.expired, stats.failed), (3, 2, 0, 1));
    assert!(stage.events.try_recv().is_err(), "closed is the last event");
}

#[tokio::test(start_paused = true)]
async fn draining_ends_when_the_last_sender_is_in_or_has_failed() {
    for opens in [true, false] {
        let (mut stage, mut peer) = Stage::online(config()).await;
        peer.say(accept(1)).await;
        let id = id_of(&stage.event("offer").await);
        stage.listener.close(true);
        let pending = stage.listener.accept(id).unwrap().pending;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.listener.stats().online, 1);
        if opens {
            pending.opened()
        } else {
            drop(pending)
        }
        assert!(matches!(soon(peer.hear()).await, Some(Message::Close(_))));
        drop(peer);
        stage.event("closed").await;
    }
    let (mut stage, peer) = Stage::online(config()).await;
    stage.listener.close(true);
    drop(peer);
    stage.event("closed").await;
}

#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_rejections_on_a_dead_network() {
    let (mut stage, mut peer) = Stage::online(config()).await;
    peer.say(accept(1)).await;
    stage.event("offer").await;
    let start = Instant::now();
    stage.listener.close(false);
    let _never_answered = stage.call().await;
    stage.event("closed").await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let stats = stage.listener.stats();
    assert_eq!((stats.rejected, stats.rejects_dropped, stats.reject_failures), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn close_abandons_a_dial_and_can_be_repeated() {
    let mut stage = Stage::new(config());
    let call = stage.call().await;
    stage.listener.close(false);
    stage.listener.close(true);
    stage.event("closed").await;
    assert!(call.is_abandoned());
    assert!(stage.listener.accept(1).is_none());
    stage.listener.provide_token("late".into());
    stage.listener.retry_in(0, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_closes_everything() {
    let (stage, mut peer) = Stage::online(config()).await;
    let Stage { listener, mut events, .. } = stage;
    drop(listener);
    assert!(matches!(soon(peer.hear()).await, Some(Message::Close(_))));
    drop(peer);
    while soon(events.recv()).await.is_some_and(|event| event["type"] != "closed") {}
    assert!(soon(events.recv()).await.is_none(), "no task holds the sink any more");
}

#[tokio::test(start_paused = true)]
async fn the_owner_may_name_its_delays() {
    let mut config = config();
    config.reconnect.owner_delays = true;
    let mut stage = Stage::new(config);
    stage.call().await.refuse(500, "");
    stage.event("reconnecting").await;
    let start = Instant::now();
    stage.listener.retry_in(0, Duration::from_secs(77));
    let _call = stage.call().await;
    assert_eq!(start.elapsed().as_secs(), 77);
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_entity_is_terminal() {
    let mut stage = Stage::new(config());
    stage.call().await.refuse(404, "Endpoint does not exist. TrackingId:1_G2, x");
    let error = stage.event("error").await;
    assert_eq!((error["terminal"].as_bool(), error["error"]["statusCode"].as_u64()), (Some(true), Some(404)));
    stage.event("offline").await;
    tokio::time::sleep(Duration::from_secs(36_000)).await;
    assert!(stage.calls.try_recv().is_err());
    stage.closed().await;
}
