//! JavaScript's thread and the IO thread at once.

use std::sync::mpsc;
use std::thread;

use super::*;

/// Runs `io` on a thread of its own, as the engine does, and `js` here; fails if they stop each other.
fn race(
    setup: Setup,
    io: impl AsyncFnOnce(Peer) + Send + 'static,
    js: impl FnOnce(Arc<Socket>, Inbox) + Send + 'static,
) {
    let (ready, opened) = mpsc::channel();
    let runtime = thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let Rig { socket, inbox, peer, task, .. } = Rig::open(&setup).await;
            ready.send((socket, inbox)).unwrap();
            io(peer).await;
            task.await.unwrap();
        });
    });
    let (socket, inbox) = opened.recv().unwrap();
    let (done, finished) = mpsc::channel();
    let other = thread::spawn(move || {
        js(socket, inbox);
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(60)).expect("they wait for each other");
    other.join().unwrap();
    runtime.join().unwrap();
}

/// Answers all pings and echoes the rest, until the socket ends.
async fn answer_everything(mut peer: Peer) {
    let mut buffer = vec![0; 64 * 1024];
    let pongs = encode(OpCode::Pong, b"").repeat(64);
    loop {
        match peer.io.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            // The socket may be gone by now; the next read says so.
            Ok(_) => drop(peer.io.write_all(&pongs).await),
        }
    }
}

/// Takes `count` binary messages, pausing before each look, and ends the socket.
fn take(socket: &Socket, mut inbox: Inbox, count: usize, pause: impl Fn()) {
    let mut seen = 0;
    while seen < count {
        pause();
        inbox.drain();
        seen += inbox.records.drain(..).filter(|record| record.is(Kind::Binary)).count();
    }
    socket.terminate();
}

#[test]
fn pongs_under_tls_while_sending() {
    let mut setup = Setup::tls();
    setup.options.keep_alive =
        Some(KeepAlive { interval: HOUR, timeout: Duration::ZERO, mode: KeepAliveMode::Ping });
    race(setup, answer_everything, |socket, mut inbox| {
        let mut keys = MaskKeys::default();
        for _ in 0..10_000 {
            socket.send(&mut keys).frame(BINARY, b"x");
            inbox.drain();
            inbox.records.clear();
        }
        socket.terminate();
    });
}

#[test]
fn credit_and_reading() {
    const COUNT: usize = 200_000;
    for tls in [false, true] {
        let mut setup = Setup { tls, ..Setup::default() };
        setup.options.high_water = 1;
        let peer = async |mut peer: Peer| {
            peer.write(&encode(OpCode::Binary, b"0123456789").repeat(COUNT)).await;
            let _ = peer.io.read_to_end(&mut Vec::new()).await;
        };
        race(setup, peer, |socket, inbox| take(&socket, inbox, COUNT, || {}));
    }
}

/// The keep-alive looks at its clock behind each turn of reading, and must not touch what reading waits for.
#[test]
fn credit_and_the_keep_alive() {
    const COUNT: usize = 300_000;
    let mut setup = Setup::default();
    // Often stopped, by small pieces.
    setup.options.high_water = 4096;
    setup.tuning.short_io = true;
    setup.options.keep_alive = Some(KeepAlive { interval: HOUR, timeout: HOUR, mode: KeepAliveMode::Ping });
    let peer = async |mut peer: Peer| {
        peer.write(&encode(OpCode::Binary, b"").repeat(COUNT)).await;
        let _ = peer.io.read_to_end(&mut Vec::new()).await;
    };
    // Slower than the peer, so that reading stops again and again.
    let pause = || (0..3_000).for_each(|_| std::hint::spin_loop());
    race(setup, peer, move |socket, inbox| take(&socket, inbox, COUNT, pause));
}
