//! 428, 502 and 504: how runs do not start, and how they fail.

use crate::guests;
use crate::http::rows::{CREDENTIALS_MISSING, Row, TOOL_FAILED, TOOL_TIMED_OUT};
use crate::http::small::{manifest, published, text};
use serde_json::{Value, json};
use tollgate_tests::packed;
use tollgate_tests::server::Server;

#[test]
fn a_credential_that_is_missing_is_named_with_the_reason() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let declared =
        "[credentials.API_KEY]\ndescription = \"a key\"\nhosts = [\"api.example.com\"]\n";
    let egress = "[egress]\nallow = [\"GET https://api.example.com/data\"]\n";
    let tool = |name: &str, more: &str| {
        let manifest = format!("{}{declared}{more}{egress}", manifest(name, "1.0.0"));
        let id = published(&seller, &packed(&guests::command(""), &manifest));
        buyer.subscribe(&id);
        id
    };
    let (plain, exposing) = (tool("plain", ""), tool("exposing", "expose = true\n"));
    let set = |body: Value| buyer.put("/v1/environment/API_KEY", &body).expect(200);
    let missing = |label: &str, id: &str| {
        let answer = buyer.run(id, &json!({"input": null}));
        let body = CREDENTIALS_MISSING.is(label, answer);
        assert_eq!(
            body["missing"].as_array().map(Vec::len),
            Some(1),
            "{label}: {body}"
        );
        assert_eq!(body["missing"][0]["name"], "API_KEY", "{label}: {body}");
        body["missing"][0].clone()
    };
    let declared = json!(["api.example.com"]);
    for (label, id) in [("plain", &plain), ("exposing", &exposing)] {
        let said = missing(label, id);
        assert_eq!(
            (&said["reason"], &said["hosts"]),
            (&json!("absent"), &declared),
            "{said}"
        );
    }
    set(json!({"value": "0123456789abcdef", "hosts": ["example.com"]}));
    let said = missing("another host", &plain);
    assert_eq!(
        (&said["reason"], &said["hosts"]),
        (&json!("hosts"), &declared),
        "{said}"
    );
    set(json!({"value": "0123456789abcdef", "hosts": ["api.example.com"]}));
    assert_eq!(missing("exposed", &exposing)["reason"], "expose");
    buyer.run(&plain, &json!({"input": null})).expect(200);
    set(json!({"value": "0123456789abcdef", "artifact_id": exposing, "allow_expose": true}));
    buyer.run(&exposing, &json!({"input": null})).expect(200);
    buyer.delete("/v1/environment/API_KEY").expect(204);
    assert_eq!(missing("taken back", &plain)["reason"], "absent");
    let runs = buyer.get("/v1/runs").expect(200);
    assert_eq!(
        runs["items"].as_array().map(Vec::len),
        Some(2),
        "a refusal left a record: {runs}"
    );
}

struct Failing {
    fixture: &'static str,
    function: Option<&'static str>,
    input: &'static str,
    row: Row,
    kind: &'static str,
    /// A field of the failure and its value.
    detail: (&'static str, &'static str),
}

const fn failing(fixture: &'static str, kind: &'static str) -> Failing {
    Failing {
        fixture,
        function: None,
        input: "{}",
        row: TOOL_FAILED,
        kind,
        detail: ("", ""),
    }
}

const FAILING: &[Failing] = &[
    Failing {
        function: Some("divide-by-zero"),
        detail: ("trap", r#""integer_division_by_zero""#),
        ..failing("hostile-faults", "trap")
    },
    Failing {
        input: "null",
        detail: ("exit_code", "3"),
        ..failing("exit-three", "exit")
    },
    Failing {
        function: Some("check"),
        input: r#"{"number":"42"}"#,
        detail: ("error", r#"{"tag":"length","val":2}"#),
        ..failing("picky", "error")
    },
    failing("abi-liar", "abi"),
    failing("memory-hog", "memory_limit"),
    Failing {
        function: Some("pollables"),
        detail: ("limit", r#""handles""#),
        ..failing("hostile-resources", "host_limit")
    },
    Failing {
        input: r#""one-byte-more""#,
        ..failing("hostile-output", "output_limit")
    },
    Failing {
        input: r#""not-utf8""#,
        ..failing("hostile-output", "output_invalid")
    },
    Failing {
        row: TOOL_TIMED_OUT,
        ..failing("spin", "timeout")
    },
];

#[test]
fn a_run_that_fails_says_how_and_costs_nothing() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let mut published = std::collections::BTreeMap::new();
    for expected in FAILING {
        let Failing { fixture, kind, .. } = expected;
        let id = published.entry(fixture).or_insert_with(|| {
            let id = seller.published(fixture);
            buyer.subscribe(&id);
            id
        });
        let mut request = json!({"input": tollgate_tests::json(expected.input)});
        if let Some(function) = expected.function {
            request["function"] = json!(function);
        }
        if *kind == "timeout" {
            request["timeout_ms"] = json!(200);
        }
        let body = expected.row.is(kind, buyer.run(id, &request));
        assert_eq!(body["failure"]["kind"], *kind, "{body}");
        assert_eq!(body["charged"], 0, "{body}");
        let (field, value) = expected.detail;
        if !field.is_empty() {
            assert_eq!(
                body["failure"][field],
                tollgate_tests::json(value),
                "{body}"
            );
        }
        let run = text(&body, "run_id");
        let record = buyer.get(&format!("/v1/runs/{run}")).expect(200);
        let status = if *kind == "timeout" {
            "TIMED_OUT"
        } else {
            "FAILED"
        };
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["failure"]["kind"], *kind, "{record}");
        assert_eq!(record["charged"], 0, "{record}");
        let failures = seller.get(&format!("/v1/artifacts/{id}/failures?limit=1"));
        let failures = failures.expect(200);
        assert_eq!(
            failures["items"][0]["run_id"],
            json!(run),
            "{kind}: {failures}"
        );
        assert_eq!(failures["items"][0]["failure"]["kind"], *kind, "{failures}");
    }
}
