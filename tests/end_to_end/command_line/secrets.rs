//! Where a secret comes from; that it is shown nowhere.

use serde_json::json;
use std::fs;
use tollgate_tests::{Ended, command, ended, start};

const SECRET: &str = "s3cr3t-0123456789abcdef";
const NAME: &str = "OPENWEATHER_API_KEY";
const FORECAST: &str = "fixtures/tools/forecast";
const OSLO: &str = r#"{"city":"Oslo"}"#;

fn with_secret(arguments: &[&str]) -> Ended {
    let mut program = command(arguments);
    program.env(NAME, SECRET);
    ended(start(program))
}

fn without(arguments: &[&str]) -> Ended {
    let mut program = command(arguments);
    program.env_remove(NAME);
    ended(start(program))
}

#[test]
fn a_secret_comes_from_the_environment_the_line_or_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let (at_file, given) = (
        format!("{NAME}=@{}", file.display()),
        format!("{NAME}={SECRET}"),
    );
    for credential in [NAME, &given, &at_file] {
        let run = [
            "run",
            FORECAST,
            "-i",
            OSLO,
            "--credential",
            credential,
            "--json",
        ];
        let ended = if credential == NAME {
            with_secret(&run)
        } else {
            without(&run)
        };
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let answer = tollgate_tests::json(&ended.stdout);
        assert_eq!(
            answer["output"]["key-characters"],
            json!(SECRET.len()),
            "{answer}"
        );
    }
}

#[test]
fn a_secret_that_is_none_is_an_error_that_names_it() {
    let cases = [
        ("unset", "NO_SUCH_VARIABLE".to_owned(), "NO_SUCH_VARIABLE"),
        ("too short", format!("{NAME}=sevench"), NAME),
        ("too long", format!("{NAME}={}", "x".repeat(4097)), NAME),
        ("not ASCII", format!("{NAME}=naïve-secret"), NAME),
        (
            "no such file",
            format!("{NAME}=@nowhere.txt"),
            "nowhere.txt",
        ),
    ];
    for (label, credential, named) in cases {
        let run = ["run", FORECAST, "-i", OSLO, "--credential", &credential];
        let ended = without(&run);
        assert_eq!(ended.code, Some(2), "{label}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && ended.stderr.contains(named),
            "{label}: {ended:?}"
        );
        for shown in ["sevench", "naïve", "xxxxxxxx"] {
            assert!(!ended.stderr.contains(shown), "{label}: {ended:?}");
        }
    }
    for secret in ["eight-ch".to_owned(), "x".repeat(4096)] {
        let run = [
            "run",
            FORECAST,
            "-i",
            OSLO,
            "-c",
            &format!("{NAME}={secret}"),
        ];
        assert_eq!(without(&run).code, Some(0), "{} characters", secret.len());
    }
}

#[test]
fn a_secret_is_shown_nowhere() {
    let given = format!("{NAME}={SECRET}");
    let credential = ["--credential", given.as_str()];
    let cases: &[&[&str]] = &[
        &["run", FORECAST, "-i", OSLO],
        &["run", FORECAST, "-i", OSLO, "--json"],
        &["run", FORECAST, "-i", r#"{"city":" "}"#],
        &["run", FORECAST, "-i", r#"{"city":" "}"#, "--json"],
        &["run", FORECAST, "-i", "{}"],
        &["run", FORECAST, "-i", "{"],
        &["run", FORECAST, "-f", "nonesuch"],
        &["run", "fixtures/tools/hostile-environment"],
        &[
            "run",
            "fixtures/tools/hostile-environment-component",
            "--json",
        ],
        &["run", "fixtures/tools/unknown-import"],
        &["run", "fixtures/tools/spin", "-t", "100ms", "--json"],
        &["run", "nowhere.wasm"],
        &["run", FORECAST, "--nonesuch"],
        &["run", FORECAST, "-t", "99s"],
        &["validate", FORECAST],
        &["inspect", FORECAST],
    ];
    let mut ends = Vec::new();
    for arguments in cases {
        let with_option = [*arguments, &credential].concat();
        for ended in [with_secret(arguments), with_secret(&with_option)] {
            for part in [SECRET, &SECRET[..16], &SECRET[8..]] {
                assert!(
                    !ended.stdout.contains(part) && !ended.stderr.contains(part),
                    "{arguments:?}: {ended:?}"
                );
            }
            ends.push(ended.code);
        }
    }
    for code in [0, 1, 2, 3, 124] {
        assert!(ends.contains(&Some(code)), "no case ended with {code}");
    }
}

#[test]
fn a_misspelt_option_does_not_show_what_follows_it() {
    for option in ["--credentail", "--credentials", "--cred"] {
        let joined = format!("{option}={NAME}={SECRET}");
        let ended = without(&["run", FORECAST, &joined]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.stderr.contains(SECRET), "{ended:?}");
    }
}
