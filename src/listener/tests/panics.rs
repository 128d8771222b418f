//! A panic in a task of ours costs what it strikes, and is told; it never leaves the owner with a listener that
//! looks alive.

use super::*;

#[tokio::test(start_paused = true)]
async fn of_a_channel_brings_a_new_channel() {
    let (mut stage, mut peer) = Stage::trapped(config(), "offer").up().await;
    peer.say(accept(1)).await;
    let event = stage.event("reconnecting").await;
    assert_eq!(event["error"]["code"], "ERR_HYCO_INTERNAL");
    assert!(event["delay"].as_u64().unwrap() >= 1000, "no storm, should it happen again");
    assert_eq!(stage.listener.stats().online, 0);
    let call = stage.call().await;
    assert!(token_of(&call.target.head).starts_with("SharedAccessSignature "));
    let mut peer = call.open().await;
    stage.event("listening").await;
    peer.say(accept(2)).await;
    let id = id_of(&stage.event("offer").await);
    assert!(stage.listener.accept(id).is_some());
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_channel_does_not_hold_up_close() {
    let (mut stage, mut peer) = Stage::trapped(config(), "offer").up().await;
    peer.say(accept(1)).await;
    stage.event("reconnecting").await;
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn of_the_supervisor_leaves_no_sender_waiting() {
    let (mut stage, mut peer) = Stage::trapped(config(), "turnedAway").up().await;
    peer.say(accept(1)).await;
    stage.event("offer").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    peer.say(accept(2)).await;
    let second = id_of(&stage.event("offer").await);
    assert_eq!(stage.turned_away().await, (second, 504));
    stage.closed().await;
}
