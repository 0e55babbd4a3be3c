//! A buyer's secrets: set, used as placeholders, taken back, and never found anywhere.

use serde_json::{Value, json};
use tollgate_runtime::spelling_in;
use tollgate_tests::packed;
use tollgate_tests::server::{Answer, Caller, JSON, Server, files_below};
use tollgate_validator::pack::pack;

const NAME: &str = "OPENWEATHER_API_KEY";
const HOST: &str = "api.openweathermap.org";
const ENTRY: &str = "/v1/environment/OPENWEATHER_API_KEY";

fn forecast(caller: &Caller, tool: &str) -> Answer {
    caller.run(tool, &json!({"input": {"city": "Oslo"}}))
}

fn expect_missing(answer: Answer, reason: &str) {
    let detail = "Tool requires credentials not yet configured";
    let body = answer.expect_problem(428, "credentials_missing", detail);
    let missing = json!([{"name": NAME, "reason": reason, "hosts": [HOST]}]);
    assert_eq!(body["missing"], missing, "{body}");
}

fn expect_characters(answer: Answer, characters: u32) {
    let body = answer.expect(200);
    assert_eq!(body["output"]["key-characters"], characters, "{body}");
}

#[test]
fn a_secret_is_used_from_the_next_run_on_until_it_is_deleted_and_never_read_back() {
    let server = Server::start();
    let tool = server.org("seller").published("forecast");
    let (buyer, stranger) = (server.org("buyer"), server.org("stranger"));
    buyer.subscribe(&tool);
    stranger.subscribe(&tool);
    expect_missing(forecast(&buyer, &tool), "absent");
    let secret = "a-secret-of-the-buyer-wxyz";
    let set = buyer.put(ENTRY, &json!({"value": secret, "hosts": [HOST]}));
    for entry in [
        set.expect(200),
        buyer.get("/v1/environment").expect(200)["items"][0].clone(),
    ] {
        assert_eq!(entry["name"], NAME);
        assert_eq!(entry["hosts"], json!([HOST]));
        assert_eq!(entry["last4"], "wxyz");
        assert!(!entry.to_string().contains("of-the-buyer"), "{entry}");
    }
    expect_characters(forecast(&buyer, &tool), 26);
    // Another org has none of it.
    expect_missing(forecast(&stranger, &tool), "absent");
    buyer.delete(ENTRY).expect(204);
    expect_missing(forecast(&buyer, &tool), "absent");
    let listed = buyer.get("/v1/environment").expect(200);
    assert_eq!(listed["items"], json!([]));
}

#[test]
fn an_artifact_s_own_entry_wins_and_hosts_are_the_buyer_s_word() {
    let server = Server::start();
    let tool = server.org("seller").published("forecast");
    let buyer = server.org("buyer");
    buyer.subscribe(&tool);
    // Without an artifact there is nothing to take hosts from.
    let refused = buyer.put(ENTRY, &json!({"value": "12345678"}));
    assert_eq!(refused.expect(422)["code"], "unprocessable");
    let elsewhere = json!({"value": "12345678", "hosts": ["elsewhere.example.com"]});
    buyer.put(ENTRY, &elsewhere).expect(200);
    expect_missing(forecast(&buyer, &tool), "hosts");
    // With one, they are what its release declares.
    let own = json!({"value": "of-its-own-12", "artifact_id": tool});
    let set = buyer.put(ENTRY, &own).expect(200);
    assert_eq!(
        (&set["hosts"], &set["artifact_id"]),
        (&json!([HOST]), &json!(tool))
    );
    expect_characters(forecast(&buyer, &tool), 13);
    // The artifact's own wins where the project's would do, and where it does not do itself.
    buyer
        .put(ENTRY, &json!({"value": "12345678", "hosts": [HOST]}))
        .expect(200);
    expect_characters(forecast(&buyer, &tool), 13);
    let own_elsewhere = json!({"value": "of-its-own-12", "artifact_id": tool,
        "hosts": ["elsewhere.example.com"]});
    buyer.put(ENTRY, &own_elsewhere).expect(200);
    expect_missing(forecast(&buyer, &tool), "hosts");
    buyer
        .delete(&format!("{ENTRY}?artifact_id={tool}"))
        .expect(204);
    expect_characters(forecast(&buyer, &tool), 8);
}

/// What is searched for is what other programs write.
#[test]
fn every_spelling_of_a_secret_is_known() {
    let secret = r#"say "8+/\7~" to nobody"#;
    for (name, text) in [
        ("raw", r#"xsay "8+/\7~" to nobodyy"#),
        ("hex", r#"7361792022382b2f5c377e2220746f206e6f626f6479"#),
        ("HEX", r#"7361792022382B2F5C377E2220746F206E6F626F6479"#),
        (
            "percent-encoded",
            r#"say%20%228%2B%2F%5C7~%22%20to%20nobody"#,
        ),
        ("JSON-escaped", r#""say \"8+/\\7~\" to nobody""#),
        ("base64", r#"c2F5ICI4Ky9cN34iIHRvIG5vYm9keXJlc3Qgb2YgaXQ="#),
        (
            "base64 + 1",
            r#"cHNheSAiOCsvXDd+IiB0byBub2JvZHlyZXN0IG9mIGl0"#,
        ),
        (
            "base64 + 2",
            r#"cHFzYXkgIjgrL1w3fiIgdG8gbm9ib2R5cmVzdCBvZiBpdA=="#,
        ),
    ] {
        assert_eq!(spelling_in(secret, text.as_bytes()), Some(name), "{text}");
    }
    assert_eq!(spelling_in(secret, b"say nothing to nobody"), None);
}

/// With characters that every form writes differently.
const CANARY: &str = r#"cnry+/7Qm2"xV9\kP4 zT8%wL5&hR3-jD6~bN1?sF0"#;

const MANIFEST: &str = r#"version = "1.0.0"
description = "Tells its environment"
[credentials.CANARY]
description = "Nobody's"
hosts = ["api.example.com"]
[egress]
allow = ["GET https://api.example.com/"]
"#;

/// Writes its environment to standard error and fails.
const TELLER: &str = r#"(module
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $get (i32.const 64) (i32.const 1024)))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 49)) ;; CANARY= and as many characters as the secret has
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
    (call $exit (i32.const 1))))"#;

#[test]
fn a_canary_is_nowhere_in_the_folder_the_log_or_any_answer() {
    let server = Server::start_with(&[("TOLLGATE_LOG__LEVEL", "debug")]);
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let mut told: Vec<String> = Vec::new();
    let mut tools: Vec<_> = ["hostile-environment", "hostile-environment-component"]
        .iter()
        .map(|name| {
            let manifest = format!("name = \"{name}\"\n{MANIFEST}");
            let wasm = tollgate_fixtures::packed_bytes(name);
            seller.publish(&pack(&wasm, &manifest, None).expect("a tool"))
        })
        .collect();
    let manifest = format!("name = \"teller\"\n{MANIFEST}");
    tools.push(seller.publish(&packed(TELLER, &manifest)));
    let path = "/v1/environment/CANARY";
    for entry in [
        json!({"value": CANARY}),
        json!({"value": CANARY, "hosts": ["*.bad"]}),
        json!({"value": format!("{CANARY}\u{e9}"), "hosts": []}),
        json!({"value": [CANARY]}),
        json!({"value": CANARY, "hosts": ["api.example.com"]}),
    ] {
        told.push(format!("{:?}", buyer.put(path, &entry)));
    }
    told.push(buyer.get("/v1/environment").expect(200).to_string());
    for tool in &tools {
        buyer.subscribe(tool);
        run_every_way(&buyer, tool, &mut told);
        let failures = format!("/v1/artifacts/{tool}/failures?source=true");
        told.push(seller.get(&failures).expect(200).to_string());
    }
    told.push(buyer.get("/v1/runs?limit=100").expect(200).to_string());
    let told = told.join("\n");
    // The tools did tell what they saw, and it was as long.
    let seen = told.matches("CANARY=").count();
    assert!(seen >= 2, "{seen} lines of the log have it: {told}");

    let made = json!({"name": "more", "scopes": ["run"]});
    let more = buyer.post("/v1/keys", &made).expect(201)["key"].clone();
    let more = more.as_str().expect("a key");
    let operator = server.operator.as_deref().expect("a first start");
    let secrets = [CANARY, operator, &seller.key, &buyer.key, more];
    assert_eq!(spelling_in(CANARY, told.as_bytes()), None);
    for secret in &secrets {
        // The operator's key is printed once, on the terminal only.
        let log = server
            .log()
            .replace(&format!("operator key, shown this once: {operator}"), "");
        assert_eq!(spelling_in(secret, log.as_bytes()), None);
    }
    let files = files_below(&server.data());
    assert!(files.len() >= 5, "{files:?}");
    for (file, bytes) in files {
        for secret in &secrets {
            let found = spelling_in(secret, &bytes);
            assert_eq!(found, None, "{secret} in {}", file.display());
        }
    }
}

/// At once, kept for a repeated request, and async; with everything that can be read of it.
fn run_every_way(buyer: &Caller, tool: &str, told: &mut Vec<String>) {
    let path = format!("/v1/artifacts/{tool}/run");
    let body = json!({"input": null, "share_diagnostics": true}).to_string();
    for header in [
        ("accept", "*/*"),
        ("idempotency-key", "kept"),
        ("prefer", "respond-async, wait=30"),
    ] {
        let answer = buyer.send("POST", &path, &[JSON[0], header], body.as_bytes());
        assert!([200, 502].contains(&answer.status), "{}", answer.body);
        if answer.status == 200 {
            let seen = &answer.body["output"]["environ"]["CANARY"];
            let length = seen.as_str().map(str::len);
            assert_eq!(length, Some(CANARY.len()), "{}", answer.body);
        }
        let run = answer.body["run_id"].as_str().expect("an id");
        for part in ["", "/logs"] {
            let read: Value = buyer.get(&format!("/v1/runs/{run}{part}")).expect(200);
            told.push(read.to_string());
        }
        told.push(format!("{answer:?}"));
    }
}
