//! `--json`: what the server would send.

use serde_json::{Value, json};
use std::fs;
use tollgate_tests::{json, packed, tollgate};

const ENDS_WELL: [&str; 12] = [
    "queue_us",
    "load_us",
    "wall_us",
    "cpu_us",
    "host_us",
    "ready_us",
    "memory_peak_bytes",
    "egress_requests",
    "egress_bytes_in",
    "egress_bytes_out",
    "log_bytes",
    "scratch_bytes",
];

/// Detail, code, who must act, and whether trying again may help.
type Sentence = (&'static str, &'static str, &'static str, bool);

fn answer(arguments: &[&str], code: i32) -> Value {
    let ended = tollgate(arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    assert!(ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    json(&ended.stdout)
}

#[test]
fn of_a_run_that_succeeds() {
    let text = r#"{"text":"a b"}"#;
    let answer = answer(
        &["run", "fixtures/tools/wordcount", "-i", text, "--json"],
        0,
    );
    assert_eq!(answer["status"], "SUCCEEDED");
    assert_eq!(
        answer["output"],
        json!({"lines": 0, "words": 2, "bytes": 3})
    );
    assert_eq!(answer["charged"], 0);
    let usage = answer["usage"].as_object().expect("an object");
    assert_eq!(usage.keys().collect::<Vec<_>>(), ENDS_WELL);
    assert!(usage.values().all(Value::is_u64), "{usage:?}");
    let of = |name: &str| usage[name].as_u64().expect("a number");
    assert_eq!(of("wall_us"), of("cpu_us") + of("host_us") + of("ready_us"));
    assert!(of("wall_us") > 0 && of("memory_peak_bytes") >= 65_536);
}

#[test]
fn of_every_other_end_has_its_sentence_and_code() {
    const FAULTS: &str = "fixtures/tools/hostile-faults";
    let failed = ("Tool execution failed", "tool_failed", "seller", false);
    let cases: &[(&[&str], i32, Sentence)] = &[
        (&["fixtures/tools/exit-three"], 1, failed),
        (&[FAULTS, "-f", "unreachable"], 1, failed),
        (
            &["fixtures/tools/spin", "-t", "100ms"],
            124,
            ("Tool execution timed out", "tool_timed_out", "seller", true),
        ),
        (
            &["fixtures/tools/exit-three", "-i", "{"],
            3,
            (
                "Invalid parameters or request body",
                "bad_request",
                "caller",
                false,
            ),
        ),
        (
            &["fixtures/tools/wordcount", "-i", "{}"],
            3,
            (
                "Input does not match the tool's schema",
                "input_invalid",
                "caller",
                false,
            ),
        ),
        (
            &[FAULTS, "-f", "nonesuch"],
            3,
            (
                "Request is well-formed but contains semantic errors",
                "unprocessable",
                "caller",
                false,
            ),
        ),
        (
            &["fixtures/tools/forecast", "-i", "{\"city\":\"Oslo\"}"],
            3,
            (
                "Tool requires credentials not yet configured",
                "credentials_missing",
                "caller",
                false,
            ),
        ),
        (
            &["fixtures/tools/wasi-unstable"],
            3,
            (
                "Tool has not passed validation",
                "not_validated",
                "seller",
                false,
            ),
        ),
    ];
    for (arguments, exit, (detail, code, act, retryable)) in cases {
        let answer = answer(&[&["run", "--json"], *arguments].concat(), *exit);
        let shown = format!("{arguments:?}: {answer}");
        assert_eq!(answer["detail"], *detail, "{shown}");
        assert_eq!(answer["code"], *code, "{shown}");
        assert_eq!(answer["act"], *act, "{shown}");
        assert_eq!(answer["retryable"], *retryable, "{shown}");
        let has_run = matches!(*code, "tool_failed" | "tool_timed_out");
        assert_eq!(answer.get("failure").is_some(), has_run, "{shown}");
        let has_missing = *code == "credentials_missing";
        assert_eq!(answer.get("missing").is_some(), has_missing, "{shown}");
        let has_violations = !has_run && !has_missing;
        assert_eq!(
            answer.get("violations").is_some(),
            has_violations,
            "{shown}"
        );
        if has_run {
            assert_eq!(answer["charged"], 0, "{shown}");
        }
        if has_violations {
            let violation = &answer["violations"][0];
            assert!(
                violation["code"].is_string() && violation["message"].is_string(),
                "{shown}"
            );
        }
    }
}

#[test]
fn of_a_failure_says_how_by_its_own_fields() {
    const FAULTS: &str = "fixtures/tools/hostile-faults";
    let cases: &[(&[&str], &str, &str, Value)] = &[
        (
            &["fixtures/tools/exit-three"],
            "exit",
            "exit_code",
            json!(3),
        ),
        (
            &["fixtures/tools/picky", "-i", r#"{"number":"42"}"#],
            "error",
            "error",
            json!({"tag": "length", "val": 2}),
        ),
        (
            &[FAULTS, "-f", "load-outside"],
            "trap",
            "trap",
            json!("memory_out_of_bounds"),
        ),
        (
            &["fixtures/tools/memory-hog"],
            "memory_limit",
            "limit",
            json!("memory"),
        ),
        (
            &["fixtures/tools/hostile-resources", "-f", "streams"],
            "host_limit",
            "limit",
            json!("handles"),
        ),
        (
            &["fixtures/tools/hostile-output", "-i", "\"one-byte-more\""],
            "output_limit",
            "limit",
            json!("output"),
        ),
    ];
    for (arguments, kind, field, expected) in cases {
        let answer = answer(&[&["run", "--json"], *arguments].concat(), 1);
        assert_eq!(answer["failure"]["kind"], *kind, "{answer}");
        assert_eq!(answer["failure"][field], *expected, "{answer}");
        assert!(answer["failure"]["message"].is_string(), "{answer}");
    }
    let trapped = answer(&["run", FAULTS, "-f", "load-outside", "--json"], 1);
    assert!(
        trapped["failure"]["backtrace"][0]["offset"].is_u64(),
        "{trapped}"
    );
}

#[test]
fn shows_the_first_twenty_violations_and_counts_them_all() {
    let input = |count: usize| json!({"value": vec![0; count]}).to_string();
    for (wrong, shown) in [(20, 20), (21, 20), (77, 20)] {
        let input = input(wrong);
        let run = [
            "run",
            "fixtures/tools/roundtrip",
            "-f",
            "echo-list-bool",
            "-i",
            &input,
            "--json",
        ];
        let answer = answer(&run, 3);
        assert_eq!(answer["violations"].as_array().map(Vec::len), Some(shown));
        assert_eq!(answer["violations_total"], wrong);
        assert_eq!(
            answer["violations"][19]["place"],
            json!({"pointer": "/value/19"})
        );
    }
}

#[test]
fn says_why_a_credential_is_missing() {
    let run = [
        "run",
        "fixtures/tools/forecast",
        "-i",
        r#"{"city":"Oslo"}"#,
        "--json",
    ];
    let missing = |reason: &str| json!([{"name": "OPENWEATHER_API_KEY", "reason": reason, "hosts": ["api.openweathermap.org"]}]);
    assert_eq!(answer(&run, 3)["missing"], missing("absent"));
    let empty = [&run[..], &["--credential", "OPENWEATHER_API_KEY="]].concat();
    assert_eq!(answer(&empty, 3)["missing"], missing("empty"));
}

#[test]
fn of_a_verdict() {
    let admitted = answer(&["validate", "fixtures/tools/markdown", "--json"], 0);
    assert_eq!(admitted["status"], "ADMITTED");
    assert_eq!(admitted["violations"], json!([]));
    assert_eq!(admitted["notes"][0]["code"], "example_ran", "{admitted}");
    let noted = answer(&["validate", "fixtures/tools/hostile-sockets", "--json"], 0);
    assert_eq!(noted["notes"][0]["code"], "import_denied", "{noted}");
    // Outgoing HTTP is nothing to note where the manifest says where it goes; a secret that is shown is.
    let exposed = answer(&["validate", "fixtures/tools/signer", "--json"], 0);
    let codes: Vec<_> = exposed["notes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["code"])
        .collect();
    assert_eq!(codes, ["credential_exposed"], "{exposed}");
    assert_eq!(
        exposed["notes"][0]["place"]["pointer"],
        "/credentials/SIGNING_SECRET/expose"
    );
    let rejected = answer(&["validate", "fixtures/tools/wasi-unstable", "--json"], 1);
    assert_eq!(rejected["status"], "REJECTED");
    assert_eq!(rejected["violations"][0]["code"], "import_unknown");
    assert_eq!(rejected["violations"][0]["place"]["section"], "import");
    assert!(
        rejected["violations"][0]["place"]["offset"].is_u64(),
        "{rejected}"
    );
}

#[test]
fn of_a_tool_is_what_a_catalogue_shows() {
    let tool = answer(&["inspect", "fixtures/tools/forecast", "--json"], 0);
    assert_eq!(
        (&tool["name"], &tool["version"]),
        (&json!("forecast"), &json!("1.0.0"))
    );
    assert_eq!(
        (&tool["price"], &tool["subscription_price"]),
        (&json!(5), &json!(0))
    );
    let function = &tool["functions"][0];
    assert_eq!(function["name"], "forecast");
    assert_eq!(function["input_schema"]["required"], json!(["city"]));
    assert!(function["description"].is_string() && function["output_schema"].is_object());
    assert_eq!(
        tool["credentials"],
        json!([{
            "name": "OPENWEATHER_API_KEY",
            "description": "openweathermap.org, One Call 3.0",
            "hosts": ["api.openweathermap.org"],
            "required": true,
            "expose": false,
        }])
    );
    assert_eq!(
        tool["egress"],
        json!(["GET https://api.openweathermap.org/data"])
    );
    let digest = tool["digest"].as_str().expect("a string");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 7 + 64,
        "{digest}"
    );
}

#[test]
fn bodies_of_errors_stay_under_eight_kib() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let picky = file("picky.wasm", packed(&long_labels(), "name = \"picky\""));
    let wrong = json!({"value": vec!["none of them"; 40]}).to_string();
    let needy = file("needy.wasm", packed(NOTHING, &many_credentials()));
    let values = "fixtures/tools/hostile-values";
    let count = r#"{"count":100000}"#;
    let cases: &[(&str, &[&str], i32)] = &[
        (
            "a long error",
            &[values, "-f", "fail-at-length", "-i", count],
            1,
        ),
        (
            "a long panic",
            &[values, "-f", "panic-at-length", "-i", count],
            1,
        ),
        ("long labels", &[&picky, "-i", &wrong], 3),
        ("many credentials", &[&needy], 3),
        (
            "a long function",
            &["fixtures/tools/units", "-f", &"f".repeat(50_000)],
            3,
        ),
    ];
    for (label, arguments, exit) in cases {
        let ended = tollgate(&[&["run", "--json"], *arguments].concat());
        assert_eq!(ended.code, Some(*exit), "{label}");
        let bytes = json(&ended.stdout).to_string().len();
        assert!(bytes < 8 * 1024, "{label}: {bytes} bytes");
    }
}

const NOTHING: &str = r#"(component
    (core module $guest (func (export "nothing")))
    (core instance $guest (instantiate $guest))
    (func (export "nothing") (canon lift (core func $guest "nothing"))))"#;

/// A tool whose labels are long: every violation that lists them is, too.
fn long_labels() -> String {
    let labels: Vec<_> = (0..12)
        .map(|number| format!("\"l{number}-{}\"", "x".repeat(100)))
        .collect();
    format!(
        r#"(component
          (core module $guest
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "take") (param i32 i32)))
          (core instance $guest (instantiate $guest))
          (type $label' (enum {}))
          (export $label "label" (type $label'))
          (type $labels (list $label))
          (func (export "take") (param "value" $labels)
            (canon lift (core func $guest "take") (memory $guest "memory") (realloc (func $guest "realloc")))))"#,
        labels.join(" ")
    )
}

fn many_credentials() -> String {
    let hosts: Vec<_> = (0..20)
        .map(|number| format!("\"host-{number}.example.com\""))
        .collect();
    let credentials = (0..32).map(|number| {
        format!(
            "[credentials.KEY_{number}]\nhosts = [{}]\n",
            hosts.join(", ")
        )
    });
    format!("name = \"needy\"\n{}", credentials.collect::<String>())
}
