//! Two buyers' runs of one tool, interleaved: each has its own secret, whatever the other does.

use super::platform::Platform;
use super::program::{courier_bytes, manifest};
use super::*;
use futures_util::StreamExt;
use std::collections::HashSet;
use tollgate_tests::holds_within;
use tollgate_validator::pack::pack;

const RUNS: usize = 1000;
const AT_ONCE: usize = 64;

/// Of different lengths, so that what is put over them tells them apart.
const BUYERS: [(&str, &str); 2] = [
    ("alice", "alice's own: k/+ey \"one\"&=1"),
    ("bob", "bob's, which is quite another: k+/ey \"two\"&=22"),
];

fn stars(secret: &str) -> String {
    "*".repeat(secret.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_interleaved_runs_of_two_buyers_never_meet_the_other_s_secret() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let host = upstream.host();
    let run = |index: usize| {
        let (buyer, secret) = BUYERS[index % 2];
        let request = json!({
            "method": "POST",
            "url": format!("https://{host}/v1/{index}/echo?key={{KEY}}"),
            "headers": [["x-key", "{KEY}"], ["x-buyer", buyer]],
            "body": "key: {KEY}!",
        });
        let credential = Credential::new(secret).expect("valid");
        let run = Run::new("send", json!({"request": request}))
            .owner(buyer)
            .credentials(Credentials::new().with("KEY", credential));
        let tool = courier.tool.clone();
        async move {
            // On threads of their own, so that they are truly at once.
            let running = tokio::spawn(async move { tool.run(run).await });
            (index, running.await.expect("no panic").expect("it starts"))
        }
    };
    let outcomes = futures_util::stream::iter(0..RUNS).map(run);
    let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(outcomes.len(), RUNS);
    for (index, outcome) in &outcomes {
        let (_, own) = BUYERS[index % 2];
        let answer = result(outcome).expect("an answer");
        assert_eq!(answer["status"], 200, "{index}");
        let body = answer["body"].as_str().expect("text");
        assert!(
            body.starts_with(&format!("POST /v1/{index}/echo?key=**")),
            "{index}: {body}"
        );
        assert!(
            body.contains(&format!("\nx-key: {}\n", stars(own))),
            "{index}: {body}"
        );
        assert!(
            body.ends_with(&format!("key: {}!", stars(own))),
            "{index}: {body}"
        );
        let told = format!("{outcome:?}");
        for (_, secret) in BUYERS {
            let found = tollgate_runtime::spelling_in(secret, told.as_bytes());
            assert_eq!(found, None, "{index}: {told}");
        }
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), RUNS);
    let mut indices = HashSet::new();
    for request in &seen {
        let part = request.uri.split('/').nth(2).expect("an index");
        let index: usize = part.parse().expect("a number");
        assert!(indices.insert(index), "{index} came twice");
        let (buyer, secret) = BUYERS[index % 2];
        assert_eq!(request.headers["x-buyer"], buyer, "{index}");
        assert_eq!(request.headers["x-key"], secret, "{index}");
        assert_eq!(
            request.body,
            format!("key: {secret}!").into_bytes(),
            "{index}"
        );
        for (other, strange) in BUYERS.into_iter().filter(|(it, _)| *it != buyer) {
            let found = tollgate_runtime::spelling_in(strange, request.uri.as_bytes());
            assert_eq!(found, None, "{index} carries {other}'s");
        }
    }
}

/// A run goes on with what it was started with; the next one has what is there then.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_deleted_and_replaced_mid_run_is_never_another_s() {
    let upstream = Upstream::https().await;
    let (platform, host) = (Platform::of(&upstream), upstream.host());
    let wasm = pack(&courier_bytes(), &manifest(&upstream, "https"), None).expect("a tool");
    let upstream = std::sync::Arc::new(upstream);
    let seen = std::sync::Arc::clone(&upstream);
    let working = tokio::task::spawn_blocking(move || {
        let server = platform.serve(&[]);
        let artifact = server.org("seller").publish(&wasm);
        let buyer = server.org("buyer");
        buyer.subscribe(&artifact);
        let put = |secret: &str| {
            let key = json!({"value": secret, "hosts": [host.as_str()]});
            buyer.put("/v1/environment/KEY", &key).expect(200);
        };
        let ask = |path: &str, times: u32| {
            let request = json!({"method": "GET", "url": format!("https://{host}/v1/{path}"),
                "headers": [["x-key", "{KEY}"]], "body": null});
            let input = json!({"request": request, "times": times});
            buyer.run(&artifact, &json!({"function": "send-many", "input": input}))
        };
        let [(_, first), (_, second)] = BUYERS;
        put(first);
        std::thread::scope(|scope| {
            let long = scope.spawn(|| ask("slow", 10));
            let soon = Duration::from_secs(60);
            assert!(holds_within(soon, || !seen.seen().is_empty()));
            assert_eq!(buyer.delete("/v1/environment/KEY").status, 204);
            let missing = ask("next", 1).expect(428);
            assert_eq!(missing["missing"][0]["reason"], "absent", "{missing}");
            put(second);
            ask("next", 1).expect(200);
            assert!(seen.seen().len() < 11, "the first was still under way");
            let ends = long.join().expect("no panic").expect(200);
            assert_eq!(ends["output"], json!(vec!["200"; 10]), "{ends}");
        });
    });
    working.await.expect("no panic");
    let [(_, first), (_, second)] = BUYERS;
    let seen = upstream.seen();
    assert_eq!(seen.len(), 11);
    for request in seen {
        let own = if request.uri.ends_with("slow") {
            first
        } else {
            second
        };
        assert_eq!(request.headers["x-key"], own);
    }
}
