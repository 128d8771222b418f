use super::*;

fn fixed(value: f64) -> Rng {
    Box::new(move || value)
}

fn seeded(mut seed: u64) -> Rng {
    Box::new(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    })
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn policy() -> Backoff {
    Backoff::new(seconds(1), seconds(30))
}

#[test]
fn the_first_retry_comes_at_once_and_the_rest_stay_in_bounds() {
    for seed in 0..200 {
        let (mut backoff, mut rng) = (policy(), seeded(seed));
        assert_eq!(backoff.next(&mut rng), Duration::ZERO);
        for _ in 0..50 {
            let delay = backoff.next(&mut rng);
            assert!(delay >= seconds(1) && delay <= seconds(30), "{delay:?}");
        }
        backoff.reset();
        assert_eq!(backoff.next(&mut rng), Duration::ZERO);
    }
}

#[test]
fn the_worst_luck_still_means_few_dials_a_minute() {
    let (mut backoff, mut rng) = (policy(), fixed(0.0));
    let mut time = Duration::ZERO;
    let mut dials = 1;
    while time < seconds(60) {
        time += backoff.next(&mut rng);
        dials += 1;
    }
    assert!(dials <= 13, "{dials}");
    let steady: Duration = (0..6).map(|_| backoff.next(&mut rng)).sum();
    assert!(steady >= seconds(60));
}

#[test]
fn jitter_spreads_listeners_that_lost_the_relay_together() {
    let mut delays: Vec<_> = (0..100)
        .map(|seed| {
            let (mut backoff, mut rng) = (policy(), seeded(seed));
            (0..4).map(|_| backoff.next(&mut rng)).last().unwrap()
        })
        .collect();
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 90);
}

#[test]
fn patience_and_slowness_have_their_own_bounds() {
    let (mut backoff, mut rng) = (policy(), fixed(1.0));
    let patient: Vec<_> = (0..8).map(|_| backoff.next_patient(&mut rng)).collect();
    assert!(patient[0] >= seconds(1) && patient[7] == seconds(60), "{patient:?}");
    backoff.reset();
    for luck in [0.0, 1.0] {
        let delay = backoff.next_slow(&mut fixed(luck), seconds(120));
        assert!(delay >= seconds(120) && delay <= seconds(180));
    }
}

#[test]
fn odd_bounds_and_odd_numbers_do_no_harm() {
    for (min, max) in [(0, 0), (30, 1), (1, u64::MAX / 4)] {
        let mut backoff = Backoff::new(seconds(min), seconds(max));
        for value in [f64::NAN, -1.0, 2.0, f64::INFINITY] {
            let mut rng = fixed(value);
            for _ in 0..100 {
                let _ = (backoff.next(&mut rng), backoff.next_patient(&mut rng));
            }
        }
    }
}

#[test]
fn each_refusal_has_its_rule() {
    let config = ReconnectConfig::default();
    let retry = ReconnectConfig { retry_terminal: true, ..config.clone() };
    let of = |status, reason| rule(&RelayError::refused(status, reason), None, &config);
    assert_eq!(of(401, ""), Rule::FreshToken);
    assert_eq!(of(403, "no claim"), Rule::Stop);
    assert_eq!(of(404, "Endpoint does not exist"), Rule::Stop);
    // Either text will do, in any case.
    for quota in
        ["MaximumListenersPerEndpoint quota exceeded", "MaximumListenersPerEndpoint", "Quota exceeded"]
    {
        assert_eq!(of(403, quota), Rule::Slow(seconds(30)), "{quota}");
    }
    let mut local = RelayError::new(ErrorKind::Forbidden, "x");
    local.reason = Some("quota".into());
    assert_eq!(rule(&local, None, &config), Rule::Stop, "the service has not said it");
    assert_eq!(of(429, ""), Rule::Slow(seconds(5)));
    assert_eq!(of(503, ""), Rule::Slow(seconds(5)));
    assert_eq!(of(500, ""), Rule::Retry);
    assert_eq!(of(504, ""), Rule::Retry);
    assert_eq!(of(400, ""), Rule::Report);
    assert_eq!(rule(&RelayError::refused(404, ""), None, &retry), Rule::Report);
    let busy = RelayError::refused(503, "");
    assert_eq!(rule(&busy, Some(seconds(42)), &config), Rule::Slow(seconds(42)));
    assert_eq!(rule(&busy, Some(seconds(1_000_000)), &config), Rule::Slow(seconds(600)));
    let network = RelayError::new(ErrorKind::Network, "ECONNREFUSED");
    assert_eq!(rule(&network, None, &config), Rule::Retry);
    assert_eq!(rule(&RelayError::new(ErrorKind::Tls, "x"), None, &config), Rule::Report);
    assert_eq!(rule(&RelayError::new(ErrorKind::InvalidArgument, "x"), None, &config), Rule::Stop);
    let mut proxy = RelayError::new(ErrorKind::Proxy, "Cannot reach the proxy");
    assert_eq!(rule(&proxy, None, &config), Rule::Retry);
    (proxy.lasting, proxy.status) = (true, Some(407));
    assert_eq!(rule(&proxy, None, &config), Rule::Report);
}

#[test]
fn a_404_is_the_end_of_a_listener_even_where_a_sender_may_come_again() {
    let stop = |reason: &str| {
        let error = RelayError::refused(404, reason);
        (error.is_transient(), rule(&error, None, &ReconnectConfig::default()) == Rule::Stop)
    };
    assert_eq!(stop("There are no listeners connected for the endpoint."), (true, true));
    assert_eq!(stop("Endpoint does not exist."), (false, true));
}
