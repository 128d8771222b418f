use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::listener::config::{KeepAlive, KeepAliveMode, ReconnectConfig};
use crate::protocol::address::{Address, HostPolicy};

mod sim;
use sim::*;

const ACCEPT: &str =
    r#"{"accept":{"address":"wss://g1.servicebus.windows.net/$hc/h?sb-hc-action=accept","id":"1"}}"#;

#[test]
fn goes_online_with_the_providers_token() {
    let mut sim = Sim::new();
    sim.start();
    assert_eq!(sim.names(), ["connecting", "listening"]);
    assert_eq!(sim.asked, [false]);
    assert_eq!(sim.tokens_dialled, ["t1"]);
    assert_eq!(sim.machine.state(), ListenerState::Online);
}

#[test]
fn waits_for_a_slow_provider_without_dialling() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|_, _| Answer::Silence);
    sim.start();
    assert_eq!(sim.machine.state(), ListenerState::Connecting);
    sim.run(seconds(200));
    assert_eq!(sim.dials.len(), 0);
    assert_eq!(sim.asked.len(), 4, "asked again each minute");
    assert_eq!(sim.names(), ["error"], "and complained once");
    sim.give_token("late", 3600);
    assert_eq!(sim.machine.state(), ListenerState::Online);
}

#[test]
fn a_failing_provider_is_retried_with_backoff() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|_, _| Answer::Fail);
    sim.start();
    sim.run(minutes(10));
    assert!(sim.asked.len() > 8 && sim.asked.len() < 40, "{}", sim.asked.len());
    assert_eq!(sim.names().iter().filter(|name| *name == "error").count(), 1);
    sim.provider = Box::new(|n, _| Answer::token(n, 3600));
    sim.run(minutes(12));
    assert_eq!(sim.machine.state(), ListenerState::Online);
}

#[test]
fn a_terminal_refusal_goes_offline_and_update_token_revives() {
    let mut sim = Sim::new();
    sim.relay =
        Box::new(|n, _| if n == 1 { Verdict::Fail(RelayError::refused(403, "x")) } else { Verdict::Open });
    sim.start();
    assert_eq!(sim.names(), ["connecting", "error", "offline"]);
    assert_eq!(sim.machine.state(), ListenerState::Offline);
    assert_eq!(sim.machine.next_deadline(), None);
    sim.update_token("fresh", Some(seconds(3600)));
    assert_eq!(sim.tokens_dialled, ["t1", "fresh"]);
    assert_eq!(sim.machine.state(), ListenerState::Online);
}

#[test]
fn the_first_retry_comes_at_once_and_then_patiently() {
    let mut sim = Sim::new();
    sim.relay = Box::new(|_, _| Verdict::Fail(network()));
    sim.start();
    assert_eq!(sim.dials.len(), 2, "the dial and its immediate retry");
    sim.run(minutes(60));
    let per_hour = sim.dials.len();
    assert!(per_hour > 100 && per_hour < 300, "{per_hour}");
    assert_eq!(sim.machine.state(), ListenerState::Reconnecting);
}

#[test]
fn eight_seconds_of_a_refusing_relay_cost_a_handful_of_dials() {
    for seed in 0..100 {
        for refusal in [network(), RelayError::refused(500, ""), RelayError::refused(502, "")] {
            let mut sim = Sim::seeded(seed);
            sim.relay = Box::new(move |_, _| Verdict::Fail(refusal.clone()));
            sim.start();
            sim.run(seconds(8));
            assert!(sim.dials.len() <= 7, "hyco-ws makes 16,384; we made {}", sim.dials.len());
        }
    }
}

#[test]
fn a_flapping_relay_gets_a_handful_of_dials_a_minute() {
    for seed in 0..50 {
        for code in [1001, 1008, 1011] {
            let mut sim = Sim::seeded(seed);
            sim.relay = Box::new(move |_, _| Verdict::OpenThenClose(code, "NameRenewalFailed".into()));
            sim.start();
            sim.run(minutes(30));
            for start in 0..29 {
                let (from, to) = (minutes(start), minutes(start + 1));
                let dials = sim.dials.iter().filter(|at| **at >= from && **at < to).count();
                assert!(dials <= if start == 0 { 13 } else { 7 }, "{dials} dials in minute {start}");
            }
        }
    }
}

#[test]
fn only_a_stable_stretch_resets_the_backoff() {
    let mut sim = Sim::new();
    sim.relay = Box::new(|n, _| if n < 6 { Verdict::Fail(network()) } else { Verdict::Open });
    sim.start();
    sim.run(minutes(3));
    assert_eq!(sim.machine.state(), ListenerState::Online);
    sim.clear();
    sim.lose(Some(1001), "entity");
    assert_eq!((sim.last_delay(), sim.dials.len()), (0, 1), "stable: at once");
    sim.lose(Some(1001), "entity");
    assert!(sim.last_delay() >= 1000, "up for no time: not at once again");
}

#[test]
fn a_refused_token_is_refreshed_once_at_once() {
    let mut sim = Sim::new();
    sim.relay =
        Box::new(|n, _| if n == 1 { Verdict::Fail(RelayError::refused(401, "x")) } else { Verdict::Open });
    sim.start();
    assert_eq!(sim.asked, [false, true]);
    assert_eq!(sim.tokens_dialled, ["t1", "t2"]);
    assert_eq!(sim.now, Duration::ZERO);
    assert_eq!(sim.names(), ["connecting", "reconnecting", "connecting", "listening"]);
}

#[test]
fn lasting_401_is_reported_once_and_tried_patiently() {
    let mut sim = Sim::new();
    sim.relay = Box::new(|_, _| Verdict::Fail(RelayError::refused(401, "bad. TrackingId:abc_G1, x")));
    sim.start();
    sim.run(minutes(60));
    let errors: Vec<_> =
        sim.events.iter().filter(|event| matches!(event, ListenerEvent::Error { .. })).collect();
    assert_eq!(errors.len(), 1);
    assert!(matches!(errors[0], ListenerEvent::Error { error, terminal: false, .. }
        if error.kind == ErrorKind::Unauthorized && error.tracking_id.as_deref() == Some("abc_G1")));
    assert!(sim.dials.len() < 180 && sim.dials.len() > 50, "{}", sim.dials.len());
    assert!(sim.asked[1..].iter().all(|refresh| *refresh));
    assert!(sim.max_gap() <= seconds(60));
}

#[test]
fn update_token_ends_the_wait_after_401() {
    let mut sim = Sim::new();
    sim.relay = Box::new(|_, token| match token {
        "new" => Verdict::Open,
        _ => Verdict::Fail(RelayError::refused(401, "")),
    });
    sim.start();
    assert_eq!(sim.dials.len(), 2, "only once is another token tried at once");
    assert!(sim.last_delay() >= 1000);
    sim.update_token("new", None);
    assert_eq!(sim.machine.state(), ListenerState::Online);
    assert_eq!(sim.asked.len(), 2);
}

#[test]
fn a_missing_entity_and_a_missing_right_are_terminal_by_default() {
    for status in [403, 404] {
        let mut sim = Sim::new();
        sim.relay = Box::new(move |_, _| Verdict::Fail(RelayError::refused(status, "no")));
        sim.start();
        assert_eq!(sim.names(), ["connecting", "error", "offline"]);
        assert!(matches!(sim.events[1], ListenerEvent::Error { terminal: true, .. }));
        sim.run(minutes(600));
        assert_eq!(sim.dials.len(), 1);
    }
}

#[test]
fn terminal_refusals_are_retried_on_request() {
    let mut sim = Sim::new();
    let reconnect = ReconnectConfig { retry_terminal: true, ..ReconnectConfig::default() };
    sim.machine = machine(MachineConfig { reconnect, ..config() }, 1);
    sim.relay =
        Box::new(|n, _| if n < 20 { Verdict::Fail(RelayError::refused(404, "no")) } else { Verdict::Open });
    sim.start();
    sim.run(minutes(30));
    assert_eq!(sim.machine.state(), ListenerState::Online);
    assert_eq!(sim.names().iter().filter(|name| *name == "error").count(), 1);
}

#[test]
fn a_busy_service_and_a_full_quota_are_given_time() {
    for (refusal, retry_after, least) in [
        (RelayError::refused(503, "busy"), None, 5),
        (RelayError::refused(429, "busy"), Some(seconds(90)), 90),
        (RelayError::refused(403, "MaximumListenersPerEndpoint quota"), None, 30),
    ] {
        let mut sim = Sim::new();
        sim.relay = Box::new(move |_, _| Verdict::FailAfter(refusal.clone(), retry_after));
        sim.start();
        sim.run(minutes(60));
        assert!(sim.dials.len() > 10 && sim.min_gap() >= seconds(least), "{:?}", sim.min_gap());
        assert!(!sim.names().contains(&"error".to_owned()));
    }
}

#[test]
fn a_proxy_that_refuses_is_complained_of_once_and_asked_slowly() {
    for status in [403, 407] {
        let mut sim = Sim::new();
        let mut refusal = RelayError::new(ErrorKind::Proxy, "Proxy answered");
        (refusal.lasting, refusal.status) = (true, Some(status));
        sim.relay = Box::new(move |n, _| if n < 20 { Verdict::Fail(refusal.clone()) } else { Verdict::Open });
        sim.start();
        assert_eq!(sim.names(), ["connecting", "error", "reconnecting"]);
        sim.run(minutes(10));
        assert_eq!(sim.names().iter().filter(|name| *name == "error").count(), 1);
        // Not even the first retry comes at once.
        assert!(sim.min_gap() >= seconds(1), "{:?}", sim.min_gap());
        sim.run(minutes(30));
        assert_eq!(sim.machine.state(), ListenerState::Online);
    }
}

#[test]
fn the_owner_may_name_the_delays() {
    let mut sim = Sim::new();
    let reconnect = ReconnectConfig { owner_delays: true, ..ReconnectConfig::default() };
    sim.machine = machine(MachineConfig { reconnect, ..config() }, 1);
    sim.relay = Box::new(|n, _| if n < 3 { Verdict::Fail(network()) } else { Verdict::Open });
    sim.start();
    sim.input(ChannelInput::RetryIn(seconds(100)));
    sim.run(seconds(99));
    assert_eq!(sim.dials.len(), 1);
    sim.run(seconds(101));
    assert_eq!(sim.dials.len(), 2);
    sim.run(seconds(140));
    assert_eq!(sim.machine.state(), ListenerState::Online, "without an answer the policy's own delay holds");
}

#[test]
fn a_dialer_that_never_answers_is_given_up() {
    let mut sim = Sim::new();
    sim.relay = Box::new(|n, _| if n == 1 { Verdict::Hang } else { Verdict::Open });
    sim.start();
    sim.run(seconds(66));
    assert_eq!(sim.machine.state(), ListenerState::Online);
    assert_eq!(sim.aborted, 1);
    sim.input(ChannelInput::Opened(1));
    assert!(sim.dropped.contains(&1), "late news is let go");
}

#[test]
fn a_month_of_ten_minute_tokens_has_no_gap() {
    let mut sim = Sim::new();
    let config = MachineConfig { recycle_after: Duration::ZERO, ..config() };
    sim.machine = machine(config, 7);
    sim.provider = Box::new(|n, _| Answer::token(n, 600));
    sim.relay_checks_expiry = true;
    sim.start();
    sim.run(minutes(30 * 24 * 60));
    assert_eq!(sim.dials.len(), 1, "the channel was never lost");
    assert_eq!(sim.machine.state(), ListenerState::Online);
    let per_day = sim.renewals.len() / 30;
    assert!((250..=320).contains(&per_day), "{per_day}");
}

#[test]
fn a_month_with_the_daily_recycle_has_no_gap_either() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| Answer::token(n, 600));
    sim.relay_checks_expiry = true;
    sim.relay_recycles = true;
    sim.start();
    sim.run(minutes(30 * 24 * 60));
    assert!((30..=33).contains(&sim.dials.len()), "{}", sim.dials.len());
    assert_eq!(sim.longest_gap, Duration::ZERO);
    assert!(sim.events.iter().all(|event| !matches!(event, ListenerEvent::Reconnecting { .. })));
}

#[test]
fn tokens_are_renewed_in_good_time_whatever_their_life() {
    for (life, from, to) in [
        (60, 45, 48),
        (300, 225, 240),
        (540, 228, 240),
        (600, 285, 300),
        (1200, 850, 900),
        (3600, 2700, 2880),
        (86_400, 64_800, 69_120),
    ] {
        for seed in 0..20 {
            let mut sim = Sim::seeded(seed);
            sim.provider = Box::new(move |n, _| Answer::token(n, life));
            sim.start();
            sim.run(seconds(life));
            let at = sim.renewals[0].0.as_secs_f64();
            assert!(at >= from as f64 && at <= to as f64, "{at} for a life of {life}");
        }
    }
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| Answer::Token(format!("t{n}"), None));
    sim.start();
    sim.run(minutes(61));
    assert_eq!(sim.renewals.len(), 1, "a token without a readable end is renewed within the hour");
}

#[test]
fn a_failed_renewal_is_retried_while_the_channel_lives_on() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| if (2..8).contains(&n) { Answer::Fail } else { Answer::token(n, 600) });
    sim.relay_checks_expiry = true;
    sim.start();
    sim.run(minutes(60));
    assert_eq!(sim.dials.len(), 1);
    assert_eq!(sim.names().iter().filter(|name| *name == "error").count(), 1);
    assert!(sim.renewals.len() > 5);
}

#[test]
fn a_provider_that_hangs_during_a_renewal_is_asked_again_each_minute() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| if n == 2 { Answer::Silence } else { Answer::token(n, 600) });
    sim.start();
    while sim.asked.len() < 2 {
        sim.run(sim.machine.next_deadline().unwrap());
    }
    sim.provider = Box::new(|_, _| Answer::Silence);
    let asked = sim.now;
    for minute in 1..4 {
        sim.run(asked + minutes(minute) - Duration::from_millis(1));
        assert_eq!(sim.asked.len() as u64, minute + 1);
        sim.run(asked + minutes(minute));
        assert_eq!(sim.asked.len() as u64, minute + 2);
        assert_eq!(sim.asked.last(), Some(&false));
    }
    assert_eq!(sim.names(), ["connecting", "listening", "error"], "one complaint, and the channel lives on");
    assert!(matches!(&sim.events[2], ListenerEvent::Error { error, terminal: false, .. }
        if error.message.contains("not answered in time")));
    assert!(sim.renewals.is_empty());
    // Late is not too late.
    sim.give_token("late", 600);
    assert_eq!(sim.renewals.last(), Some(&(sim.now, "late".to_owned())));
    assert_eq!((sim.dials.len(), sim.machine.state()), (1, ListenerState::Online));
    // And it counts from then on.
    let renewed = sim.now;
    sim.run(renewed + seconds(284));
    assert_eq!(sim.asked.len(), 5);
    sim.run(renewed + seconds(301));
    assert_eq!(sim.asked.len(), 6);
}

#[test]
fn a_provider_that_repeats_its_token_is_not_asked_in_a_spin() {
    let mut sim = Sim::new();
    let start = Duration::ZERO;
    sim.provider =
        Box::new(move |_, now| Answer::Token("same".into(), Some(seconds(600).saturating_sub(now - start))));
    sim.start();
    sim.run(minutes(20));
    assert!(sim.asked.len() < 40, "{}", sim.asked.len());
    assert!(sim.renewals.is_empty());
    assert_eq!(sim.names().iter().filter(|name| *name == "error").count(), 1);
}

#[test]
fn a_wrong_clock_makes_no_spin_of_renewals() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| Answer::token(n, 0));
    sim.start();
    sim.run(minutes(60));
    assert_eq!(sim.machine.state(), ListenerState::Online);
    assert!(sim.renewals.len() > 3 && sim.asked.len() < 16, "{}", sim.asked.len());
}

#[test]
fn an_opaque_token_that_stays_the_same_is_no_trouble() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|_, _| Answer::Token("opaque".into(), None));
    sim.start();
    sim.run(minutes(600));
    assert!(sim.renewals.is_empty() && sim.asked.len() > 10);
    assert_eq!(sim.names(), ["connecting", "listening"]);
}

#[test]
fn an_expired_token_brings_a_fresh_one_and_a_channel_at_once() {
    let mut sim = Sim::new();
    sim.start();
    sim.run(seconds(31));
    sim.clear();
    sim.lose(Some(1008), "token expired");
    assert_eq!(sim.asked.last(), Some(&true));
    assert_eq!(sim.machine.state(), ListenerState::Online);
    assert_eq!(sim.last_delay(), 0);
}

#[test]
fn a_relay_that_refuses_renewals_gets_a_new_channel_instead() {
    let mut sim = Sim::new();
    sim.provider = Box::new(|n, _| Answer::token(n, 600));
    sim.start();
    sim.run(seconds(301));
    assert_eq!(sim.renewals.len(), 1);
    sim.lose(Some(1008), "bad token");
    sim.clear();
    sim.run(minutes(60));
    assert!(sim.renewals.is_empty());
    assert!(sim.dials.len() >= 10, "{}", sim.dials.len());
    assert_eq!(sim.longest_gap, Duration::ZERO, "each new channel was up before the old one went");
}

#[test]
fn update_token_is_sent_at_once() {
    let mut sim = Sim::new();
    sim.start();
    sim.update_token("rotated", Some(seconds(3600)));
    assert_eq!(sim.renewals, [(Duration::ZERO, "rotated".to_owned())]);
    assert_eq!((sim.dials.len(), sim.asked.len()), (1, 1));
}

#[test]
fn pings_measure_the_round_trip_and_silence_kills() {
    let mut sim = Sim::new();
    sim.start();
    assert_eq!(sim.machine.rtt(), Some(Duration::ZERO));
    sim.run(minutes(10));
    assert_eq!(sim.pings, 21);
    assert_eq!(sim.dials.len(), 1);
    sim.silent = true;
    sim.clear();
    sim.run(minutes(10) + seconds(61));
    assert_eq!(sim.names().first().map(String::as_str), Some("reconnecting"));
    assert!(sim.dials[0] - minutes(10) <= seconds(60), "within two intervals");
    assert_eq!(sim.last_delay(), 0);
}

#[test]
fn a_time_in_which_we_did_not_run_is_no_silence() {
    for asleep in [seconds(40), minutes(10), minutes(60 * 8)] {
        for awake in [1, 29, 31, 59] {
            let mut sim = Sim::new();
            sim.start();
            sim.run(minutes(5) + seconds(awake));
            sim.clear();
            sim.silent = true;
            sim.now += asleep;
            // Whatever comes first, be it that the program has something to say.
            let token =
                ChannelInput::UpdateToken { value: Secret::new("new"), expires_in: Some(minutes(60 * 24)) };
            sim.input(token);
            sim.run(sim.now + seconds(1));
            assert!(!sim.names().contains(&"reconnecting".to_owned()), "{asleep:?}, {awake}");
            // What the relay sent meanwhile is read now.
            let link = sim.up();
            sim.input(ChannelInput::Frame(link));
            sim.run(sim.now + seconds(59));
            assert_eq!(sim.dials.len(), 0);
            // And a relay that is gone is found as ever.
            sim.run(sim.now + seconds(2));
            assert!(sim.names().contains(&"reconnecting".to_owned()));
        }
    }
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut sim = Sim::new();
    sim.silent = true;
    sim.start();
    for minute in 1..200 {
        sim.run(seconds(minute * 50));
        let link = sim.up();
        sim.input(ChannelInput::Frame(link));
    }
    assert_eq!(sim.dials.len(), 1);
}

#[test]
fn a_relay_that_never_answers_pings_does_not_flap() {
    let mut sim = Sim::new();
    sim.silent = true;
    sim.start();
    sim.run(minutes(60));
    assert!(sim.dials.len() <= 16, "{}", sim.dials.len());
    let mut sim = Sim::new();
    let keep_alive = KeepAlive { mode: KeepAliveMode::Pong, ..KeepAlive::default() };
    sim.machine = machine(MachineConfig { keep_alive, ..config() }, 1);
    sim.start();
    for beat in 1..100 {
        sim.run(seconds(beat * 210));
        let link = sim.up();
        sim.input(ChannelInput::Pong(link));
    }
    assert_eq!((sim.dials.len(), sim.pings), (1, 0), "the service's own pongs are enough");
}

#[test]
fn keep_alive_can_be_switched_off() {
    let mut sim = Sim::new();
    let config = MachineConfig { keep_alive: KeepAlive::OFF, recycle_after: Duration::ZERO, ..config() };
    sim.machine = machine(config, 1);
    sim.provider = Box::new(|_, _| Answer::Token("endless".into(), Some(Duration::MAX)));
    sim.silent = true;
    sim.start();
    assert!(
        sim.machine.next_deadline().unwrap() > minutes(1_000_000_000),
        "but for the token there is nothing"
    );
    sim.run(minutes(600));
    assert_eq!((sim.dials.len(), sim.pings), (1, 0));
}

#[test]
fn the_answer_to_a_close_of_the_service_waits_for_the_replacement() {
    for (code, reason) in
        [(1011, "NameRenewalFailed. TrackingId:1"), (1011, "InternalServerError"), (1008, "ExpiredToken")]
    {
        let mut sim = Sim::new();
        sim.start();
        sim.run(minutes(5));
        let old = sim.up();
        sim.relay = Box::new(|_, _| Verdict::Hang);
        sim.lose(Some(code), reason);
        assert!(!sim.dropped.contains(&old), "still held");
        let new = sim.dialling.expect("dialled at once");
        sim.clear_keeping_links();
        sim.input(ChannelInput::Opened(new));
        assert!(sim.dropped.contains(&old));
        assert!(matches!(sim.events[..], [ListenerEvent::Listening { replaced: true, .. }]));
    }
}

#[test]
fn the_channels_of_a_listener_are_of_different_age() {
    let day = minutes(23 * 60);
    for channel in 0..4 {
        let mut sim = Sim::new();
        sim.machine = machine(MachineConfig { channel, channels: 4, ..config() }, 1);
        sim.start();
        sim.run(day * 3);
        let share = day * u32::from(channel + 1) / 4;
        assert!((share.mul_f64(0.96)..=share).contains(&sim.dials[1]), "{:?}", sim.dials);
        let second = sim.dials[2] - sim.dials[1];
        assert!((day.mul_f64(0.96)..=day).contains(&second), "{second:?}");
        // An outage brings all of them up at once, and they part again.
        sim.clear();
        sim.lose(None, "reset");
        sim.run(sim.now + share);
        assert_eq!(sim.dials.len(), 2, "the reconnect and the first replacement");
    }
}

#[test]
fn a_held_link_is_let_go_if_no_replacement_comes() {
    let mut sim = Sim::new();
    sim.start();
    sim.run(minutes(5));
    let old = sim.up();
    sim.relay = Box::new(|_, _| Verdict::Fail(network()));
    sim.lose(Some(1011), "NameRenewalFailed");
    sim.run(minutes(6));
    assert!(sim.dropped.contains(&old));
}

#[test]
fn a_replaced_link_goes_on_receiving_for_a_while() {
    let mut sim = Sim::new();
    sim.start();
    let old = sim.up();
    sim.run(minutes(23 * 60) - minutes(60));
    sim.clear_keeping_links();
    while sim.dials.is_empty() {
        let next = sim.machine.next_deadline().unwrap();
        sim.run(next);
    }
    assert_ne!(sim.up(), old);
    sim.input(ChannelInput::Text(old, ACCEPT));
    assert_eq!(sim.offers, 1);
    sim.run(sim.now + seconds(3));
    assert!(sim.disconnected.contains(&old) && sim.dropped.contains(&old));
    assert_eq!(sim.machine.state(), ListenerState::Online);
}

#[test]
fn a_failing_replacement_does_not_disturb_the_link_that_is_up() {
    for refusal in [RelayError::refused(404, ""), RelayError::refused(401, ""), network()] {
        let mut sim = Sim::new();
        sim.relay = Box::new(move |n, _| if n == 1 { Verdict::Open } else { Verdict::Fail(refusal.clone()) });
        sim.start();
        sim.run(minutes(23 * 60 + 5));
        assert!(sim.dials.len() > 1);
        assert_eq!(sim.machine.state(), ListenerState::Online);
        assert!(
            !sim.names().contains(&"reconnecting".to_owned()) && !sim.names().contains(&"offline".to_owned())
        );
    }
}

#[test]
fn control_messages_become_actions() {
    let mut sim = Sim::new();
    sim.start();
    let link = sim.up();
    sim.clear_keeping_links();
    sim.input(ChannelInput::Text(link, ACCEPT));
    sim.input(ChannelInput::Text(link, ACCEPT));
    assert_eq!(sim.offers, 2, "duplicate ids are two offers");
    sim.input(ChannelInput::Text(
        link,
        r#"{"request":{"id":"r1","method":"GET","requestTarget":"/x","body":false}}"#,
    ));
    assert_eq!(sim.requests, [("r1".to_owned(), None)]);
    sim.input(ChannelInput::Text(link, r#"{"request":{"id":"r2","method":"PUT","body":true}}"#));
    assert_eq!(sim.requests.len(), 1, "not before the body");
    sim.input(ChannelInput::Binary(link, Bytes::from_static(b"body")));
    assert_eq!(sim.requests[1..], [("r2".to_owned(), Some(Bytes::from_static(b"body")))]);
    assert_eq!(sim.sent, [""; 0]);
    sim.input(ChannelInput::Text(link, r#"{"request":{"id":"r3","method":"PUT","body":true}}"#));
    sim.input(ChannelInput::Text(link, ACCEPT));
    assert!(sim.sent[0].contains(r#""requestId":"r3","statusCode":400"#), "a text in the place of the body");
    assert_eq!((sim.requests.len(), sim.offers), (2, 3));
    sim.input(ChannelInput::Text(
        link,
        r#"{"request":{"id":"r5","method":"GET","requestTarget":"http://x","body":true}}"#,
    ));
    assert!(sim.sent[1].contains(r#""requestId":"r5","statusCode":400"#));
    sim.input(ChannelInput::Binary(link, Bytes::new()));
    assert_eq!(sim.names(), ["malformed"; 2], "its body is nobody's");
    sim.input(ChannelInput::Text(
        link,
        r#"{"request":{"address":"wss://g2.servicebus.windows.net/","id":"r4"}}"#,
    ));
    assert_eq!(sim.fetched, 1);
}

#[test]
fn strange_messages_are_reported_and_survived() {
    let mut sim = Sim::new();
    sim.start();
    let link = sim.up();
    sim.clear_keeping_links();
    sim.input(ChannelInput::Text(link, "not json"));
    sim.input(ChannelInput::Text(link, r#"{"later":1}"#));
    sim.input(ChannelInput::Binary(link, Bytes::from_static(b"body")));
    sim.input(ChannelInput::Text(link, &"x".repeat(1 << 20)));
    assert_eq!(sim.names(), ["malformed"; 4]);
    for _ in 0..10_000 {
        sim.input(ChannelInput::Text(link, "{"));
    }
    assert_eq!(sim.events.len(), 20, "a flood is not passed on");
    sim.input(ChannelInput::Text(link, ACCEPT));
    assert_eq!((sim.offers, sim.machine.state()), (1, ListenerState::Online));
}

#[test]
fn foreign_addresses_are_reported_and_go_nowhere() {
    let mut sim = Sim::new();
    sim.start();
    let link = sim.up();
    sim.clear_keeping_links();
    for _ in 0..10_000 {
        sim.input(ChannelInput::Text(link, r#"{"accept":{"address":"wss://evil.example/"}}"#));
        sim.input(ChannelInput::Text(link, r#"{"accept":{"address":"ws://g1.servicebus.windows.net/"}}"#));
    }
    assert_eq!((sim.offers, sim.events.len()), (0, 20));
}

#[test]
fn tokens_with_absurd_ends_do_no_harm() {
    for life in [Duration::MAX, seconds(i64::MAX as u64), Duration::from_nanos(1)] {
        let mut sim = Sim::new();
        sim.provider = Box::new(move |n, _| Answer::Token(format!("t{n}"), Some(life)));
        sim.start();
        sim.run(minutes(60));
        assert_eq!(sim.machine.state(), ListenerState::Online);
        assert!(sim.asked.len() < 20);
    }
}

#[test]
fn news_of_unknown_links_is_ignored() {
    let mut sim = Sim::new();
    sim.start();
    sim.clear_keeping_links();
    sim.input(ChannelInput::Text(99, ACCEPT));
    sim.input(ChannelInput::Binary(99, Bytes::new()));
    sim.input(ChannelInput::Pong(99));
    sim.input(ChannelInput::Lost { link: 99, code: None, reason: "" });
    sim.input(ChannelInput::DialFailed { link: 99, error: network(), retry_after: None });
    assert_eq!((sim.offers, sim.events.len(), sim.machine.state()), (0, 0, ListenerState::Online));
}

#[test]
fn close_says_goodbye_from_every_state() {
    let mut sim = Sim::new();
    sim.input(ChannelInput::Close);
    assert_eq!(sim.machine.state(), ListenerState::Closed, "before the start");

    let mut sim = Sim::new();
    sim.start();
    sim.hang_on_disconnect = true;
    sim.input(ChannelInput::Close);
    assert_eq!(sim.machine.state(), ListenerState::Closing);
    let link = sim.disconnected[0];
    sim.input(ChannelInput::Text(link, ACCEPT));
    assert_eq!(sim.offers, 1, "an accept under way is still handed on");
    sim.run(seconds(6));
    assert_eq!(sim.machine.state(), ListenerState::Closed, "a relay that does not answer is not waited for");

    let mut sim = Sim::new();
    sim.relay = Box::new(|_, _| Verdict::Hang);
    sim.start();
    sim.input(ChannelInput::Close);
    assert_eq!((sim.aborted, sim.machine.state()), (1, ListenerState::Closed));

    let mut sim = Sim::new();
    sim.relay = Box::new(|_, _| Verdict::Fail(network()));
    sim.start();
    sim.input(ChannelInput::Close);
    assert_eq!(sim.machine.state(), ListenerState::Closed);
    let dials = sim.dials.len();
    sim.run(minutes(60));
    sim.give_token("late", 60);
    assert_eq!(sim.dials.len(), dials);
}

#[test]
fn messages_of_the_close_frame_are_kept_for_support() {
    let mut sim = Sim::new();
    sim.start();
    sim.lose(Some(1011), "fault. TrackingId:11-22_G3, SystemTracker:x");
    let error = sim.events.iter().find_map(|event| match event {
        ListenerEvent::Reconnecting { error, .. } => Some(error.clone()),
        _ => None,
    });
    let error = error.unwrap();
    assert_eq!(error.tracking_id.as_deref(), Some("11-22_G3"));
    assert!(error.message.contains("1011 (fault"));
}

#[test]
fn no_secret_in_debug() {
    let action = ChannelAction::Dial { link: 1, token: Secret::new("s3cret") };
    assert!(!format!("{action:?}").contains("s3cret"));
    let input = ChannelInput::Token { value: Secret::new("s3cret"), expires_in: None };
    assert!(!format!("{input:?}").contains("s3cret"));
}

/// Anything that may happen, in any order.
#[derive(Debug, Clone)]
enum Event {
    Wait(u64),
    Token(u64),
    TokenFailed,
    Open,
    Fail(u16),
    Break,
    Text(u32, usize),
    Binary(u32),
    Pong(u32),
    Lost(u32, Option<u16>, bool),
    RetryIn(u64),
    Update(u64),
    Close,
    Start,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u64..400_000).prop_map(Event::Wait),
        4 => (0u64..4000).prop_map(Event::Token),
        1 => Just(Event::TokenFailed),
        5 => Just(Event::Open),
        2 => prop_oneof![Just(401), Just(403), Just(404), Just(429), Just(503), Just(500), any::<u16>()].prop_map(Event::Fail),
        1 => Just(Event::Break),
        2 => (0u32..6, 0usize..6).prop_map(|(link, kind)| Event::Text(link, kind)),
        1 => (0u32..6).prop_map(Event::Binary),
        2 => (0u32..6).prop_map(Event::Pong),
        3 => (0u32..6, proptest::option::of(1000u16..1013), any::<bool>()).prop_map(|(l, c, r)| Event::Lost(l, c, r)),
        1 => (0u64..100_000).prop_map(Event::RetryIn),
        1 => (0u64..4000).prop_map(Event::Update),
        1 => Just(Event::Close),
        1 => Just(Event::Start),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_sequence_keeps_the_promises(
        events in proptest::collection::vec(event(), 1..120), seed in any::<u64>()
    ) {
        let mut machine = machine(config(), seed);
        let mut now = Duration::ZERO;
        let (mut dialling, mut asking) = (None, false);
        let mut newest = 0;
        let mut held_open = std::collections::BTreeSet::new();
        let mut queue: VecDeque<Event> = std::iter::once(Event::Start).chain(events).collect();
        while let Some(event) = queue.pop_front() {
            // Links are named by their distance from the newest.
            let recent = |back: u32| newest - back.min(newest);
            let life = |s: u64| match s % 7 {
                0 => None,
                1 => Some(Duration::MAX),
                _ => Some(seconds(s)),
            };
            let token = Secret::new("t");
            let text = [ACCEPT, "{", r#"{"x":1}"#, r#"{"request":{"id":"1","method":"GET","body":true}}"#,
                r#"{"request":{"id":"1","address":"wss://g2.servicebus.windows.net/"}}"#, ""];
            let input = match event {
                Event::Wait(millis) => { now += Duration::from_millis(millis); ChannelInput::Tick }
                Event::Token(s) => { asking = false; ChannelInput::Token { value: token, expires_in: life(s) } }
                Event::TokenFailed => {
                    asking = false;
                    ChannelInput::TokenFailed(RelayError::new(ErrorKind::Token, "x"))
                }
                Event::Open => match dialling.take() {
                    Some(link) => { held_open.insert(link); ChannelInput::Opened(link) }
                    None => continue,
                },
                Event::Fail(status) => match dialling.take() {
                    Some(link) => ChannelInput::DialFailed { link, error: RelayError::refused(status, "x"), retry_after: None },
                    None => continue,
                },
                Event::Break => match dialling.take() {
                    Some(link) => ChannelInput::DialFailed { link, error: network(), retry_after: None },
                    None => continue,
                },
                Event::Text(link, kind) => ChannelInput::Text(recent(link), text[kind]),
                Event::Binary(link) => ChannelInput::Binary(recent(link), Bytes::new()),
                Event::Pong(link) => ChannelInput::Pong(recent(link)),
                Event::Lost(link, code, recycle) => {
                    let reason = if recycle { "NameRenewalFailed" } else { "" };
                    ChannelInput::Lost { link: recent(link), code, reason }
                }
                Event::RetryIn(ms) => ChannelInput::RetryIn(Duration::from_millis(ms)),
                Event::Update(s) => ChannelInput::UpdateToken { value: token, expires_in: life(s) },
                Event::Close => ChannelInput::Close,
                Event::Start => ChannelInput::Start,
            };
            for action in machine.handle(now, input) {
                match action {
                    ChannelAction::Dial { link, .. } => {
                        prop_assert!(dialling.is_none(), "two dials in flight");
                        dialling = Some(link);
                        newest = link;
                    }
                    ChannelAction::AbortDial(link) => {
                        prop_assert_eq!(dialling.take(), Some(link));
                    }
                    ChannelAction::RequestToken { .. } => asking = true,
                    ChannelAction::Drop(link) => {
                        prop_assert!(held_open.remove(&link), "dropped twice or never open");
                    }
                    ChannelAction::Send(link, _) | ChannelAction::Ping(link) | ChannelAction::Pong(link) | ChannelAction::Disconnect(link) => {
                        prop_assert!(held_open.contains(&link), "used after it was dropped");
                    }
                    _ => {}
                }
            }
            let busy = machine.next_deadline().is_some() || dialling.is_some() || asking;
            match machine.state() {
                ListenerState::Closed => {
                    prop_assert!(dialling.is_none() && held_open.is_empty());
                    prop_assert_eq!(machine.next_deadline(), None);
                }
                ListenerState::Offline => {}
                _ => prop_assert!(busy, "asleep for ever in {:?}", machine.state()),
            }
            if let Some(deadline) = machine.next_deadline() {
                prop_assert!(deadline > now, "a timer that is due was left");
            }
        }
    }
}
