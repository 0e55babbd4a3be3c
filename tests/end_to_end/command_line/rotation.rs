//! `tollgate rotate-master-key`, and a server that is given the wrong key.

use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;
use tollgate_tests::server::Server;
use tollgate_tests::{Ended, command, ended, start};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut program = command(arguments);
    program.envs(variables.iter().copied());
    ended(start(program))
}

#[test]
fn secrets_are_used_with_the_next_key_and_the_old_one_starts_no_server() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    let path = data.to_str().expect("a path");
    let rotate =
        |variables: &[(&str, &str)]| run(&["rotate-master-key", "--data", path], variables);
    let serve = |variables: &[(&str, &str)]| {
        run(
            &["serve", "--listen", "127.0.0.1:0", "--data", path],
            variables,
        )
    };
    let nothing = rotate(&[]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("holds no data"), "{nothing:?}");

    let server = Server::start_in(Arc::clone(&folder), &[]);
    let tool = server.org("seller").published("forecast");
    let entry = json!({"value": "a-secret-of-mine", "artifact_id": tool});
    let buyer = server.org("buyer");
    buyer.subscribe(&tool);
    buyer
        .put("/v1/environment/OPENWEATHER_API_KEY", &entry)
        .expect(200);
    let in_use = rotate(&[]);
    assert_eq!(in_use.code, Some(2), "{in_use:?}");
    assert!(
        in_use.stderr.contains("in use by another server"),
        "{in_use:?}"
    );
    server.kill();

    let old = std::fs::read_to_string(data.join("master.key")).expect("a key");
    let rotated = rotate(&[]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(
        rotated.stdout.contains("3 orgs, 1 credentials"),
        "{rotated:?}"
    );
    assert!(!format!("{rotated:?}").contains(old.trim()));
    let with_old = serve(&[("TOLLGATE_MASTER_KEY", &old)]);
    assert_eq!(with_old.code, Some(2), "{with_old:?}");
    assert!(
        with_old.stderr.contains("the master key is not the one"),
        "{with_old:?}"
    );

    let next = "5".repeat(64);
    let elsewhere = rotate(&[("TOLLGATE_NEXT_MASTER_KEY", &next)]);
    assert_eq!(elsewhere.code, Some(0), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("removed"), "{elsewhere:?}");
    let not_given = rotate(&[("TOLLGATE_MASTER_KEY", &next)]);
    assert_eq!(not_given.code, Some(2), "{not_given:?}");
    assert!(
        not_given.stderr.contains("TOLLGATE_NEXT_MASTER_KEY"),
        "{not_given:?}"
    );

    let variables = [("TOLLGATE_MASTER_KEY", next.as_str())];
    let server = Server::start_in(Arc::clone(&folder), &variables);
    let answer = server
        .caller(&buyer.key)
        .run(&tool, &json!({"input": {"city": "Oslo"}}));
    assert_eq!(answer.expect(200)["output"]["key-characters"], 16);
}
