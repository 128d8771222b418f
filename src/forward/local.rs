//! The sender's end: a local port, or a unix socket, each of whose connections goes out as a sender.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::events::{ForwardEvent, ForwardSink};
use super::options::ForwardOptions;
use super::preamble::{self, ANSWER, PortAnswer};
use super::streams::{JoinedEnds, StreamRefusal, Streams};
use super::tally::ForwardStats;
use super::target::{LocalStream, StreamTarget};
use super::wire::{RelayedWire, with_buffers};
use crate::error::{ErrorKind, RelayError};
use crate::sync::lock;
use crate::transport::{DialRequest, tcp};

/// Pause of a listener that has no descriptor left to accept with.
const REST: Duration = Duration::from_millis(100);
/// Clients that are dialled for at once; the others wait. A listener of ours lets 256 senders wait, and has no place for more.
const DIALS: usize = 128;
/// How long a listener that said no may take to close, and to say why.
const FAREWELL: Duration = Duration::from_secs(2);

/// Somebody who has connected, and waits for the owner to say how to dial.
struct WaitingClient {
    local: LocalStream,
    seat: OwnedSemaphorePermit,
}

/// The forwarder of one local port.
pub struct LocalForwarder {
    streams: Arc<Streams>,
    waiting: Arc<Mutex<HashMap<u64, WaitingClient>>>,
    /// Ends the accepting.
    closed: CancellationToken,
    seats: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl LocalForwarder {
    /// A forwarder whose events go to `sink`, for `most` clients at once.
    pub fn new(options: ForwardOptions, most: usize, sink: Arc<dyn ForwardSink>, runtime: &Handle) -> Self {
        Self {
            streams: Streams::new(options, sink, runtime.clone()),
            waiting: Arc::default(),
            closed: CancellationToken::new(),
            seats: Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))),
            turns: Arc::new(Semaphore::new(DIALS)),
        }
    }

    /// Binds `place` and lets clients in; `Bound` or `Unbound` tells how it went.
    pub fn listen(&self, place: StreamTarget) {
        let Self { streams, waiting, closed, seats, .. } = self;
        let (own, waiting, closed, seats) =
            (Arc::clone(streams), Arc::clone(waiting), closed.clone(), Arc::clone(seats));
        streams.track(async move {
            match LocalPort::bind(&place).await {
                Ok(port) => {
                    let (address, number) = port.name(&place);
                    own.tell(ForwardEvent::Bound { address, port: number });
                    tokio::select! {
                        () = port.let_in(&own, &waiting, &seats) => {}
                        () = closed.cancelled() => {}
                    }
                    // Whoever still waits for the owner's word does so in vain.
                    lock(&waiting).clear();
                    port.remove(&place);
                    own.tell(ForwardEvent::Unbound { error: None });
                }
                Err(error) => own.tell(ForwardEvent::Unbound { error: Some(error) }),
            }
        });
    }

    /// Dials for a client. False where it is gone, or the forwarder closes. With `name`, azbridge's preamble asks for it.
    pub fn dial(&self, stream: u64, request: DialRequest, name: Option<String>) -> bool {
        let Some(WaitingClient { local, seat }) = lock(&self.waiting).remove(&stream) else { return false };
        let (streams, turns) = (Arc::clone(&self.streams), Arc::clone(&self.turns));
        self.streams.run(stream, seat, async move {
            let _turn = turns.acquire().await;
            join(&streams, local, request, name).await
        })
    }

    /// Turns a client away, for the owner cannot say how to dial.
    pub fn refuse(&self, stream: u64) {
        lock(&self.waiting).remove(&stream);
    }

    /// Lets nobody in any more, and unless those who are here may finish, ends them.
    pub fn close(&self, drain: bool) {
        self.closed.cancel();
        self.streams.close(drain);
    }

    /// What it has done so far.
    pub fn stats(&self) -> ForwardStats {
        self.streams.stats()
    }
}

impl Drop for LocalForwarder {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// Dials the relay, and has the preamble answered.
async fn join(
    streams: &Streams,
    local: LocalStream,
    mut request: DialRequest,
    name: Option<String>,
) -> Result<JoinedEnds, StreamRefusal> {
    match reach(streams, &mut request, name.as_deref()).await {
        Ok((wire, early)) => Ok(JoinedEnds { wire, local, early, name }),
        Err(error) => Err(StreamRefusal { status: None, name, error }),
    }
}

async fn reach(
    streams: &Streams,
    request: &mut DialRequest,
    name: Option<&str>,
) -> Result<(RelayedWire, Vec<u8>), RelayError> {
    let options = &streams.options;
    let mut wire = RelayedWire::open(request, &[], options.tuning).await?;
    let mut early = Vec::new();
    let Some(name) = name else { return Ok((wire, early)) };
    let asked = ask(&mut wire, &mut early, name);
    let late =
        || RelayError::new(ErrorKind::Timeout, "The listener did not answer azbridge's preamble in time");
    let answered =
        tokio::time::timeout(options.preamble_timeout, asked).await.unwrap_or_else(|_| Err(late()));
    if let Err(error) = answered {
        with_buffers(|buffers| wire.send_close(&mut buffers.keys, 1000, ""));
        wire.finish(FAREWELL).await;
        return Err(error);
    }
    Ok((wire, early))
}

/// Asks for the port of that name, and reads the answer.
async fn ask(wire: &mut RelayedWire, early: &mut Vec<u8>, name: &str) -> Result<(), RelayError> {
    let asking = preamble::request(name)
        .ok_or_else(|| RelayError::new(ErrorKind::InvalidArgument, "The name has more than 255 bytes"))?;
    with_buffers(|buffers| wire.send(&mut buffers.keys, &asking));
    let foreign =
        |_| RelayError::new(ErrorKind::Protocol, "The listener's answer is not azbridge's preamble");
    let answer = wire.read_until(early, |bytes| preamble::read_answer(bytes).map_err(foreign)).await?;
    early.drain(..ANSWER);
    let why = match answer {
        PortAnswer::Stream => return Ok(()),
        PortAnswer::Datagrams | PortAnswer::DatagramsOnly => {
            "The listener forwards datagrams to that port, and no streams"
        }
        PortAnswer::StreamsOnly => "The listener forwards streams only",
        PortAnswer::Unknown => {
            // Ours says more in its close frame, which is on its way.
            let mut rest = Vec::new();
            let more = wire.read_until(&mut rest, |bytes| Ok((bytes.len() > ANSWER).then_some(())));
            let told = tokio::time::timeout(FAREWELL, more).await;
            if let Ok(Err(error)) = told
                && wire.close.as_ref().is_some_and(|close| close.code == 1008)
            {
                return Err(error);
            }
            "The listener does not know the preamble's version, or the port"
        }
    };
    Err(RelayError::new(ErrorKind::Refused, why))
}

/// What clients connect to.
enum LocalPort {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl LocalPort {
    async fn bind(place: &StreamTarget) -> Result<Self, RelayError> {
        match place {
            StreamTarget::Tcp(host, port) | StreamTarget::TcpFrom(_, host, port) => {
                TcpListener::bind((&**host, *port))
                    .await
                    .map(LocalPort::Tcp)
                    .map_err(|error| tcp::place_error("listen", host, *port, &error))
            }
            #[cfg(unix)]
            StreamTarget::Unix(path) => {
                let mut bound = UnixListener::bind(path);
                if bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
                    && left_behind(path).await
                {
                    let _ = std::fs::remove_file(path);
                    bound = UnixListener::bind(path);
                }
                bound.map(LocalPort::Unix).map_err(|error| tcp::path_error("listen", path, &error))
            }
        }
    }

    /// The address that was bound, and the port; or the path.
    fn name(&self, place: &StreamTarget) -> (String, Option<u16>) {
        match (self, place) {
            (LocalPort::Tcp(listener), StreamTarget::Tcp(host, port)) => match listener.local_addr() {
                Ok(address) => (address.ip().to_string(), Some(address.port())),
                Err(_) => (host.clone(), Some(*port)),
            },
            #[cfg(unix)]
            (_, StreamTarget::Unix(path)) => (path.display().to_string(), None),
            #[cfg(unix)]
            _ => (String::new(), None),
        }
    }

    /// Lets clients in for as long as this is polled.
    async fn let_in(
        &self,
        streams: &Streams,
        waiting: &Mutex<HashMap<u64, WaitingClient>>,
        seats: &Arc<Semaphore>,
    ) {
        let mut last = 0;
        loop {
            let Ok(seat) = Arc::clone(seats).acquire_owned().await else { return };
            match self.accept().await {
                Ok((local, address, port)) => {
                    last += 1;
                    lock(waiting).insert(last, WaitingClient { local, seat });
                    streams.tell(ForwardEvent::Client { stream: last, address, port });
                }
                // Out of descriptors, most likely, or somebody who has gone already.
                Err(_) => tokio::time::sleep(REST).await,
            }
        }
    }

    async fn accept(&self) -> io::Result<(LocalStream, String, u16)> {
        match self {
            LocalPort::Tcp(listener) => {
                let (tcp, peer) = listener.accept().await?;
                let _ = tcp.set_nodelay(true);
                Ok((tcp.into(), peer.ip().to_string(), peer.port()))
            }
            #[cfg(unix)]
            LocalPort::Unix(listener) => {
                let (unix, _) = listener.accept().await?;
                Ok((unix.into(), String::new(), 0))
            }
        }
    }

    /// Leaves nothing behind.
    fn remove(self, place: &StreamTarget) {
        #[cfg(unix)]
        if let (LocalPort::Unix(_), StreamTarget::Unix(path)) = (&self, place) {
            let _ = std::fs::remove_file(path);
        }
        let _ = place;
    }
}

/// Whether a socket's file is there, but nobody behind it: a process that was killed removes none.
#[cfg(unix)]
async fn left_behind(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && tokio::net::UnixStream::connect(path).await.is_err_and(refused)
}
