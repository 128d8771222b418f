use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 443))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 443))
}

#[test]
fn interleaving_begins_with_the_family_ranked_first() {
    assert_eq!(interleave(vec![v6(1), v6(2), v4(1), v4(2), v4(3)]), [v6(1), v4(1), v6(2), v4(2), v4(3)]);
    assert_eq!(interleave(vec![v4(1), v6(1), v6(2)]), [v4(1), v6(1), v6(2)]);
    assert_eq!(interleave(Vec::new()), []);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_stays_silent_does_not_hold_up_the_next() {
    let started = Instant::now();
    let winner = race(vec![v6(1), v4(1), v4(2)], |address| async move {
        if address == v4(1) { Ok(address) } else { pending().await }
    });
    assert_eq!(winner.await.unwrap(), v4(1));
    assert_eq!(started.elapsed(), STAGGER);
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_next_attempt_at_once() {
    let started = Instant::now();
    let winner = race(vec![v6(1), v4(1)], |address| async move {
        if address == v4(1) { Ok(address) } else { Err(io::Error::from(io::ErrorKind::NetworkUnreachable)) }
    });
    assert_eq!(winner.await.unwrap(), v4(1));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_the_race_is_dropped() {
    struct Mark(Rc<RefCell<Vec<SocketAddr>>>, SocketAddr);
    impl Drop for Mark {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let log = dropped.clone();
    let winner = race(vec![v6(1), v4(1)], move |address| {
        let mark = (address == v6(1)).then(|| Mark(log.clone(), address));
        async move {
            if mark.is_some() {
                pending::<()>().await;
            }
            Ok(address)
        }
    });
    assert_eq!(winner.await.unwrap(), v4(1));
    assert_eq!(*dropped.borrow(), [v6(1)]);
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_first_address_speaks() {
    let failure = race::<(), _, _>(vec![v6(1), v4(1)], |address| async move {
        let late = address == v6(1);
        if late {
            tokio::time::sleep(STAGGER * 4).await;
        }
        Err(io::Error::from(if late { io::ErrorKind::TimedOut } else { io::ErrorKind::ConnectionRefused }))
    });
    let error = failure.await.unwrap_err();
    assert_eq!(error.message, "connect ETIMEDOUT 2001:db8::1:443");
    assert_eq!(error.system.unwrap().address.as_deref(), Some("2001:db8::1"));
    assert!(race(Vec::new(), TcpStream::connect).await.is_err());
}

#[tokio::test]
async fn a_refused_connection_reads_as_in_node() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = connect("127.0.0.1", port).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    assert_eq!(error.message, format!("connect ECONNREFUSED 127.0.0.1:{port}"));
    let system = error.system.unwrap();
    assert_eq!(system.code, "ECONNREFUSED");
    assert_eq!((system.syscall, system.port), (Some("connect"), Some(port)));
    assert_eq!(system.address.as_deref(), Some("127.0.0.1"));
    #[cfg(target_os = "linux")]
    assert_eq!(system.errno, Some(-111));
}

#[tokio::test]
async fn a_connection_has_no_delay_and_keeps_alive() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connect("localhost", port).await.unwrap();
    assert!(stream.nodelay().unwrap());
    assert!(SockRef::from(&stream).keepalive().unwrap());
}

#[tokio::test]
async fn a_v6_literal_needs_no_resolver() {
    assert_eq!(resolve("::1", 9).await.unwrap(), [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9))]);
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_a_getaddrinfo_failure() {
    let error = connect("nosuch.invalid", 1).await.unwrap_err();
    let system = error.system.unwrap();
    // Which of the two depends on whether the machine has a name server.
    assert!(["ENOTFOUND", "EAI_AGAIN"].contains(&system.code.as_ref()), "{}", system.code);
    assert_eq!(error.message, format!("getaddrinfo {} nosuch.invalid", system.code));
    assert_eq!(system.syscall, Some("getaddrinfo"));
    assert_eq!(system.hostname.as_deref(), Some("nosuch.invalid"));
    assert_eq!(connect("a\0b", 1).await.unwrap_err().system.unwrap().code, "ENOTFOUND");
}

#[test]
fn lookup_failures_are_told_apart() {
    let of = |text: &str| {
        let system = lookup_error("h", &io::Error::other(text.to_owned())).system.unwrap();
        (system.code.into_owned(), system.errno)
    };
    let unknown = "failed to lookup address information: Name or service not known";
    assert_eq!(of(unknown), ("ENOTFOUND".into(), Some(-3008)));
    let again = "failed to lookup address information: Temporary failure in name resolution";
    assert_eq!(of(again), ("EAI_AGAIN".into(), Some(-3001)));
    assert_eq!(of("failed to lookup address information: Try again"), ("EAI_AGAIN".into(), Some(-3001)));
    #[cfg(unix)]
    {
        let full = lookup_error("h", &io::Error::from_raw_os_error(24)).system.unwrap();
        assert_eq!((full.code.as_ref(), full.errno), ("EMFILE", Some(-24)));
    }
}

#[test]
fn windows_has_libuv_numbers() {
    assert_eq!(windows_errno("ECONNREFUSED"), Some(-4078));
    assert_eq!(windows_errno("ETIMEDOUT"), Some(-4039));
    assert_eq!(windows_errno("EWHATEVER"), None);
}
