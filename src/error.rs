//! The one error type that crosses the border to JavaScript.
//!
//! `kind` is the stable part: it maps to the `code` that users match. The text is free to change and never
//! carries a key or a token.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use serde::Serialize;

/// What went wrong, as far as a program can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An argument or an option has the wrong value.
    InvalidArgument,
    /// A URI, a connection string or a token cannot be read.
    InvalidFormat,
    /// 401: the token is missing, malformed, expired or signed with another key.
    Unauthorized,
    /// 403: the token does not grant the right, or a quota is exhausted.
    Forbidden,
    /// 404: no such hybrid connection, or (for a sender) no listener took the connection.
    NotFound,
    /// 429 or 503: the service asks to slow down.
    Busy,
    /// Any other status that the relay, or the listener behind it, answered with.
    Refused,
    /// A phase of the connection took longer than its limit.
    Timeout,
    /// The peer's answer is not a valid WebSocket handshake.
    Handshake,
    /// The operating system reported a failure; `system` has its name.
    Network,
    /// TLS could not be set up or the certificate was not accepted.
    Tls,
    /// The proxy refused or broke the tunnel.
    Proxy,
    /// The token provider failed or returned something that is not a token.
    Token,
    /// A control message was malformed, too large or named an address outside the namespace.
    Protocol,
    /// The control channel was lost.
    Disconnected,
    /// A limit of the program's own configuration was reached.
    Limit,
    /// The operation was ended by its owner.
    Aborted,
    /// A fault of this package: a task panicked. Never the fault of whoever sees it.
    Internal,
}

impl ErrorKind {
    /// The stable `code` that JavaScript sees.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::InvalidArgument => "ERR_INVALID_ARG_VALUE",
            ErrorKind::InvalidFormat => "ERR_HYCO_INVALID_FORMAT",
            ErrorKind::Unauthorized => "ERR_HYCO_UNAUTHORIZED",
            ErrorKind::Forbidden => "ERR_HYCO_FORBIDDEN",
            ErrorKind::NotFound => "ERR_HYCO_NOT_FOUND",
            ErrorKind::Busy => "ERR_HYCO_BUSY",
            ErrorKind::Refused => "ERR_HYCO_REFUSED",
            ErrorKind::Timeout => "ERR_HYCO_TIMEOUT",
            ErrorKind::Handshake => "ERR_HYCO_HANDSHAKE",
            ErrorKind::Network => "ERR_HYCO_NETWORK",
            ErrorKind::Tls => "ERR_HYCO_TLS",
            ErrorKind::Proxy => "ERR_HYCO_PROXY",
            ErrorKind::Token => "ERR_HYCO_TOKEN",
            ErrorKind::Protocol => "ERR_HYCO_PROTOCOL",
            ErrorKind::Disconnected => "ERR_HYCO_DISCONNECTED",
            ErrorKind::Limit => "ERR_HYCO_LIMIT",
            ErrorKind::Aborted => "ERR_HYCO_ABORTED",
            ErrorKind::Internal => "ERR_HYCO_INTERNAL",
        }
    }

    /// The kind that an HTTP status of the opening handshake stands for (protocol guide, WebSocket errors).
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            408 | 504 => ErrorKind::Timeout,
            429 | 503 => ErrorKind::Busy,
            _ => ErrorKind::Refused,
        }
    }
}

/// A failure of the operating system in the shape that Node gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemError {
    /// `ECONNREFUSED`, `ENOTFOUND`, `ERR_TLS_CERT_ALTNAME_INVALID` …
    pub code: Cow<'static, str>,
    /// libuv's negative number, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// `connect`, `getaddrinfo`, `read` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<&'static str>,
    /// The address that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name that could not be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// An error of the relay, the network or the configuration.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RelayError {
    /// The stable part.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// HTTP status of the handshake, if that is what failed.
    pub status: Option<u16>,
    /// The status line's reason phrase, where the relay puts its text.
    pub reason: Option<String>,
    /// The relay's `TrackingId`, to quote in a support request.
    pub tracking_id: Option<String>,
    /// The operating system's or TLS's own code.
    pub system: Option<Box<SystemError>>,
    /// Nothing but its owner's hand cures it, although the kind of error often passes by itself.
    pub lasting: bool,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl RelayError {
    /// An error of `kind` with a text for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            reason: None,
            tracking_id: None,
            system: None,
            lasting: false,
            source: None,
        }
    }

    /// A panic has struck `what`: `connection`.
    pub fn fault(what: &str) -> Self {
        Self::new(ErrorKind::Internal, format!("The {what} was lost by a fault of this package"))
    }

    /// Attaches the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Attaches the operating system's view.
    #[must_use]
    pub fn with_system(mut self, system: SystemError) -> Self {
        self.system = Some(Box::new(system));
        self
    }

    /// The relay, or the listener behind it, answered the handshake with `status`.
    pub fn refused(status: u16, reason: &str) -> Self {
        let tracking_id = reason
            .split_once("TrackingId:")
            .map(|(_, rest)| rest.split([',', ' ', ';']).next().unwrap_or(rest).to_owned())
            .filter(|id| !id.is_empty());
        let text = if reason.is_empty() { "no reason given" } else { reason };
        Self {
            status: Some(status),
            reason: Some(reason.to_owned()),
            tracking_id,
            ..Self::new(
                ErrorKind::of_status(status),
                format!("Unexpected server response: {status} ({text})"),
            )
        }
    }

    /// True where the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        if self.lasting {
            return false;
        }
        match self.kind {
            ErrorKind::Busy | ErrorKind::Timeout | ErrorKind::Network | ErrorKind::Disconnected => true,
            ErrorKind::Proxy | ErrorKind::Token | ErrorKind::Limit => true,
            ErrorKind::Refused => self.status.is_some_and(|status| status >= 500),
            // The listener of a sender may be back soon. One's own has another text.
            ErrorKind::NotFound => self.reason.as_deref().is_some_and(|reason| {
                self.status == Some(404) && reason.to_ascii_lowercase().contains("no listeners")
            }),
            _ => false,
        }
    }

    /// The plain form that the binding hands to JavaScript.
    pub fn report(&self) -> ErrorReport<'_> {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        ErrorReport {
            code: self.kind.code(),
            message: &self.message,
            transient: self.is_transient(),
            status_code: self.status,
            reason: self.reason.as_deref(),
            tracking_id: self.tracking_id.as_deref(),
            system: self.system.as_deref(),
            causes,
        }
    }
}

/// A [`RelayError`] as data, ready for JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport<'a> {
    code: &'static str,
    message: &'a str,
    transient: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a SystemError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

/// The symbolic name that Node uses for an IO error, e.g. `ECONNRESET`.
pub fn system_code(error: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => "ECONNREFUSED",
        K::ConnectionReset => "ECONNRESET",
        K::ConnectionAborted => "ECONNABORTED",
        K::BrokenPipe => "EPIPE",
        K::TimedOut => "ETIMEDOUT",
        K::NotFound => "ENOENT",
        K::AddrInUse => "EADDRINUSE",
        K::AddrNotAvailable => "EADDRNOTAVAIL",
        K::NotConnected => "ENOTCONN",
        K::HostUnreachable => "EHOSTUNREACH",
        K::NetworkUnreachable => "ENETUNREACH",
        K::NetworkDown => "ENETDOWN",
        K::PermissionDenied => "EACCES",
        K::InvalidInput => "EINVAL",
        K::UnexpectedEof => "ECONNRESET",
        _ => "EIO",
    }
}
