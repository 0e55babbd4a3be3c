use super::*;
use crate::server::edge::observe::Observed;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use governor::clock::FakeRelativeClock;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_store::{Owner, ProjectId, Scope, Scopes};

/// Three at once and two a second for a key, five at once and one a second for an org, two a minute for an address.
fn section() -> RateSection {
    RateSection {
        key_per_s: 2,
        key_burst: 3,
        org_per_s: 1,
        org_burst: 5,
        failed_per_minute: 2,
        org_runs: None,
    }
}

fn rates(section: &RateSection) -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Rates::with_clock(section, 2, &clock), clock)
}

/// What is left of the key's and the org's quota, and whether the request was let through.
fn ask(rates: &Rates<FakeRelativeClock>, key: KeyId, org: OrgId) -> (u32, u32, bool) {
    let asked = rates.ask(key, org);
    let left = |name: &str| {
        let found = asked.standings.iter().find(|it| it.policy.name == name);
        found.expect("a standing").left
    };
    (left("key"), left("org"), asked.passed.is_none())
}

#[test]
fn a_key_has_its_burst_and_then_its_rate() {
    let (rates, clock) = rates(&RateSection {
        org_per_s: 0,
        ..section()
    });
    let key = KeyId::new();
    let take = |key| rates.key.as_ref().expect("a limit").take(key);
    for left in [2, 1, 0] {
        assert_eq!(take(key).map(|it| it.left), Ok(left));
    }
    let refused = take(key).expect_err("a burst is used up");
    assert_eq!(refused.left, 0);
    let wait = refused.more_in.expect("a wait");
    assert_eq!(wait, Duration::from_millis(500));
    assert!(take(KeyId::new()).is_ok(), "another key");
    clock.advance(wait - Duration::from_nanos(1));
    assert!(take(key).is_err(), "a moment too early");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(take(key).map(|it| it.left), Ok(0));
    assert!(take(key).is_err(), "one was let through");
    clock.advance(Duration::from_secs(60));
    assert_eq!(take(key).map(|it| it.left), Ok(2), "no more than a burst");
}

#[test]
fn an_orgs_keys_share_its_quota_and_other_orgs_have_theirs() {
    let (rates, clock) = rates(&section());
    let (org, first, second) = (OrgId::new(), KeyId::new(), KeyId::new());
    assert_eq!(ask(&rates, first, org), (2, 4, true));
    assert_eq!(ask(&rates, first, org), (1, 3, true));
    assert_eq!(ask(&rates, first, org), (0, 2, true));
    // A key that sends too much takes nothing from the others of its org.
    for _ in 0..10 {
        assert_eq!(ask(&rates, first, org), (0, 2, false));
    }
    assert_eq!(ask(&rates, second, org), (2, 1, true));
    assert_eq!(ask(&rates, second, org), (1, 0, true));
    assert_eq!(ask(&rates, second, org), (0, 0, false));
    assert_eq!(ask(&rates, KeyId::new(), OrgId::new()), (2, 4, true));
    clock.advance(Duration::from_secs(1));
    let (_, of_org, is_let_through) = ask(&rates, second, org);
    assert_eq!((of_org, is_let_through), (0, true));
}

#[test]
fn what_is_left_is_let_through_and_no_more() {
    let (rates, clock) = rates(&section());
    let limiter = rates.org.as_ref().expect("a limit");
    let org = OrgId::new();
    for pause_ms in [0, 300, 5000, 1000, 1700, 999, 1, 4001, 2500] {
        clock.advance(Duration::from_millis(pause_ms));
        let seen = limiter.look(org);
        assert_eq!(limiter.look(org), seen, "looking takes nothing");
        for left in (0..seen.left).rev() {
            assert_eq!(limiter.take(org).map(|it| it.left), Ok(left), "{pause_ms}");
        }
        let refused = limiter.take(org).expect_err("it is used up");
        assert_eq!(limiter.look(org), refused);
    }
}

#[test]
fn where_nothing_is_limited_nothing_is_told() {
    let (rates, _) = rates(&RateSection {
        key_per_s: 0,
        org_per_s: 0,
        failed_per_minute: 0,
        ..section()
    });
    for _ in 0..100 {
        let asked = rates.ask(KeyId::new(), OrgId::new());
        assert!(asked.standings.is_empty() && asked.passed.is_none());
        let answer = rates.failed(Problem::of(Kind::KeyInvalid), &Extensions::new());
        assert_eq!(answer.kind(), Kind::KeyInvalid);
    }
}

#[test]
fn an_address_may_fail_so_often_and_no_other_pays_for_it() {
    let (rates, clock) = rates(&section());
    let failed = |address: &str| {
        let mut extensions = Extensions::new();
        let address: IpAddr = address.parse().expect("an address");
        extensions.insert(Peer(address));
        let invalid = Problem::of(Kind::KeyInvalid);
        rates.failed(invalid, &extensions).kind()
    };
    for (address, expected) in [
        ("192.0.2.1", Kind::KeyInvalid),
        ("::ffff:192.0.2.1", Kind::KeyInvalid),
        ("192.0.2.1", Kind::RateLimited),
        ("192.0.2.2", Kind::KeyInvalid),
        ("2001:db8:1:2::1", Kind::KeyInvalid),
        ("2001:db8:1:2:3::1", Kind::KeyInvalid),
        ("2001:db8:1:2:4::1", Kind::RateLimited),
        ("2001:db8:1:3::1", Kind::KeyInvalid),
    ] {
        assert_eq!(failed(address), expected, "{address}");
    }
    clock.advance(Duration::from_secs(30));
    assert_eq!(failed("192.0.2.1"), Kind::KeyInvalid);
    assert_eq!(failed("192.0.2.1"), Kind::RateLimited);
}

#[test]
fn who_asks_no_more_is_forgotten_and_nobody_makes_it_grow() {
    let clock = FakeRelativeClock::default();
    let two = NonZeroU32::new(2).expect("not zero");
    let limiter = Limiter::new("address", Quota::per_minute(two), clock.clone());
    let crowd = limiter::PLACES_MAX as u32;
    let fails = |number: u32| limiter.take(number).is_err();
    for number in 0..crowd {
        assert!(!fails(number));
    }
    // One place for all who come later: they have its quota together.
    assert!(!fails(crowd) && !fails(crowd + 1) && fails(crowd + 2) && fails(crowd + 3));
    assert_eq!(limiter.places(), limiter::PLACES_MAX);
    assert!(!fails(7) && fails(7), "who has a place keeps it");
    clock.advance(Duration::from_secs(60));
    limiter.forget();
    assert_eq!(limiter.places(), 1, "who failed twice");
    assert!(!fails(crowd + 4) && !fails(crowd + 4) && fails(crowd + 4));
    clock.advance(Duration::from_secs(90));
    limiter.forget();
    assert_eq!(limiter.places(), 0);
}

#[test]
fn an_org_has_so_many_runs_at_once() {
    let runs = Runs::new(NonZeroU32::new(2).expect("not zero"));
    let (org, other) = (OrgId::new(), OrgId::new());
    let left = |org| runs.begin(org).map(|(run, standing)| (run, standing.left));
    let (first, left_1) = left(org).expect("a first");
    let (second, left_2) = left(org).expect("a second");
    assert_eq!((left_1, left_2), (1, 0));
    assert_eq!(left(org).err().map(|it| it.left), Some(0));
    assert!(left(other).is_ok());
    drop(first);
    let third = left(org).expect("a place is free");
    assert!(left(org).is_err());
    drop((second, third));
    assert_eq!(left(org).map(|(_, left)| left).ok(), Some(1));
}

#[tokio::test]
async fn a_request_is_counted_once_and_its_answer_says_how_the_limits_stand() {
    let (rates, _) = rates(&section());
    let key = KnownKey {
        owner: Owner {
            org: OrgId::new(),
            project: ProjectId::new(),
        },
        key: KeyId::new(),
        scopes: Scopes::of([Scope::Run]),
        text_sha256: [0; 32],
        is_suspended: false,
    };
    let rates = Arc::new(rates);
    let counted = async move |request: axum::extract::Request| -> Result<(), Problem> {
        for _ in 0..3 {
            rates.request(&key, request.extensions())?;
        }
        Ok(())
    };
    let router = Router::new().route("/", get(counted));
    let observed = Observed::new(router, ["/"], Arc::default(), Duration::from_secs(1));
    let policy = "\"key\";q=3;w=2, \"org\";q=5;w=5";
    for (status, standing) in [
        (200, "\"key\";r=2;t=1, \"org\";r=4;t=1"),
        (200, "\"key\";r=1;t=1, \"org\";r=3;t=1"),
        (200, "\"key\";r=0;t=1, \"org\";r=2;t=1"),
        (429, "\"key\";r=0;t=1, \"org\";r=2;t=1"),
    ] {
        let request = Request::get("/").body(Body::empty()).expect("a request");
        let answer = observed.answer(request).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["ratelimit-policy"], policy);
        assert_eq!(answer.headers()["ratelimit"], standing);
        let retry_after = answer.headers().get("retry-after");
        assert_eq!(retry_after.is_some(), status == 429);
    }
}
