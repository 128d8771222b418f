//! How the service says no: a status and, in the reason phrase, its text with a tracking id.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::token_fate::TokenFate;
use crate::uuid::random_uuid;

/// A handshake or a request that is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayRefusal {
    /// The HTTP status.
    pub status: u16,
    /// The text, ending in a full stop.
    pub text: String,
    /// False sends the text alone, as for the verdict of a listener.
    pub tracked: bool,
    /// What was wrong with the token, where it was that.
    pub token: Option<Box<TokenFate>>,
}

impl RelayRefusal {
    /// A refusal of the service's own.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), tracked: true, token: None }
    }

    /// The same, for what became of the token.
    pub fn because(mut self, token: TokenFate) -> Self {
        self.token = Some(Box::new(token));
        self
    }

    /// There is no such hybrid connection.
    pub fn no_endpoint() -> Self {
        Self::new(404, "Endpoint does not exist.")
    }

    /// The verdict of a listener, which the sender gets word for word.
    pub fn verbatim(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), tracked: false, token: None }
    }

    /// The reason phrase; `resource` is `host/path` of what was asked for.
    pub fn reason(&self, front_end: u8, resource: &str) -> String {
        if !self.tracked {
            return header_safe(&self.text);
        }
        let id = random_uuid();
        let now = unix_now();
        let text = self.text.trim_end();
        header_safe(&format!(
            "{text} TrackingId:{id}_G{front_end}, SystemTracker:sb://{resource}, Timestamp:{}",
            timestamp(now)
        ))
    }
}

/// Keeps printable ASCII, which is all that a status line may carry.
pub fn header_safe(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// Seconds since 1970.
pub fn unix_now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970.
pub fn unix_millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// `2025-01-31T08:15:00` in UTC, up to the end of the year 9999.
pub fn timestamp(unix: i64) -> String {
    let seconds = unix.clamp(0, 253_402_300_799).unsigned_abs();
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    text.trim_end_matches('Z').to_owned()
}

/// `Fri, 31 Jan 2025 08:15:00 GMT`, as headers have it.
pub fn http_date(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let unix = unix.clamp(0, 253_402_300_799);
    let text = timestamp(unix);
    let (date, time) = text.split_at(10);
    let month: usize = date[5..7].parse().unwrap_or(1);
    let day = DAYS[usize::try_from(unix / 86_400 % 7).unwrap_or_default()];
    format!("{day}, {} {} {} {} GMT", &date[8..], MONTHS[month - 1], &date[..4], &time[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_a_tracking_id_and_a_time() {
        let reason = RelayRefusal::new(404, "Endpoint does not exist.").reason(7, "127.0.0.1:80/hyco");
        assert!(reason.starts_with("Endpoint does not exist. TrackingId:"), "{reason}");
        assert!(reason.contains("_G7, SystemTracker:sb://127.0.0.1:80/hyco, Timestamp:20"), "{reason}");
    }

    #[test]
    fn a_verdict_goes_out_word_for_word_and_header_safe() {
        assert_eq!(RelayRefusal::verbatim(418, "no\r\ntea ü").reason(0, ""), "no??tea ?");
    }

    #[test]
    fn dates_of_headers_have_a_day_of_the_week() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56");
        assert_eq!(timestamp(1_700_000_000), "2023-11-14T22:13:20");
        assert_eq!(timestamp(i64::MIN), "1970-01-01T00:00:00");
        assert_eq!(timestamp(i64::MAX), "9999-12-31T23:59:59");
    }
}
