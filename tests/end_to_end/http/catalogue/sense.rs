//! 422: what is well-formed but makes no sense.

use crate::http::rows::{INPUT_INVALID, UNPROCESSABLE};
use crate::http::small::{published, quick};
use serde_json::json;
use tollgate_tests::server::Server;

#[test]
fn what_is_well_formed_but_makes_no_sense_is_unprocessable() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let units = caller.published("units");
    let run = format!("/v1/artifacts/{id}/run");
    let units = format!("/v1/artifacts/{units}/run");
    let named = |name: &str| json!({"name": name, "scopes": ["run"]});
    let long = "n".repeat(129);
    let rows = [
        (
            "an unknown field",
            "/v1/keys",
            json!({"name": "a", "scopes": ["run"], "bogus": 1}),
        ),
        ("a field missing", "/v1/keys", json!({"name": "a"})),
        (
            "a field of another type",
            "/v1/keys",
            json!({"name": 1, "scopes": ["run"]}),
        ),
        ("not an object", "/v1/keys", json!([])),
        ("no scope", "/v1/keys", json!({"name": "a", "scopes": []})),
        (
            "an unknown scope",
            "/v1/keys",
            json!({"name": "a", "scopes": ["root"]}),
        ),
        ("an empty name", "/v1/keys", named("")),
        ("a name of blanks", "/v1/keys", named("  ")),
        ("a name too long", "/v1/keys", named(&long)),
        ("a control character", "/v1/keys", named("a\u{1b}[2J")),
        (
            "a run's unknown field",
            &run,
            json!({"input": null, "bogus": 1}),
        ),
        ("a run without input", &run, json!({})),
        ("no time", &run, json!({"input": null, "timeout_ms": 0})),
        (
            "time before now",
            &run,
            json!({"input": null, "timeout_ms": -1}),
        ),
        (
            "an unknown function",
            &run,
            json!({"input": null, "function": "nothing"}),
        ),
        ("none of many functions", &units, json!({"input": {}})),
        (
            "a long external id",
            &run,
            json!({"input": null, "external_id": "e".repeat(257)}),
        ),
        (
            "a price below nothing",
            &run,
            json!({"input": null, "max_price": -1}),
        ),
    ];
    for (label, path, body) in rows {
        let body = UNPROCESSABLE.is(label, caller.post(path, &body));
        assert_eq!(body["violations_total"], 1, "{label}: {body}");
    }
    // A list of the fields' values would be read as the object.
    let key = caller.post("/v1/keys", &named("spare")).expect(201);
    let key = key["id"].as_str().expect("an id");
    let rotate = format!("/v1/keys/{key}/rotate");
    let publish = format!("/v1/artifacts/{id}/publish");
    for (label, path, body) in [
        (
            "a run as a list",
            run.as_str(),
            json!([null, null, null, null, null, null]),
        ),
        ("a key as a list", "/v1/keys", json!(["a", ["run"]])),
        ("a rotation as a list", &rotate, json!([])),
        ("a release as a list", &publish, json!([])),
        ("a session as a list", "/v1/sessions", json!([[], 60])),
    ] {
        UNPROCESSABLE.is_for("body_invalid", label, caller.post(path, &body));
    }
    let entries = [
        (
            "too short",
            json!({"value": "short", "hosts": ["example.com"]}),
        ),
        ("empty", json!({"value": "", "hosts": ["example.com"]})),
        (
            "not ASCII",
            json!({"value": "gr\u{fc}n gr\u{fc}n", "hosts": ["example.com"]}),
        ),
        (
            "too long",
            json!({"value": "v".repeat(4097), "hosts": ["example.com"]}),
        ),
        ("no hosts", json!({"value": "long enough"})),
        (
            "a scheme",
            json!({"value": "long enough", "hosts": ["https://example.com"]}),
        ),
        (
            "a wildcard",
            json!({"value": "long enough", "hosts": ["*.example.com"]}),
        ),
    ];
    for (label, body) in entries {
        let body = UNPROCESSABLE.is(label, caller.put("/v1/environment/SECRET", &body));
        assert!(!body.to_string().contains("long enough"), "{label}: {body}");
    }
    let body = json!({"value": "long enough", "hosts": ["example.com"]});
    UNPROCESSABLE.is_for(
        "name_invalid",
        "name",
        caller.put("/v1/environment/lower", &body),
    );
}

#[test]
fn an_input_that_does_not_fit_is_refused_with_its_place() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = caller.published("markdown");
    for (label, input, pointer) in [
        ("a field missing", json!({}), None),
        ("another type", json!({"markdown": 1}), Some("/markdown")),
        (
            "an unknown field",
            json!({"markdown": "", "bogus": 1}),
            None,
        ),
        ("not an object", json!("text"), None),
        ("null", json!(null), None),
    ] {
        let body = INPUT_INVALID.is(label, caller.run(&id, &json!({"input": input})));
        let place = body["violations"][0]["place"]["pointer"].as_str();
        assert!(place.is_some(), "{label}: {body}");
        if let Some(pointer) = pointer {
            assert!(
                place.is_some_and(|it| it.ends_with(pointer)),
                "{label}: {body}"
            );
        }
    }
}
