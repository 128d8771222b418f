//! What the relay says on the channel, and the answers to HTTP requests.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{ChannelAction, LinkId, Machine};
use crate::listener::events::ListenerEvent;
use crate::protocol::address::Address;
use crate::protocol::control::{self, ControlMessage, Request};

/// Malformed messages that are reported in a minute; the rest are survived in silence.
const REPORTS_PER_MINUTE: u32 = 20;

/// Counts reports, so that a hostile peer cannot flood the owner with them.
#[derive(Debug, Default)]
pub(super) struct Reports {
    since: Duration,
    count: u32,
}

impl Machine {
    pub(super) fn text(&mut self, link: LinkId, text: &str) {
        // A text in the place of a body: that body will not come.
        if let Some(id) = self.take_body_of(link) {
            self.answer(link, &id);
        }
        match control::parse(text) {
            Ok(ControlMessage::Accept(accept)) => {
                if let Some(address) = self.checked(&accept.address) {
                    self.actions.push(ChannelAction::Offer { accept, address });
                }
            }
            Ok(ControlMessage::Request(request)) => self.request(link, request),
            Ok(ControlMessage::Unknown(name)) => {
                self.report_malformed(format!("Unknown control message: {}", name.escape_debug()));
            }
            Err(error) => self.report_malformed(error.message),
        }
    }

    pub(super) fn binary(&mut self, link: LinkId) {
        match self.take_body_of(link) {
            Some(id) => self.answer(link, &id),
            None => self.report_malformed("A binary message that belongs to no request".to_owned()),
        }
    }

    fn request(&mut self, link: LinkId, request: Request) {
        let Request { id, address, head } = request;
        let (method, target) = head.as_ref().map(|head| (head.method.clone(), head.target.clone())).unzip();
        self.emit(ListenerEvent::Request { id: id.clone(), method, target });
        match (head, address) {
            (Some(head), _) if head.body => self.set_body_of(link, id),
            (Some(_), _) => self.answer(link, &id),
            (None, Some(address)) => {
                if let Some(address) = self.checked(&address) {
                    self.actions.push(ChannelAction::AnswerRequest { id, address });
                }
            }
            (None, None) => {}
        }
    }

    /// The relay's word is not enough: only hosts of the namespace's own domain are dialled, or those that the owner,
    /// who is asked before the dial, lets pass.
    fn checked(&mut self, text: &str) -> Option<Address> {
        let checked = Address::parse(text).and_then(|address| {
            self.config.hosts.check(&address, &self.config.listen)?;
            Ok(address)
        });
        checked.map_err(|error| self.report_malformed(error.message)).ok()
    }

    /// The relay blocks listeners that leave requests without an answer.
    fn answer(&mut self, link: LinkId, request_id: &str) {
        self.actions.push(ChannelAction::Send(link, control::not_implemented(request_id)));
    }

    fn body_slot(&mut self, id: LinkId) -> Option<&mut Option<String>> {
        match &mut self.link {
            Some(link) if link.id == id => Some(&mut link.body_of),
            _ => self.leaving.iter_mut().find(|leaving| leaving.id == id).map(|leaving| &mut leaving.body_of),
        }
    }

    fn take_body_of(&mut self, link: LinkId) -> Option<String> {
        self.body_slot(link).and_then(Option::take)
    }

    fn set_body_of(&mut self, link: LinkId, request_id: String) {
        if let Some(slot) = self.body_slot(link) {
            *slot = Some(request_id);
        }
    }

    pub(super) fn report_malformed(&mut self, message: String) {
        let reports = &mut self.malformed;
        if self.now.saturating_sub(reports.since) >= Duration::from_secs(60) {
            *reports = Reports { since: self.now, count: 0 };
        }
        reports.count = reports.count.saturating_add(1);
        if reports.count <= REPORTS_PER_MINUTE {
            self.emit(ListenerEvent::Malformed { channel: self.config.channel, message });
        }
    }
}
