//! What JavaScript says about relayed HTTP requests, by the numbers of their exchanges.

use napi_derive::napi;

use super::listener::NativeListener;
use super::text::Latin1Text;

#[napi]
impl NativeListener {
    /// The whole answer to a request: the head as Node writes it, and the body. False if nobody waits for it, as in the
    /// following.
    #[napi(ts_args_type = "exchange: number, head: string, body?: Uint8Array | null", catch_unwind)]
    pub fn respond(&self, exchange: f64, head: Latin1Text, body: Option<&[u8]>) -> bool {
        let body = body.unwrap_or_default().to_vec();
        self.with("respond", |listener| listener.respond(exchange as u64, head.0, body)).unwrap_or_default()
    }

    /// The head of an answer whose body follows in parts.
    #[napi(ts_args_type = "exchange: number, head: string", catch_unwind)]
    pub fn begin_answer(&self, exchange: f64, head: Latin1Text) -> bool {
        self.with("beginAnswer", |listener| listener.begin_answer(exchange as u64, head.0))
            .unwrap_or_default()
    }

    /// A part of that body. It is copied.
    #[napi(catch_unwind)]
    pub fn write_answer(&self, exchange: f64, chunk: &[u8]) -> bool {
        self.with("writeAnswer", |listener| listener.write_answer(exchange as u64, chunk)).unwrap_or_default()
    }

    /// Its end. A record says when all of it has left.
    #[napi(catch_unwind)]
    pub fn end_answer(&self, exchange: f64) -> bool {
        self.with("endAnswer", |listener| listener.end_answer(exchange as u64)).unwrap_or_default()
    }

    /// Ends an exchange without an answer, or in the middle of it.
    #[napi(catch_unwind)]
    pub fn cut_answer(&self, exchange: f64) -> bool {
        self.with("cutAnswer", |listener| listener.cut_answer(exchange as u64)).unwrap_or_default()
    }

    /// Has the body of a request come, or not for now. At first it does not.
    #[napi(catch_unwind)]
    pub fn flow_body(&self, exchange: f64, flowing: bool) -> bool {
        self.with("flowBody", |listener| listener.flow_body(exchange as u64, flowing)).unwrap_or_default()
    }

    /// Dials the rendezvous of a request now.
    #[napi(catch_unwind)]
    pub fn dial_request(&self, exchange: f64) -> bool {
        self.with("dialRequest", |listener| listener.dial_request(exchange as u64)).unwrap_or_default()
    }
}
