//! The names in a certificate, as Node's `tls.checkServerIdentity` sees them.

use std::net::IpAddr;

use der::asn1::AnyRef;
use der::{Reader, Tag, TagNumber, Tagged};

use super::certificate::{Certificate, all, value};
use super::failure::CertificateFailure;

/// 2.5.29.17.
pub(super) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];

/// The kinds of names that matter, by their tags (RFC 5280 section 4.2.1.6), and the last one that there is.
const MAIL: u32 = 1;
const DNS: u32 = 2;
const URI: u32 = 6;
const ADDRESS: u32 = 7;
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
    pub(super) fn of(certificate: &Certificate<'_>) -> Result<Self, CertificateFailure> {
        let mut names = Self { common: certificate.common_names(), ..Self::default() };
        let given = certificate.extension(SUBJECT_ALT_NAME, |reader| {
            all(value(reader, Tag::Sequence)?, |reader| reader.decode::<AnyRef<'_>>())
        })?;
        if given.as_ref().is_some_and(Vec::is_empty) {
            return Err(CertificateFailure::rejected("its list of names is empty"));
        }
        let mut listed = Vec::new();
        for name in given.into_iter().flatten() {
            let text = std::str::from_utf8(name.value()).ok();
            match kind(name.tag()) {
                Some(DNS) => {
                    names.dns.push(text.unwrap_or_default().to_owned());
                    listed.extend(text.map(|name| format!("DNS:{name}")));
                }
                Some(ADDRESS) => {
                    if let Some(ip) = address(name.value()) {
                        names.ips.push(ip);
                        listed.push(format!("IP Address:{ip}"));
                    }
                }
                Some(MAIL) => listed.extend(text.map(|mail| format!("email:{mail}"))),
                Some(URI) => listed.extend(text.map(|uri| format!("URI:{uri}"))),
                Some(..=LAST_KIND) => {}
                _ => return Err(CertificateFailure::rejected("it has a name of an unknown kind")),
            }
        }
        names.alternative = shortened(listed.join(", "));
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

fn kind(tag: Tag) -> Option<u32> {
    match tag {
        Tag::ContextSpecific { number: TagNumber(number), .. } => Some(number),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
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
