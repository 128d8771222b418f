//! Faults on demand, so that tests can watch a client survive them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refusal::RelayRefusal;

/// What a connection comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RequestedAction {
    /// A listener's control channel.
    Listen,
    /// A sender's WebSocket.
    Connect,
    /// A listener that accepts or rejects a sender.
    Accept,
    /// An HTTP request.
    Request,
    /// A listener that dials the rendezvous of an HTTP request.
    Rendezvous,
}

/// Which body of an HTTP exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BodySide {
    /// The sender's; on a rendezvous, for on a control channel bodies are whole.
    Request,
    /// The listener's.
    Response,
}

/// One order to misbehave; each names the hybrid connection it is meant for, or means all of them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "fault", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fault {
    /// Cuts control channels, by FIN or by RST, without a close frame.
    DropControl {
        /// The hybrid connection.
        path: Option<String>,
        /// The control channel.
        id: Option<String>,
        /// RST instead of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// Closes control channels with a code of the caller's choice.
    CloseControl {
        /// The hybrid connection.
        path: Option<String>,
        /// The control channel.
        id: Option<String>,
        /// The close code.
        code: u16,
        /// The close reason, to which a tracking id is added.
        reason: String,
    },
    /// Sends a text frame of the caller's choice to every listener.
    SendControl {
        /// The hybrid connection.
        path: Option<String>,
        /// Its payload.
        text: String,
    },
    /// Answers handshakes and requests with a status.
    Refuse(Refuse),
    /// Keeps `accept` messages back.
    HoldAccepts {
        /// How long each, in milliseconds; without it until `ReleaseAccepts`.
        ms: Option<u64>,
    },
    /// Sends what was kept back.
    ReleaseAccepts,
    /// Stops reading and writing without closing anything.
    GoSilent(Silence),
    /// Goes on where `GoSilent` stopped.
    Resume,
    /// Cuts established rendezvous on both sides.
    CutRendezvous {
        /// The hybrid connection.
        path: Option<String>,
        /// Leaves half a frame behind.
        #[serde(default)]
        mid_frame: bool,
        /// RST instead of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// Closes established rendezvous on both sides.
    CloseRendezvous {
        /// The hybrid connection.
        path: Option<String>,
        /// The close code.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Lets every rendezvous address that is still open expire.
    ExpireRendezvous,
    /// Lets the time of HTTP requests that have no response yet be over: 504, and what comes then is late.
    ExpireRequests {
        /// The hybrid connection.
        path: Option<String>,
    },
    /// Cuts bodies of HTTP in the middle.
    CutBodies(CutBodies),
    /// Leaves pings unanswered.
    SwallowPongs {
        /// Whether to.
        on: bool,
    },
    /// Answers handshakes late.
    Delay {
        /// By how much, in milliseconds; 0 no longer.
        ms: u64,
        /// Which ones; without it all.
        action: Option<RequestedAction>,
    },
    /// Takes back whatever lasts: refusals, cuts, holds, silence, delays, swallowed pongs.
    Clear,
}

/// See [`Fault::Refuse`].
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refuse {
    /// The HTTP status.
    pub status: u16,
    /// The text.
    pub reason: String,
    /// Adds a tracking id as the service does.
    #[serde(default)]
    pub tracked: bool,
    /// How many times; without it until cleared.
    pub times: Option<u32>,
    /// For whom; without it everybody.
    pub action: Option<RequestedAction>,
}

/// See [`Fault::CutBodies`].
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CutBodies {
    /// Whose.
    pub of: BodySide,
    /// After so many bytes.
    pub after: u64,
    /// How many times; without it until cleared.
    pub times: Option<u32>,
}

/// See [`Fault::GoSilent`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Silence {
    /// Control channels.
    pub control: bool,
    /// Established rendezvous.
    pub data: bool,
    /// Connections that have not been answered yet.
    pub handshakes: bool,
}

/// How `accept` messages are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hold {
    /// They go out at once.
    #[default]
    Off,
    /// Each waits this long.
    For(Duration),
    /// They wait until released.
    On,
}

/// The lasting faults that connections watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// Who is silent.
    pub silence: Silence,
    /// Whether accepts are held.
    pub hold: Hold,
    /// Whether pings go unanswered.
    pub swallow_pongs: bool,
}

/// The lasting faults that are looked up when a connection comes.
#[derive(Debug, Default)]
pub struct Plans {
    refusals: Vec<Refuse>,
    cuts: Vec<CutBodies>,
    delays: Vec<(Option<RequestedAction>, Duration)>,
}

/// Uses up one of so many `times`; true where that was the last.
fn last_of(times: &mut Option<u32>) -> bool {
    let Some(times) = times else { return false };
    *times = times.saturating_sub(1);
    *times == 0
}

impl Plans {
    /// Plans a refusal.
    pub fn refuse(&mut self, refuse: Refuse) {
        self.refusals.push(refuse);
    }

    /// Plans a delay, or ends one.
    pub fn delay(&mut self, action: Option<RequestedAction>, delay: Duration) {
        self.delays.retain(|(own, _)| *own != action);
        if !delay.is_zero() {
            self.delays.push((action, delay));
        }
    }

    /// Takes one planned refusal that is meant for `action`.
    pub fn take_refusal(&mut self, action: RequestedAction) -> Option<RelayRefusal> {
        let at = self.refusals.iter().position(|plan| plan.action.is_none_or(|own| own == action))?;
        let plan = self.refusals.get_mut(at)?;
        let refusal =
            RelayRefusal { tracked: plan.tracked, ..RelayRefusal::new(plan.status, plan.reason.as_str()) };
        if last_of(&mut plan.times) {
            self.refusals.remove(at);
        }
        Some(refusal)
    }

    /// Plans cuts.
    pub fn cut(&mut self, cut: CutBodies) {
        self.cuts.push(cut);
    }

    /// Takes one planned cut of a body of this side: after how many bytes.
    pub fn take_cut(&mut self, side: BodySide) -> Option<u64> {
        let at = self.cuts.iter().position(|plan| plan.of == side)?;
        let plan = self.cuts.get_mut(at)?;
        let after = plan.after;
        if last_of(&mut plan.times) {
            self.cuts.remove(at);
        }
        Some(after)
    }

    /// The delay meant for `action`.
    pub fn delay_of(&self, action: RequestedAction) -> Option<Duration> {
        self.delays.iter().find(|(own, _)| own.is_none_or(|own| own == action)).map(|(_, delay)| *delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_used_up_in_order() {
        let mut plans = Plans::default();
        let plan =
            |status, times, action| Refuse { status, reason: "no".into(), tracked: false, times, action };
        plans.refuse(plan(503, Some(2), Some(RequestedAction::Listen)));
        plans.refuse(plan(500, None, None));
        let mut next = |action| plans.take_refusal(action).map(|refusal| refusal.status);
        assert_eq!(next(RequestedAction::Connect), Some(500));
        assert_eq!(next(RequestedAction::Listen), Some(503));
        assert_eq!(next(RequestedAction::Listen), Some(503));
        assert_eq!(next(RequestedAction::Listen), Some(500));
    }

    #[test]
    fn cuts_are_used_up_by_their_side() {
        let mut plans = Plans::default();
        plans.cut(CutBodies { of: BodySide::Response, after: 3, times: Some(1) });
        plans.cut(CutBodies { of: BodySide::Request, after: 0, times: None });
        assert_eq!(plans.take_cut(BodySide::Response), Some(3));
        assert_eq!(plans.take_cut(BodySide::Response), None);
        assert_eq!(plans.take_cut(BodySide::Request), Some(0));
        assert_eq!(plans.take_cut(BodySide::Request), Some(0));
    }

    #[test]
    fn a_delay_is_replaced_and_ended() {
        let mut plans = Plans::default();
        plans.delay(Some(RequestedAction::Listen), Duration::from_millis(5));
        plans.delay(Some(RequestedAction::Listen), Duration::from_millis(7));
        assert_eq!(plans.delay_of(RequestedAction::Listen), Some(Duration::from_millis(7)));
        assert_eq!(plans.delay_of(RequestedAction::Accept), None);
        plans.delay(Some(RequestedAction::Listen), Duration::ZERO);
        assert_eq!(plans.delay_of(RequestedAction::Listen), None);
    }

    #[test]
    fn orders_are_read_from_json() {
        let fault: Fault = serde_json::from_str(r#"{"fault":"goSilent","control":true}"#).unwrap();
        assert!(matches!(fault, Fault::GoSilent(Silence { control: true, data: false, handshakes: false })));
        let fault: Fault =
            serde_json::from_str(r#"{"fault":"cutRendezvous","midFrame":true,"path":"hyco"}"#).unwrap();
        assert!(matches!(fault, Fault::CutRendezvous { mid_frame: true, reset: false, path: Some(_) }));
        let fault: Fault =
            serde_json::from_str(r#"{"fault":"refuse","status":503,"reason":"x","action":"listen"}"#)
                .unwrap();
        assert!(matches!(
            fault,
            Fault::Refuse(Refuse { action: Some(RequestedAction::Listen), times: None, .. })
        ));
        let fault: Fault =
            serde_json::from_str(r#"{"fault":"cutBodies","of":"response","after":7,"times":1}"#).unwrap();
        let expected = CutBodies { of: BodySide::Response, after: 7, times: Some(1) };
        assert!(matches!(fault, Fault::CutBodies(cut) if format!("{cut:?}") == format!("{expected:?}")));
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"explode"}"#).is_err());
    }
}
