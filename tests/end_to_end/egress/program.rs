//! The same by the program: a run on one's own machine, and a buyer's run by the server.

use super::platform::Platform;
use super::*;
use tollgate_tests::{command, ended, start};
use tollgate_validator::pack::pack;

pub(super) fn manifest(upstream: &Upstream, scheme: &str) -> String {
    let host = upstream.host();
    format!(
        "name = \"courier\"\nversion = \"1.0.0\"\ndescription = \"Sends\"\n[credentials.KEY]\ndescription = \"Its key\"\nhosts = [\"{host}\"]\n[egress]\nallow = [\"{scheme}://{host}/v1\"]\n"
    )
}

pub(super) fn courier_bytes() -> Vec<u8> {
    let file = tollgate_fixtures::folder("courier").join("courier.wasm");
    std::fs::read(file).expect("built")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_at_home_reaches_the_host_it_is_let_to_and_shows_when() {
    let upstream = Upstream::http().await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("courier.wasm"), courier_bytes()).expect("written");
    let manifest = manifest(&upstream, "http");
    std::fs::write(folder.path().join("tool.toml"), manifest).expect("written");
    let tool = folder.path().to_str().expect("a path").to_owned();
    let request = get(format!("http://{}/v1", upstream.host()));
    let input = json!({"request": request}).to_string();
    let host = upstream.host();
    let run = |more: Vec<String>| {
        let (tool, input) = (tool.clone(), input.clone());
        tokio::task::spawn_blocking(move || {
            let arguments = ["run", &tool, "--function", "send", "--input", &input];
            let credential = ["--credential", "KEY=not-sent-anywhere"];
            let mut program = command(&[&arguments[..], &credential[..]].concat());
            program.args(more);
            ended(start(program))
        })
    };
    let refused = run(vec!["--spans".to_owned()]).await.expect("no panic");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("prohibited"), "{}", refused.stderr);
    assert_eq!(upstream.connections(), 0);
    let let_to = vec![
        "--spans".to_owned(),
        "--allow-host".to_owned(),
        host.clone(),
    ];
    let answered = run(let_to).await.expect("no panic");
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert!(answered.stdout.contains("\"here\""), "{}", answered.stdout);
    let lines: Vec<_> = answered.stderr.lines().collect();
    for stage in ["queue", "load", "instantiate", "call"] {
        let found = lines
            .iter()
            .any(|line| line.starts_with(stage) && line.ends_with('█'));
        assert!(found, "{stage}: {lines:?}");
    }
    let span = lines
        .iter()
        .find(|line| line.contains("GET localhost"))
        .expect("a span");
    assert!(span.contains('█') && span.ends_with("200"), "{span}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{lines:?}"
    );
    let no_host = run(vec!["--allow-host".to_owned(), "https://a".to_owned()]);
    assert_eq!(no_host.await.expect("no panic").code, Some(2));
}

/// As the machine's administrator trusts them: `SSL_CERT_FILE` is where most systems' TLS looks, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_platform_s_own_roots_are_trusted() {
    let upstream = Upstream::https().await;
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::of(&upstream);
    std::fs::write(folder.path().join("courier.wasm"), courier_bytes()).expect("written");
    let manifest = manifest(&upstream, "https");
    std::fs::write(folder.path().join("tool.toml"), manifest).expect("written");
    let tool = folder.path().to_str().expect("a path").to_owned();
    let host = upstream.host();
    let mut request = get(format!("https://{host}/v1"));
    request["headers"] = json!([["x-key", "{KEY}"]]);
    let input = json!({"request": request}).to_string();
    let run = |trusts: bool| {
        let mut program = command(&["run", &tool, "--function", "send", "--input", &input]);
        program.args(["--credential", "KEY=from home", "--allow-host", &host]);
        if trusts {
            program.env("SSL_CERT_FILE", &platform.root);
        }
        tokio::task::spawn_blocking(move || ended(start(program)))
    };
    let refused = run(false).await.expect("no panic");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stdout.contains("TlsCertificateError")
            || refused.stderr.contains("TlsCertificateError"),
        "{refused:?}"
    );
    assert_eq!(upstream.seen().len(), 0);
    let answered = run(true).await.expect("no panic");
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert_eq!(upstream.only().headers["x-key"], "from home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_s_key_reaches_its_host_by_the_server_and_is_nowhere_else() {
    let upstream = Upstream::https().await;
    let (platform, host) = (Platform::of(&upstream), upstream.host());
    let wasm = pack(&courier_bytes(), &manifest(&upstream, "https"), None).expect("a tool");
    let request = json!({
        "method": "POST",
        "url": format!("https://{host}/v1/{{KEY}}/echo?key={{KEY}}"),
        "headers": [["x-key", "{KEY}"]],
        "body": "{KEY}",
    });
    let theft = json!({
        "method": "POST",
        "url": "https://localhost/v1/",
        "headers": [["x-key", "{KEY}"]],
        "body": null,
    });
    let working = tokio::task::spawn_blocking(move || {
        let server = platform.serve(&[("TOLLGATE_LOG__LEVEL", "debug")]);
        let (seller, buyer) = (server.org("seller"), server.org("buyer"));
        let artifact = seller.publish(&wasm);
        buyer.subscribe(&artifact);
        let send = |request: &Value| {
            buyer.run(
                &artifact,
                &json!({"function": "send", "input": {"request": request}}),
            )
        };
        let missing = send(&request).expect(428);
        assert_eq!(missing["missing"][0]["reason"], "absent", "{missing}");
        let elsewhere = json!({"value": SECRET, "hosts": ["api.example.com"]});
        buyer.put("/v1/environment/KEY", &elsewhere).expect(200);
        let missing = send(&request).expect(428);
        assert_eq!(missing["missing"][0]["reason"], "hosts", "{missing}");
        let own = json!({"value": SECRET, "artifact_id": artifact});
        buyer.put("/v1/environment/KEY", &own).expect(200);
        let mut told = vec![send(&request).expect(200).to_string()];
        assert!(told[0].contains("\"egress_requests\":1"), "{}", told[0]);
        let run: Value = serde_json::from_str(&told[0]).expect("JSON");
        let id = run["run_id"].as_str().expect("an id");
        let spans = buyer.get(&format!("/v1/runs/{id}/spans")).expect(200);
        let items = spans["items"].as_array().expect("a list");
        let names: Vec<_> = items.iter().map(|span| span["name"].clone()).collect();
        let request = format!("POST {host}");
        assert_eq!(names, ["queue", "load", "instantiate", "call", &request]);
        assert_eq!(items[4]["parent_id"], items[3]["span_id"]);
        let attributes = &items[4]["attributes"];
        assert_eq!(attributes["path"], "/v1/{KEY}/echo?key");
        assert_eq!(attributes["status"], 200);
        assert!(items[4]["started_at"].as_str() >= items[3]["started_at"].as_str());
        assert!(items[4]["ended_at"].as_str() <= items[3]["ended_at"].as_str());
        told.push(spans.to_string());
        let stolen = send(&theft).expect(502);
        assert_eq!(stolen["failure"]["error"], "HttpRequestDenied", "{stolen}");
        let id = stolen["run_id"].as_str().expect("an id");
        let attempt = buyer.get(&format!("/v1/runs/{id}/spans")).expect(200);
        let refused = &attempt["items"][4]["attributes"]["refused"];
        assert_eq!(refused, "credential KEY may not go there", "{attempt}");
        told.extend([stolen.to_string(), attempt.to_string()]);
        told.push(buyer.get("/v1/runs?limit=100").expect(200).to_string());
        told.push(server.log());
        for text in told {
            assert_eq!(
                tollgate_runtime::spelling_in(SECRET, text.as_bytes()),
                None,
                "{text}"
            );
        }
        for (file, bytes) in tollgate_tests::server::files_below(&server.data()) {
            let found = tollgate_runtime::spelling_in(SECRET, &bytes);
            assert_eq!(found, None, "{}", file.display());
        }
    });
    working.await.expect("no panic");
    let seen = upstream.only();
    assert_eq!(seen.headers["x-key"], SECRET);
    assert_eq!(seen.body, SECRET.as_bytes());
}
