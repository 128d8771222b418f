//! The sessions to resume, of the servers that were dialled last.
//!
//! As rustls's own store, but for the number of tickets: a ticket of TLS 1.3 is good once, and of a burst of dials only as
//! many are resumed as there are tickets.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::sync::lock;

/// Servers that are remembered, by name; the gateways of a namespace are some tens at most.
const SERVERS: usize = 32;
/// Tickets of each: as many as a listener dials rendezvous at once.
pub(super) const TICKETS: usize = 64;

/// What is known of one server.
#[derive(Default)]
struct ServerSessions {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// The newest is behind.
    tickets: VecDeque<Tls13ClientSessionValue>,
}

/// A bounded store in memory; who was met first is forgotten first.
#[derive(Default)]
pub(super) struct SessionStore {
    servers: Mutex<VecDeque<(ServerName<'static>, ServerSessions)>>,
}

impl SessionStore {
    fn read<T>(
        &self,
        name: &ServerName<'_>,
        take: impl FnOnce(&mut ServerSessions) -> Option<T>,
    ) -> Option<T> {
        let mut servers = lock(&self.servers);
        let (_, known) = servers.iter_mut().find(|(server, _)| server == name)?;
        take(known)
    }

    fn write(&self, name: ServerName<'static>, put: impl FnOnce(&mut ServerSessions)) {
        let mut servers = lock(&self.servers);
        if let Some((_, known)) = servers.iter_mut().find(|(server, _)| *server == name) {
            return put(known);
        }
        if servers.len() == SERVERS {
            servers.pop_front();
        }
        let mut known = ServerSessions::default();
        put(&mut known);
        servers.push_back((name, known));
    }
}

impl ClientSessionStore for SessionStore {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.write(server_name, |known| known.group = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.read(server_name, |known| known.group)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.write(server_name, |known| known.tls12 = Some(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.read(server_name, |known| known.tls12.clone())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.read(server_name, |known| known.tls12.take());
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.write(server_name, |known| {
            if known.tickets.len() == TICKETS {
                known.tickets.pop_front();
            }
            known.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.read(server_name, |known| known.tickets.pop_back())
    }
}

/// Sessions are secrets.
impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_servers_are_remembered() {
        let store = SessionStore::default();
        let name = |number: usize| ServerName::try_from(format!("g{number}.example")).unwrap();
        for number in 0..=SERVERS {
            // The second time it is none that is new.
            for group in [NamedGroup::X25519, NamedGroup::secp256r1] {
                store.set_kx_hint(name(number), group);
            }
        }
        let known = (0..=SERVERS).filter(|&number| store.kx_hint(&name(number)).is_some());
        assert_eq!(known.collect::<Vec<_>>(), (1..=SERVERS).collect::<Vec<_>>());
        assert_eq!(store.kx_hint(&name(1)), Some(NamedGroup::secp256r1));
    }
}
