//! What the relay says on the channel, and the answers to HTTP requests.

use super::context::ChannelContext;
use super::terms::{ChannelAction, LinkId};
use crate::listener::events::ListenerEvent;
use crate::protocol::address::Address;
use crate::protocol::control::{self, ControlMessage, Request};

/// A text message on `link`. `body_of` is the id of the HTTP request whose body comes next on that link.
pub(super) fn text(link: LinkId, text: &str, body_of: &mut Option<String>, context: &mut ChannelContext) {
    // A text in the place of a body: that body will not come.
    if let Some(id) = body_of.take() {
        answer(link, &id, context);
    }
    match control::parse(text) {
        Ok(ControlMessage::Accept(accept)) => {
            if let Some(address) = checked(&accept.address, context) {
                context.actions.push(ChannelAction::Offer { accept, address });
            }
        }
        Ok(ControlMessage::Request(request)) => {
            if let Some(id) = take_request(link, request, context) {
                *body_of = Some(id);
            }
        }
        Ok(ControlMessage::Unknown(name)) => {
            context.report_malformed(format!("Unknown control message: {}", name.escape_debug()));
        }
        Err(error) => context.report_malformed(error.message),
    }
}

/// A binary message on `link`.
pub(super) fn binary(link: LinkId, body_of: &mut Option<String>, context: &mut ChannelContext) {
    match body_of.take() {
        Some(id) => answer(link, &id, context),
        None => context.report_malformed("A binary message that belongs to no request".to_owned()),
    }
}

/// Returns the request's id if its body is still to come.
fn take_request(link: LinkId, request: Request, context: &mut ChannelContext) -> Option<String> {
    let Request { id, address, head } = request;
    let (method, target) = head.as_ref().map(|head| (head.method.clone(), head.target.clone())).unzip();
    context.emit(ListenerEvent::Request { id: id.clone(), method, target });
    match (head, address) {
        (Some(head), _) if head.body => return Some(id),
        (Some(_), _) => answer(link, &id, context),
        (None, Some(address)) => {
            if let Some(address) = checked(&address, context) {
                context.actions.push(ChannelAction::AnswerRequest { id, address });
            }
        }
        (None, None) => {}
    }
    None
}

/// The relay's word is not enough: only hosts of the namespace's own domain are dialled, or those that the owner,
/// who is asked before the dial, lets pass.
fn checked(text: &str, context: &mut ChannelContext) -> Option<Address> {
    let checked = Address::parse(text).and_then(|address| {
        context.config.hosts.check(&address, &context.config.listen)?;
        Ok(address)
    });
    checked.map_err(|error| context.report_malformed(error.message)).ok()
}

/// The relay blocks listeners that leave requests without an answer.
fn answer(link: LinkId, request_id: &str, context: &mut ChannelContext) {
    context.actions.push(ChannelAction::Send(link, control::not_implemented(request_id)));
}
