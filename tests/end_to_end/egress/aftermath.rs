//! What is left of hostile requests: nothing. A neighbour hardly feels them, and the same tool works on honest input.

use super::allowed::end;
use super::answers::resident_bytes;
use super::raw::{RawUpstream, Step, send};
use super::*;
use crate::crowds::Canary;
use std::time::Instant;

const AT_ONCE: usize = 32;
const ROUNDS: usize = 3;
/// How long a neighbour calls in a round, beside nobody and beside the hostile: some thousand times in all.
const ROUND: Duration = Duration::from_secs(2);
/// What a neighbour's slowest calls may take at least, however quick they are beside nobody.
const FELT: Duration = Duration::from_millis(10);
const SOON: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;

/// Hosts that mean no good, one that does, and how a request to each ends.
struct Case {
    upstream: RawUpstream,
    function: &'static str,
    headers: Value,
    end: &'static str,
}

impl Case {
    async fn new(end: &'static str, script: Vec<Step>) -> Self {
        Self {
            upstream: RawUpstream::start(script).await,
            function: "send",
            headers: json!([]),
            end,
        }
    }

    fn input(&self) -> Value {
        let mut request = get(format!("http://{}/", self.upstream.host()));
        request["headers"] = self.headers.clone();
        json!({"request": request})
    }

    async fn ends_as_expected(&self, courier: &Courier) {
        // What ends by itself may take its time beside 31 others, with code that is not optimised.
        let limit = if self.end == "timeout" { 1.0 } else { 20.0 };
        let started = Instant::now();
        let outcome = courier.run_within(self.function, self.input(), seconds(limit));
        let outcome = outcome.await;
        assert_eq!(end(&outcome), self.end, "{outcome:?}");
        let took = started.elapsed();
        // A second more would do, were this the only process.
        let most = Duration::from_secs_f64(limit + 9.0);
        assert!(took < most, "{took:?} to {}", self.end);
    }
}

async fn hostile() -> Vec<Case> {
    let drip = |text: &str| Step::Again(text.into(), Duration::from_millis(20));
    let flood = Step::Again(vec![b'x'; 64 * 1024], Duration::ZERO);
    let head = "HTTP/1.1 200 OK\r\n";
    let long = send(format!("{head}content-length: 10000000000\r\n\r\n"));
    let short = send(format!("{head}content-length: 9\r\n\r\nbegun"));
    let mut cases = vec![
        Case::new("timeout", vec![]).await,
        Case::new("timeout", vec![long.clone(), drip(".")]).await,
        Case::new("timeout", vec![send(head), drip("x: y\r\n")]).await,
        Case::new("HttpResponseBodySize", vec![long, flood.clone()]).await,
        Case::new(
            "HttpResponseHeaderSectionSize",
            vec![send("HTTP/1.1 200 OK\r\nx: "), flood],
        )
        .await,
        Case::new("HttpResponseIncomplete", vec![short, Step::Close]).await,
        Case::new(
            "HttpProtocolError",
            vec![send("SSH-2.0-OpenSSH_9.2p1\r\n"), Step::Close],
        )
        .await,
    ];
    let mut theft = Case::new("HttpRequestDenied", vec![]).await;
    theft.headers = json!([["x-key", "{KEY}"]]);
    cases.push(theft);
    cases
}

/// What this process holds.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    mappings: usize,
    resident: u64,
}

impl Held {
    fn now() -> Self {
        let count = |folder| std::fs::read_dir(folder).expect("/proc").count();
        let mappings = std::fs::read_to_string("/proc/self/maps").expect("/proc");
        Self {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            mappings: mappings.lines().count(),
            resident: resident_bytes(),
        }
    }

    fn is_hardly_more_than(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.threads <= before.threads
            && self.mappings * 20 <= before.mappings * 21
            && self.resident <= before.resident + 32 * MIB
    }
}

/// In a process of its own, of which nothing else holds anything.
#[test]
fn of_hostile_requests_nothing_is_left_and_a_neighbour_hardly_feels_them() {
    let _machine = crate::MACHINE.blocking_lock();
    alone("egress::aftermath::of_32_at_once_again_and_again");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above"]
async fn of_32_at_once_again_and_again() {
    let cases = hostile().await;
    let ok = send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood");
    let honest = Case::new("answered", vec![ok]).await;
    let hosts: Vec<_> = cases
        .iter()
        .map(|it| &it.upstream)
        .chain([&honest.upstream])
        .collect();
    let courier = Courier::to_raw(&hosts).await;
    for case in &cases {
        case.ends_as_expected(&courier).await;
    }
    honest.ends_as_expected(&courier).await;
    // The first warms up.
    round(&cases, &courier).await;
    tokio::time::sleep(ROUND).await;
    let before = Held::now();
    let mut felt = Vec::new();
    for _ in 0..ROUNDS {
        felt.push(round(&cases, &courier).await);
    }
    // Other processes make noise, too: hostile requests that are felt are felt in every round.
    let is_unfelt = |(quiet, beside): &(Duration, Duration)| *beside <= FELT.max(*quiet * 5);
    assert!(
        felt.iter().any(is_unfelt),
        "p99 beside nobody and beside them: {felt:?}"
    );
    honest.ends_as_expected(&courier).await;
    for case in &cases {
        let is_reached = case.end != "HttpRequestDenied";
        assert_eq!(case.upstream.is_left().await, is_reached, "{}", case.end);
    }
    let is_left = || !Held::now().is_hardly_more_than(&before);
    let ended_by = Instant::now() + SOON;
    while is_left() && Instant::now() < ended_by {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = Held::now();
    assert!(after.is_hardly_more_than(&before), "{before:?}, {after:?}");
}

/// What 99 of 100 of a neighbour's calls take beside nobody, and beside hostile requests.
async fn round(cases: &[Case], courier: &Courier) -> (Duration, Duration) {
    let canary = Canary::new(&courier.runtime).await;
    tokio::time::sleep(ROUND).await;
    let quiet = canary.survives("nobody").await;
    let canary = Canary::new(&courier.runtime).await;
    let started = Instant::now();
    while started.elapsed() < ROUND {
        let runs = cases.iter().cycle().take(AT_ONCE);
        let runs = runs.map(|case| case.ends_as_expected(courier));
        futures_util::future::join_all(runs).await;
    }
    (quiet, canary.survives("hostile hosts").await)
}
