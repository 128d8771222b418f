//! rustls's errors under the codes and texts that Node users know.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

use crate::error::{ErrorKind, RelayError};
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
}

impl From<CertificateFailure> for Error {
    fn from(failure: CertificateFailure) -> Self {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(failure))))
    }
}

/// The TLS failure inside an IO error, if that is what it is.
pub(in crate::transport) fn failure_in(error: &io::Error) -> Option<RelayError> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).map(describe)
}

fn describe(error: &Error) -> RelayError {
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error
        && let Some(failure) = other.0.downcast_ref::<CertificateFailure>()
    {
        return tls(failure.code, failure.message.as_ref());
    }
    let described = match error {
        Error::AlertReceived(alert) => {
            let (code, text) = alert_name(*alert);
            tls(code, &format!("SSL routines: {text} (SSL alert number {})", u8::from(*alert)))
        }
        // Bytes that are no TLS record at all: most often a server that speaks plain HTTP on this port.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => tls("ERR_SSL_WRONG_VERSION_NUMBER", "SSL routines: wrong version number"),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => tls("ERR_SSL_UNSUPPORTED_PROTOCOL", "SSL routines: unsupported protocol"),
        other => tls("EPROTO", &format!("TLS handshake failed: {other}")),
    };
    described.caused_by(error.clone())
}

fn tls(code: &'static str, text: &str) -> RelayError {
    RelayError::new(ErrorKind::Tls, text).with_system(tcp::bare(code))
}

/// OpenSSL's name for an alert: Node makes the code from it.
fn alert_name(alert: AlertDescription) -> (&'static str, &'static str) {
    use AlertDescription as A;
    match alert {
        A::UnexpectedMessage => ("ERR_SSL_SSLV3_ALERT_UNEXPECTED_MESSAGE", "sslv3 alert unexpected message"),
        A::BadRecordMac => ("ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC", "sslv3 alert bad record mac"),
        A::RecordOverflow => ("ERR_SSL_TLSV1_ALERT_RECORD_OVERFLOW", "tlsv1 alert record overflow"),
        A::HandshakeFailure => ("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "sslv3 alert handshake failure"),
        A::BadCertificate => ("ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "sslv3 alert bad certificate"),
        A::UnsupportedCertificate => {
            ("ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "sslv3 alert unsupported certificate")
        }
        A::CertificateRevoked => {
            ("ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED", "sslv3 alert certificate revoked")
        }
        A::CertificateExpired => {
            ("ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", "sslv3 alert certificate expired")
        }
        A::CertificateUnknown => {
            ("ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN", "sslv3 alert certificate unknown")
        }
        A::IllegalParameter => ("ERR_SSL_SSLV3_ALERT_ILLEGAL_PARAMETER", "sslv3 alert illegal parameter"),
        A::UnknownCA => ("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "tlsv1 alert unknown ca"),
        A::AccessDenied => ("ERR_SSL_TLSV1_ALERT_ACCESS_DENIED", "tlsv1 alert access denied"),
        A::DecodeError => ("ERR_SSL_TLSV1_ALERT_DECODE_ERROR", "tlsv1 alert decode error"),
        A::DecryptError => ("ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR", "tlsv1 alert decrypt error"),
        A::ProtocolVersion => ("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "tlsv1 alert protocol version"),
        A::InsufficientSecurity => {
            ("ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY", "tlsv1 alert insufficient security")
        }
        A::InternalError => ("ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "tlsv1 alert internal error"),
        A::InappropriateFallback => {
            ("ERR_SSL_TLSV1_ALERT_INAPPROPRIATE_FALLBACK", "tlsv1 alert inappropriate fallback")
        }
        A::UserCanceled => ("ERR_SSL_TLSV1_ALERT_USER_CANCELLED", "tlsv1 alert user cancelled"),
        A::NoRenegotiation => ("ERR_SSL_TLSV1_ALERT_NO_RENEGOTIATION", "tlsv1 alert no renegotiation"),
        A::MissingExtension => ("ERR_SSL_TLSV13_ALERT_MISSING_EXTENSION", "tlsv13 alert missing extension"),
        A::CertificateRequired => {
            ("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tlsv13 alert certificate required")
        }
        A::UnsupportedExtension => ("ERR_SSL_TLSV1_UNSUPPORTED_EXTENSION", "tlsv1 unsupported extension"),
        A::UnrecognisedName => ("ERR_SSL_TLSV1_UNRECOGNIZED_NAME", "tlsv1 unrecognized name"),
        A::NoApplicationProtocol => {
            ("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "tlsv1 alert no application protocol")
        }
        _ => ("EPROTO", "alert received"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(error: Error) -> (String, String) {
        let error = failure_in(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap();
        assert_eq!(error.kind, ErrorKind::Tls);
        (error.system.unwrap().code.into_owned(), error.message)
    }

    #[test]
    fn alerts_have_the_codes_of_openssl() {
        for (alert, code) in [
            (AlertDescription::HandshakeFailure, "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"),
            (AlertDescription::ProtocolVersion, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"),
            (AlertDescription::CertificateRequired, "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            (AlertDescription::UnknownCA, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"),
            (AlertDescription::Unknown(200), "EPROTO"),
        ] {
            assert_eq!(code_of(Error::AlertReceived(alert)).0, code);
        }
        let (_, text) = code_of(Error::AlertReceived(AlertDescription::HandshakeFailure));
        assert_eq!(text, "SSL routines: sslv3 alert handshake failure (SSL alert number 40)");
    }

    #[test]
    fn other_failures_keep_rustls_as_their_cause() {
        let io = io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError);
        let report = serde_json::to_value(failure_in(&io).unwrap().report()).unwrap();
        assert_eq!(report["system"]["code"], "EPROTO");
        assert_eq!(report["causes"][0], Error::DecryptError.to_string());
        assert!(failure_in(&io::Error::from(io::ErrorKind::ConnectionReset)).is_none());
    }
}
