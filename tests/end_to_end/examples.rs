//! A manifest's examples, run by the gate: each as it says, or the tool is rejected with what differed.

use std::fs;
use tollgate_runtime::Violation;
use tollgate_tests::{packed, runtime, wat_bytes};
use tollgate_validator::pack::pack;
use tollgate_validator::{Verdict, judge, validate};

/// Echoes its standard input.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

const COURIER: &str = r#"
name = "courier"
[credentials.KEY]
hosts = ["api.example"]
[credentials.SEEN]
hosts = ["api.example"]
expose = true
[egress]
allow = ["https://api.example", "POST http://other.example", "GET https://third.example"]
"#;

async fn echo(examples: &str) -> Verdict {
    let manifest = format!("name = \"echo\"\n[limits]\ntimeout = \"1s\"\n{examples}");
    validate(runtime(), &packed(ECHO, &manifest)).await
}

/// The courier with one example: it sends the request, and there is an answer to it.
async fn courier(request: &str, http: &str) -> Verdict {
    let folder = tollgate_fixtures::folder("courier");
    let wasm = fs::read(folder.join("courier.wasm")).expect("it is built");
    let manifest = format!(
        "{COURIER}\n[[examples]]\nfunction = \"send\"\noutput_schema = {{ properties = {{ status = {{ const = 200 }} }} }}\n[examples.input.request]\n{request}\n{http}"
    );
    let packed = pack(&wasm, &manifest, None).expect("it can be packed");
    validate(runtime(), &packed).await
}

fn only(verdict: &Verdict) -> &Violation {
    assert!(!verdict.is_admitted());
    assert_eq!(verdict.violations.len(), 1, "{:?}", verdict.violations);
    &verdict.violations[0]
}

fn pointer(violation: &Violation) -> &str {
    violation.place.pointer.as_deref().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_answers_stand_for_hosts_and_usage_is_reported() {
    let weather = tollgate_fixtures::packed_bytes("weather");
    let verdict = validate(runtime(), &weather).await;
    assert!(verdict.is_admitted(), "{:?}", verdict.violations);
    let ran: Vec<_> = verdict
        .notes
        .iter()
        .filter(|it| it.code == "example_ran")
        .collect();
    let pointers: Vec<_> = ran.iter().map(|note| pointer(note)).collect();
    assert_eq!(pointers, ["/examples/0", "/examples/1", "/examples/2"]);
    assert!(ran[0].message.contains("1 request") && ran[0].message.contains("KiB of memory"));
    assert!(ran[2].message.contains("failed as expected (error)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_said_with_its_place() {
    let cases = [
        (
            "output = { a = 2 }",
            "/examples/0/output",
            "at `/a`: `2` was expected, `1` came",
        ),
        ("output = [1]", "/examples/0/output", "`[1]` was expected"),
        (
            "output_schema = { required = [\"b\"] }",
            "/examples/0/output_schema",
            "lacks the required field \"b\"",
        ),
        (
            "failure = \"trap\"",
            "/examples/0/failure",
            "but it succeeded with `{\"a\":1}`",
        ),
    ];
    for (expected, at, said) in cases {
        let verdict = echo(&format!("[[examples]]\ninput = {{ a = 1 }}\n{expected}")).await;
        let violation = only(&verdict);
        assert_eq!(
            (violation.code, pointer(violation)),
            ("example_failed", at),
            "{violation}"
        );
        assert!(violation.message.contains(said), "{violation}");
    }
    for good in [
        "output = { a = 1.0 }",
        "output_schema = { required = [\"a\"] }",
        "",
    ] {
        let verdict = echo(&format!("[[examples]]\ninput = {{ a = 1 }}\n{good}")).await;
        assert!(verdict.is_admitted(), "{good}: {:?}", verdict.violations);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_held_to_the_tool_s_own_limits() {
    const SPIN: &str =
        r#"(module (memory (export "memory") 1) (func (export "_start") (loop br 0)))"#;
    let spin = |failure: &str| {
        let manifest = format!(
            "name = \"spin\"\n[limits]\ntimeout = \"200ms\"\n[[examples]]\nfailure = \"{failure}\""
        );
        packed(SPIN, &manifest)
    };
    let verdict = validate(runtime(), &spin("timeout")).await;
    assert!(verdict.is_admitted(), "{:?}", verdict.violations);
    let verdict = validate(runtime(), &spin("trap")).await;
    let violation = only(&verdict);
    assert!(
        violation.message.contains("but it failed (timeout)"),
        "{violation}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_example_is_named_before_anything_runs() {
    let http = |lines: &str| format!("[[examples]]\n[[examples.http]]\n{lines}");
    let cases = [
        (
            "[[examples]]\nfunction = \"nothing\"".to_owned(),
            "/examples/0/function",
        ),
        (
            "[[examples]]\noutput = 1\nfailure = \"trap\"".to_owned(),
            "/examples/0/output",
        ),
        (
            "[[examples]]\nfailure = \"sadness\"".to_owned(),
            "/examples/0/failure",
        ),
        (
            "[[examples]]\noutput_schema = { \"$ref\" = \"http://a\" }".to_owned(),
            "/examples/0/output_schema",
        ),
        (
            "[[examples]]\noutput_schema = { pattern = \"(a)\\\\1\" }".to_owned(),
            "/examples/0/output_schema",
        ),
        (
            http("request = \"https://a.example\""),
            "/examples/0/http/0/request",
        ),
        (
            http("request = \"GET ftp://a.example\""),
            "/examples/0/http/0/request",
        ),
        (
            http("request = \"GET https://\""),
            "/examples/0/http/0/request",
        ),
        (
            http("request = \"GET https://a.example\"\nstatus = 99"),
            "/examples/0/http/0/status",
        ),
        (
            http("request = \"GET https://a.example\"\nstatus = 101"),
            "/examples/0/http/0/status",
        ),
        (
            http("request = \"GET https://a.example\"\nheaders = { \"a b\" = \"c\" }"),
            "/examples/0/http/0/headers",
        ),
        (
            http("request = \"GET https://a.example\"\nheaders = { a = \"b\\nc\" }"),
            "/examples/0/http/0/headers",
        ),
        (
            http("request = \"GET https://a.example\"\nbody = \"\"\nbody_base64 = \"\""),
            "/examples/0/http/0/body",
        ),
        (
            http("request = \"GET https://a.example\"\nbody_base64 = \"?\""),
            "/examples/0/http/0/body_base64",
        ),
    ];
    for (examples, at) in cases {
        let verdict = echo(&examples).await;
        let violation = only(&verdict);
        assert_eq!(
            (violation.code, pointer(violation)),
            ("manifest_invalid", at),
            "{violation}"
        );
    }
    let many = "[[examples]]\n".repeat(51);
    assert_eq!(pointer(only(&echo(&many).await)), "/examples");
    // What does not fit the input's schema does not run either.
    let manifest =
        "name = \"a\"\n[command.input]\ntype = \"object\"\nrequired = [\"x\"]\n[[examples]]\n";
    let verdict = validate(runtime(), &packed(ECHO, manifest)).await;
    assert_eq!(pointer(only(&verdict)), "/examples/0/input");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_request_is_refused_and_said() {
    let verdict = courier(
        "method = \"GET\"\nurl = \"https://api.example/a\"\nheaders = []",
        "[[examples.http]]\nrequest = \"GET https://api.example/b\"",
    )
    .await;
    let violation = only(&verdict);
    assert_eq!(violation.code, "example_failed");
    for said in ["GET api.example/a", "not among the recorded answers"] {
        assert!(violation.message.contains(said), "{violation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoy_that_goes_astray_rejects_the_tool_and_says_where() {
    let sent = |method: &str, url: &str, more: &str| {
        format!("method = \"{method}\"\nurl = \"{url}\"\n{more}")
    };
    let answers = "[[examples.http]]\nrequest = \"GET https://api.example/?k={KEY}\"\n\
         [[examples.http]]\nrequest = \"POST http://other.example/in\"\n\
         [[examples.http]]\nrequest = \"GET https://third.example/?k={SEEN}\"\n\
         [[examples.http]]\nrequest = \"GET https://api.example/\"\n";
    let header = |value: &str| format!("headers = [[\"x-key\", \"{value}\"]]");
    for honest in [
        sent("GET", "https://api.example/?k={KEY}", "headers = []"),
        sent("GET", "https://api.example/", &header("{KEY}{SEEN}")),
    ] {
        let verdict = courier(&honest, answers).await;
        assert!(verdict.is_admitted(), "{honest}: {:?}", verdict.violations);
    }
    let thefts = [
        (
            sent("POST", "http://other.example/in", &header("{KEY}")),
            "KEY",
            "POST other.example/in",
        ),
        (
            sent(
                "POST",
                "http://other.example/in",
                "headers = []\nbody = \"a {KEY} b\"",
            ),
            "KEY",
            "POST other.example/in",
        ),
        (
            sent("GET", "https://third.example/?k={SEEN}", "headers = []"),
            "SEEN",
            "GET third.example/?k",
        ),
        (
            sent("GET", "https://nowhere.example/", &header("{KEY}")),
            "KEY",
            "GET nowhere.example/",
        ),
    ];
    for (theft, credential, to) in thefts {
        let verdict = courier(&theft, answers).await;
        let misdirected = verdict
            .violations
            .iter()
            .find(|it| it.code == "credential_misdirected");
        let misdirected =
            misdirected.unwrap_or_else(|| panic!("{theft}: {:?}", verdict.violations));
        assert!(!verdict.is_admitted());
        for said in [credential, to] {
            assert!(misdirected.message.contains(said), "{misdirected}");
        }
        assert_eq!(pointer(misdirected), "/examples/0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_them_out() {
    let manifest = "name = \"echo\"\n[[examples]]\noutput = 1";
    let wasm = packed(ECHO, manifest);
    assert!(!validate(runtime(), &wasm).await.is_admitted());
    assert!(judge(runtime(), "", wasm.into()).await.is_admitted());
    assert!(validate(runtime(), &wat_bytes(ECHO)).await.is_admitted());
}
