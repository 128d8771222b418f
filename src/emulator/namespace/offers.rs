//! Whom a sender is offered to, and at which address they meet.

use rand::seq::SliceRandom;

use super::Namespace;
use super::channel::{ChannelHandle, ChannelMessage};
use crate::emulator::entity_path::segments;
use crate::emulator::refusal::RelayRefusal;
use crate::http::HttpRequestHead;
use crate::http::headers::{members, values};
use crate::protocol::target::RequestTarget;
use crate::uri::push_component;

/// The address at which `listener` meets whoever waits behind `secret`.
pub fn rendezvous_address(
    namespace: &Namespace,
    listener: &ChannelHandle,
    target: &RequestTarget<'_>,
    action: &str,
    id: &str,
    secret: &str,
) -> String {
    let scheme = if namespace.options.tls.is_some() { "wss" } else { "ws" };
    let host = namespace.options.public_host.as_deref().unwrap_or(&listener.authority);
    let query = target.user_query().map(|query| format!("{query}&")).unwrap_or_default();
    let mut address = format!("{scheme}://{host}/$hc{}?{query}sb-hc-action={action}&sb-hc-id=", target.path);
    push_component(&mut address, id);
    address + "&sb-hc-rendezvous=" + secret
}

/// Tells whether a listener may be chosen, by the headers in which a sender names some.
pub fn eligible(head: &HttpRequestHead) -> impl Fn(&str) -> bool {
    let named = |name| members(&head.headers, name).map(str::to_owned).collect::<Vec<_>>();
    let restricted = values(&head.headers, "Microsoft-Relay-AllowedListeners").next().is_some();
    let allowed = restricted.then(|| named("Microsoft-Relay-AllowedListeners"));
    let disallowed = named("Microsoft-Relay-DisallowedListeners");
    move |id| {
        let is_it = |other: &String| other.eq_ignore_ascii_case(id);
        allowed.as_ref().is_none_or(|list| list.iter().any(is_it)) && !disallowed.iter().any(is_it)
    }
}

impl Namespace {
    /// The listeners of `path` that `eligible` admits, in random order.
    ///
    /// # Errors
    /// There is none.
    pub fn listeners(
        &self,
        path: &str,
        eligible: impl Fn(&str) -> bool,
    ) -> Result<Vec<ChannelHandle>, RelayRefusal> {
        let mut guard = self.state();
        let state = &mut *guard;
        let entity = state.entities.get(&segments(path).join("/")).ok_or_else(RelayRefusal::no_endpoint)?;
        if entity.listeners.is_empty() {
            return Err(RelayRefusal::new(404, "There are no listeners connected for the endpoint."));
        }
        let mut chosen: Vec<_> = entity.listeners.iter().filter(|own| eligible(&own.id)).cloned().collect();
        if chosen.is_empty() {
            return Err(RelayRefusal::new(
                404,
                "None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria.",
            ));
        }
        chosen.shuffle(&mut state.random);
        Ok(chosen)
    }

    /// Queues a message at one of the listeners of `path`, chosen at random; false where none of them keeps up.
    ///
    /// A channel whose closing handshake is under way gets nothing more. Where there is no other one, this waits for
    /// the next, as long as one that is being closed is still there.
    ///
    /// # Errors
    /// There is no listener (any more).
    pub async fn offer(
        &self,
        path: &str,
        eligible: impl Fn(&str) -> bool,
        mut message: impl FnMut(&ChannelHandle) -> ChannelMessage,
    ) -> Result<bool, RelayRefusal> {
        let mut roster = self.roster.subscribe();
        let mut waits = false;
        loop {
            roster.borrow_and_update();
            let mut listeners = self.listeners(path, &eligible)?;
            listeners.retain(|own| !own.is_closing());
            if listeners.iter().any(|own| own.send(message(own))) {
                return Ok(true);
            }
            if !listeners.is_empty() {
                return Ok(false);
            }
            if !std::mem::replace(&mut waits, true) {
                self.count(|totals| &mut totals.waited);
            }
            // Cannot fail: the namespace has the other end.
            let _ = roster.changed().await;
        }
    }
}
