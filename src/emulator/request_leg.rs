//! The rendezvous of an HTTP request, which stays with its sender's connection: one WebSocket with a listener.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::exchange::ExchangeEnd;
use super::fault::Signals;
use super::frames::put_frame;
use super::http::Upgrade;
use super::leg_parts::{LegPart, LegParts};
use super::namespace::channel::EndOrder;
use super::namespace::seats::PipeSeat;
use super::outflow::Outflow;
use super::stream::{self, InboundConnection, InboundStream};
use crate::frame::{self, OpCode, close_payload};

/// How much is read at a time.
const READ: usize = 64 * 1024;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a step has shown.
pub enum RendezvousStep {
    /// Some bytes came or went, or a fault began or ended.
    Moved,
    /// The listener is gone.
    Lost,
    /// The relay was told to end it.
    Ordered(EndOrder),
}

/// An open rendezvous.
pub struct RequestLeg {
    /// The hybrid connection.
    pub path: String,
    /// The id of the listener, as far as the relay knows it.
    pub listener: String,
    /// What comes in.
    pub parts: LegParts,
    /// What goes out, whole frames.
    pub out: Outflow,
    reader: ReadHalf<InboundStream>,
    writer: WriteHalf<InboundStream>,
    seat: PipeSeat,
    signals: watch::Receiver<Signals>,
    /// A binary message of ours is under way.
    in_message: bool,
    /// The listener's close frame has come.
    closed: bool,
}

impl RequestLeg {
    /// Completes the listener's handshake.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn open(
        mut connection: InboundConnection,
        upgrade: &Upgrade,
        (path, listener): (String, String),
        seat: PipeSeat,
        signals: watch::Receiver<Signals>,
    ) -> io::Result<Self> {
        upgrade.accept(&mut connection.stream, None, None).await?;
        let (reader, writer) = tokio::io::split(connection.stream);
        let (parts, out) = (LegParts::new(connection.early), Outflow::default());
        Ok(Self {
            path,
            listener,
            parts,
            out,
            reader,
            writer,
            seat,
            signals,
            in_message: false,
            closed: false,
        })
    }

    /// Queues a text message.
    pub fn put_text(&mut self, text: &str) {
        put_frame(self.out.end(), OpCode::Text, text.as_bytes());
    }

    /// Queues the next fragment of a binary message.
    pub fn put_piece(&mut self, last: bool, piece: &[u8]) {
        let opcode = self.next_opcode();
        frame::encode(self.out.end(), opcode, last, false, None, piece);
        self.in_message = !last;
    }

    fn next_opcode(&self) -> OpCode {
        if self.in_message { OpCode::Continuation } else { OpCode::Binary }
    }

    /// Answers a ping.
    pub fn put_pong(&mut self, payload: &[u8]) {
        if !self.signals.borrow().swallow_pongs {
            put_frame(self.out.end(), OpCode::Pong, payload);
        }
    }

    /// Writes, and reads where `read` says so. Nothing is lost where this is dropped before it is done.
    pub async fn step(&mut self, read: bool) -> RendezvousStep {
        let silent = self.signals.borrow_and_update().silence.data;
        let writes = !silent && !self.out.is_out();
        self.parts.buffer.reserve(READ);
        let moved = tokio::select! {
            Some(order) = self.seat.endings.recv() => return RendezvousStep::Ordered(order),
            Ok(()) = self.signals.changed() => true,
            written = self.out.advance(&mut self.writer), if writes => written.is_ok(),
            count = self.reader.read_buf(&mut self.parts.buffer), if read && !silent => {
                count.is_ok_and(|count| count > 0)
            }
            else => false,
        };
        if moved { RendezvousStep::Moved } else { RendezvousStep::Lost }
    }

    /// Keeps the rendezvous alive between requests; returns when it ends. What the listener says is late or stray.
    pub async fn idle(&mut self) -> ExchangeEnd {
        let mut stray = Vec::new();
        loop {
            loop {
                stray.clear();
                match self.parts.next(&mut stray) {
                    Ok(Some(LegPart::Ping(payload))) => self.put_pong(&payload),
                    Ok(Some(LegPart::Close(_))) => {
                        self.closed = true;
                        return ExchangeEnd::Done;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return ExchangeEnd::Done,
                }
            }
            match self.step(true).await {
                RendezvousStep::Moved => {}
                RendezvousStep::Lost => return ExchangeEnd::Done,
                RendezvousStep::Ordered(order) => return ExchangeEnd::Ordered(order),
            }
        }
    }

    /// The listener's close frame has come.
    pub fn has_closed(&mut self) {
        self.closed = true;
    }

    /// Closes with `code` and waits for the answer, for a time.
    pub async fn close(mut self, code: u16, reason: &str) {
        let goodbye = async {
            put_frame(self.out.end(), OpCode::Close, &close_payload(code, reason));
            self.out.finish(&mut self.writer).await?;
            let mut stray = Vec::new();
            while !self.closed {
                stray.clear();
                match self.parts.next(&mut stray) {
                    Ok(Some(LegPart::Close(_))) | Err(_) => break,
                    Ok(Some(_)) => {}
                    Ok(None) if self.reader.read_buf(&mut self.parts.buffer).await? == 0 => break,
                    Ok(None) => {}
                }
            }
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        stream::finish(self.reader, self.writer).await;
    }

    /// Ends as ordered.
    pub async fn obey(mut self, order: EndOrder) {
        match order {
            EndOrder::Close(code, reason) => self.close(code, &reason).await,
            EndOrder::Cut { mid_frame, reset } => {
                if mid_frame {
                    let opcode = self.next_opcode();
                    frame::encode_head(self.out.end(), opcode, true, false, None, 1000);
                    self.out.end().extend_from_slice(&[0; 10]);
                }
                let _ = tokio::time::timeout(GOODBYE, self.out.finish(&mut self.writer)).await;
                stream::cut(self.reader, self.writer, reset);
            }
        }
    }
}
