//! The addresses of a connection. They are noted while it is there, and told when somebody asks.

#![forbid(unsafe_code)]

use std::net::{SocketAddr, SocketAddrV4};

use super::Socket;

/// Both ends, in little room where they are as usual.
#[derive(Debug)]
pub(super) enum Ends {
    /// IPv4: ours, and the peer's.
    V4(SocketAddrV4, SocketAddrV4),
    /// Any others, as far as they are known.
    Other(Box<[Option<SocketAddr>; 2]>),
}

impl Socket {
    /// Notes the addresses; the first time counts.
    pub(super) fn note_ends(&self, local: Option<SocketAddr>, remote: Option<SocketAddr>) {
        let ends = match (local, remote) {
            (Some(SocketAddr::V4(local)), Some(SocketAddr::V4(remote))) => Ends::V4(local, remote),
            _ => Ends::Other(Box::new([local, remote])),
        };
        let _ = self.ends.set(ends);
    }

    /// `local remote`, each empty where it is not known.
    pub fn addresses(&self) -> String {
        match self.ends.get() {
            None => String::from(" "),
            Some(Ends::V4(local, remote)) => format!("{local} {remote}"),
            Some(Ends::Other(ends)) => {
                let [local, remote] = ends.map(|end| end.map_or_else(String::new, |end| end.to_string()));
                format!("{local} {remote}")
            }
        }
    }
}
