//! TCP: names to addresses, and the race between them (RFC 8305).

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use crate::error::{ErrorKind, RelayError, SystemError, system_code};

/// How long one address may stay unanswered before the next one is tried too (RFC 8305 §5, Node's default).
const STAGGER: Duration = Duration::from_millis(250);
/// Idle time before the kernel probes a silent peer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connects to `host` (a name, or an IP literal without brackets).
///
/// # Errors
/// [`ErrorKind::Network`], with the system's error in Node's shape.
pub async fn connect(host: &str, port: u16) -> Result<TcpStream, RelayError> {
    connect_any(None, resolve(host, port).await?).await
}

/// The same from an address of this machine. It decides about the family, too: those of the other one are left out.
///
/// # Errors
/// As [`connect`]; `ENOTFOUND` where the host has no address of that family.
pub async fn connect_from(local: IpAddr, host: &str, port: u16) -> Result<TcpStream, RelayError> {
    let mut addresses = resolve(host, port).await?;
    addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
    if addresses.is_empty() {
        return Err(lookup_error(host, &io::Error::other("no address of the family")));
    }
    connect_any(Some(local), addresses).await
}

async fn connect_any(local: Option<IpAddr>, addresses: Vec<SocketAddr>) -> Result<TcpStream, RelayError> {
    let stream = match addresses[..] {
        // Nothing to race with: most gateways have one address.
        [address] => dial(local, address).await.map_err(|error| connect_error(address, &error))?,
        _ => race(interleave(addresses), |address| dial(local, address)).await?,
    };
    // A socket that cannot be tuned still works: these two are not worth failing for.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
    Ok(stream)
}

async fn dial(local: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(local) = local else { return TcpStream::connect(address).await };
    let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, RelayError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut addresses = Vec::new();
    for address in tokio::net::lookup_host((host, port)).await.map_err(|error| lookup_error(host, &error))? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(lookup_error(host, &io::Error::other("no address")));
    }
    Ok(addresses)
}

/// Alternates the families, beginning with the one that the resolver ranked first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let leader_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == leader_is_v6);
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let (a, b) = (first.next(), second.next());
        if a.is_none() && b.is_none() {
            return mixed;
        }
        mixed.extend(a);
        mixed.extend(b);
    }
}

/// Starts an attempt every [`STAGGER`], or as soon as one fails; the first to connect wins and the others are
/// dropped. When all fail, the error of the first address is reported, as Node's `AggregateError` does with
/// its `code`.
async fn race<S, F, C>(addresses: Vec<SocketAddr>, connect: C) -> Result<S, RelayError>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<S>>,
{
    let mut waiting = addresses.into_iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut failed: Option<(usize, RelayError)> = None;
    loop {
        if let Some((rank, address)) = waiting.next() {
            let attempt = connect(address);
            running.push(async move { (rank, address, attempt.await) });
        }
        let outcome = tokio::select! {
            biased;
            outcome = running.next() => outcome,
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => continue,
        };
        match outcome {
            Some((_, _, Ok(stream))) => return Ok(stream),
            Some((rank, address, Err(error))) => {
                if failed.as_ref().is_none_or(|(best, _)| rank < *best) {
                    failed = Some((rank, connect_error(address, &error)));
                }
            }
            None if waiting.len() > 0 => {}
            None => {
                return Err(failed.map_or_else(
                    || RelayError::new(ErrorKind::Network, "There is no address to connect to"),
                    |(_, error)| error,
                ));
            }
        }
    }
}

fn connect_error(address: SocketAddr, error: &io::Error) -> RelayError {
    place_error("connect", &address.ip().to_string(), address.port(), error)
}

/// An error of a place that was to be reached or bound, in Node's shape: `connect ECONNREFUSED 127.0.0.1:22`.
pub fn place_error(syscall: &'static str, host: &str, port: u16, error: &io::Error) -> RelayError {
    let code = code_of(error);
    RelayError::new(ErrorKind::Network, format!("{syscall} {code} {host}:{port}")).with_system(SystemError {
        code: Cow::Borrowed(code),
        errno: errno_of(error),
        syscall: Some(syscall),
        address: Some(host.to_owned()),
        port: Some(port),
        hostname: None,
    })
}

/// The same for a unix socket: `connect ENOENT /run/x.sock`.
pub fn path_error(syscall: &'static str, path: &Path, error: &io::Error) -> RelayError {
    let (code, path) = (code_of(error), path.display().to_string());
    RelayError::new(ErrorKind::Network, format!("{syscall} {code} {path}")).with_system(SystemError {
        code: Cow::Borrowed(code),
        errno: errno_of(error),
        syscall: Some(syscall),
        address: Some(path),
        port: None,
        hostname: None,
    })
}

/// An IO error after the connection was made, in Node's shape (`read ECONNRESET`).
pub fn io_error(syscall: &'static str, error: &io::Error) -> RelayError {
    let code = code_of(error);
    RelayError::new(ErrorKind::Network, format!("{syscall} {code}")).with_system(SystemError {
        code: Cow::Borrowed(code),
        errno: errno_of(error),
        syscall: Some(syscall),
        address: None,
        port: None,
        hostname: None,
    })
}

/// Node's `ECONNRESET` without a number: the peer ended the connection at a point where it may not.
pub(super) fn reset(message: &str) -> RelayError {
    RelayError::new(ErrorKind::Network, message).with_system(bare("ECONNRESET"))
}

/// A system error that has nothing but a code.
pub(super) fn bare(code: &'static str) -> SystemError {
    SystemError {
        code: Cow::Borrowed(code),
        errno: None,
        syscall: None,
        address: None,
        port: None,
        hostname: None,
    }
}

fn lookup_error(host: &str, error: &io::Error) -> RelayError {
    // std keeps getaddrinfo's text but not its number; Windows gives a number and no other hint.
    let text = error.to_string().to_ascii_lowercase();
    let again = text.contains("temporary failure") || text.contains("try again");
    let (code, errno) = match error.raw_os_error() {
        Some(11002) if cfg!(windows) => ("EAI_AGAIN", Some(-3001)),
        _ if again => ("EAI_AGAIN", Some(-3001)),
        // Out of descriptors and the like: the resolver never got to ask.
        Some(number) if !cfg!(windows) && number != 0 => (code_of(error), errno_of(error)),
        _ => ("ENOTFOUND", Some(-3008)),
    };
    RelayError::new(ErrorKind::Network, format!("getaddrinfo {code} {host}")).with_system(SystemError {
        code: Cow::Borrowed(code),
        errno,
        syscall: Some("getaddrinfo"),
        address: None,
        port: None,
        hostname: Some(host.to_owned()),
    })
}

fn code_of(error: &io::Error) -> &'static str {
    // std has no kind for these two, and their numbers are the same on every Unix.
    match error.raw_os_error() {
        Some(24) if cfg!(unix) => "EMFILE",
        Some(23) if cfg!(unix) => "ENFILE",
        Some(10024) if cfg!(windows) => "EMFILE",
        _ => system_code(error),
    }
}

fn errno_of(error: &io::Error) -> Option<i32> {
    let raw = error.raw_os_error()?;
    if cfg!(windows) { windows_errno(code_of(error)) } else { raw.checked_neg() }
}

/// libuv's own numbers, which Node shows where the system's would mean nothing.
fn windows_errno(code: &str) -> Option<i32> {
    Some(match code {
        "EACCES" => -4092,
        "EADDRINUSE" => -4091,
        "EADDRNOTAVAIL" => -4090,
        "ECONNABORTED" => -4079,
        "ECONNREFUSED" => -4078,
        "ECONNRESET" => -4077,
        "EHOSTUNREACH" => -4073,
        "EINVAL" => -4071,
        "EIO" => -4070,
        "EMFILE" => -4066,
        "ENOENT" => -4058,
        "ENETDOWN" => -4063,
        "ENETUNREACH" => -4062,
        "ENOTCONN" => -4053,
        "EPIPE" => -4047,
        "ETIMEDOUT" => -4039,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
