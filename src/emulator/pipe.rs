//! Joins two legs, and tells them how it ended.

use std::sync::Arc;
use std::time::Instant;

use super::message_tap::TappedPipe;
use super::namespace::Namespace;
use super::namespace::channel::EndOrder;
use super::namespace::seats::PipeSeat;
use super::pipe_direction::{DirectionEnd, PipeDirection};
use super::pipe_leg::{PipeHalf, PipeLeg};
use super::record::{PipeEnd, millis_since};
use super::stream::InboundConnection;
use crate::frame::{FrameError, close_payload};

/// Which leg.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PipeSide {
    Sender,
    Listener,
}

/// Why the pipe ended as a whole.
enum PipeOutcome {
    /// The closing handshake is complete, or its time is over.
    Closed,
    /// One leg is gone.
    Lost(PipeSide),
    /// One leg broke the rules.
    Violation(PipeSide, FrameError),
    /// The relay was told to.
    Ordered(EndOrder),
}

/// Pipes until the end, under the names by which `path` and `id` are known; tells how that came.
pub async fn run(
    namespace: &Arc<Namespace>,
    sender: InboundConnection,
    listener: InboundConnection,
    extended: bool,
    mut seat: PipeSeat,
    (path, id): (&str, &str),
) -> PipeEnd {
    let began = Instant::now();
    let pipe = TappedPipe { path: path.into(), id: id.into(), figures: Arc::clone(&seat.figures) };
    let (sender_leg, listener_leg) = (PipeLeg::default(), PipeLeg::default());
    let mut up = PipeDirection::new(&sender_leg, &listener_leg, namespace, &pipe, extended, true);
    let mut down = PipeDirection::new(&listener_leg, &sender_leg, namespace, &pipe, extended, false);
    let (mut sender_reader, mut sender_writer) = tokio::io::split(sender.stream);
    let (mut listener_reader, mut listener_writer) = tokio::io::split(listener.stream);

    let outcome = {
        let up = up.run(&mut sender_reader, &mut listener_writer, sender.early);
        let down = down.run(&mut listener_reader, &mut sender_writer, listener.early);
        tokio::pin!(up, down);
        let (source, end) = tokio::select! {
            end = &mut up => (PipeSide::Sender, Ok(end)),
            end = &mut down => (PipeSide::Listener, Ok(end)),
            ending = seat.endings.recv() => (PipeSide::Sender, Err(ending)),
        };
        match end {
            Ok(DirectionEnd::Closed) => {
                // The other side may go on sending before it answers: a forwarded stream is half closed then.
                let answer = async {
                    match source {
                        PipeSide::Sender => down.await,
                        PipeSide::Listener => up.await,
                    }
                };
                tokio::select! {
                    end = answer => match (source, end) {
                        (_, DirectionEnd::Closed) => PipeOutcome::Closed,
                        (first, DirectionEnd::Violation(violation)) => PipeOutcome::Violation(first.other(), violation),
                        (first, DirectionEnd::SourceLost) => PipeOutcome::Lost(first.other()),
                        (first, DirectionEnd::TargetLost) => PipeOutcome::Lost(first),
                    },
                    () = tokio::time::sleep(namespace.options.half_close_time()) => PipeOutcome::Closed,
                    Some(ending) = seat.endings.recv() => PipeOutcome::Ordered(ending),
                }
            }
            Ok(DirectionEnd::SourceLost) => PipeOutcome::Lost(source),
            Ok(DirectionEnd::TargetLost) => PipeOutcome::Lost(source.other()),
            Ok(DirectionEnd::Violation(violation)) => PipeOutcome::Violation(source, violation),
            Err(Some(ending)) => PipeOutcome::Ordered(ending),
            Err(None) => PipeOutcome::Lost(PipeSide::Sender),
        }
    };

    drop(seat);
    let (sender_code, sender_reason) = sender_leg.goodbye();
    let (listener_code, listener_reason) = listener_leg.goodbye();
    let (cause, duration) = (outcome.name(), millis_since(began));
    let end = PipeEnd { sender_code, sender_reason, listener_code, listener_reason, cause, duration };
    up.end();
    down.end();
    let sender = PipeHalf { leg: &sender_leg, reader: sender_reader, writer: sender_writer };
    let listener = PipeHalf { leg: &listener_leg, reader: listener_reader, writer: listener_writer };
    match outcome {
        PipeOutcome::Closed => {
            // A leg that closed and got no answer in time gets its own code back.
            let (to_sender, to_listener) = (sender_leg.received_close(), listener_leg.received_close());
            tokio::join!(sender.finish(to_sender), listener.finish(to_listener));
        }
        // The listener is told that its sender is gone; a sender sees its connection end without a close frame.
        PipeOutcome::Lost(PipeSide::Sender) => {
            let to_listener = Some(close_payload(1001, "The sender is gone."));
            tokio::join!(sender.finish(None), listener.finish(to_listener));
        }
        PipeOutcome::Lost(PipeSide::Listener) => {
            tokio::join!(listener.finish(None), sender.finish(None));
        }
        PipeOutcome::Violation(side, violation) => {
            let broken = Some(close_payload(1002, &violation.message));
            let other = Some(close_payload(1001, "The peer broke the protocol."));
            let (to_sender, to_listener) =
                if side == PipeSide::Sender { (broken, other) } else { (other, broken) };
            tokio::join!(sender.finish(to_sender), listener.finish(to_listener));
        }
        PipeOutcome::Ordered(EndOrder::Close(code, text)) => {
            let payload = Some(close_payload(code, &text));
            tokio::join!(sender.finish(payload.clone()), listener.finish(payload));
        }
        PipeOutcome::Ordered(EndOrder::Cut { mid_frame, reset }) => {
            tokio::join!(sender.cut(mid_frame, reset), listener.cut(mid_frame, reset));
        }
    }
    end
}

impl PipeOutcome {
    fn name(&self) -> &'static str {
        match self {
            PipeOutcome::Closed => "closed",
            PipeOutcome::Lost(PipeSide::Sender) => "senderLost",
            PipeOutcome::Lost(PipeSide::Listener) => "listenerLost",
            PipeOutcome::Violation(..) => "violation",
            PipeOutcome::Ordered(_) => "ordered",
        }
    }
}

impl PipeSide {
    fn other(self) -> Self {
        match self {
            PipeSide::Sender => PipeSide::Listener,
            PipeSide::Listener => PipeSide::Sender,
        }
    }
}
