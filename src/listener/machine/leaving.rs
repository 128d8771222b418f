//! Links on their way out.

use std::time::Duration;

use super::context::ChannelContext;
use super::link::ControlLink;
use super::messages::LinkRequests;
use super::terms::{ChannelAction, LinkId};
use crate::listener::config::CLOSE_TIMEOUT;

/// How long an old link goes on receiving after its replacement is up.
const OVERLAP: Duration = Duration::from_secs(2);
/// How long it is kept for the answers to its requests: a little longer than the relay waits for them.
const ANSWERS: Duration = Duration::from_secs(65);
/// How long the answer to a recycling close waits for the replacement.
const HOLD: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct LeavingLink {
    id: LinkId,
    until: Duration,
    stage: LeavingStage,
    requests: LinkRequests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeavingStage {
    /// Still receiving.
    Overlapping,
    /// The same, for as long as there are requests to answer.
    Answering,
    /// The relay has closed it; the answer waits for the replacement.
    Held,
    /// Our closing handshake has begun.
    Disconnecting,
}

/// The links of a channel that are on their way out.
#[derive(Debug, Default)]
pub(super) struct LeavingLinks(Vec<LeavingLink>);

impl LeavingLinks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.0.iter().map(|leaving| leaving.until).min()
    }

    /// A link that was replaced goes on receiving for a while.
    pub(super) fn replaced(&mut self, link: ControlLink, now: Duration) {
        let (id, until) = (link.id, now + OVERLAP);
        let (stage, requests) = (LeavingStage::Overlapping, link.requests);
        self.0.push(LeavingLink { id, until, stage, requests });
    }

    /// A link that the relay has closed is answered when there is a replacement.
    pub(super) fn hold(&mut self, id: LinkId, now: Duration) {
        let (stage, requests) = (LeavingStage::Held, LinkRequests::default());
        self.0.push(LeavingLink { id, until: now + HOLD, stage, requests });
    }

    /// Lets go of the links that waited for their replacement; true if there are any.
    pub(super) fn release(&mut self, context: &mut ChannelContext) -> bool {
        let before = context.actions.len();
        context.actions.extend(
            self.0
                .extract_if(.., |leaving| leaving.stage == LeavingStage::Held)
                .map(|held| ChannelAction::Drop(held.id)),
        );
        context.actions.len() > before
    }

    /// The requests of a link that is still read.
    pub(super) fn requests_of(&mut self, id: LinkId) -> Option<&mut LinkRequests> {
        let read = |leaving: &&mut LeavingLink| leaving.id == id && leaving.stage != LeavingStage::Held;
        self.0.iter_mut().find(read).map(|leaving| &mut leaving.requests)
    }

    /// The connection of a link has ended; false if it is none of these.
    pub(super) fn lost(&mut self, id: LinkId, context: &mut ChannelContext) -> bool {
        let Some(at) = self.0.iter().position(|leaving| leaving.id == id) else { return false };
        if self.0[at].stage != LeavingStage::Held {
            self.0.swap_remove(at);
            context.actions.push(ChannelAction::Drop(id));
        }
        true
    }

    /// Closes what is still open, and `link`, the one that is up.
    pub(super) fn close(&mut self, link: Option<ControlLink>, context: &mut ChannelContext) {
        if let Some(link) = link {
            self.replaced(link, context.now);
        }
        self.0.retain_mut(|leaving| {
            match leaving.stage {
                LeavingStage::Overlapping | LeavingStage::Answering => leaving.disconnect(context),
                LeavingStage::Held => context.actions.push(ChannelAction::Drop(leaving.id)),
                LeavingStage::Disconnecting => {}
            }
            leaving.stage != LeavingStage::Held
        });
    }

    pub(super) fn run_timers(&mut self, context: &mut ChannelContext) {
        self.0.retain_mut(|leaving| {
            let due = leaving.until <= context.now;
            let open = leaving.requests.are_open();
            match leaving.stage {
                LeavingStage::Overlapping if due && open => {
                    leaving.stage = LeavingStage::Answering;
                    leaving.until = context.now + ANSWERS;
                }
                LeavingStage::Overlapping if due => leaving.disconnect(context),
                LeavingStage::Answering if due || !open => leaving.disconnect(context),
                LeavingStage::Held | LeavingStage::Disconnecting if due => {
                    context.actions.push(ChannelAction::Drop(leaving.id));
                    return false;
                }
                _ => {}
            }
            true
        });
    }
}

impl LeavingLink {
    fn disconnect(&mut self, context: &mut ChannelContext) {
        context.actions.push(ChannelAction::Disconnect(self.id));
        self.stage = LeavingStage::Disconnecting;
        self.until = context.now + CLOSE_TIMEOUT;
    }
}
