//! Carries out faults, and ends what is established.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::{Ending, Listener, Message, Namespace, State};
use crate::emulator::fault::{Fault, Hold, Plans, Signals, Silence};
use crate::emulator::target::segments;

impl Namespace {
    /// Carries out a fault and says how many connections it struck.
    pub fn inflict(&self, fault: Fault) -> usize {
        let signal = |change: fn(&mut Signals)| {
            self.signals.send_modify(change);
            0
        };
        match fault {
            Fault::DropControl { path, id, reset } => {
                let ending = Ending::Cut { mid_frame: false, reset };
                self.state().end_control(path.as_deref(), id.as_deref(), &ending)
            }
            Fault::CloseControl { path, id, code, reason } => {
                let ending = Ending::Close(code, self.close_reason(&reason));
                self.state().end_control(path.as_deref(), id.as_deref(), &ending)
            }
            Fault::SendControl { path, text } => {
                let state = self.state();
                state.control(path.as_deref()).filter(|own| own.send(Message::Text(text.clone()))).count()
            }
            Fault::CutRendezvous { path, mid_frame, reset } => {
                self.state().end_pipes(path.as_deref(), &Ending::Cut { mid_frame, reset })
            }
            Fault::CloseRendezvous { path, code, reason } => {
                self.state().end_pipes(path.as_deref(), &Ending::Close(code, reason))
            }
            Fault::ExpireRendezvous => {
                let mut state = self.state();
                let now = Instant::now();
                state.pending.values_mut().for_each(|pending| pending.expires = now);
                state.pending.len()
            }
            Fault::Refuse(refuse) => {
                self.state().plans.refuse(refuse);
                0
            }
            Fault::Delay { ms, action } => {
                self.state().plans.delay(action, Duration::from_millis(ms));
                0
            }
            Fault::HoldAccepts { ms } => {
                let hold = ms.map_or(Hold::On, |ms| Hold::For(Duration::from_millis(ms)));
                self.signals.send_modify(|signals| signals.hold = hold);
                0
            }
            Fault::ReleaseAccepts => signal(|signals| signals.hold = Hold::Off),
            Fault::GoSilent(silence) => {
                self.signals.send_modify(|signals| signals.silence = silence);
                0
            }
            Fault::Resume => signal(|signals| signals.silence = Silence::default()),
            Fault::SwallowPongs { on } => {
                self.signals.send_modify(|signals| signals.swallow_pongs = on);
                0
            }
            Fault::Clear => {
                self.state().plans = Plans::default();
                signal(|signals| *signals = Signals::default())
            }
        }
    }
}

impl State {
    pub(super) fn control(&self, path: Option<&str>) -> impl Iterator<Item = &Listener> {
        let wanted = path.map(|path| segments(path).join("/"));
        let meant = move |key: &str| wanted.as_deref().is_none_or(|wanted| wanted == key);
        self.entities.iter().filter(move |(key, _)| meant(key)).flat_map(|(_, own)| &own.listeners)
    }

    pub(super) fn end_control(&self, path: Option<&str>, id: Option<&str>, ending: &Ending) -> usize {
        let meant = self.control(path).filter(|own| id.is_none_or(|id| own.id.eq_ignore_ascii_case(id)));
        meant.filter(|own| own.end(ending.clone())).count()
    }

    pub(super) fn end_pipes(&self, path: Option<&str>, ending: &Ending) -> usize {
        let wanted = path.map(segments);
        let meant = |own: &str| wanted.as_ref().is_none_or(|wanted| *wanted == segments(own));
        let pipes = self.pipes.values().filter(|(own, _)| meant(own));
        pipes.filter(|(_, orders)| orders.send(ending.clone()).is_ok()).count()
    }
}
