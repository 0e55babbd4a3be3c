//! Tools of sellers call a service with their buyer's key: by the server, in Rust and in JavaScript, wherever the service
//! wants the key, and nobody else ever sees it.

use super::platform::Platform;
use super::*;
use tollgate_tests::is_built;
use tollgate_tests::server::{Caller, Server, files_below};

const USER: &str = "acme";

/// The tools, and how much each moves: JavaScript's runtime opens more handles the more it streams, and with 10 MiB too
/// many.
const TOOLS: [(&str, u64); 2] = [("weather", 10 << 20), ("weather-js", 6 << 20)];

/// Starts a server on which tools may move more.
fn server(platform: &Platform) -> Server {
    let more = (16_u64 << 20).to_string();
    platform.serve(&[
        ("TOLLGATE_LIMITS__EGRESS_BYTES", &more),
        ("TOLLGATE_LOG__LEVEL", "debug"),
    ])
}

/// A fixture's file, with its service at the upstream.
pub(super) fn tool_at(name: &str, host: &str) -> Vec<u8> {
    let folder = tollgate_fixtures::folder(name);
    let manifest = std::fs::read_to_string(folder.join("tool.toml")).expect("a manifest");
    let build = manifest.find("[build]").expect("how it is built");
    let credentials = manifest.find("[credentials").expect("what it needs");
    let packed = format!("{}{}", &manifest[..build], &manifest[credentials..]);
    let packed = packed
        .replace("api.weather.example", host)
        .replace("bank.example", host);
    let wasm = std::fs::read(folder.join(format!("{name}.wasm"))).expect("built");
    tollgate_validator::pack::pack(&wasm, &packed, None).expect("a tool")
}

/// The artifact's id, and the verdict on it.
fn published(server: &Server, seller: &Caller, wasm: &[u8]) -> (String, Value) {
    let artifact = seller.upload(wasm).expect(201)["id"].clone();
    let artifact = artifact.as_str().expect("an id").to_owned();
    let verdict = seller.validate(&artifact);
    assert_eq!(verdict["status"], "ADMITTED", "{verdict} {}", server.log());
    let path = format!("/v1/artifacts/{artifact}/publish");
    seller.send("POST", &path, &[], b"").expect(201);
    (artifact, verdict)
}

/// Each function with its input, as the tools of `weather` have them, and its output.
fn calls(service: &str, archive: u64) -> [(&'static str, Value, Value); 5] {
    let key = "s3cr%2Ft-key%2B%22of%20the%20buyer%22%26%3Dx";
    let stars = |text: String| text.replace(key, &"*".repeat(key.len()));
    [
        (
            "forecast",
            json!({"service": service, "city": "São Paulo"}),
            json!({"city": "São Paulo", "celsius": 4}),
        ),
        (
            "places",
            json!({"service": service, "name": "Oslo"}),
            json!(["Oslo", stars(format!("/v1/places?name=Oslo&appid={key}"))]),
        ),
        (
            "warn",
            json!({"service": service, "text": "storm"}),
            json!(stars(format!("/v1/bot{key}/warn"))),
        ),
        (
            "account",
            json!({"service": service, "user": USER}),
            Value::Null,
        ),
        (
            "move-archive",
            json!({"service": service, "name": archive.to_string()}),
            json!(archive),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_key_arrives_where_each_service_wants_it_and_is_nowhere_else() {
    for (name, archived) in TOOLS {
        if !is_built(tollgate_fixtures::fixture(name)) {
            continue;
        }
        let upstream = Upstream::https().await;
        let platform = Platform::of(&upstream);
        let working = tokio::task::spawn_blocking(move || serve_buyer(name, archived, &platform));
        working.await.expect("no panic");
        let seen = upstream.seen();
        let [weather, places, warn, account, archive, store] = seen.as_slice() else {
            panic!("{name}: {seen:?}");
        };
        let key = "s3cr%2Ft-key%2B%22of%20the%20buyer%22%26%3Dx";
        assert_eq!(weather.headers["x-api-key"], SECRET, "{name}");
        assert_eq!(places.uri, format!("/v1/places?name=Oslo&appid={key}"));
        assert_eq!(warn.uri, format!("/v1/bot{key}/warn"));
        assert_eq!(warn.body, b"storm");
        let pair = "Basic YWNtZTpzM2NyL3Qta2V5KyJvZiB0aGUgYnV5ZXIiJj14";
        assert_eq!(account.headers["authorization"], pair);
        assert_eq!(archive.headers["x-api-key"], SECRET);
        assert_eq!(store.headers["x-api-key"], SECRET);
        assert_eq!(store.body.len() as u64, archived);
    }
}

/// A buyer of an org of its own calls each function, and looks everywhere for the key.
fn serve_buyer(name: &str, archive: u64, platform: &Platform) {
    let (server, host) = (server(platform), platform.host.as_str());
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let (tool, verdict) = published(&server, &seller, &tool_at(name, host));
    buyer.subscribe(&tool);
    assert!(
        !verdict.to_string().contains("import_denied"),
        "{name}: {verdict}"
    );
    let service = format!("https://{host}");
    let mut told = Vec::new();
    for (function, input, output) in calls(&service, archive) {
        let body = json!({"function": function, "input": input, "share_diagnostics": true});
        if function == "forecast" {
            let missing = buyer.run(&tool, &body).expect(428);
            let expected = json!([{"name": "WEATHER_KEY", "reason": "absent", "hosts": [host]}]);
            assert_eq!(missing["missing"], expected, "{missing}");
            let entry = json!({"value": SECRET, "artifact_id": tool});
            let set = buyer.put("/v1/environment/WEATHER_KEY", &entry).expect(200);
            assert_eq!(set["hosts"], json!([host]), "as the release declares");
        }
        let run = buyer.run(&tool, &body).expect(200);
        if output != Value::Null {
            assert_eq!(run["output"], output, "{name} {function}: {run}");
        }
        let id = run["run_id"].as_str().expect("an id").to_owned();
        told.push(run.to_string());
        for part in ["", "/logs", "/spans"] {
            told.push(
                buyer
                    .get(&format!("/v1/runs/{id}{part}"))
                    .expect(200)
                    .to_string(),
            );
        }
    }
    // To where it may not go, so that there is a failure to tell the seller of.
    let body = json!({"function": "forecast", "share_diagnostics": true,
        "input": {"service": "https://elsewhere.example", "city": "Oslo"}});
    told.push(buyer.run(&tool, &body).expect(502).to_string());
    let failures = seller
        .get(&format!("/v1/artifacts/{tool}/failures"))
        .expect(200);
    assert_eq!(
        failures["items"].as_array().map(Vec::len),
        Some(1),
        "{failures}"
    );
    told.push(failures.to_string());
    for list in ["/v1/runs?limit=100", "/v1/environment"] {
        told.push(buyer.get(list).expect(200).to_string());
    }
    told.push(server.log());
    for text in told {
        let found = tollgate_runtime::spelling_in(SECRET, text.as_bytes());
        assert_eq!(found, None, "{name}: {text}");
    }
    for (file, bytes) in files_below(&server.data()) {
        let found = tollgate_runtime::spelling_in(SECRET, &bytes);
        assert_eq!(found, None, "{name}: {}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_signs_is_shown_the_secret_where_its_owner_allows_it() {
    let upstream = Upstream::https().await;
    let (platform, host) = (Platform::of(&upstream), upstream.host());
    let working = tokio::task::spawn_blocking(move || {
        let server = server(&platform);
        let (seller, buyer) = (server.org("seller"), server.org("buyer"));
        let (tool, verdict) = published(&server, &seller, &tool_at("signer", &host));
        buyer.subscribe(&tool);
        assert_eq!(
            verdict["notes"][0]["code"], "credential_exposed",
            "{verdict}"
        );
        let shown = buyer.get(&format!("/v1/artifacts/{tool}")).expect(200);
        assert_eq!(shown["credentials"][0]["expose"], true, "{shown}");
        let pay = || {
            let input = json!({"bank": format!("https://{host}"), "cents": 100, "to": "bob"});
            buyer.run(&tool, &json!({"function": "pay", "input": input}))
        };
        let entry = json!({"value": "0123456789abcdef", "artifact_id": tool});
        buyer
            .put("/v1/environment/SIGNING_SECRET", &entry)
            .expect(200);
        let missing = pay().expect(428);
        assert_eq!(missing["missing"][0]["reason"], "expose", "{missing}");
        let entry = json!({"value": "0123456789abcdef", "artifact_id": tool, "allow_expose": true});
        buyer
            .put("/v1/environment/SIGNING_SECRET", &entry)
            .expect(200);
        assert_eq!(pay().expect(200)["output"], "order-1");
    });
    working.await.expect("no panic");
    let seen = upstream.only();
    assert_eq!(seen.body, b"100 to bob");
    // As `openssl dgst -sha256 -hmac 0123456789abcdef` has it.
    let signature = "0c6fd1533bd5ce44c59528d0239e3560953238a88289a30e24c44552b330d34e";
    assert_eq!(seen.headers["x-signature"], signature);
}
