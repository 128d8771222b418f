//! How the service says no: a status and, in the reason phrase, its text with a tracking id.

#![forbid(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

/// A handshake or a request that is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The text, ending in a full stop.
    pub text: String,
    /// False sends the text alone, as for the verdict of a listener.
    pub tracked: bool,
}

impl Refusal {
    /// A refusal of the service's own.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), tracked: true }
    }

    /// There is no such hybrid connection.
    pub fn no_endpoint() -> Self {
        Self::new(404, "Endpoint does not exist.")
    }

    /// The verdict of a listener, which the sender gets word for word.
    pub fn verbatim(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), tracked: false }
    }

    /// The reason phrase; `resource` is `host/path` of what was asked for.
    pub fn reason(&self, front_end: u8, resource: &str) -> String {
        if !self.tracked {
            return header_safe(&self.text);
        }
        let id = guid();
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

/// A random version 4 UUID.
pub fn guid() -> String {
    let bits: u128 = rand::random();
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// `2025-01-31T08:15:00` in UTC.
pub fn timestamp(unix: i64) -> String {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Civil date from a day count, after Howard Hinnant: eras of 400 years that begin on 1 March.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_a_tracking_id_and_a_time() {
        let reason = Refusal::new(404, "Endpoint does not exist.").reason(7, "127.0.0.1:80/hyco");
        assert!(reason.starts_with("Endpoint does not exist. TrackingId:"), "{reason}");
        assert!(reason.contains("_G7, SystemTracker:sb://127.0.0.1:80/hyco, Timestamp:20"), "{reason}");
    }

    #[test]
    fn a_verdict_goes_out_word_for_word_and_header_safe() {
        assert_eq!(Refusal::verbatim(418, "no\r\ntea ü").reason(0, ""), "no??tea ?");
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56");
        assert_eq!(timestamp(1_700_000_000), "2023-11-14T22:13:20");
    }

    #[test]
    fn a_guid_is_of_version_four() {
        let id = guid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        assert_ne!(id, guid());
    }
}
