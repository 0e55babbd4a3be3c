//! Exit codes, results on standard output, everything else on standard error.

use tollgate_tests::tollgate;

struct Case {
    arguments: &'static [&'static str],
    code: i32,
    /// Part of standard output; empty where there must be none.
    stdout: &'static str,
    /// Part of standard error; empty where there must be none.
    stderr: &'static str,
}

const fn case(
    arguments: &'static [&'static str],
    code: i32,
    stdout: &'static str,
    stderr: &'static str,
) -> Case {
    Case {
        arguments,
        code,
        stdout,
        stderr,
    }
}

fn check(cases: &[Case]) {
    for case in cases {
        let ended = tollgate(case.arguments);
        let shown = format!("{:?}: {ended:?}", case.arguments);
        assert_eq!(ended.code, Some(case.code), "{shown}");
        for (printed, expected) in [(&ended.stdout, case.stdout), (&ended.stderr, case.stderr)] {
            assert!(printed.contains(expected), "`{expected}` in {shown}");
            assert!(
                !expected.is_empty() || printed.is_empty(),
                "unasked for: {shown}"
            );
            assert!(
                !printed.contains('\x1b'),
                "colour without a terminal: {shown}"
            );
        }
    }
}

#[test]
fn of_run() {
    check(&[
        case(
            &[
                "run",
                "fixtures/tools/markdown",
                "--input",
                r##"{"markdown":"# Hi"}"##,
            ],
            0,
            "<h1>Hi</h1>",
            "",
        ),
        case(
            &[
                "run",
                "fixtures/tools/wordcount/wordcount.wasm",
                "--input",
                "\"a b\"",
            ],
            0,
            "\"words\": 2",
            "",
        ),
        case(
            &["run", "fixtures/tools/exit-three/exit-three.wat"],
            1,
            "",
            "code 3",
        ),
        case(
            &[
                "run",
                "fixtures/tools/hostile-faults",
                "--function",
                "divide-by-zero",
            ],
            1,
            "",
            "Tool execution failed: integer divide by zero (trap)",
        ),
        case(
            &[
                "run",
                "fixtures/tools/picky",
                "--input",
                r#"{"number":"42x"}"#,
            ],
            1,
            "",
            "\"found\":\"x\"",
        ),
        case(&["run", "nowhere.wasm"], 2, "", "nowhere.wasm"),
        case(&["run"], 2, "", "Usage"),
        case(
            &["run", "fixtures/tools/spin", "--speed", "9"],
            2,
            "",
            "--speed",
        ),
        case(
            &[
                "run",
                "fixtures/tools/markdown",
                "--input",
                r#"{"markdown":1}"#,
            ],
            3,
            "",
            "/markdown",
        ),
        case(
            &["run", "fixtures/tools/markdown", "--function", "redner"],
            3,
            "",
            "`render`",
        ),
        case(
            &[
                "run",
                "fixtures/tools/forecast",
                "--input",
                r#"{"city":"Oslo"}"#,
            ],
            3,
            "",
            "--credential OPENWEATHER_API_KEY=VALUE",
        ),
        case(
            &["run", "fixtures/tools/unknown-import"],
            3,
            "",
            "import_unknown",
        ),
        case(&["run", "Cargo.toml"], 3, "", "format_unknown"),
        case(
            &["run", "fixtures/tools/spin", "--timeout", "200ms"],
            124,
            "",
            "Tool execution timed out",
        ),
        case(
            &["run", "fixtures/tools/sleep-hour", "--timeout", "0.2s"],
            124,
            "",
            "Tool execution timed out",
        ),
    ]);
}

#[test]
fn of_validate() {
    check(&[
        case(&["validate", "fixtures/tools/markdown"], 0, "ADMITTED", ""),
        case(
            &["validate", "fixtures/tools/unknown-import"],
            1,
            "import_unknown",
            "",
        ),
        case(
            &["validate", "fixtures/tools/malformed/malformed.wat"],
            1,
            "format_malformed",
            "",
        ),
        case(&["validate", "Cargo.toml"], 1, "format_unknown", ""),
        case(&["validate", "nowhere"], 2, "", "nowhere"),
        case(&["validate"], 2, "", "Usage"),
    ]);
}

#[test]
fn of_inspect_and_the_program_itself() {
    check(&[
        case(
            &["inspect", "fixtures/tools/forecast"],
            0,
            "credential OPENWEATHER_API_KEY (required)",
            "",
        ),
        case(
            &["inspect", "fixtures/tools/unknown-import"],
            1,
            "",
            "import_unknown",
        ),
        case(&["inspect", "nowhere"], 2, "", "nowhere"),
        case(&["--version"], 0, "tollgate ", ""),
        case(&[], 2, "", "Usage"),
        case(&["prun"], 2, "", "run"),
    ]);
}

#[test]
fn of_a_timeout_that_is_none() {
    for time in [
        "0s",
        "0.0000001ms",
        "31s",
        "30.001s",
        "1m",
        "5",
        "s",
        "five",
        "-1s",
        "1e3s",
        "",
    ] {
        let ended = tollgate(&["run", "fixtures/tools/spin", &format!("--timeout={time}")]);
        assert_eq!(ended.code, Some(2), "{time}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{time}: {ended:?}");
        assert!(ended.stderr.contains("--timeout"), "{time}: {ended:?}");
    }
    let ended = tollgate(&["run", "fixtures/tools/exit-three", "--timeout", "30s"]);
    assert_eq!(ended.code, Some(1), "exactly the limit: {ended:?}");
}
