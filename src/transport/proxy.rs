//! Proxies: which one a destination needs, and the tunnel through it.
//!
//! The environment's variables are given as strings; this module never reads the environment itself.

#![forbid(unsafe_code)]

use std::fmt;
use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use super::handshake::read_head;
use super::tcp;
use crate::error::{ErrorKind, RelayError, system_code};
use crate::head::Head;

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

/// The proxy variables of an environment, as text; empty means not set.
#[derive(Clone, Default)]
pub struct ProxyEnv {
    /// `HTTP_PROXY`: for `ws:`.
    pub http: String,
    /// `HTTPS_PROXY`: for `wss:`.
    pub https: String,
    /// `ALL_PROXY`: where the other two are not set.
    pub all: String,
    /// `NO_PROXY`: names (with their subdomains), addresses and networks, separated by commas; `*` is
    /// everything.
    pub no: String,
}

impl fmt::Debug for ProxyEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs may hold passwords.
        let set = |url: &str| if url.is_empty() { "" } else { "***" };
        f.debug_struct("ProxyEnv")
            .field("http", &set(&self.http))
            .field("https", &set(&self.https))
            .field("all", &set(&self.all))
            .field("no", &self.no)
            .finish()
    }
}

/// Reads a proxy URL: `http://[user:password@]host[:port]`, `socks5://…` or `socks5h://…`; without a scheme
/// it is `http`. The ports default to 80 and 1080.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`]; the message does not repeat the URL, which may hold a password.
pub fn parse(url: &str) -> Result<Proxy, RelayError> {
    let invalid = |text: &str| RelayError::new(ErrorKind::InvalidArgument, text);
    let found = intercept(&Matcher::builder().all(url.trim()).build(), false, "destination", 80)
        .ok_or_else(|| invalid("The proxy URL cannot be read"))?;
    let uri = found.uri();
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(host).to_owned();
    if host.is_empty() {
        return Err(invalid("The proxy URL has no host"));
    }
    match uri.scheme_str() {
        Some("http") => Ok(Proxy::Http {
            host,
            port: uri.port_u16().unwrap_or(80),
            authorization: found.basic_auth().and_then(|value| value.to_str().ok()).map(str::to_owned),
        }),
        Some("socks5" | "socks5h") => {
            let (user, password) = found.raw_auth().unzip();
            Ok(Proxy::Socks5 {
                host,
                port: uri.port_u16().unwrap_or(1080),
                user: user.map(str::to_owned),
                password: password.map(str::to_owned),
            })
        }
        _ => Err(invalid("The proxy URL's scheme must be http, socks5 or socks5h")),
    }
}

/// The URL of the proxy that `env` prescribes for a destination, if any, as it was given. Loopback is no
/// exception unless `NO_PROXY` says so.
pub fn choose<'a>(env: &'a ProxyEnv, secure: bool, host: &str, port: u16) -> Option<&'a str> {
    let specific = if secure { &env.https } else { &env.http };
    let url = [specific, &env.all].into_iter().map(|url| url.trim()).find(|url| !url.is_empty())?;
    // The matcher's `*` is for names only; curl's, and everybody's, is for addresses too.
    if env.no.trim() == "*" {
        return None;
    }
    let rules = Matcher::builder().all("http://proxy.invalid").no(env.no.as_str()).build();
    let host = host.strip_suffix('.').unwrap_or(host);
    intercept(&rules, secure, host, port).map(|_| url)
}

/// The proxy that `env` prescribes for a destination, if any; see [`choose`].
///
/// # Errors
/// As [`parse`]: going past a proxy that was asked for would be worse than failing.
pub fn select(env: &ProxyEnv, secure: bool, host: &str, port: u16) -> Result<Option<Proxy>, RelayError> {
    choose(env, secure, host, port).map(parse).transpose()
}

fn intercept(matcher: &Matcher, secure: bool, host: &str, port: u16) -> Option<Intercept> {
    let scheme = if secure { "https" } else { "http" };
    matcher.intercept(&format!("{scheme}://{}/", authority(host, port)).parse().ok()?)
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
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
    let mut head = Head::default();
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
        other => RelayError::new(ErrorKind::Proxy, format!("The SOCKS proxy refused: {other}")),
    }
}

#[cfg(test)]
mod tests;
