//! Answers those who are not admitted.

use super::Namespace;
use crate::emulator::event::RelayEvent;
use crate::emulator::http;
use crate::emulator::refusal::{RelayRefusal, http_date, unix_now};
use crate::emulator::stream::InboundConnection;
use crate::http::HttpRequestHead;

impl Namespace {
    /// Answers with a refusal and ends the connection; `head` is what came, as far as that could be read.
    pub async fn refuse(
        &self,
        connection: InboundConnection,
        path: &str,
        head: Option<&HttpRequestHead>,
        refusal: &RelayRefusal,
    ) {
        let reason = self.announce(&connection, path, refusal);
        self.record_refusal(connection.peer.to_string(), head, refusal, &reason);
        answer(connection, refusal.status, &reason).await;
    }

    /// The same for a sender whom a listener has rejected, which is no refusal of the relay's.
    pub async fn pass_on_rejection(&self, connection: InboundConnection, path: &str, verdict: &RelayRefusal) {
        let reason = self.announce(&connection, path, verdict);
        answer(connection, verdict.status, &reason).await;
    }

    /// Counts and tells it; gives the reason phrase.
    fn announce(&self, connection: &InboundConnection, path: &str, refusal: &RelayRefusal) -> String {
        let resource = format!("{}{path}", connection.authority);
        let reason = refusal.reason(self.front_end, &resource);
        if refusal.tracked {
            self.count(|totals| &mut totals.refused);
        }
        let (target, status) = (path.to_owned(), refusal.status);
        self.emit(&RelayEvent::Refused { target, status, reason: reason.clone() });
        reason
    }
}

async fn answer(mut connection: InboundConnection, status: u16, reason: &str) {
    // By it clients can tell that their own clock is wrong.
    let mut headers = vec![("Date".to_owned(), http_date(unix_now()))];
    if status == 426 {
        headers.push(("Sec-WebSocket-Version".to_owned(), "13".to_owned()));
    }
    let _ = http::respond(&mut connection.stream, status, reason, &headers).await;
    connection.finish().await;
}
