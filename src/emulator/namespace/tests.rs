use super::*;
use crate::emulator::fault::Fault;

fn namespace(options: EmulatorOptions) -> (Arc<Namespace>, Arc<Mutex<Vec<RelayEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = move |event: &RelayEvent| seen.lock().unwrap().push(event.clone());
    (Arc::new(Namespace::new(options, "127.0.0.1:1".into(), Arc::new(observer))), events)
}

fn with_paths(paths: &[&str]) -> EmulatorOptions {
    let entity = |path: &&str| HybridConnectionOptions {
        path: (*path).to_owned(),
        requires_client_authorization: true,
    };
    EmulatorOptions { hybrid_connections: paths.iter().map(entity).collect(), ..EmulatorOptions::default() }
}

fn pending(action: RequestedAction, lifetime: Duration) -> (Pending, oneshot::Receiver<RendezvousVerdict>) {
    let (verdict, wait) = oneshot::channel();
    (Pending { action, protocols: vec!["a".into()], expires: Instant::now() + lifetime, verdict }, wait)
}

fn admit(_: &Pending) -> Result<(), RelayRefusal> {
    Ok(())
}

fn origin() -> (String, i64) {
    ("127.0.0.1:1".to_owned(), 0)
}

#[test]
fn the_longest_path_serves_what_lies_below_it() {
    let (namespace, _) = namespace(with_paths(&["a", "a/b/", "Über mich"]));
    let find = |path, exact| namespace.entity(path, exact).map(|(path, _)| path);
    assert_eq!(find("/a/x/y", false).as_deref(), Some("a"));
    assert_eq!(find("/A/B/c", false).as_deref(), Some("a/b"));
    assert_eq!(find("/%C3%BCber%20mich", true).as_deref(), Some("Über mich"));
    assert_eq!(find("/a/x", true), None);
    assert_eq!(find("/ab", false), None);
    assert_eq!(find("/", false), None);
}

#[test]
fn a_seat_counts_until_it_is_left() {
    let (namespace, events) = namespace(EmulatorOptions { max_listeners: 1, ..EmulatorOptions::default() });
    let seat = namespace.register("hyco", "id".into(), "h".into(), origin()).expect("the first is admitted");
    assert_eq!(
        namespace.register("hyco", "id".into(), "h".into(), origin()).err().map(|no| no.status),
        Some(403)
    );
    assert_eq!(namespace.stats().listeners, 1);
    drop(seat);
    assert_eq!(namespace.stats().listeners, 0);
    let left = RelayEvent::ListenerClosed { path: "hyco".into(), id: "id".into() };
    assert_eq!(*events.lock().unwrap(), [left]);
    assert!(namespace.register("hyco", "id".into(), "h".into(), origin()).is_ok());
    assert_eq!(
        namespace.register("nope", "id".into(), "h".into(), origin()).err().map(|no| no.status),
        Some(404)
    );
}

#[test]
fn listeners_come_in_random_order_that_a_seed_repeats() {
    let order = |seed| {
        let (namespace, _) = namespace(EmulatorOptions { seed: Some(seed), ..EmulatorOptions::default() });
        let seats: Vec<_> = (0..5)
            .filter_map(|n| namespace.register("hyco", n.to_string(), "h".into(), origin()).ok())
            .collect();
        assert_eq!(seats.len(), 5);
        let ids = |_| namespace.listeners("hyco", |_| true).unwrap().into_iter().map(|own| own.id);
        (0..20).map(ids).map(Iterator::collect::<String>).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    assert_ne!(order(1).first(), order(1).last());
}

#[test]
fn an_address_is_used_up_by_its_first_success() {
    let (namespace, _) = namespace(EmulatorOptions::default());
    let status = |result: Result<Pending, RelayRefusal>| result.map_or_else(|no| no.status, |_| 200);
    let (entry, _wait) = pending(RequestedAction::Accept, Duration::from_secs(60));
    let waiting = namespace.open_rendezvous(entry);
    let secret = Some(waiting.secret.as_str());
    assert_eq!(status(namespace.claim(None, RequestedAction::Accept, admit)), 403);
    assert_eq!(status(namespace.claim(Some("x"), RequestedAction::Accept, admit)), 403);
    assert_eq!(status(namespace.claim(secret, RequestedAction::Rendezvous, admit)), 400);
    assert_eq!(
        status(namespace.claim(secret, RequestedAction::Accept, |_| Err(RelayRefusal::new(400, "no")))),
        400
    );
    assert_eq!(status(namespace.claim(secret, RequestedAction::Accept, admit)), 200);
    assert_eq!(status(namespace.claim(secret, RequestedAction::Accept, admit)), 403);

    let (entry, _wait) = pending(RequestedAction::Accept, Duration::ZERO);
    let waiting = namespace.open_rendezvous(entry);
    assert_eq!(status(namespace.claim(Some(&waiting.secret), RequestedAction::Accept, admit)), 403);
    drop(waiting);
    assert_eq!(namespace.stats().pending, 0);
}

#[test]
fn a_response_finds_its_request_once() {
    let (namespace, _) = namespace(with_paths(&["hyco", "other"]));
    let (seat, mut outcome) = namespace.await_response("hyco", "r");
    assert!(!namespace.settle("other", RequestOutcome::Unusable("")));
    assert!(namespace.settle("r", RequestOutcome::Unusable("why")));
    assert!(!namespace.settle("r", RequestOutcome::Unusable("")));
    assert!(matches!(outcome.try_recv(), Ok(RequestOutcome::Unusable("why"))));
    drop(seat);
    let (gone, _) = namespace.await_response("hyco", "s");
    drop(gone);
    assert!(!namespace.settle("s", RequestOutcome::Expired));

    let expire =
        |path: Option<&str>| namespace.inflict(Fault::ExpireRequests { path: path.map(str::to_owned) });
    let (_seat, mut outcome) = namespace.await_response("hyco", "t");
    assert_eq!(expire(Some("other")), 0);
    assert_eq!(expire(None), 1);
    assert!(matches!(outcome.try_recv(), Ok(RequestOutcome::Expired)));
    assert!(!namespace.settle("t", RequestOutcome::Expired), "what comes now is late");
}

#[test]
fn faults_strike_the_hybrid_connection_that_they_name() {
    let (namespace, _) = namespace(with_paths(&["a", "b"]));
    let mut a = namespace.register("a", "1".into(), "h".into(), origin()).ok().unwrap();
    let mut b = namespace.register("b", "2".into(), "h".into(), origin()).ok().unwrap();
    let text = |path: Option<&str>| Fault::SendControl { path: path.map(str::to_owned), text: "x".into() };
    assert_eq!(namespace.inflict(text(None)), 2);
    assert_eq!(namespace.inflict(text(Some("/A"))), 1);
    assert_eq!(namespace.inflict(text(Some("c"))), 0);
    let mut count = 0;
    while a.messages.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(namespace.remove("b"));
    let ending = b.endings.try_recv();
    assert!(matches!(ending, Ok(EndOrder::Close(1001, _))), "{ending:?}");
    let pipe = namespace.enter_pipe("websocket", "a", "id", "listener");
    assert_eq!(namespace.inflict(Fault::CutRendezvous { path: None, mid_frame: true, reset: false }), 1);
    drop(pipe);
    assert_eq!(namespace.stats().senders, 0);
}

#[test]
fn what_waits_for_a_listener_that_does_not_read_is_bounded() {
    for (length, count) in [(1, 1024), (1 << 20, 16), (64 << 20, 1)] {
        let (namespace, _) = namespace(EmulatorOptions::default());
        let mut seat = namespace.register("hyco", "id".into(), "h".into(), origin()).ok().unwrap();
        let text = || Fault::SendControl { path: None, text: "x".repeat(length) };
        for _ in 0..count {
            assert_eq!(namespace.inflict(text()), 1);
        }
        assert_eq!(namespace.inflict(text()), 0);
        drop(seat.messages.try_recv());
        assert_eq!(namespace.inflict(text()), 1, "there is room again");
    }
}
