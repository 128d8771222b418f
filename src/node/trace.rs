//! The core's `tracing` events on their way to JavaScript's diagnostics channel. Nobody asks for them as a rule: then no
//! subscriber is set, and an event costs one comparison.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, Once, Weak};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, subscriber};

use crate::socket::delivery::{Delivery, Kind};
use crate::sync::lock;

/// The environments that listen, and their slots.
static LISTENERS: Mutex<Vec<(Weak<Delivery>, u32)>> = Mutex::new(Vec::new());
static START: Once = Once::new();

/// Delivers all events of the process under `slot`, for as long as the queue lives.
pub(super) fn subscribe(delivery: &Arc<Delivery>, slot: u32) {
    let mut listeners = lock(&LISTENERS);
    listeners.retain(|(delivery, _)| delivery.strong_count() > 0);
    listeners.push((Arc::downgrade(delivery), slot));
    drop(listeners);
    // Fails if there is one already, which in a library of its own only we could have set.
    START.call_once(|| drop(subscriber::set_global_default(Bridge)));
}

/// Takes the events of this crate.
struct Bridge;

impl Subscriber for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = TraceFields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let place = metadata.target().split_once("::").map_or("", |(_, place)| place);
        fields.0.insert("level".into(), metadata.level().as_str().to_lowercase().into());
        fields.0.insert("target".into(), place.into());
        // A map of strings and numbers: this cannot fail.
        let json = serde_json::to_vec(&fields.0).unwrap_or_default();
        // Not under the lock: a push wakes JavaScript.
        let listeners = lock(&LISTENERS).clone();
        for (delivery, slot) in listeners {
            if let Some(delivery) = delivery.upgrade().filter(|delivery| !delivery.overflows()) {
                delivery.push_one(|batch| batch.push(slot, Kind::Listener, 0, &json));
            }
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // There are no spans in this crate; an id has to be something.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event's fields as JSON.
#[derive(Default)]
struct TraceFields(Map<String, Value>);

impl Visit for TraceFields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.0.insert(field.name().into(), text.into());
    }
}
