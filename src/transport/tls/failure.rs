//! rustls's errors under the codes and texts that Node users know.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

use crate::error::{ErrorKind, RelayError, SystemError};
use crate::transport::tcp;

/// A refused certificate in Node's words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct CertificateFailure {
    code: &'static str,
    message: Cow<'static, str>,
}

impl CertificateFailure {
    pub(super) fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn expired() -> Self {
        Self::new("CERT_HAS_EXPIRED", "certificate has expired")
    }

    pub(super) fn not_yet_valid() -> Self {
        Self::new("CERT_NOT_YET_VALID", "certificate is not yet valid")
    }

    pub(super) fn invalid_purpose() -> Self {
        Self::new("INVALID_PURPOSE", "unsuitable certificate purpose")
    }

    pub(super) fn path_length_exceeded() -> Self {
        Self::new("PATH_LENGTH_EXCEEDED", "path length constraint exceeded")
    }

    /// What has no code of OpenSSL's.
    pub(super) fn rejected(why: impl fmt::Display) -> Self {
        Self::new("CERT_REJECTED", format!("certificate rejected: {why}"))
    }
}

impl From<CertificateFailure> for Error {
    fn from(failure: CertificateFailure) -> Self {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(failure))))
    }
}

/// What Node calls EPROTO, as libuv numbers it.
const EPROTO: i32 = if cfg!(windows) {
    -4046
} else if cfg!(any(target_os = "macos", target_os = "ios")) {
    -100
} else if cfg!(target_os = "freebsd") {
    -92
} else {
    -71
};

/// The TLS failure inside an IO error of a connection whose TLS handshake is done, if that is what it is: an
/// [`ErrorKind::Tls`] with OpenSSL's code (`ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`).
///
/// In TLS 1.3 the client is done before the server has looked at its certificate, so a refusal arrives with the
/// first read, which may be the one of the HTTP answer or a later one of the WebSocket. The error is found
/// in an IO error of any kind; `None` means an error of the network.
pub(crate) fn failure_in(error: &io::Error) -> Option<RelayError> {
    inner(error).map(|error| described(error, false))
}

/// As [`failure_in`], of a handshake that is not done. Node's https, and so ws, meets these while it writes the
/// request, and they are `EPROTO` there; OpenSSL's view is in the text.
pub(super) fn handshake_failure_in(error: &io::Error) -> Option<RelayError> {
    inner(error).map(|error| described(error, true))
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

fn described(error: &Error, handshake: bool) -> RelayError {
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error
        && let Some(failure) = other.0.downcast_ref::<CertificateFailure>()
    {
        return RelayError::new(ErrorKind::Tls, failure.message.as_ref())
            .with_system(tcp::bare(failure.code));
    }
    let reason = reason(error);
    let text = reason.as_ref().map_or_else(|| error.to_string(), Reason::text);
    let code = reason.filter(|_| !handshake).and_then(|reason| reason.code());
    let described = match code {
        Some(code) => RelayError::new(ErrorKind::Tls, text)
            .with_system(SystemError { code: Cow::Owned(code), ..tcp::bare("") }),
        None => {
            let syscall = if handshake { "write" } else { "read" };
            RelayError::new(ErrorKind::Tls, format!("{syscall} EPROTO {text}")).with_system(SystemError {
                errno: Some(EPROTO),
                syscall: Some(syscall),
                ..tcp::bare("EPROTO")
            })
        }
    };
    described.caused_by(error.clone())
}

/// A line of OpenSSL's error queue.
struct Reason {
    number: u32,
    name: Option<&'static str>,
    alert: Option<u8>,
}

impl Reason {
    /// Without the thread's id in front, and without the function and the line in OpenSSL's source.
    fn text(&self) -> String {
        let number = 0x0A00_0000 | self.number;
        let name = self.name.map_or_else(|| format!("reason({})", self.number).into(), Cow::Borrowed);
        let alert = self.alert.map_or_else(String::new, |alert| format!(":SSL alert number {alert}"));
        format!("error:{number:08X}:SSL routines::{name}{alert}")
    }

    fn code(&self) -> Option<String> {
        self.name.map(|name| format!("ERR_SSL_{}", name.replace(' ', "_").to_ascii_uppercase()))
    }
}

fn reason(error: &Error) -> Option<Reason> {
    let known = |number, name| Some(Reason { number, name: Some(name), alert: None });
    match error {
        Error::AlertReceived(alert) => {
            let code = u8::from(*alert);
            Some(Reason { number: 1000 + u32::from(code), name: alert_name(*alert), alert: Some(code) })
        }
        // Bytes that are no TLS record at all: most often a server that speaks plain HTTP on this port.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => known(267, "wrong version number"),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => known(258, "unsupported protocol"),
        Error::DecryptError => known(281, "decryption failed or bad record mac"),
        _ => None,
    }
}

/// OpenSSL's name for an alert: Node makes the code from it.
fn alert_name(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::UnexpectedMessage => "sslv3 alert unexpected message",
        A::BadRecordMac => "sslv3 alert bad record mac",
        A::DecryptionFailed => "tlsv1 alert decryption failed",
        A::RecordOverflow => "tlsv1 alert record overflow",
        A::DecompressionFailure => "sslv3 alert decompression failure",
        A::HandshakeFailure => "sslv3 alert handshake failure",
        A::NoCertificate => "sslv3 alert no certificate",
        A::BadCertificate => "sslv3 alert bad certificate",
        A::UnsupportedCertificate => "sslv3 alert unsupported certificate",
        A::CertificateRevoked => "sslv3 alert certificate revoked",
        A::CertificateExpired => "sslv3 alert certificate expired",
        A::CertificateUnknown => "sslv3 alert certificate unknown",
        A::IllegalParameter => "sslv3 alert illegal parameter",
        A::UnknownCA => "tlsv1 alert unknown ca",
        A::AccessDenied => "tlsv1 alert access denied",
        A::DecodeError => "tlsv1 alert decode error",
        A::DecryptError => "tlsv1 alert decrypt error",
        A::ExportRestriction => "tlsv1 alert export restriction",
        A::ProtocolVersion => "tlsv1 alert protocol version",
        A::InsufficientSecurity => "tlsv1 alert insufficient security",
        A::InternalError => "tlsv1 alert internal error",
        A::InappropriateFallback => "tlsv1 alert inappropriate fallback",
        A::UserCanceled => "tlsv1 alert user cancelled",
        A::NoRenegotiation => "tlsv1 alert no renegotiation",
        A::MissingExtension => "tlsv13 alert missing extension",
        A::UnsupportedExtension => "tlsv1 unsupported extension",
        A::CertificateUnobtainable => "tlsv1 certificate unobtainable",
        A::UnrecognisedName => "tlsv1 unrecognized name",
        A::BadCertificateStatusResponse => "tlsv1 bad certificate status response",
        A::BadCertificateHashValue => "tlsv1 bad certificate hash value",
        A::UnknownPSKIdentity => "tlsv1 alert unknown psk identity",
        A::CertificateRequired => "tlsv13 alert certificate required",
        A::NoApplicationProtocol => "tlsv1 alert no application protocol",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_io(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    fn seen(error: RelayError) -> (String, String, Option<i32>, Option<&'static str>) {
        assert_eq!(error.kind, ErrorKind::Tls);
        let system = error.system.unwrap();
        (system.code.into_owned(), error.message, system.errno, system.syscall)
    }

    #[test]
    fn a_failed_handshake_is_eproto_as_in_nodes_https() {
        for (error, text) in [
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                "error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40",
            ),
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                "error:0A00042E:SSL routines::tlsv1 alert protocol version:SSL alert number 70",
            ),
            (
                Error::AlertReceived(AlertDescription::Unknown(200)),
                "error:0A0004B0:SSL routines::reason(1200):SSL alert number 200",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "error:0A00010B:SSL routines::wrong version number",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
                "error:0A000102:SSL routines::unsupported protocol",
            ),
        ] {
            let (code, message, errno, syscall) = seen(handshake_failure_in(&in_io(error)).unwrap());
            assert_eq!((code.as_str(), errno, syscall), ("EPROTO", Some(EPROTO), Some("write")));
            assert_eq!(message, format!("write EPROTO {text}"));
        }
    }

    #[test]
    fn each_alert_has_openssls_name() {
        // As `openssl errstr` has them, by the numbers of RFC 8446 and its forerunners.
        let known = [
            (10, "sslv3 alert unexpected message"),
            (20, "sslv3 alert bad record mac"),
            (21, "tlsv1 alert decryption failed"),
            (22, "tlsv1 alert record overflow"),
            (30, "sslv3 alert decompression failure"),
            (40, "sslv3 alert handshake failure"),
            (41, "sslv3 alert no certificate"),
            (42, "sslv3 alert bad certificate"),
            (43, "sslv3 alert unsupported certificate"),
            (44, "sslv3 alert certificate revoked"),
            (45, "sslv3 alert certificate expired"),
            (46, "sslv3 alert certificate unknown"),
            (47, "sslv3 alert illegal parameter"),
            (48, "tlsv1 alert unknown ca"),
            (49, "tlsv1 alert access denied"),
            (50, "tlsv1 alert decode error"),
            (51, "tlsv1 alert decrypt error"),
            (60, "tlsv1 alert export restriction"),
            (70, "tlsv1 alert protocol version"),
            (71, "tlsv1 alert insufficient security"),
            (80, "tlsv1 alert internal error"),
            (86, "tlsv1 alert inappropriate fallback"),
            (90, "tlsv1 alert user cancelled"),
            (100, "tlsv1 alert no renegotiation"),
            (109, "tlsv13 alert missing extension"),
            (110, "tlsv1 unsupported extension"),
            (111, "tlsv1 certificate unobtainable"),
            (112, "tlsv1 unrecognized name"),
            (113, "tlsv1 bad certificate status response"),
            (114, "tlsv1 bad certificate hash value"),
            (115, "tlsv1 alert unknown psk identity"),
            (116, "tlsv13 alert certificate required"),
            (120, "tlsv1 alert no application protocol"),
        ];
        for number in 0..=u8::MAX {
            let name = known.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
            assert_eq!(alert_name(AlertDescription::from(number)), name, "{number}");
        }
    }

    #[test]
    fn behind_the_handshake_the_codes_are_openssls() {
        for (error, code) in [
            (AlertDescription::CertificateRequired, "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            (AlertDescription::UnknownCA, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"),
            (AlertDescription::BadCertificate, "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE"),
            (AlertDescription::UnrecognisedName, "ERR_SSL_TLSV1_UNRECOGNIZED_NAME"),
        ] {
            for io in [in_io(Error::AlertReceived(error)), io::Error::other(Error::AlertReceived(error))] {
                let (seen_code, message, errno, syscall) = seen(failure_in(&io).unwrap());
                assert_eq!((seen_code.as_str(), errno, syscall), (code, None, None));
                assert!(message.starts_with("error:0A000") && message.contains(":SSL alert number "));
            }
        }
        let (code, _, errno, syscall) =
            seen(failure_in(&in_io(Error::AlertReceived(AlertDescription::Unknown(200)))).unwrap());
        assert_eq!((code.as_str(), errno, syscall), ("EPROTO", Some(EPROTO), Some("read")));
    }

    #[test]
    fn other_failures_keep_rustls_as_their_cause() {
        let io = in_io(Error::HandshakeNotComplete);
        let report = serde_json::to_value(handshake_failure_in(&io).unwrap().report()).unwrap();
        assert_eq!(report["system"]["code"], "EPROTO");
        assert_eq!(report["causes"][0], Error::HandshakeNotComplete.to_string());
        assert!(failure_in(&io::Error::from(io::ErrorKind::ConnectionReset)).is_none());
    }
}
