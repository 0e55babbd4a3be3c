//! Keys: shown once, taken back at once, replaced, and never more than who makes them.

use super::rows::{FORBIDDEN, KEY_INVALID, KEY_NOT_FOUND, UNPROCESSABLE};
use super::small::{key, text};
use serde_json::{Value, json};
use tollgate_tests::server::{Caller, Server, files_below};

fn listed(caller: &Caller, id: &str) -> Value {
    let keys = caller.get("/v1/keys?limit=100").expect(200);
    let keys = keys["items"].as_array().expect("a list").clone();
    keys.into_iter()
        .find(|key| key["id"] == json!(id))
        .unwrap_or_else(|| panic!("{id} is not listed"))
}

#[test]
fn a_key_is_shown_once_and_then_by_its_ends() {
    let server = Server::start();
    let caller = server.org("caller");
    let body = json!({"name": "ci", "scopes": ["run", "publish"]});
    let made = caller.post("/v1/keys", &body).expect(201);
    let (whole, id) = (text(&made, "key"), text(&made, "id"));
    assert!(whole.starts_with("tg_"), "{made}");
    let shown = listed(&caller, &id);
    assert_eq!(shown["name"], "ci", "{shown}");
    assert_eq!(shown["scopes"], json!(["run", "publish"]), "{shown}");
    assert!(shown.get("key").is_none(), "{shown}");
    assert!(whole.starts_with(&text(&shown, "prefix")), "{shown}");
    assert!(whole.ends_with(&text(&shown, "last4")), "{shown}");
    let shown = text(&shown, "prefix").len() + text(&shown, "last4").len();
    assert!(whole.len() >= shown + 32, "too much of a key is shown");
    assert!(!server.log().contains(&whole), "a key is in the log");
    for (path, bytes) in files_below(&server.data()) {
        let is_kept = bytes.windows(whole.len()).any(|it| it == whole.as_bytes());
        assert!(!is_kept, "a key is in {}", path.display());
    }
}

#[test]
fn a_revoked_key_is_refused_by_the_very_next_call() {
    let server = Server::start();
    let caller = server.org("caller");
    for round in 0..10 {
        let (revoked, id) = key(&caller, &["run"]);
        revoked.get("/v1/runs").expect(200);
        caller.delete(&format!("/v1/keys/{id}")).expect(204);
        KEY_INVALID.is(&format!("round {round}"), revoked.get("/v1/runs"));
        assert!(listed(&caller, &id)["revoked_at"].is_string());
        let rotate = format!("/v1/keys/{id}/rotate");
        KEY_NOT_FOUND.is("rotated", caller.send("POST", &rotate, &[], b""));
        KEY_INVALID.is("after that", revoked.get("/v1/runs"));
    }
    let (own, id) = key(&caller, &["manage"]);
    own.delete(&format!("/v1/keys/{id}")).expect(204);
    KEY_INVALID.is("its own", own.get("/v1/keys"));
}

#[test]
fn a_rotated_key_stays_good_for_its_overlap_only() {
    let server = Server::start();
    let caller = server.org("caller");
    for (label, body, is_old_good) in [
        ("no body", None, false),
        ("none", Some(json!({"overlap_s": 0})), false),
        ("by default", Some(json!({})), false),
        ("an hour", Some(json!({"overlap_s": 3600})), true),
    ] {
        let (old, id) = key(&caller, &["run"]);
        let path = format!("/v1/keys/{id}/rotate");
        let answer = match &body {
            Some(body) => caller.post(&path, body),
            None => caller.send("POST", &path, &[], b""),
        };
        let made = answer.expect(200);
        assert_eq!(made["id"], json!(id), "{label}: {made}");
        let new = caller.with_key(&text(&made, "key"));
        assert_ne!(new.key, old.key, "{label}");
        new.get("/v1/runs").expect(200);
        let shown = listed(&caller, &id);
        assert!(
            new.key.ends_with(&text(&shown, "last4")),
            "{label}: {shown}"
        );
        assert!(shown.get("key").is_none(), "{label}: {shown}");
        match is_old_good {
            true => drop(old.get("/v1/runs").expect(200)),
            false => drop(KEY_INVALID.is(label, old.get("/v1/runs"))),
        }
        // Taking the key back takes both texts back.
        caller.delete(&format!("/v1/keys/{id}")).expect(204);
        KEY_INVALID.is(label, old.get("/v1/runs"));
        KEY_INVALID.is(label, new.get("/v1/runs"));
    }
    let (_, id) = key(&caller, &["run"]);
    let week = json!({"overlap_s": 604_801});
    let answer = caller.post(&format!("/v1/keys/{id}/rotate"), &week);
    UNPROCESSABLE.is_for("overlap_invalid", "more than a week", answer);
}

#[test]
fn an_overlap_ends_by_itself() {
    let server = Server::start();
    let caller = server.org("caller");
    let (old, id) = key(&caller, &["run"]);
    let rotate = format!("/v1/keys/{id}/rotate");
    caller.post(&rotate, &json!({"overlap_s": 2})).expect(200);
    old.get("/v1/runs").expect(200);
    let is_over = tollgate_tests::holds_within(std::time::Duration::from_secs(20), || {
        old.get("/v1/runs").status == 401
    });
    assert!(is_over);
    KEY_INVALID.is("after two seconds", old.get("/v1/runs"));
}

#[test]
fn a_key_makes_only_keys_with_scopes_it_has() {
    let server = Server::start();
    let operator = server.operator();
    let (manager, _) = key(&operator, &["manage"]);
    let (_, above) = key(&operator, &["operator"]);
    for (label, maker, scopes, is_made) in [
        (
            "operator makes operator",
            &operator,
            &["operator"][..],
            true,
        ),
        ("operator makes manage", &operator, &["manage"], true),
        ("manage makes manage", &manager, &["manage"], true),
        (
            "manage makes run and publish",
            &manager,
            &["run", "publish"],
            true,
        ),
        ("manage makes operator", &manager, &["operator"], false),
        (
            "manage makes run and operator",
            &manager,
            &["run", "operator"],
            false,
        ),
    ] {
        let answer = maker.post("/v1/keys", &json!({"name": label, "scopes": scopes}));
        match is_made {
            true => drop(answer.expect(201)),
            false => drop(FORBIDDEN.is(label, answer)),
        }
    }
    let rotate = manager.send("POST", &format!("/v1/keys/{above}/rotate"), &[], b"");
    FORBIDDEN.is("manage rotates operator", rotate);
    for scopes in [&["run"][..], &["publish"], &["run", "publish"]] {
        let (maker, _) = key(&operator, scopes);
        let answer = maker.post("/v1/keys", &json!({"name": "a", "scopes": ["run"]}));
        FORBIDDEN.is("a key that manages nothing", answer);
    }
}
