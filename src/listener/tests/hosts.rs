//! Where hosts are the owner's to decide, it is asked before every dial, and only its yes lets one through.

use super::*;

const SHORT: &str =
    r#"{"request":{"address":"wss://[::1]/$hc/hyco?sb-hc-action=request&sb-hc-id=r","id":"r"}}"#;

fn asking() -> ListenerConfig {
    ListenerConfig { rendezvous_hosts: HostPolicy::Owner, ..config() }
}

impl Stage {
    /// The next question: its number, its offer and its host.
    async fn question(&mut self) -> (u64, u64, String) {
        let event = self.event("host").await;
        (id_of(&event), event["offer"].as_u64().unwrap(), event["host"].as_str().unwrap().to_owned())
    }

    async fn rejection_fails_with(&mut self, code: &str) -> u64 {
        let event = self.event("rejectFailed").await;
        assert_eq!(event["error"]["code"], code, "{event}");
        id_of(&event)
    }

    fn nothing_is_dialled(&mut self) {
        assert!(self.calls.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn an_accept_waits_for_the_word_and_obeys_it() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    for admitted in [true, false] {
        peer.say(accept_at("wss://elsewhere.test:444/$hc/hyco?sb-hc-action=accept")).await;
        let id = id_of(&stage.event("offer").await);
        let mut admission = stage.listener.accept(id).unwrap().admission.unwrap();
        let (question, offer, host) = stage.question().await;
        assert_eq!((offer, host.as_str()), (id, "elsewhere.test"));
        assert!(admission.try_recv().is_err(), "not yet");
        stage.listener.admit_host(question + 1, true);
        stage.listener.admit_host(question, admitted);
        stage.listener.admit_host(question, true);
        let kind = soon(admission).await.unwrap().err().map(|error| error.kind);
        assert_eq!(kind, (!admitted).then_some(ErrorKind::Protocol));
    }
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_dialled_only_where_the_owner_lets_it() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    for admitted in [false, true] {
        peer.say(accept(1)).await;
        let id = id_of(&stage.event("offer").await);
        assert!(stage.listener.reject(id, 403, "no"));
        let (question, offer, host) = stage.question().await;
        assert_eq!((offer, host.as_str()), (id, "g1-sb.servicebus.windows.net"));
        stage.nothing_is_dialled();
        stage.listener.admit_host(question, admitted);
        if admitted {
            stage.call().await.refuse(410, "");
        } else {
            assert_eq!(stage.rejection_fails_with("ERR_HYCO_PROTOCOL").await, id);
            stage.nothing_is_dialled();
        }
    }
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn those_whom_the_listener_turns_away_itself_are_asked_about_too() {
    let (mut stage, mut peer) = Stage::online(ListenerConfig { max_pending_accepts: 0, ..asking() }).await;
    peer.say(accept(1)).await;
    let (question, ..) = stage.question().await;
    stage.listener.admit_host(question, false);
    stage.rejection_fails_with("ERR_HYCO_PROTOCOL").await;
    stage.nothing_is_dialled();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_request_is_fetched_only_where_the_owner_lets_it() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    for admitted in [false, true] {
        peer.say(SHORT).await;
        let (question, offer, host) = stage.question().await;
        assert_eq!((offer, host.as_str()), (0, "[::1]"));
        stage.nothing_is_dialled();
        stage.listener.admit_host(question, admitted);
        if admitted {
            stage.call().await.refuse(403, "");
            assert_eq!(stage.event("requestLost").await["error"]["code"], "ERR_HYCO_FORBIDDEN");
        } else {
            assert_eq!(stage.event("requestLost").await["error"]["code"], "ERR_HYCO_PROTOCOL");
            stage.nothing_is_dialled();
        }
    }
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn no_owner_is_asked_to_give_up_tls() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    for message in [accept_at("ws://g1-sb.servicebus.windows.net/$hc/hyco"), SHORT.replace("wss", "ws")] {
        peer.say(message).await;
        stage.event("malformed").await;
    }
    assert_eq!(stage.listener.stats().offers, 0);
    stage.nothing_is_dialled();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_without_an_answer_says_no_when_the_time_is_over() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    let start = Instant::now();
    peer.say(SHORT).await;
    let (question, ..) = stage.question().await;
    assert_eq!(stage.event("requestLost").await["error"]["code"], "ERR_HYCO_TIMEOUT");
    assert_eq!(start.elapsed().as_secs(), 20);
    stage.listener.admit_host(question, true);
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.nothing_is_dialled();
    stage.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_open_question_ends_with_the_listener_and_before_its_last_event() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    let admission = stage.listener.accept(id).unwrap().admission.unwrap();
    let start = Instant::now();
    stage.listener.close(false);
    let (question, ..) = stage.question().await;
    drop(peer);
    stage.event("closed").await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(admission.await.unwrap().is_err());
    stage.listener.admit_host(question, true);
    assert!(stage.events.try_recv().is_err(), "closed is the last event");
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_was_given_up_holds_nothing_up() {
    let (mut stage, mut peer) = Stage::online(asking()).await;
    peer.say(accept(1)).await;
    let id = id_of(&stage.event("offer").await);
    let rendezvous = stage.listener.accept(id).unwrap();
    stage.question().await;
    drop((rendezvous, peer));
    let start = Instant::now();
    stage.closed().await;
    assert_eq!(start.elapsed().as_secs(), 0);
}
