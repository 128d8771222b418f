//! Looks at one HTTP request and its response as they pass: when what happened, and how their bodies begin.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::record::{RecordDetail, RecordedBody, RequestResult, RequestTiming, millis_since};
use super::record_preview::{RecordPreview, is_text};
use super::record_store::RecordStore;
use crate::http::headers::{HeaderList, joined};
use crate::protocol::control::Response;
use crate::sync::lock;

/// One request, while somebody records.
pub struct RequestTap {
    store: Arc<RecordStore>,
    path: Arc<str>,
    id: Arc<str>,
    began: Instant,
    seen: Mutex<RequestSeen>,
}

#[derive(Default)]
struct RequestSeen {
    timing: RequestTiming,
    listener: Option<String>,
    status: Option<u16>,
    by: Option<&'static str>,
    upload: BodySeen,
    download: BodySeen,
}

#[derive(Default)]
struct BodySeen {
    size: u64,
    start: Vec<u8>,
    encoding: Option<String>,
}

impl RequestTap {
    /// A request whose head has come.
    pub fn new(store: Arc<RecordStore>, path: &str, id: &str, headers: &HeaderList) -> Self {
        let seen = RequestSeen { upload: BodySeen::with(headers), ..RequestSeen::default() };
        let (path, id) = (Arc::from(path), Arc::from(id));
        Self { store, path, id, began: Instant::now(), seen: Mutex::new(seen) }
    }

    fn now(&self) -> Option<f64> {
        Some(millis_since(self.began))
    }

    /// It is on its way to that listener.
    pub fn queued(&self, listener: &str) {
        let mut seen = lock(&self.seen);
        seen.timing.queued = self.now();
        seen.listener = Some(listener.to_owned());
    }

    /// A listener has it in hand.
    pub fn accepted(&self) {
        let mut seen = lock(&self.seen);
        seen.timing.accepted = self.now();
        // A quick listener answers before the relay knows that the offer is out.
        seen.timing.queued = seen.timing.queued.or(seen.timing.accepted);
    }

    /// It goes on by a rendezvous with that listener, which may be there from an earlier request.
    pub fn on_rendezvous(&self, listener: &str) {
        if lock(&self.seen).timing.accepted.is_none() {
            self.queued(listener);
            self.accepted();
        }
    }

    /// Some of the sender's body.
    pub fn upload(&self, bytes: &[u8]) {
        lock(&self.seen).upload.take(bytes, self.store.taken());
    }

    /// Some of the listener's body.
    pub fn download(&self, bytes: &[u8]) {
        lock(&self.seen).download.take(bytes, self.store.taken());
    }

    /// The head of the response is on its way to the sender.
    pub fn responded(&self, response: &Response, by: &'static str) {
        let mut seen = lock(&self.seen);
        seen.timing.first_byte = self.now();
        seen.status = Some(response.status_code);
        seen.by = Some(by);
        seen.download = BodySeen::with(&response.response_headers);
        let listener = seen.listener.clone();
        drop(seen);
        self.push(RecordDetail::Response {
            status: response.status_code,
            reason: response.status_description.clone(),
            headers: response.response_headers.clone(),
            by,
            listener,
        });
    }

    /// All is over; `failure` is why there is no whole response, and `status` the relay's own answer in its place.
    pub fn end(&self, status: Option<u16>, failure: Option<String>) {
        let mut seen = std::mem::take(&mut *lock(&self.seen));
        seen.timing.end = self.now();
        seen.status = status.or(seen.status);
        let preview = self.store.preview();
        let result = Box::new(RequestResult {
            status: seen.status,
            by: seen.by,
            request_body: seen.upload.shown(preview),
            response_body: seen.download.shown(preview),
            timing: seen.timing,
            reason: failure,
        });
        let whole = result.reason.is_none();
        self.push(if whole {
            RecordDetail::RequestDone(result)
        } else {
            RecordDetail::RequestFailed(result)
        });
    }

    fn push(&self, detail: RecordDetail) {
        self.store.push(Arc::clone(&self.path), Arc::clone(&self.id), detail);
    }
}

impl BodySeen {
    fn with(headers: &HeaderList) -> Self {
        let encoding =
            joined(headers, "content-encoding").filter(|own| !own.eq_ignore_ascii_case("identity"));
        Self { encoding, ..Self::default() }
    }

    fn take(&mut self, bytes: &[u8], most: usize) {
        self.size += bytes.len() as u64;
        // Whoever decodes it would find what redaction did not.
        if self.encoding.is_none() {
            let room = most - self.start.len();
            self.start.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    fn shown(self, preview: usize) -> RecordedBody {
        let text = is_text(&self.start);
        RecordedBody {
            size: self.size,
            text,
            cut: self.size > preview as u64,
            preview: RecordPreview { bytes: self.start, text },
            encoding: self.encoding,
        }
    }
}
