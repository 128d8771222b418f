//! What the relay says on the channel.

use bytes::Bytes;

use super::context::ChannelContext;
use super::terms::{ChannelAction, LinkId, LinkRequest};
use crate::protocol::address::Address;
use crate::protocol::answer::bare_response;
use crate::protocol::control::{self, ControlMessage, Request};
use crate::protocol::relayed;

/// The HTTP requests of one link.
#[derive(Debug, Default)]
pub(super) struct LinkRequests {
    /// How many need the link for their answers.
    open: u32,
    next_body: NextBody,
}

/// Whose body the next binary message is.
#[derive(Debug, Default)]
enum NextBody {
    /// There is none to come.
    #[default]
    Unexpected,
    Of(Box<LinkRequest>),
    /// Of a request that was answered already.
    Dropped,
}

impl LinkRequests {
    /// Whether an answer is still to go by the link.
    pub(super) fn are_open(&self) -> bool {
        self.open > 0
    }

    /// One of them needs the link no longer.
    pub(super) fn answered(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A text message on `link`.
    pub(super) fn text(&mut self, link: LinkId, text: &str, context: &mut ChannelContext) {
        match std::mem::take(&mut self.next_body) {
            NextBody::Unexpected => {}
            // That body will not come: the text is a command like any other.
            NextBody::Of(request) => {
                context.report_malformed("A text in the place of the body of a request".to_owned());
                answer(link, &request, 400, context);
            }
            NextBody::Dropped => context.report_malformed("A text in the place of a body".to_owned()),
        }
        match control::parse(text) {
            Ok(ControlMessage::Accept(accept)) => {
                if let Some(address) = checked(&accept.address, context) {
                    context.actions.push(ChannelAction::Offer { accept, address });
                }
            }
            Ok(ControlMessage::Request(request)) => self.request(link, request, context),
            Ok(ControlMessage::Unknown(name)) => {
                context.report_malformed(format!("Unknown control message: {}", name.escape_debug()));
            }
            Err(error) => context.report_malformed(error.message),
        }
    }

    /// A binary message on `link`.
    pub(super) fn binary(&mut self, link: LinkId, body: Bytes, context: &mut ChannelContext) {
        match std::mem::take(&mut self.next_body) {
            NextBody::Of(request) => self.take(link, request, Some(body), context),
            NextBody::Dropped => {}
            NextBody::Unexpected => {
                context.report_malformed("A binary message that belongs to no request".to_owned());
            }
        }
    }

    fn request(&mut self, link: LinkId, request: Request, context: &mut ChannelContext) {
        let Request { id, address, head } = request;
        let Some(head) = head else {
            if let Some(address) = address.and_then(|address| checked(&address, context)) {
                context.actions.push(ChannelAction::FetchRequest(address));
            }
            return;
        };
        let (checked, has_body) = (relayed::check(&head), head.body);
        let request = Box::new(LinkRequest { id, address, head });
        if let Err((status, why)) = checked {
            context.report_malformed(why.to_owned());
            answer(link, &request, status, context);
            self.next_body = if has_body { NextBody::Dropped } else { NextBody::Unexpected };
        } else if has_body {
            self.next_body = NextBody::Of(request);
        } else {
            self.take(link, request, None, context);
        }
    }

    fn take(
        &mut self,
        link: LinkId,
        request: Box<LinkRequest>,
        body: Option<Bytes>,
        context: &mut ChannelContext,
    ) {
        self.open += 1;
        context.actions.push(ChannelAction::Request { link, request, body });
    }
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
fn answer(link: LinkId, request: &LinkRequest, status: u16, context: &mut ChannelContext) {
    context.actions.push(ChannelAction::Send(link, bare_response(&request.id, status)));
}
