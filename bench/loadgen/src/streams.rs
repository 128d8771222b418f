//! Byte streams over TCP: a target, clients that load whatever leads there, and a chain of bare proxies to compare with.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use crate::Failure;

/// What is read and written at once, by everybody here.
const BLOCK: usize = 64 * 1024;
/// The first byte of a connection: whether the target counts what comes, or sends it back.
const COUNT: u8 = b'C';
const ECHO: u8 = b'E';

/// One measurement.
#[derive(Deserialize)]
struct StreamLoad {
    id: u64,
    /// Where the way to the target begins.
    port: u16,
    streams: usize,
    seconds: f64,
    /// One byte there and back, in place of as many as go.
    ping: bool,
}

#[derive(Serialize)]
struct StreamResult {
    id: u64,
    megabytes: f64,
    /// Round trips a second, and the median of their time in microseconds.
    trips: f64,
    p50: f64,
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Serves measurements: each line of stdin is one, each line of stdout its result; the first one names the target's port.
pub fn serve() -> Result<(), Failure> {
    let counted = Arc::new(AtomicU64::new(0));
    let (tell, port) = std::sync::mpsc::channel();
    let count = Arc::clone(&counted);
    thread::spawn(move || runtime().map(|runtime| runtime.block_on(target(count, tell))));
    let runtime = runtime()?;
    let mut out = std::io::stdout();
    writeln!(out, "{{\"event\":\"ready\",\"port\":{}}}", port.recv()?)?;
    for line in std::io::stdin().lock().lines() {
        let load: StreamLoad = serde_json::from_str(&line?)?;
        let result = runtime.block_on(measure(&load, &counted))?;
        writeln!(out, "{}", serde_json::to_string(&result)?)?;
    }
    Ok(())
}

async fn target(counted: Arc<AtomicU64>, tell: std::sync::mpsc::Sender<u16>) -> Result<(), Failure> {
    let listener = TcpListener::bind(local(0)).await?;
    tell.send(listener.local_addr()?.port())?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let counted = Arc::clone(&counted);
        tokio::spawn(async move {
            let mut buffer = vec![0; BLOCK];
            let mode = stream.read_u8().await?;
            stream.write_u8(mode).await?;
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return std::io::Result::Ok(());
                }
                if mode == ECHO {
                    stream.write_all(&buffer[..count]).await?;
                } else {
                    counted.fetch_add(count as u64, Ordering::Relaxed);
                }
            }
        });
    }
}

async fn measure(load: &StreamLoad, counted: &AtomicU64) -> Result<StreamResult, Failure> {
    let mut streams = Vec::new();
    for _ in 0..load.streams {
        let mut stream = TcpStream::connect(local(load.port)).await?;
        stream.set_nodelay(true)?;
        stream.write_u8(if load.ping { ECHO } else { COUNT }).await?;
        // The way is open.
        stream.read_u8().await?;
        streams.push(stream);
    }
    let time = Duration::from_secs_f64(load.seconds);
    if load.ping {
        return ping(load.id, streams.remove(0), time).await;
    }
    let block: Arc<[u8]> = (0..BLOCK).map(|at| at as u8).collect();
    let writers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let block = Arc::clone(&block);
            tokio::spawn(async move { while stream.write_all(&block).await.is_ok() {} })
        })
        .collect();
    tokio::time::sleep(time / 3).await;
    let (from, start) = (counted.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(time).await;
    let moved = counted.load(Ordering::Relaxed) - from;
    let megabytes = moved as f64 / 1e6 / start.elapsed().as_secs_f64();
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    // What is on its way does not count for the next one.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(StreamResult { id: load.id, megabytes, trips: 0.0, p50: 0.0 })
}

async fn ping(id: u64, mut stream: TcpStream, time: Duration) -> Result<StreamResult, Failure> {
    let (mut times, start) = (Vec::new(), Instant::now());
    let warm = time / 3;
    while start.elapsed() < warm + time {
        let sent = Instant::now();
        stream.write_u8(1).await?;
        stream.read_u8().await?;
        if start.elapsed() > warm {
            times.push(sent.elapsed());
        }
    }
    times.sort_unstable();
    let p50 = times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    Ok(StreamResult { id, megabytes: 0.0, trips: times.len() as f64 / time.as_secs_f64(), p50 })
}

/// A chain of so many proxies that leads to `port`; each has a thread of its own. Prints where it begins.
pub fn proxies(port: &str, count: &str) -> Result<(), Failure> {
    let mut next = port.parse()?;
    for _ in 0..count.parse::<usize>()? {
        let (tell, bound) = std::sync::mpsc::channel();
        thread::spawn(move || runtime().map(|runtime| runtime.block_on(proxy(next, tell))));
        next = bound.recv()?;
    }
    println!("{{\"event\":\"ready\",\"port\":{next}}}");
    std::io::stdin().lock().lines().for_each(drop);
    Ok(())
}

async fn proxy(to: u16, tell: std::sync::mpsc::Sender<u16>) -> Result<(), Failure> {
    let listener = TcpListener::bind(local(0)).await?;
    tell.send(listener.local_addr()?.port())?;
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            client.set_nodelay(true)?;
            let mut far = TcpStream::connect(local(to)).await?;
            far.set_nodelay(true)?;
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut far, BLOCK, BLOCK).await
        });
    }
}
