//! Takes the overview.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::Namespace;
use crate::emulator::message_tap::WayFigures;
use crate::emulator::overview::{EntityOverview, ListenerOverview, PipeOverview, RelayOverview, WayOverview};

impl Namespace {
    /// The relay at a glance.
    pub fn overview(&self) -> RelayOverview {
        let stats = self.stats().into();
        let state = self.state();
        let mut senders: HashMap<&str, usize> = HashMap::new();
        let mut connections = Vec::new();
        for pipe in state.pipes.values() {
            *senders.entry(pipe.path.as_str()).or_default() += 1;
            connections.push(PipeOverview {
                path: pipe.path.clone(),
                id: pipe.id.clone(),
                listener: pipe.listener.clone(),
                kind: pipe.kind,
                since: pipe.since,
                to_listener: way(&pipe.figures.to_listener),
                to_sender: way(&pipe.figures.to_sender),
            });
        }
        connections.sort_by_key(|pipe| pipe.since);
        let mut listeners = Vec::new();
        let mut hybrid_connections = Vec::new();
        for entity in state.entities.values() {
            hybrid_connections.push(EntityOverview {
                path: entity.path.clone(),
                requires_client_authorization: entity.requires_client_authorization,
                listeners: entity.listeners.len(),
                senders: senders.get(entity.path.as_str()).copied().unwrap_or_default(),
            });
            listeners.extend(entity.listeners.iter().map(|own| ListenerOverview {
                path: entity.path.clone(),
                id: own.id.clone(),
                remote_address: own.origin.remote_address.clone(),
                since: own.origin.since,
                token_expires: own.origin.expires_at.load(Ordering::Relaxed).saturating_mul(1000),
                closing: own.is_closing(),
            }));
        }
        RelayOverview { hybrid_connections, listeners, connections, stats }
    }
}

fn way(figures: &WayFigures) -> WayOverview {
    WayOverview {
        messages: figures.messages.load(Ordering::Relaxed),
        bytes: figures.bytes.load(Ordering::Relaxed),
        buffered: figures.buffered.load(Ordering::Relaxed),
    }
}
