//! A seller's schemas and patterns: refused when their cost is not known, and bounded when it is.

use crate::guests;
use crate::http::neighbours::{ROUNDS, WORST, call, round};
use crate::http::rows::INPUT_INVALID;
use crate::http::small::{published, uploaded};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tollgate_tests::packed;
use tollgate_tests::server::{Caller, JSON, Server};

/// Callers of the noisy org at once.
const CALLERS: usize = 8;

/// Each level is judged again for every alternative of the level above: 20 levels took 6.5 s.
fn unevaluated(levels: usize) -> Value {
    let mut defs = Map::new();
    for level in 0..levels {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        let one = json!({"anyOf": [next], "unevaluatedProperties": {"type": "integer"}});
        defs.insert(format!("d{level}"), one);
    }
    defs.insert(format!("d{levels}"), json!({"type": "object"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

/// A value as TOML has it inline.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(name, value)| format!("{} = {}", json!(name), toml(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// A command with that schema of its input.
fn with_input(name: &str, schema: &Value) -> Vec<u8> {
    let mut manifest =
        format!("name = {name:?}\nversion = \"1.0.0\"\n[command]\n[command.input]\n");
    for (keyword, value) in schema.as_object().expect("an object") {
        let _ = writeln!(manifest, "{} = {}", json!(keyword), toml(value));
    }
    packed(&guests::command(""), &manifest)
}

/// A command with an example whose output is judged by that schema.
fn with_output(name: &str, schema: &Value) -> Vec<u8> {
    let schema = toml(schema);
    let manifest = format!("name = {name:?}\n[[examples]]\noutput_schema = {schema}\n");
    packed(&guests::command(""), &manifest)
}

fn is_refused(seller: &Caller, wasm: &[u8], code: &str, named: &str) {
    let id = uploaded(seller, wasm);
    let verdict = seller.validate(&id);
    assert_eq!(verdict["status"], "REJECTED", "{verdict}");
    let violation = &verdict["violations"][0];
    assert_eq!(violation["code"], code, "{verdict}");
    let message = violation["message"].as_str().expect("a text");
    assert!(message.contains(named), "{message}");
}

#[test]
fn schemas_of_unknown_cost_are_refused_by_name() {
    let server = Server::start();
    let seller = server.org("seller");
    let pattern =
        |pattern: &str| json!({"type": "object", "properties": {"a": {"pattern": pattern}}});
    for (name, schema, named) in [
        ("unevaluated", unevaluated(20), "unevaluatedProperties"),
        ("dynamic", json!({"$dynamicRef": "#a"}), "$dynamicRef"),
        ("long", pattern("[a-m][a-m]{12500}[^a-m]"), "65536 bytes"),
        ("squared", pattern("(a{100}){100}"), "65536 bytes"),
        ("behind", pattern("(?<=a)b"), "linear time"),
    ] {
        is_refused(&seller, &with_input(name, &schema), "schema_invalid", named);
    }
    let example = with_output("example", &unevaluated(20));
    is_refused(
        &seller,
        &example,
        "manifest_invalid",
        "unevaluatedProperties",
    );
    server.caller("").get("/healthz").expect(200);
}

#[test]
fn the_costliest_schemas_that_are_taken_are_not_felt_by_another_org() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let markdown = quiet.published("markdown");
    call(&quiet, &markdown, 0);
    let alternatives: Vec<_> = (0..1000)
        .map(|it| json!({"required": [it.to_string()]}))
        .collect();
    let schema = json!({"type": "object", "properties": {
        "list": {"items": {"anyOf": alternatives}},
        "text": {"pattern": "[a-m][a-m]{300}[^a-m]"},
    }});
    let tool = published(&noisy, &with_input("costly", &schema));
    let list = |length: usize| json!({"input": {"list": vec![json!({"999": 1}); length]}});
    let text = |length: usize| json!({"input": {"text": format!("{}z", "m".repeat(length))}});
    // Far too large is refused by arithmetic.
    for body in [list(30_000), text(1_000_000)] {
        let answer = noisy.run(&tool, &body);
        let body = INPUT_INVALID.is_for("input_invalid", "too costly", answer);
        assert!(
            body.to_string().contains("too large for the tool's schema"),
            "{body}"
        );
    }
    // The costliest that is judged, large and small in bytes.
    let bodies = [list(4_000), list(150), text(190_000), text(15_000)];
    for body in &bodies {
        noisy.run(&tool, body).expect(200);
    }
    let path = format!("/v1/artifacts/{tool}/run");
    let (is_over, judged) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..CALLERS {
            let body = bodies[number % bodies.len()].to_string();
            let (is_over, judged, noisy, path) = (&is_over, &judged, &noisy, &path);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = noisy.send("POST", path, JSON, body.as_bytes());
                    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                    judged.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
                }
            });
        }
        let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&quiet, &markdown)).collect();
        // A body that is read and judged in turns is answered, too.
        let large = format!("# Hello\n{}", "word ".repeat(6_000));
        let large = json!({"input": {"markdown": large}});
        quiet.run(&markdown, &large).expect(200);
        is_over.store(true, Ordering::Relaxed);
        eprintln!("median and worst of calls beside {CALLERS} costly inputs: {rounds:?}");
        assert!(rounds.iter().any(|(_, worst)| *worst < WORST), "{rounds:?}");
    });
    assert!(judged.into_inner() > 0, "none of them was judged");
}
