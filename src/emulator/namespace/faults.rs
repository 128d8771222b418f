//! Carries out faults.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Namespace;
use super::channel::{ChannelMessage, EndOrder};
use crate::emulator::fault::{Fault, Hold, Plans, Signals, Silence};
use crate::emulator::record::RecordDetail;

impl Namespace {
    /// Carries out a fault and says how many connections it struck.
    pub fn inflict(&self, fault: Fault) -> usize {
        // What is struck may have been recorded before this.
        let order = self.recorder().and_then(|_| serde_json::to_value(&fault).ok());
        let struck = self.carry_out(fault);
        if let Some(Value::Object(mut details)) = order {
            let fault = details.remove("fault").and_then(|name| name.as_str().map(str::to_owned));
            let path = details.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
            details.retain(|_, value| !value.is_null());
            let fault = fault.unwrap_or_default();
            self.record(&path, "", || RecordDetail::Fault { fault, details, struck });
        }
        struck
    }

    /// The same, unrecorded.
    pub fn carry_out(&self, fault: Fault) -> usize {
        let signal = |change: fn(&mut Signals)| {
            self.signals.send_modify(change);
            0
        };
        match fault {
            Fault::DropControl { path, id, reset } => {
                let ending = EndOrder::Cut { mid_frame: false, reset };
                self.state().end_control(path.as_deref(), id.as_deref(), &ending)
            }
            Fault::CloseControl { path, id, code, reason } => {
                let ending = EndOrder::Close(code, self.close_reason(&reason));
                self.state().end_control(path.as_deref(), id.as_deref(), &ending)
            }
            Fault::SendControl { path, text } => {
                let state = self.state();
                state
                    .control(path.as_deref())
                    .filter(|own| own.send(ChannelMessage::Text(text.clone())))
                    .count()
            }
            Fault::CutRendezvous { path, mid_frame, reset } => {
                self.state().end_pipes(path.as_deref(), &EndOrder::Cut { mid_frame, reset })
            }
            Fault::CloseRendezvous { path, code, reason } => {
                self.state().end_pipes(path.as_deref(), &EndOrder::Close(code, reason))
            }
            Fault::ExpireRendezvous => {
                let mut state = self.state();
                let now = Instant::now();
                state.pending.values_mut().for_each(|pending| pending.expires = now);
                state.pending.len()
            }
            Fault::ExpireRequests { path } => self.state().expire_requests(path.as_deref()),
            Fault::CutBodies(cut) => {
                self.state().plans.cut(cut);
                0
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
