//! Outgoing HTTP: a tool calls a real host with its buyer's secret, and nothing else, and nowhere else.

mod addresses;
mod aftermath;
mod allowed;
mod answers;
mod confusion;
mod depth;
mod memory;
mod names;
mod platform;
mod program;
mod raw;
mod rules;
mod services;
mod sockets;
mod theft;
mod upstream;
mod wire;

use serde_json::{Value, json};
use std::time::Duration;
use tollgate_runtime::{
    Attribute, Credential, Credentials, Limits, NetworkConfig, Outcome, Run, Runtime,
    RuntimeConfig, Span, Tool,
};
use tollgate_tests::{load, output, seconds};
use upstream::Upstream;

const SECRET: &str = "s3cr/t-key+\"of the buyer\"&=x";

/// A tool that sends what it is told to, allowed to reach a host and to take the buyer's key there.
struct Courier {
    tool: Tool,
    /// Dropped last.
    runtime: Runtime,
}

impl Courier {
    /// Allowed by `rules`; `HOST` in them is the upstream's name and port.
    async fn to(upstream: &Upstream, rules: &[&str], network: NetworkConfig) -> Self {
        let runtime = Runtime::new(RuntimeConfig {
            network,
            ..RuntimeConfig::default()
        });
        let runtime = runtime.expect("the runtime starts");
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| rule.replace("HOST", &upstream.host()))
            .collect();
        let manifest = format!(
            "name = \"courier\"\n[credentials.KEY]\nhosts = [\"{}\"]\nrequired = false\n[egress]\nallow = {}",
            upstream.host(),
            json!(rules),
        );
        let file = tollgate_fixtures::folder("courier").join("courier.wasm");
        let wasm = std::fs::read(file).expect("built");
        let packed = tollgate_validator::pack::pack(&wasm, &manifest, None).expect("a manifest");
        let tool = load(&runtime, &packed).await;
        Self { tool, runtime }
    }

    /// Over `https`, anywhere below `/v1`, to a host that the operator has made an exception for.
    async fn at_home(upstream: &Upstream) -> Self {
        Self::to(upstream, &["https://HOST/v1"], open(upstream)).await
    }

    async fn run(&self, function: &str, input: Value) -> Outcome {
        self.run_within(function, input, Limits::default()).await
    }

    async fn run_within(&self, function: &str, input: Value, limits: Limits) -> Outcome {
        self.run_of("buyer", function, input, limits).await
    }

    /// For an owner, who has connections of their own.
    async fn run_of(&self, owner: &str, function: &str, input: Value, limits: Limits) -> Outcome {
        let credentials = Credentials::new().with("KEY", Credential::new(SECRET).expect("valid"));
        let run = Run::new(function, input)
            .owner(owner)
            .credentials(credentials)
            .limits(limits);
        self.tool.run(run).await.expect("it starts")
    }

    /// The answer to a request, or the error's name.
    async fn send(&self, request: Value) -> Result<Value, String> {
        result(&self.run("send", json!({"request": request})).await)
    }
}

/// Trusts the upstream and lets requests go to its address, which is this machine's own.
fn open(upstream: &Upstream) -> NetworkConfig {
    NetworkConfig {
        open: vec![upstream.host().parse().expect("a host")],
        roots_pem: match upstream.root_pem.is_empty() {
            true => Vec::new(),
            false => vec![upstream.root_pem.clone()],
        },
        ..NetworkConfig::default()
    }
}

/// What a function gave, or the error it ended with.
fn result(outcome: &Outcome) -> Result<Value, String> {
    match &outcome.result {
        Ok(output) => Ok(output.value()),
        Err(failure) => match failure.error.as_ref().map(tollgate_runtime::Json::value) {
            Some(Value::String(error)) => Err(error),
            _ => panic!("neither an answer nor an error: {failure:?}"),
        },
    }
}

fn get(url: String) -> Value {
    json!({"method": "GET", "url": url, "headers": [], "body": null})
}

/// Runs a test of this program that others leave out, in a process of its own.
fn alone(test: &str) {
    let tests = std::env::current_exe().expect("a path");
    let alone = std::process::Command::new(tests)
        .args(["--exact", "--ignored", test])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&[alone.stdout, alone.stderr].concat()).into_owned();
    assert!(
        alone.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a Attribute> {
    let found = span.attributes.iter().find(|(it, _)| *it == name);
    found.map(|(_, attribute)| attribute)
}

fn text(span: &Span, name: &str) -> String {
    match attribute(span, name) {
        Some(Attribute::Text(text)) => text.clone(),
        other => panic!("{name} of {span:?} is {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_gets_the_secret_wherever_the_tool_put_its_placeholder() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let request = json!({
        "method": "POST",
        "url": format!("https://{}/v1/{{KEY}}/echo?key={{KEY}}", upstream.host()),
        "headers": [["x-key", "{KEY}"], ["authorization", "Basic {basic:KEY}"], ["range", "bytes=0-1"],
            ["accept-encoding", "gzip"]],
        "body": "key: {KEY}!",
    });
    let outcome = courier.run("send", json!({"request": request})).await;
    let answer = result(&outcome).expect("an answer");
    assert_eq!(answer["status"], 200);
    let seen = upstream.only();
    let escaped = "s3cr%2Ft-key%2B%22of%20the%20buyer%22%26%3Dx";
    assert_eq!(seen.uri, format!("/v1/{escaped}/echo?key={escaped}"));
    assert_eq!(seen.version, hyper::Version::HTTP_2);
    assert_eq!(seen.headers["x-key"], SECRET);
    assert_eq!(
        seen.headers["authorization"],
        "Basic dXNlcjpzM2NyL3Qta2V5KyJvZiB0aGUgYnV5ZXIiJj14"
    );
    assert_eq!(seen.body, format!("key: {SECRET}!").into_bytes());
    // What comes back can be searched.
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(!seen.headers.contains_key("range"));
    // The host sent all of it back, and the tool got none of it.
    let told = format!("{:?}", outcome);
    assert_eq!(tollgate_runtime::spelling_in(SECRET, told.as_bytes()), None);
    let body = answer["body"].as_str().expect("text");
    assert!(
        body.contains(&format!("x-key: {}", "*".repeat(SECRET.len()))),
        "{body}"
    );
    assert!(
        body.ends_with(&format!("key: {}!", "*".repeat(SECRET.len()))),
        "{body}"
    );
    // And it is told without the secret, and without what stood for it.
    let [span] = outcome.requests.as_slice() else {
        panic!("{:?}", outcome.requests);
    };
    assert_eq!(span.name, format!("POST {}", upstream.host()));
    assert_eq!(text(span, "path"), "/v1/{KEY}/echo?key");
    assert_eq!(attribute(span, "status"), Some(&Attribute::Number(200)));
    assert_eq!(attribute(span, "refused"), None);
    assert!(span.ended_at.is_some_and(|end| end >= span.started_at));
    assert_eq!(outcome.usage.egress_requests, 1);
    assert_eq!(outcome.usage.egress_bytes_out, seen.body.len() as u64);
    assert_eq!(outcome.usage.egress_bytes_in, body.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_http_2_gets_the_secret_too_over_a_connection_that_is_kept() {
    for protocols in [&["http/1.1"][..], &[]] {
        let upstream = Upstream::speaking(protocols).await;
        let courier = Courier::at_home(&upstream).await;
        let mut request = get(format!("https://{}/v1/echo", upstream.host()));
        request["headers"] = json!([["x-key", "{KEY}"]]);
        for _ in 0..3 {
            let answer = courier.send(request.clone()).await.expect("an answer");
            let body = answer["body"].as_str().expect("text");
            let masked = format!("x-key: {}\n", "*".repeat(SECRET.len()));
            assert!(body.contains(&masked), "{protocols:?}: {body}");
        }
        for seen in upstream.seen() {
            assert_eq!(seen.version, hyper::Version::HTTP_11, "{protocols:?}");
            assert_eq!(seen.headers["x-key"], SECRET, "{protocols:?}");
        }
        assert_eq!((upstream.seen().len(), upstream.connections()), (3, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_does_not_allow_is_refused_before_a_packet() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let host = upstream.host();
    let refused = [
        format!("https://{host}/v2"),
        format!("https://{host}/v1/../v2"),
        format!("https://{host}/v1/%2e%2e/v2"),
        format!("http://{host}/v1"),
        "https://localhost/v1".to_owned(),
        "https://example.com/v1".to_owned(),
        format!("https://user@{host}/v1"),
    ];
    for url in refused {
        let ended = courier.send(get(url.clone())).await;
        let error = ended.expect_err(&url);
        assert!(
            [
                "HttpRequestDenied",
                "HttpRequestUriInvalid",
                "authority refused"
            ]
            .contains(&error.as_str()),
            "{url}: {error}"
        );
    }
    for method in ["CONNECT", "TRACE", "connect"] {
        let mut request = get(format!("https://{host}/v1"));
        request["method"] = json!(method);
        assert_eq!(
            courier.send(request).await,
            Err("HttpRequestDenied".to_owned()),
            "{method}"
        );
    }
    assert_eq!((upstream.connections(), upstream.seen().len()), (0, 0));
    let only_get = Courier::to(&upstream, &["GET https://HOST"], open(&upstream)).await;
    let mut post = get(format!("https://{host}/v1"));
    post["method"] = json!("POST");
    assert_eq!(
        only_get.send(post).await,
        Err("HttpRequestDenied".to_owned())
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_refused_before_a_packet() {
    let upstream = Upstream::http().await;
    let closed = NetworkConfig::default();
    let port = upstream.port;
    let names = ["localhost", "127.0.0.1"];
    for name in names {
        let rule = format!("http://{name}:{port}");
        let courier = Courier::to(&upstream, &[&rule], closed.clone()).await;
        let outcome = courier
            .run("send", json!({"request": get(format!("{rule}/"))}))
            .await;
        assert_eq!(
            result(&outcome),
            Err("DestinationIpProhibited".to_owned()),
            "{name}"
        );
        assert!(text(&outcome.requests[0], "error").contains("prohibited"));
    }
    // Other ways to write the same are names that nobody has.
    for name in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"] {
        let rule = format!("http://{name}:{port}");
        let nobody = NetworkConfig {
            nameservers: vec!["127.0.0.1:9".parse().expect("an address")],
            ..closed.clone()
        };
        let courier = Courier::to(&upstream, &[&rule], nobody).await;
        let limits = seconds(3.0);
        let input = json!({"request": get(format!("{rule}/"))});
        let ended = courier.run_within("send", input, limits).await;
        assert!(ended.result.is_err(), "{name}");
    }
    assert_eq!(upstream.connections(), 0);
    // The operator's exception is for one port.
    let courier = Courier::to(&upstream, &["http://HOST"], open(&upstream)).await;
    let answer = courier.send(get(format!("http://localhost:{port}/"))).await;
    assert_eq!(answer.expect("an answer")["body"], "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let upstream = Upstream::https().await;
    let untrusting = NetworkConfig {
        roots_pem: Vec::new(),
        ..open(&upstream)
    };
    let courier = Courier::to(&upstream, &["https://HOST"], untrusting).await;
    let ended = courier
        .send(get(format!("https://{}/v1", upstream.host())))
        .await;
    assert_eq!(ended, Err("TlsCertificateError".to_owned()));
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_the_tools_own_next_request() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let answer = courier
        .send(get(format!("https://{}/v1/redirect", upstream.host())))
        .await;
    assert_eq!(answer.expect("an answer")["status"], 302);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded_in_number_and_at_once_and_share_a_connection() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let request = get(format!("https://{}/v1/slow", upstream.host()));
    let limits = Limits {
        egress_requests: 8,
        ..Limits::default()
    };
    let input = json!({"request": request, "times": 10});
    let outcome = courier.run_within("send-many", input, limits).await;
    let ends = output(Ok(outcome.clone()));
    let ends: Vec<_> = ends.as_array().expect("a list").iter().collect();
    assert_eq!(ends[..8], vec!["200"; 8]);
    assert_eq!(ends[8..], ["ConnectionLimitReached"; 2]);
    assert_eq!(outcome.usage.egress_requests, 10);
    assert_eq!(upstream.seen().len(), 8);
    assert_eq!(upstream.connections(), 1, "kept for the next");
    assert!(upstream.under_way_max() <= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_both_ways() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let host = upstream.host();
    let limits = || Limits {
        egress_bytes: 1 << 20,
        ..Limits::default()
    };
    let download = |bytes: u64| json!({"request": get(format!("https://{host}/v1/bytes/{bytes}"))});
    let all = courier
        .run_within("download", download(1 << 20), limits())
        .await;
    assert_eq!(
        (result(&all), all.usage.egress_bytes_in),
        (Ok(json!(1 << 20)), 1 << 20)
    );
    let more = courier
        .run_within("download", download((1 << 20) + 1), limits())
        .await;
    assert_eq!(result(&more), Err("HttpResponseBodySize".to_owned()));
    assert!(more.usage.egress_bytes_in <= 1 << 20);

    let upload = |bytes: u64| {
        let mut request = get(format!("https://{host}/v1/sink"));
        request["method"] = json!("POST");
        json!({"request": request, "bytes": bytes})
    };
    let all = courier
        .run_within("upload", upload(1 << 20), limits())
        .await;
    assert_eq!(
        (result(&all), all.usage.egress_bytes_out),
        (Ok(json!(200)), 1 << 20)
    );
    let more = courier
        .run_within("upload", upload((1 << 20) + 1), limits())
        .await;
    assert_eq!(result(&more), Err("HttpRequestBodySize".to_owned()));
    assert!(more.usage.egress_bytes_out <= 1 << 20);
    let header = courier
        .send(get(format!("https://{host}/v1/large-header")))
        .await;
    assert!(header.is_err(), "{header:?}");
    let broken = courier.send(get(format!("https://{host}/v1/broken"))).await;
    assert!(broken.is_err(), "{broken:?}");
    let long = courier
        .send(get(format!("https://{host}/v1/{}", "x".repeat(8 * 1024))))
        .await;
    assert!(long.is_err(), "{long:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_host_ends_at_the_tools_time_out_or_with_the_run() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let host = upstream.host();
    let within = |path: &str, connect: u64, first_byte: u64, between_bytes: u64| {
        let request = get(format!("https://{host}/v1/{path}"));
        json!({"request": request, "connect": connect, "first-byte": first_byte, "between-bytes": between_bytes})
    };
    const SECOND: u64 = 1_000_000_000;
    let cases = [
        (
            "silent",
            [SECOND, SECOND / 10, SECOND],
            "ConnectionReadTimeout",
        ),
        ("silent", [SECOND, 0, SECOND], "ConnectionReadTimeout"),
        ("dripping", [SECOND, SECOND, 1], "ConnectionReadTimeout"),
        ("v1", [0, SECOND, SECOND], "ConnectionTimeout"),
    ];
    for (path, [connect, first_byte, between_bytes], expected) in cases {
        let input = within(path, connect, first_byte, between_bytes);
        let outcome = courier.run("send-within", input).await;
        let ended = result(&outcome);
        // A connection that is there already takes no time.
        assert!(
            ended == Err(expected.to_owned()) || (connect == 0 && ended.is_ok()),
            "{path} {connect} {first_byte} {between_bytes}: {ended:?}"
        );
    }
    let endless = within("silent", u64::MAX, u64::MAX, u64::MAX);
    let started = std::time::Instant::now();
    let outcome = courier
        .run_within("send-within", endless, seconds(1.0))
        .await;
    assert_eq!(outcome.status(), tollgate_runtime::Status::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(3));
    let [span] = outcome.requests.as_slice() else {
        panic!("{:?}", outcome.requests);
    };
    assert_eq!(attribute(span, "status"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_do_not_share_connections() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let input = json!({"request": get(format!("https://{}/v1", upstream.host()))});
    for owner in ["a", "b", "a", "b"] {
        let run = Run::new("send", input.clone()).owner(owner);
        output(courier.tool.run(run).await);
    }
    assert_eq!(upstream.connections(), 2);
}
