//! A relay, a token provider and a clock for one machine.

use super::*;

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub fn network() -> RelayError {
    RelayError::new(ErrorKind::Network, "connect ECONNREFUSED")
}

pub fn config() -> MachineConfig {
    MachineConfig {
        channel: 0,
        keep_alive: KeepAlive::default(),
        reconnect: ReconnectConfig::default(),
        handshake_timeout: seconds(60),
        recycle_after: seconds(23 * 3600),
        channels: 1,
        listen: Address::parse("wss://ns.servicebus.windows.net/").unwrap(),
        hosts: HostPolicy::ParentDomain,
    }
}

pub fn machine(config: MachineConfig, mut seed: u64) -> Machine {
    let rng = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    Machine::new(config, Box::new(rng))
}

/// What the relay does with a dial.
pub enum Verdict {
    Open,
    OpenThenClose(u16, String),
    Fail(RelayError),
    FailAfter(RelayError, Option<Duration>),
    Hang,
}

/// What the provider does with a request.
pub enum Answer {
    Token(String, Option<Duration>),
    Fail,
    Silence,
}

impl Answer {
    pub fn token(number: usize, life: u64) -> Self {
        Answer::Token(format!("t{number}"), Some(seconds(life)))
    }
}

type Relay = Box<dyn FnMut(usize, &str) -> Verdict>;
type Provider = Box<dyn FnMut(usize, Duration) -> Answer>;

pub struct Sim {
    pub machine: Machine,
    pub now: Duration,
    pub relay: Relay,
    pub provider: Provider,
    /// The relay answers no ping and says nothing.
    pub silent: bool,
    /// The relay drops a channel five minutes after its token's end.
    pub relay_checks_expiry: bool,
    /// The relay drops a channel after 24 hours.
    pub relay_recycles: bool,
    pub hang_on_disconnect: bool,
    pub events: Vec<ListenerEvent>,
    pub dials: Vec<Duration>,
    /// Whether for a fresh one.
    pub asked: Vec<bool>,
    pub tokens_dialled: Vec<String>,
    pub renewals: Vec<(Duration, String)>,
    pub sent: Vec<String>,
    pub requests: Vec<(String, Option<bytes::Bytes>)>,
    pub fetched: usize,
    pub offers: usize,
    pub pings: usize,
    pub aborted: usize,
    pub dropped: Vec<LinkId>,
    pub disconnected: Vec<LinkId>,
    pub dialling: Option<LinkId>,
    pub longest_gap: Duration,
    dials_ever: usize,
    asked_ever: usize,
    /// Open links with the end of their token and their birth.
    links: Vec<(LinkId, Option<Duration>, Duration)>,
    down_since: Option<Duration>,
    last_life: Option<Duration>,
}

impl Sim {
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u64) -> Self {
        Self {
            machine: machine(config(), seed),
            now: Duration::ZERO,
            relay: Box::new(|_, _| Verdict::Open),
            provider: Box::new(|n, _| Answer::token(n, 3600)),
            silent: false,
            relay_checks_expiry: false,
            relay_recycles: false,
            hang_on_disconnect: false,
            events: Vec::new(),
            dials: Vec::new(),
            asked: Vec::new(),
            tokens_dialled: Vec::new(),
            renewals: Vec::new(),
            sent: Vec::new(),
            requests: Vec::new(),
            fetched: 0,
            offers: 0,
            pings: 0,
            aborted: 0,
            dropped: Vec::new(),
            disconnected: Vec::new(),
            dialling: None,
            longest_gap: Duration::ZERO,
            dials_ever: 0,
            asked_ever: 0,
            links: Vec::new(),
            down_since: None,
            last_life: None,
        }
    }

    pub fn start(&mut self) {
        self.input(ChannelInput::Start);
    }

    pub fn up(&self) -> LinkId {
        self.links.last().expect("a link").0
    }

    pub fn clear(&mut self) {
        self.clear_keeping_links();
        self.dropped.clear();
        self.disconnected.clear();
    }

    pub fn clear_keeping_links(&mut self) {
        self.events.clear();
        self.dials.clear();
        self.asked.clear();
        self.renewals.clear();
        self.sent.clear();
        self.offers = 0;
    }

    pub fn names(&self) -> Vec<String> {
        let name =
            |event: &ListenerEvent| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned();
        self.events
            .iter()
            .filter(|event| !matches!(event, ListenerEvent::TokenRenewed { .. }))
            .map(name)
            .collect()
    }

    pub fn last_delay(&self) -> u64 {
        let delay = |event: &ListenerEvent| match event {
            ListenerEvent::Reconnecting { delay, .. } => Some(*delay),
            _ => None,
        };
        self.events.iter().rev().find_map(delay).expect("a reconnecting event")
    }

    fn gaps(&self) -> impl Iterator<Item = Duration> {
        self.dials.windows(2).map(|pair| pair[1] - pair[0])
    }

    pub fn min_gap(&self) -> Duration {
        self.gaps().min().unwrap()
    }

    pub fn max_gap(&self) -> Duration {
        self.gaps().max().unwrap()
    }

    pub fn give_token(&mut self, token: &str, life: u64) {
        self.last_life = Some(seconds(life));
        self.input(ChannelInput::Token { value: Secret::new(token), expires_in: Some(seconds(life)) });
    }

    pub fn update_token(&mut self, token: &str, life: Option<Duration>) {
        self.last_life = life;
        self.input(ChannelInput::UpdateToken { value: Secret::new(token), expires_in: life });
    }

    /// The relay closes the link that is up.
    pub fn lose(&mut self, code: Option<u16>, reason: &str) {
        let link = self.up();
        self.links.retain(|(id, ..)| *id != link);
        self.note_gap();
        self.input(ChannelInput::Lost { link, code, reason });
    }

    fn note_gap(&mut self) {
        match (self.links.is_empty(), self.down_since) {
            (true, None) => self.down_since = Some(self.now),
            (false, Some(since)) => {
                self.longest_gap = self.longest_gap.max(self.now - since);
                self.down_since = None;
            }
            _ => {}
        }
    }

    /// When the relay itself will drop a link, and why.
    fn relay_deadline(&self) -> Option<(Duration, LinkId, u16)> {
        let expiry = self.links.iter().filter(|_| self.relay_checks_expiry);
        let expiry = expiry.filter_map(|(id, end, _)| end.map(|end| (end + minutes(5), *id, 1008)));
        let recycle = self.links.iter().filter(|_| self.relay_recycles);
        expiry.chain(recycle.map(|(id, _, born)| (*born + minutes(24 * 60), *id, 1011))).min()
    }

    /// Lets time pass until `until`.
    pub fn run(&mut self, until: Duration) {
        loop {
            let own = self.machine.next_deadline();
            match (own, self.relay_deadline()) {
                (own, Some((at, link, code))) if at <= until && own.is_none_or(|own| at < own) => {
                    self.now = self.now.max(at);
                    self.links.retain(|(id, ..)| *id != link);
                    self.note_gap();
                    self.input(ChannelInput::Lost { link, code: Some(code), reason: "NameRenewalFailed" });
                }
                (Some(at), _) if at <= until => {
                    self.now = self.now.max(at);
                    self.input(ChannelInput::Tick);
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
    }

    pub fn input(&mut self, input: ChannelInput<'_>) {
        if let ChannelInput::Opened(link) = &input {
            self.dialling = self.dialling.filter(|dialling| dialling != link);
            self.links.push((*link, None, self.now));
        }
        let mut actions: VecDeque<ChannelAction> = self.machine.handle(self.now, input).into();
        while let Some(action) = actions.pop_front() {
            let answer = self.act(action);
            actions.extend(answer);
        }
        self.note_gap();
    }

    fn act(&mut self, action: ChannelAction) -> Vec<ChannelAction> {
        match action {
            ChannelAction::Emit(event) => self.events.push(event),
            ChannelAction::RequestToken { refresh } => {
                self.asked.push(refresh);
                self.asked_ever += 1;
                return match (self.provider)(self.asked_ever, self.now) {
                    Answer::Token(token, life) => {
                        self.last_life = life;
                        self.feed(ChannelInput::Token { value: Secret::new(token), expires_in: life })
                    }
                    Answer::Fail => {
                        let error = RelayError::new(ErrorKind::Token, "no token");
                        self.feed(ChannelInput::TokenFailed(error))
                    }
                    Answer::Silence => Vec::new(),
                };
            }
            ChannelAction::Dial { link, token } => return self.dial(link, &token),
            ChannelAction::AbortDial(link) => {
                assert_eq!(self.dialling.take(), Some(link));
                self.aborted += 1;
            }
            ChannelAction::Send(link, text) => {
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                if let Some(token) = json["renewToken"]["token"].as_str() {
                    let end = self.last_life.map(|life| self.now + life);
                    self.links.iter_mut().filter(|(id, ..)| *id == link).for_each(|entry| entry.1 = end);
                    self.renewals.push((self.now, token.to_owned()));
                } else {
                    self.sent.push(text);
                }
            }
            ChannelAction::Ping(link) => {
                self.pings += 1;
                if !self.silent {
                    return self.feed(ChannelInput::Pong(link));
                }
            }
            ChannelAction::Pong(_) => {}
            ChannelAction::Disconnect(link) => {
                self.disconnected.push(link);
                self.links.retain(|(id, ..)| *id != link);
                if !self.hang_on_disconnect {
                    return self.feed(ChannelInput::Lost { link, code: Some(1000), reason: "" });
                }
            }
            ChannelAction::Drop(link) => {
                self.links.retain(|(id, ..)| *id != link);
                self.dropped.push(link);
            }
            ChannelAction::Offer { .. } => self.offers += 1,
            ChannelAction::Request { request, body, .. } => self.requests.push((request.id, body)),
            ChannelAction::FetchRequest(_) => self.fetched += 1,
        }
        Vec::new()
    }

    fn feed(&mut self, input: ChannelInput<'_>) -> Vec<ChannelAction> {
        self.machine.handle(self.now, input)
    }

    fn dial(&mut self, link: LinkId, token: &Secret) -> Vec<ChannelAction> {
        assert!(self.dialling.is_none(), "two dials in flight");
        self.dials.push(self.now);
        self.dials_ever += 1;
        self.tokens_dialled.push(token.expose().to_owned());
        match (self.relay)(self.dials_ever, token.expose()) {
            Verdict::Open => {
                let end = self.last_life.map(|life| self.now + life);
                self.links.push((link, end, self.now));
                self.note_gap();
                self.feed(ChannelInput::Opened(link))
            }
            Verdict::OpenThenClose(code, reason) => {
                let mut actions = self.feed(ChannelInput::Opened(link));
                actions.extend(self.feed(ChannelInput::Lost { link, code: Some(code), reason: &reason }));
                actions
            }
            Verdict::Fail(error) => self.feed(ChannelInput::DialFailed { link, error, retry_after: None }),
            Verdict::FailAfter(error, retry_after) => {
                self.feed(ChannelInput::DialFailed { link, error, retry_after })
            }
            Verdict::Hang => {
                self.dialling = Some(link);
                Vec::new()
            }
        }
    }
}
