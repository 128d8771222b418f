//! The names in a certificate, as Node's `tls.checkServerIdentity` sees them.

#![forbid(unsafe_code)]

use std::net::IpAddr;

use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use super::certificate;
use super::failure::CertificateFailure;

/// The context tag of a DNS name, and the last one that is a kind of name.
const DNS_NAME: u32 = 2;
const LAST_KIND: u32 = 8;

/// A certificate may hold thousands of names; an error message need not.
const MAX_LISTED: usize = 2000;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// A name that is no text stands here as an empty one: it matches nothing, but it is a name.
    dns: Vec<String>,
    ips: Vec<IpAddr>,
    /// All subject alternative names in Node's notation.
    alternative: String,
    common: Vec<String>,
}

impl Names {
    /// # Errors
    /// Alternative names that cannot be read are not absent, so that the common name must not decide.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Result<Self, CertificateFailure> {
        let mut names = Self::default();
        let mut listed = Vec::new();
        let given = match certificate::extension(certificate, &OID_X509_EXT_SUBJECT_ALT_NAME)? {
            Some(ParsedExtension::SubjectAlternativeName(names)) if names.general_names.is_empty() => {
                return Err(CertificateFailure::rejected("its list of names is empty"));
            }
            Some(ParsedExtension::SubjectAlternativeName(names)) => names.general_names.as_slice(),
            _ => &[],
        };
        for name in given {
            match name {
                GeneralName::DNSName(dns) => {
                    names.dns.push((*dns).to_owned());
                    listed.push(format!("DNS:{dns}"));
                }
                GeneralName::IPAddress(bytes) => {
                    let ip = <[u8; 4]>::try_from(*bytes)
                        .map(IpAddr::from)
                        .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                    if let Ok(ip) = ip {
                        names.ips.push(ip);
                        listed.push(format!("IP Address:{ip}"));
                    }
                }
                GeneralName::RFC822Name(mail) => listed.push(format!("email:{mail}")),
                GeneralName::URI(uri) => listed.push(format!("URI:{uri}")),
                GeneralName::Invalid(tag, _) if tag.0 == DNS_NAME => names.dns.push(String::new()),
                GeneralName::Invalid(tag, _) if tag.0 > LAST_KIND => {
                    return Err(CertificateFailure::rejected("it has a name of an unknown kind"));
                }
                _ => {}
            }
        }
        names.alternative = shortened(listed.join(", "));
        names.common = certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect();
        Ok(names)
    }

    /// Node's fallback, which webpki does not have: without any DNS name in subjectAltName the common name
    /// counts.
    pub(super) fn common_name_matches(&self, host: &str) -> bool {
        self.dns.is_empty() && self.common.iter().any(|pattern| matches(pattern, host))
    }

    pub(super) fn mismatch(&self, host: &str) -> CertificateFailure {
        let host = host.strip_suffix('.').unwrap_or(host);
        altname(&if !self.dns.is_empty() {
            format!("Host: {host}. is not in the cert's altnames: {}", self.alternative)
        } else if !self.common.is_empty() {
            format!("Host: {host}. is not cert's CN: {}", shortened(self.common.join(",")))
        } else {
            "Cert does not contain a DNS name".to_owned()
        })
    }

    pub(super) fn mismatch_ip(&self, ip: IpAddr) -> CertificateFailure {
        let ips: Vec<_> = self.ips.iter().map(IpAddr::to_string).collect();
        altname(&format!("IP: {ip} is not in the cert's list: {}", shortened(ips.join(", "))))
    }
}

fn altname(reason: &str) -> CertificateFailure {
    CertificateFailure::new(
        "ERR_TLS_CERT_ALTNAME_INVALID",
        format!("Hostname/IP does not match certificate's altnames: {reason}"),
    )
}

fn shortened(mut list: String) -> String {
    if let Some((end, _)) = list.char_indices().nth(MAX_LISTED) {
        list.truncate(end);
        list.push('…');
    }
    list
}

/// A host against a name that may begin with a wildcard label: `*.example.com`, as in webpki (Node also
/// allows `f*.example.com`).
fn matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if !pattern.is_ascii() || pattern.split('.').any(str::is_empty) {
        return false;
    }
    match pattern.strip_prefix("*.") {
        // A wildcard stands for one label and needs two more after it.
        Some(parent) => {
            parent.contains('.')
                && !parent.contains('*')
                && host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
        None => !pattern.contains('*') && pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_matches_like_in_node() {
        for (pattern, host) in [
            ("relay.example", "relay.example"),
            ("Relay.Example.", "relay.example"),
            ("*.a.example", "b.a.example"),
            ("localhost", "LOCALHOST."),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("*.a.example", "a.example"),
            ("*.a.example", "c.b.a.example"),
            ("*.example", "a.example"),
            ("*", "localhost"),
            ("*.*.example", "b.a.example"),
            ("f*.a.example", "foo.a.example"),
            ("a..example", "a..example"),
            ("", ""),
            ("r\u{e9}lay.example", "r\u{e9}lay.example"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(shortened("\u{e9}".repeat(MAX_LISTED)).chars().count(), MAX_LISTED);
        assert_eq!(shortened("\u{e9}".repeat(MAX_LISTED * 2)).chars().count(), MAX_LISTED + 1);
    }
}
