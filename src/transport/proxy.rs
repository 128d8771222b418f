//! Proxies: which one a destination needs, and the tunnel through it.
//!
//! The environment's variables are given as strings; this module never reads the environment itself.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;
use url::{Host, Url};

use super::handshake::read_head;
use super::tcp;
use crate::error::{ErrorKind, RelayError, system_code};
use crate::http::HeaderLines;
use crate::uri::authority::{bare_host, bracketed};

/// More than any proxy's answer to CONNECT needs.
const MAX_ANSWER: usize = 16 * 1024;

/// A proxy and the credentials for it.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxy {
    /// An HTTP proxy, asked for a tunnel with CONNECT.
    Http {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// The value of `Proxy-Authorization`.
        authorization: Option<String>,
    },
    /// A SOCKS 5 proxy, which resolves the destination's name itself.
    Socks5 {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// User name; with it, user/password authentication is offered.
        user: Option<String>,
        /// Password.
        password: Option<String>,
    },
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, host, port, credentials) = match self {
            Proxy::Http { host, port, authorization } => ("Http", host, port, authorization.is_some()),
            Proxy::Socks5 { host, port, user, .. } => ("Socks5", host, port, user.is_some()),
        };
        let credentials = credentials.then_some("***");
        f.debug_struct(name)
            .field("host", host)
            .field("port", port)
            .field("credentials", &credentials)
            .finish()
    }
}

/// The URL of a proxy, and what a user knows it by: an option, or a variable of the environment.
#[derive(Clone)]
pub struct NamedProxy {
    /// For errors.
    pub name: String,
    /// As it was given.
    pub url: String,
}

impl NamedProxy {
    /// Reads the URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]; the message does not repeat the URL, which may hold a password.
    pub fn read(&self) -> Result<Proxy, RelayError> {
        parse(&self.url).map_err(|fault| {
            let text = format!("The \"{}\" argument is invalid: {fault}", self.name);
            RelayError::new(ErrorKind::InvalidArgument, text)
        })
    }
}

/// Which proxy a destination needs, as the variables of an environment say it. An option is an `all` without exceptions.
#[derive(Clone, Default)]
pub struct ProxyRules {
    /// `HTTP_PROXY`: for `ws:`.
    pub http: Option<NamedProxy>,
    /// `HTTPS_PROXY`: for `wss:`.
    pub https: Option<NamedProxy>,
    /// `ALL_PROXY`: where the other two are not set.
    pub all: Option<NamedProxy>,
    /// `NO_PROXY`: names (with their subdomains), addresses and networks, each with a port or without; `*` is
    /// everything.
    pub no: String,
}

/// Without the URLs, which may hold passwords.
impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |proxy: &Option<NamedProxy>| proxy.as_ref().map(|proxy| proxy.name.clone());
        f.debug_struct("ProxyRules")
            .field("http", &name(&self.http))
            .field("https", &name(&self.https))
            .field("all", &name(&self.all))
            .field("no", &self.no)
            .finish()
    }
}

impl ProxyRules {
    /// The proxy for a destination, if it needs one. Loopback is no exception unless `NO_PROXY` says so.
    pub fn choose(&self, secure: bool, host: &str, port: u16) -> Option<&NamedProxy> {
        let specific = if secure { &self.https } else { &self.http };
        let proxy = specific.as_ref().or(self.all.as_ref())?;
        let host = host.strip_suffix('.').unwrap_or(host);
        (!is_exempt(&self.no, host, port)).then_some(proxy)
    }

    /// The same, read.
    ///
    /// # Errors
    /// As [`NamedProxy::read`]: going past a proxy that was asked for would be worse.
    pub fn proxy_for(&self, secure: bool, host: &str, port: u16) -> Result<Option<Proxy>, RelayError> {
        self.choose(secure, host, port).map(NamedProxy::read).transpose()
    }
}

/// Reads a proxy URL: `http://[user:password@]host[:port]`, `socks5://…` or `socks5h://…`; without a scheme
/// it is `http`. The ports default to 80 and 1080. User and password end at the last `@`; each may be percent-encoded.
/// What is wrong with it is said as "its port …".
fn parse(url: &str) -> Result<Proxy, &'static str> {
    let url = url.trim();
    let url = if url.contains("://") { Url::parse(url) } else { Url::parse(&format!("http://{url}")) };
    let url = url.map_err(|error| match error {
        url::ParseError::InvalidPort => "its port must be a number from 1 to 65535",
        url::ParseError::EmptyHost => "it has no host",
        _ => "it cannot be read",
    })?;
    let socks = match url.scheme() {
        "http" => false,
        "socks5" | "socks5h" => true,
        _ => return Err("its scheme must be http, socks5 or socks5h"),
    };
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    let port = url.port().unwrap_or(if socks { 1080 } else { 80 });
    if port == 0 {
        return Err("its port must be a number from 1 to 65535");
    }
    let decoded = |part: &str| percent_decode_str(part).collect::<Vec<u8>>();
    let login = (!url.username().is_empty() || url.password().is_some())
        .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    if socks {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (user, password) = login.map(|(user, password)| (text(user), text(password))).unzip();
        return Ok(Proxy::Socks5 { host, port, user, password });
    }
    let basic =
        |(user, password): (Vec<u8>, Vec<u8>)| STANDARD.encode([&user[..], b":", &password[..]].concat());
    let authorization = login.map(|login| format!("Basic {}", basic(login)));
    Ok(Proxy::Http { host, port, authorization })
}

/// Whether `NO_PROXY` names the destination. Entries are put into the form that the matcher knows: people also write
/// `*.name`, `name.`, `name:port` and `[::1]`, and blanks between them.
fn is_exempt(no: &str, host: &str, port: u16) -> bool {
    let mut entries = Vec::new();
    for entry in no.split(|c: char| c == ',' || c.is_whitespace()) {
        let (name, only) = match entry.rsplit_once(':') {
            // Of an address without brackets the last colon is a part.
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
            _ => (entry, None),
        };
        if only.is_some_and(|only| only.parse() != Ok(port)) {
            continue;
        }
        let name = bare_host(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        match name {
            "" => {}
            // The matcher's `*` is for names only; everybody's is for addresses too.
            "*" => return true,
            _ => entries.push(name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name)),
        }
    }
    let rules = Matcher::builder().all("http://proxy.invalid").no(entries.join(",")).build();
    let destination = format!("http://{}/", authority(host, port)).parse();
    destination.is_ok_and(|destination| rules.intercept(&destination).is_none())
}

fn authority(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// Connects to `host:port` through `proxy`.
///
/// # Errors
/// [`ErrorKind::Proxy`]; where the proxy answered, with its status and reason.
pub async fn connect(proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, RelayError> {
    match proxy {
        Proxy::Http { host: via, port: at, authorization } => {
            let stream = reach(via, *at).await?;
            tunnel(stream, host, port, authorization.as_deref()).await
        }
        Proxy::Socks5 { host: via, port: at, user, password } => {
            let stream = reach(via, *at).await?;
            let target = match host.parse::<IpAddr>() {
                Ok(ip) => TargetAddr::Ip((ip, port).into()),
                Err(_) => TargetAddr::Domain(host.into(), port),
            };
            let tunnel = match user {
                Some(user) => {
                    let password = password.as_deref().unwrap_or_default();
                    Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
                }
                None => Socks5Stream::connect_with_socket(stream, target).await,
            };
            tunnel.map(Socks5Stream::into_inner).map_err(|error| refused_by_socks(&error))
        }
    }
}

async fn reach(host: &str, port: u16) -> Result<TcpStream, RelayError> {
    tcp::connect(host, port).await.map_err(|error| as_proxy_error("Cannot reach the proxy", error))
}

fn as_proxy_error(text: &str, mut error: RelayError) -> RelayError {
    error.kind = ErrorKind::Proxy;
    error.message = format!("{text}: {}", error.message);
    error
}

async fn tunnel(
    mut stream: TcpStream,
    host: &str,
    port: u16,
    authorization: Option<&str>,
) -> Result<TcpStream, RelayError> {
    let target = authority(host, port);
    let mut head = HeaderLines::default();
    head.push("Host", &target);
    if let Some(value) = authorization {
        head.push("Proxy-Authorization", value);
    }
    let request = head.request("CONNECT", &target)?;
    stream
        .write_all(&request)
        .await
        .map_err(|error| as_proxy_error("The proxy broke the connection", tcp::io_error("write", &error)))?;
    let (head, leftover) = read_head(&mut stream, MAX_ANSWER)
        .await
        .map_err(|error| as_proxy_error("The proxy gave no valid answer", error))?;
    if !(200..300).contains(&head.status) {
        let text = format!("Proxy answered {} {}", head.status, head.reason);
        let mut error = RelayError::new(ErrorKind::Proxy, text.trim_end());
        error.lasting = (400..500).contains(&head.status) && !matches!(head.status, 408 | 429);
        error.status = Some(head.status);
        error.reason = Some(head.reason);
        return Err(error);
    }
    // The client speaks first in TLS and HTTP, so bytes here come from the proxy and not from the
    // destination.
    if !leftover.is_empty() {
        return Err(RelayError::new(ErrorKind::Proxy, "The proxy sent data ahead of the tunnel"));
    }
    Ok(stream)
}

fn refused_by_socks(error: &tokio_socks::Error) -> RelayError {
    // Only fixed texts: the crate's messages never hold the credentials.
    match error {
        tokio_socks::Error::Io(error) => as_proxy_error(
            "The SOCKS proxy broke the connection",
            RelayError::new(ErrorKind::Proxy, system_code(error)).with_system(tcp::bare(system_code(error))),
        ),
        other => {
            let mut refusal = RelayError::new(ErrorKind::Proxy, format!("The SOCKS proxy refused: {other}"));
            refusal.lasting = matches!(
                other,
                tokio_socks::Error::NoAcceptableAuthMethods
                    | tokio_socks::Error::InvalidAuthValues(_)
                    | tokio_socks::Error::PasswordAuthFailure(_)
                    | tokio_socks::Error::ConnectionNotAllowedByRuleset
                    | tokio_socks::Error::CommandNotSupported
                    | tokio_socks::Error::AddressTypeNotSupported
            );
            refusal
        }
    }
}

#[cfg(test)]
mod tests;
