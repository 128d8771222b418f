//! The relay at a glance: who listens, and what is connected.

use serde::Serialize;

use super::event::{RelayStats, Totals};

/// All of it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayOverview {
    /// What exists.
    pub hybrid_connections: Vec<EntityOverview>,
    /// Who listens.
    pub listeners: Vec<ListenerOverview>,
    /// Established rendezvous, those of HTTP included.
    pub connections: Vec<PipeOverview>,
    /// The counts.
    #[serde(flatten)]
    pub stats: OverviewCounts,
}

/// What of the figures stands here, too.
#[derive(Debug, Default, Serialize)]
pub struct OverviewCounts {
    /// Senders and requests that wait for a listener.
    pub pending: usize,
    /// Counts since the start.
    pub totals: Totals,
}

/// One hybrid connection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityOverview {
    /// Its name.
    pub path: String,
    /// Whether senders need a token.
    pub requires_client_authorization: bool,
    /// How many listen.
    pub listeners: usize,
    /// How many rendezvous are established.
    pub senders: usize,
}

/// One listener.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerOverview {
    /// The hybrid connection.
    pub path: String,
    /// The id under which it registered.
    pub id: String,
    /// Where it comes from.
    pub remote_address: String,
    /// Milliseconds since 1970.
    pub since: u64,
    /// The same, for the end of its token.
    pub token_expires: i64,
    /// Its control channel is being closed.
    pub closing: bool,
}

/// One rendezvous.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipeOverview {
    /// The hybrid connection.
    pub path: String,
    /// The sender's tracking id, or the request's.
    pub id: String,
    /// The listener that it was offered to last.
    pub listener: String,
    /// `websocket` or `http`.
    pub kind: &'static str,
    /// Milliseconds since 1970.
    pub since: u64,
    /// What has passed to the listener since somebody records.
    pub to_listener: WayOverview,
    /// The same to the sender.
    pub to_sender: WayOverview,
}

/// What has passed in one direction.
#[derive(Debug, Default, Serialize)]
pub struct WayOverview {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that wait for the receiver.
    pub buffered: u64,
}

impl From<RelayStats> for OverviewCounts {
    fn from(stats: RelayStats) -> Self {
        Self { pending: stats.pending, totals: stats.totals }
    }
}
