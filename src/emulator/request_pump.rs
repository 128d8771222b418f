//! Carries one request and its response between a sender's connection and the rendezvous with a listener.
//!
//! Both ways at once and one buffer each way: what is read is written before more is read, so that a side that does not
//! read slows down the other one and nothing piles up here.

use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::{ExchangeEnd, HttpExchange, late, shutting_down};
use super::fault::BodySide;
use super::leg_parts::LegPart;
use super::namespace::RequestOutcome;
use super::outflow::Outflow;
use super::refusal::RelayRefusal;
use super::request_leg::{RendezvousStep, RequestLeg};
use super::stream::{InboundConnection, InboundStream, MAX_EARLY};
use crate::http::BodyLength;
use crate::http::write::put_chunk;
use crate::protocol::control::parse_listener_message;

/// How far the response has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResponseStage {
    Awaited,
    Body,
    /// A body that the sender is not to get: of a response to HEAD, a 204 or a 304.
    Unwanted,
    Whole,
}

struct Pump<'a, 'b> {
    exchange: &'a mut HttpExchange<'b>,
    leg: &'a mut RequestLeg,
    /// What was read of the sender and is not passed on.
    early: Vec<u8>,
    to_sender: Outflow,
    uploading: bool,
    stage: ResponseStage,
    /// Without chunks, for HTTP/1.0, the end of the connection is the end of the body.
    chunked: bool,
    keep_alive: bool,
    /// What may still pass of a body that a fault is to cut.
    upload_left: Option<u64>,
    response_left: Option<u64>,
    /// When the side that is waited for has taken too long.
    deadline: Instant,
}

/// Runs the exchange over `leg`; `told` where the listener has the request, but perhaps for its body, already.
pub async fn run(
    exchange: &mut HttpExchange<'_>,
    sender: &mut InboundConnection,
    leg: &mut RequestLeg,
    told: bool,
    mut outcome: oneshot::Receiver<RequestOutcome>,
) -> ExchangeEnd {
    let has_body = exchange.length != BodyLength::None;
    if !told {
        leg.put_text(&exchange.full_form(None, has_body));
    }
    let uploading = !told && has_body;
    exchange.seen(|tap| tap.on_rendezvous(&leg.listener));
    let cut = |side| exchange.namespace.planned_cut(side);
    let mut pump = Pump {
        upload_left: uploading.then(|| cut(BodySide::Request)).flatten(),
        early: std::mem::take(&mut sender.early),
        to_sender: Outflow::default(),
        uploading,
        stage: ResponseStage::Awaited,
        chunked: exchange.head.version == "1.1",
        keep_alive: exchange.keep_alive(),
        response_left: None,
        deadline: Instant::now() + exchange.time,
        exchange,
        leg,
    };
    let (mut reader, mut writer) = tokio::io::split(&mut sender.stream);
    let end = pump.run(&mut reader, &mut writer, &mut outcome).await;
    let early = pump.early;
    sender.early = early;
    end
}

impl Pump<'_, '_> {
    async fn run(
        &mut self,
        reader: &mut ReadHalf<&mut InboundStream>,
        writer: &mut WriteHalf<&mut InboundStream>,
        outcome: &mut oneshot::Receiver<RequestOutcome>,
    ) -> ExchangeEnd {
        let mut settled = false;
        let end = loop {
            if let Err(end) = self.pass() {
                break end;
            }
            if self.stage == ResponseStage::Whole && !self.uploading && self.leg.out.is_out() {
                break if self.keep_alive { ExchangeEnd::Next } else { ExchangeEnd::Done };
            }
            let writes = !self.to_sender.is_out();
            let reads = self.early.len() < MAX_EARLY && (!self.uploading || self.leg.out.is_out());
            if reads {
                self.early.reserve(MAX_EARLY);
            }
            // In no order: who is always ready must not keep the other direction waiting.
            tokio::select! {
                told = &mut *outcome, if !settled => match told {
                    Ok(RequestOutcome::Expired) => break self.failed(late()),
                    Err(_) => break self.failed(shutting_down()),
                    // An answer on the control channel comes too late once there is a rendezvous.
                    Ok(_) => settled = true,
                },
                step = self.leg.step(!writes) => match step {
                    RendezvousStep::Moved => {}
                    RendezvousStep::Lost => break self.listener_gone(),
                    // At the end of the relay there is this order, too.
                    RendezvousStep::Ordered(_) if !settled && is_over(outcome) => break self.failed(shutting_down()),
                    RendezvousStep::Ordered(order) => break ExchangeEnd::Ordered(order),
                },
                written = self.to_sender.advance(writer), if writes => match written {
                    Ok(()) => self.moved(),
                    Err(_) => return ExchangeEnd::SenderGone,
                },
                read = reader.read_buf(&mut self.early), if reads => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return ExchangeEnd::SenderGone,
                },
                () = sleep_until(self.deadline), if !writes => break self.too_late(),
            }
        };
        // What is on its way to the sender comes before the end.
        match timeout(self.exchange.time, self.to_sender.finish(writer)).await {
            Ok(Ok(())) => end,
            _ => ExchangeEnd::SenderGone,
        }
    }

    /// Passes on what was read.
    fn pass(&mut self) -> Result<(), ExchangeEnd> {
        if self.uploading && self.leg.out.is_out() {
            self.pass_up()?;
        }
        if self.to_sender.is_out() {
            self.pass_down()?;
        }
        Ok(())
    }

    fn pass_up(&mut self) -> Result<(), ExchangeEnd> {
        let mut piece = Vec::new();
        let Ok(rest) = self.exchange.upload.push(&self.early, &mut piece) else {
            return Err(self.failed(RelayRefusal::new(400, "The body is not valid.")));
        };
        let rest = rest.len();
        self.early.drain(..self.early.len() - rest);
        let last = self.exchange.upload.is_done();
        if piece.is_empty() && !last {
            return Ok(());
        }
        self.moved();
        self.exchange.seen(|tap| tap.upload(&piece));
        if let Some(left) = &mut self.upload_left
            && take(left, &mut piece, last)
        {
            self.leg.put_piece(false, &piece);
            return Err(ExchangeEnd::SenderGone);
        }
        self.leg.put_piece(last, &piece);
        self.uploading = !last;
        Ok(())
    }

    fn pass_down(&mut self) -> Result<(), ExchangeEnd> {
        let mut data = Vec::new();
        loop {
            let from = data.len();
            let part = match self.leg.parts.next(&mut data) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(_) => return Err(self.listener_gone()),
            };
            let in_body = matches!(self.stage, ResponseStage::Body | ResponseStage::Unwanted);
            match part {
                LegPart::Ping(payload) => self.leg.put_pong(&payload),
                LegPart::Close(_) => {
                    self.leg.has_closed();
                    self.put_data(&mut data, false)?;
                    return Err(self.listener_gone());
                }
                LegPart::Text(text) if self.stage == ResponseStage::Awaited => self.respond(&text)?,
                // A text in the place of a body: nobody knows what is what any more.
                LegPart::Text(_) if in_body => return Err(self.listener_gone()),
                LegPart::BinaryEnd if in_body => {
                    self.put_data(&mut data, true)?;
                    self.stage = ResponseStage::Whole;
                }
                LegPart::Binary if in_body => self.moved(),
                // A late answer, a stray body, or what follows a body that the sender was not to get.
                LegPart::Text(_) | LegPart::Binary | LegPart::BinaryEnd => {}
            }
            if self.stage != ResponseStage::Body {
                data.truncate(from);
            }
        }
        self.put_data(&mut data, false)
    }

    /// Passes on what has come of the response's body.
    fn put_data(&mut self, data: &mut Vec<u8>, last: bool) -> Result<(), ExchangeEnd> {
        if self.stage != ResponseStage::Body {
            return Ok(());
        }
        let cut = self.response_left.as_mut().is_some_and(|left| take(left, data, last));
        self.exchange.seen(|tap| tap.download(data));
        let out = self.to_sender.end();
        match (self.chunked, data.is_empty()) {
            (true, false) => put_chunk(out, data),
            (false, false) => out.extend_from_slice(data),
            (_, true) => {}
        }
        data.clear();
        if cut {
            return Err(self.cut());
        }
        if last && self.chunked {
            put_chunk(self.to_sender.end(), b"");
        }
        Ok(())
    }

    /// The head of the response.
    fn respond(&mut self, text: &[u8]) -> Result<(), ExchangeEnd> {
        let Some(response) = parse_listener_message(text).and_then(|message| message.response) else {
            return Err(self.failed(RelayRefusal::new(502, "The response of the listener is not valid.")));
        };
        if response.request_id != self.exchange.id {
            return Ok(());
        }
        let streams = response.body && self.exchange.takes_body(&response);
        let framing = match (streams, self.chunked) {
            (false, _) => BodyLength::None,
            (true, true) => BodyLength::Chunked,
            (true, false) => BodyLength::UntilClose,
        };
        match self.exchange.response_head(&response, framing, self.keep_alive) {
            Ok(head) => self.to_sender.end().extend_from_slice(&head),
            Err(refusal) => return Err(self.failed(refusal)),
        }
        self.exchange.seen(|tap| tap.responded(&response, "rendezvous"));
        self.moved();
        self.stage = match (streams, response.body) {
            (true, _) => ResponseStage::Body,
            (false, true) => ResponseStage::Unwanted,
            (false, false) => ResponseStage::Whole,
        };
        if streams {
            self.response_left = self.exchange.namespace.planned_cut(BodySide::Response);
        }
        Ok(())
    }

    fn moved(&mut self) {
        self.deadline = Instant::now() + self.exchange.time;
    }

    /// The service answers itself, if nothing of a response is out.
    fn failed(&mut self, refusal: RelayRefusal) -> ExchangeEnd {
        match self.stage {
            ResponseStage::Awaited => ExchangeEnd::Refused(refusal),
            ResponseStage::Body => self.cut(),
            ResponseStage::Unwanted | ResponseStage::Whole => ExchangeEnd::Done,
        }
    }

    /// The sender must see that its response is not whole.
    fn cut(&self) -> ExchangeEnd {
        ExchangeEnd::Cut { reset: !self.chunked }
    }

    fn listener_gone(&mut self) -> ExchangeEnd {
        self.failed(RelayRefusal::new(502, "The listener closed the rendezvous."))
    }

    fn too_late(&mut self) -> ExchangeEnd {
        let sender = self.uploading && self.leg.out.is_out();
        self.failed(if sender { RelayRefusal::new(408, "The body did not come in time.") } else { late() })
    }
}

/// Whether nobody is left who could tell what becomes of the request.
fn is_over(outcome: &mut oneshot::Receiver<RequestOutcome>) -> bool {
    matches!(outcome.try_recv(), Err(oneshot::error::TryRecvError::Closed))
}

/// Takes from `left` what `piece` has; true where a fault cuts the body here, of which `piece` then has the rest.
fn take(left: &mut u64, piece: &mut Vec<u8>, last: bool) -> bool {
    let length = piece.len() as u64;
    let cut = length > *left || last;
    piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
    *left = left.saturating_sub(length);
    cut
}
