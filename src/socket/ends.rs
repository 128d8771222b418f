//! The addresses of a connection. They are noted while it is there, and told when somebody asks.

use std::fmt;
use std::net::{SocketAddr, SocketAddrV4};

/// Both ends, in little room where they are as usual.
#[derive(Debug)]
pub(super) enum Ends {
    /// IPv4: ours, and the peer's.
    V4(SocketAddrV4, SocketAddrV4),
    /// Any others, as far as they are known.
    Other(Box<[Option<SocketAddr>; 2]>),
}

impl Ends {
    pub(super) fn new(local: Option<SocketAddr>, remote: Option<SocketAddr>) -> Self {
        match (local, remote) {
            (Some(SocketAddr::V4(local)), Some(SocketAddr::V4(remote))) => Ends::V4(local, remote),
            _ => Ends::Other(Box::new([local, remote])),
        }
    }
}

/// `local remote`, each empty where it is not known.
impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ends::V4(local, remote) => write!(f, "{local} {remote}"),
            Ends::Other(ends) => {
                let [local, remote] = ends.map(|end| end.map_or_else(String::new, |end| end.to_string()));
                write!(f, "{local} {remote}")
            }
        }
    }
}
