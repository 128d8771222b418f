//! The listener's end: each sender that is let in becomes a stream to a target.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::events::{ForwardEvent, ForwardSink};
use super::options::ForwardOptions;
use super::preamble::{self, PortAnswer, PortRequest};
use super::streams::{JoinedEnds, StreamRefusal, Streams};
use super::tally::ForwardStats;
use super::target::{LocalStream, StreamTarget};
use super::wire::{RelayedWire, with_buffers};
use crate::error::{ErrorKind, RelayError};
use crate::listener::Listener;

/// How long a peer that was turned away may take to take note of it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where streams lead.
#[derive(Debug, Clone)]
pub enum StreamRoutes {
    /// All of them there, from the first byte on.
    One(StreamTarget),
    /// To what the sender names in azbridge's preamble.
    Named {
        /// By name.
        names: HashMap<String, StreamTarget>,
        /// Any other number.
        numbers: Option<StreamTarget>,
    },
}

/// A sender who has been let in, as far as the owner is concerned.
pub struct AdmittedSender {
    /// The number of the offer, and of the stream.
    pub offer: u64,
    /// The subprotocol, of those that the sender offers.
    pub protocol: Option<String>,
    /// `Name: value` lines for the dial of the rendezvous.
    pub headers: Vec<String>,
}

/// The forwarder of one listener.
pub struct RemoteForwarder {
    routes: Arc<StreamRoutes>,
    streams: Arc<Streams>,
}

impl RemoteForwarder {
    /// A forwarder whose events go to `sink`.
    pub fn new(
        routes: StreamRoutes,
        options: ForwardOptions,
        sink: Arc<dyn ForwardSink>,
        runtime: &Handle,
    ) -> Self {
        Self { routes: Arc::new(routes), streams: Streams::new(options, sink, runtime.clone()) }
    }

    /// Makes a stream of an offer; false where none are made any more. `Refused` or `Ended` is its last event.
    pub fn accept(&self, listener: Arc<Listener>, sender: AdmittedSender) -> bool {
        let (routes, streams) = (Arc::clone(&self.routes), Arc::clone(&self.streams));
        self.streams.run(sender.offer, (), async move { join(&routes, &streams, &listener, sender).await })
    }

    /// Ends a stream, if it is there.
    pub fn cut(&self, stream: u64) {
        self.streams.cut(stream);
    }

    /// Makes no more streams, and unless those that are here may finish, ends them.
    pub fn close(&self, drain: bool) {
        self.streams.close(drain);
    }

    /// What it has done so far.
    pub fn stats(&self) -> ForwardStats {
        self.streams.stats()
    }
}

impl Drop for RemoteForwarder {
    fn drop(&mut self) {
        self.close(false);
    }
}

async fn join(
    routes: &StreamRoutes,
    streams: &Streams,
    listener: &Listener,
    sender: AdmittedSender,
) -> Result<JoinedEnds, StreamRefusal> {
    let stream = sender.offer;
    match routes {
        StreamRoutes::One(target) => {
            // Before the rendezvous: so the sender's own handshake tells it what became of it.
            let local = match target.connect(streams.options.connect_timeout).await {
                Ok(local) => local,
                Err(error) => return Err(turn_away(listener, stream, error)),
            };
            let wire = meet(streams, listener, sender).await?;
            streams.tell(ForwardEvent::Accepted { stream });
            Ok(JoinedEnds { wire, local, early: Vec::new(), name: None })
        }
        StreamRoutes::Named { names, numbers } => {
            let mut wire = meet(streams, listener, sender).await?;
            streams.tell(ForwardEvent::Accepted { stream });
            let mut came = Vec::new();
            match admit(&mut wire, &mut came, names, numbers.as_ref(), &streams.options).await {
                Ok((local, name)) => Ok(JoinedEnds { wire, local, early: came, name: Some(name) }),
                Err(Rejection { answer, code, reason, name, error }) => {
                    with_buffers(|buffers| {
                        if let Some(answer) = answer {
                            wire.send(&mut buffers.keys, &preamble::answer(answer));
                        }
                        wire.send_close(&mut buffers.keys, code, reason);
                    });
                    wire.finish(FAREWELL).await;
                    Err(StreamRefusal { status: None, name, error })
                }
            }
        }
    }
}

/// Dials the rendezvous of an offer.
async fn meet(
    streams: &Streams,
    listener: &Listener,
    sender: AdmittedSender,
) -> Result<RelayedWire, StreamRefusal> {
    let AdmittedSender { offer, protocol, headers } = sender;
    let Some(mut rendezvous) = listener.accept(offer) else {
        let error = RelayError::new(ErrorKind::Timeout, "The sender was let in too late");
        return Err(StreamRefusal { status: Some(504), name: None, error });
    };
    let mut request = rendezvous.dial_request(protocol.as_deref(), None, &headers);
    let protocols: Vec<String> = protocol.into_iter().collect();
    let wire = RelayedWire::open(&mut request, &protocols, streams.options.tuning).await?;
    rendezvous.pending.opened();
    Ok(wire)
}

/// The target cannot be had: the sender hears it as the answer to its handshake.
fn turn_away(listener: &Listener, offer: u64, error: RelayError) -> StreamRefusal {
    let (status, reason) = match (error.kind, error.system.as_ref().map(|system| &*system.code)) {
        (ErrorKind::Timeout, _) | (_, Some("ETIMEDOUT")) => (504, "The target does not answer"),
        (_, Some("ECONNREFUSED")) => (502, "The target refused the connection"),
        _ => (502, "The target cannot be reached"),
    };
    listener.reject(offer, status, reason);
    StreamRefusal { status: Some(status), name: None, error }
}

/// Why a sender with a preamble is turned away, and what it hears.
struct Rejection {
    answer: Option<PortAnswer>,
    code: u16,
    reason: &'static str,
    name: Option<String>,
    error: RelayError,
}

impl Rejection {
    /// By what it says.
    fn unfit(answer: PortAnswer, reason: &'static str, name: Option<String>, kind: ErrorKind) -> Self {
        Self { answer: Some(answer), code: 1008, reason, name, error: RelayError::new(kind, reason) }
    }
}

/// Reads the preamble, dials what it names, and says yes.
async fn admit(
    wire: &mut RelayedWire,
    came: &mut Vec<u8>,
    names: &HashMap<String, StreamTarget>,
    numbers: Option<&StreamTarget>,
    options: &ForwardOptions,
) -> Result<(LocalStream, String), Rejection> {
    let foreign = || {
        let reason = "The stream does not begin with azbridge's preamble";
        Rejection::unfit(PortAnswer::Unknown, reason, None, ErrorKind::Protocol)
    };
    let mut unreadable = false;
    let reading = wire.read_until(came, |bytes| match preamble::read_request(bytes) {
        Ok(request) => Ok(request),
        Err(_) => {
            unreadable = true;
            Err(RelayError::new(ErrorKind::Protocol, ""))
        }
    });
    let silent = || Rejection {
        answer: None,
        code: 1008,
        reason: "The preamble did not come in time",
        name: None,
        error: RelayError::new(ErrorKind::Timeout, "The sender has not said in time which port it wants"),
    };
    let read = tokio::time::timeout(options.preamble_timeout, reading).await.map_err(|_| silent())?;
    let (PortRequest { name, datagrams }, used) = match read {
        Ok(read) => read,
        Err(_) if unreadable => return Err(foreign()),
        Err(error) => return Err(Rejection { answer: None, code: 1000, reason: "", name: None, error }),
    };
    came.drain(..used);
    if datagrams {
        let reason = "Datagrams are not forwarded";
        return Err(Rejection::unfit(PortAnswer::StreamsOnly, reason, Some(name), ErrorKind::Protocol));
    }
    let numeric = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let Some(target) = names.get(&name).or(numbers.filter(|_| numeric)) else {
        let (reason, kind) = ("There is no port of that name", ErrorKind::NotFound);
        return Err(Rejection::unfit(PortAnswer::Unknown, reason, Some(name), kind));
    };
    match target.connect(options.connect_timeout).await {
        Ok(local) => {
            with_buffers(|buffers| wire.send(&mut buffers.keys, &preamble::answer(PortAnswer::Stream)));
            Ok((local, name))
        }
        Err(error) => {
            let reason = "The target cannot be reached";
            Err(Rejection { answer: None, code: 1011, reason, name: Some(name), error })
        }
    }
}
