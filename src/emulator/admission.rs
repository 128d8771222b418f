//! Decides what a request head is let in for, in the order in which the service looks.

use super::fault::RequestedAction;
use super::http::Upgrade;
use super::namespace::{Namespace, Pending};
use super::options::Right;
use super::refusal::RelayRefusal;
use super::token_fate::{TokenFate, TokenResult};
use crate::http::HttpRequestHead;
use crate::http::headers::joined;
use crate::protocol::target::RequestTarget;

/// The header in which all SDKs send their token.
pub const TOKEN_HEADER: &str = "ServiceBusAuthorization";

/// What a request head was admitted as.
pub enum AdmittedAs {
    /// A plain HTTP request, behind which another may come.
    Request {
        /// The hybrid connection.
        path: String,
        /// `Authorization` was used up as the relay's token.
        consumed: bool,
        /// What became of its token.
        token: TokenFate,
    },
    /// A WebSocket, which takes the connection over.
    WebSocket(AdmittedSocket),
}

/// What a WebSocket was admitted as.
pub enum AdmittedSocket {
    /// A listener's control channel.
    Listen {
        /// The hybrid connection.
        path: String,
        /// What became of its token.
        token: TokenFate,
        /// Its handshake.
        upgrade: Upgrade,
    },
    /// A sender's WebSocket.
    Connect {
        /// The hybrid connection.
        path: String,
        /// What became of its token.
        token: TokenFate,
        /// Its handshake.
        upgrade: Upgrade,
    },
    /// A listener that dialled a rendezvous address.
    Accept {
        /// Who waits there.
        pending: Pending,
        /// Its handshake.
        upgrade: Upgrade,
    },
    /// A listener that rejects through a rendezvous address.
    Reject {
        /// Who waits there.
        pending: Pending,
        /// What the sender is told.
        verdict: RelayRefusal,
    },
}

/// What `target` comes for, before anything is checked.
pub fn action_of(target: &RequestTarget<'_>) -> Option<RequestedAction> {
    if !target.hybrid {
        return Some(RequestedAction::Request);
    }
    match target.parameter("action").as_deref() {
        Some("listen") => Some(RequestedAction::Listen),
        None | Some("connect") => Some(RequestedAction::Connect),
        Some("accept") => Some(RequestedAction::Accept),
        Some("request") => Some(RequestedAction::Rendezvous),
        Some(_) => None,
    }
}

/// Admits a request, or says why not.
///
/// # Errors
/// The refusal to answer with.
pub fn admit(
    namespace: &Namespace,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    host: &str,
) -> Result<AdmittedAs, RelayRefusal> {
    if !target.hybrid {
        return admit_request(namespace, head, target, host);
    }
    let upgrade = Upgrade::of(head).map_err(|(status, text)| RelayRefusal::new(status, text))?;
    let socket = match action_of(target) {
        Some(RequestedAction::Listen) => {
            let (path, token) = authorize(namespace, target, host, token(head, target), Right::Listen)?;
            AdmittedSocket::Listen { path, token, upgrade }
        }
        Some(RequestedAction::Connect) => {
            let (path, token) = authorize(namespace, target, host, token(head, target), Right::Send)?;
            AdmittedSocket::Connect { path, token, upgrade }
        }
        Some(action) => admit_rendezvous(namespace, target, action, upgrade)?,
        None => return Err(RelayRefusal::new(400, "The action in the request is not known.")),
    };
    Ok(AdmittedAs::WebSocket(socket))
}

/// A token and the parameter or header that it came in.
type CarriedToken = (String, &'static str);

/// The hybrid connection, and what became of the token.
fn authorize(
    namespace: &Namespace,
    target: &RequestTarget<'_>,
    host: &str,
    token: Option<CarriedToken>,
    right: Right,
) -> Result<(String, TokenFate), RelayRefusal> {
    // Only senders may address what lies below a hybrid connection.
    let entity = namespace.entity(target.path, right == Right::Listen);
    if right == Right::Send && entity.as_ref().is_some_and(|(_, required)| !required) {
        return entity
            .map(|(path, _)| (path, TokenFate::of(TokenResult::NotNeeded)))
            .ok_or_else(RelayRefusal::no_endpoint);
    }
    let fate = match token {
        Some((token, place)) => {
            let fate = namespace.verify(&token, host, target.path, right).map_err(|mut refusal| {
                refusal.token = refusal.token.map(|fate| Box::new(fate.in_place(Some(place))));
                refusal
            })?;
            Some(fate.in_place(Some(place)))
        }
        None => None,
    };
    let (path, _) = entity.ok_or_else(RelayRefusal::no_endpoint)?;
    let fate = fate.ok_or_else(|| {
        let refusal = RelayRefusal::new(401, "MissingToken: Relay security token is required.");
        refusal.because(TokenFate::missing())
    })?;
    Ok((path, fate))
}

fn token(head: &HttpRequestHead, target: &RequestTarget<'_>) -> Option<CarriedToken> {
    let in_query = target.parameter("token").map(|token| (token, "sb-hc-token"));
    in_query.or_else(|| joined(&head.headers, TOKEN_HEADER).map(|token| (token, TOKEN_HEADER)))
}

fn admit_rendezvous(
    namespace: &Namespace,
    target: &RequestTarget<'_>,
    action: RequestedAction,
    upgrade: Upgrade,
) -> Result<AdmittedSocket, RelayRefusal> {
    let secret = target.parameter("rendezvous");
    if action == RequestedAction::Accept
        && let Some(status) = target.parameter("statusCode")
    {
        let status = status.parse().ok().filter(|status| (200..=999).contains(status));
        let status = status.ok_or_else(|| RelayRefusal::new(400, "The sb-hc-statusCode is not valid."))?;
        let text = target.parameter("statusDescription").unwrap_or_default();
        let pending = namespace.claim(secret.as_deref(), action, |_| Ok(()))?;
        return Ok(AdmittedSocket::Reject { pending, verdict: RelayRefusal::verbatim(status, text) });
    }
    let pending =
        namespace.claim(secret.as_deref(), action, |pending| match upgrade.protocols.as_slice() {
            _ if action == RequestedAction::Rendezvous => Ok(()),
            [] => Ok(()),
            [one] if pending.protocols.contains(one) => Ok(()),
            [_] => Err(RelayRefusal::new(400, "The sender did not offer this subprotocol.")),
            _ => Err(RelayRefusal::new(400, "A listener must choose one subprotocol.")),
        })?;
    Ok(AdmittedSocket::Accept { pending, upgrade })
}

fn admit_request(
    namespace: &Namespace,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    host: &str,
) -> Result<AdmittedAs, RelayRefusal> {
    if head.method == "CONNECT" {
        return Err(RelayRefusal::new(405, "The method is not allowed."));
    }
    let mut token = token(head, target);
    let mut consumed = false;
    if token.is_none() && namespace.entity(target.path, false).is_some_and(|(_, required)| required) {
        token = joined(&head.headers, "Authorization").map(|token| (token, "Authorization"));
        consumed = token.is_some();
    }
    let (path, token) = authorize(namespace, target, host, token, Right::Send)?;
    Ok(AdmittedAs::Request { path, consumed, token })
}
