//! 401 and 403: who calls.

use crate::http::rows::{
    ARTIFACT_NOT_FOUND, AUTHORIZATION_MISSING, FORBIDDEN, KEY_INVALID, NOT_LISTED, NOT_SUBSCRIBED,
};
use crate::http::small::{key, published, quick, text};
use serde_json::json;
use tollgate_tests::server::{Answer, JSON, Server};

fn challenges(answer: &Answer) {
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[test]
fn a_key_that_is_missing_or_none_is_refused_with_a_challenge() {
    let server = Server::start();
    let caller = server.org("caller");
    let (revoked, id) = key(&caller, &["run"]);
    caller.delete(&format!("/v1/keys/{id}")).expect(204);
    let (rotated, id) = key(&caller, &["run"]);
    let rotate = format!("/v1/keys/{id}/rotate");
    caller.send("POST", &rotate, &[], b"").expect(200);
    let unknown = format!("tg_{}", "a".repeat(40));
    let mut mistyped = caller.key.clone();
    let last = mistyped.pop();
    mistyped.push(if last == Some('0') { 'g' } else { '0' });
    let nobody = caller.with_key("");

    let answer = nobody.get("/v1/artifacts");
    challenges(&answer);
    AUTHORIZATION_MISSING.is("no key", answer);
    let bearer = |key: &str| format!("Bearer {key}");
    let rows = [
        ("an empty key", "x-api-key", String::new()),
        ("not a key", "x-api-key", "nonsense".to_owned()),
        ("unknown", "x-api-key", unknown.clone()),
        ("mistyped", "x-api-key", mistyped.clone()),
        ("with blanks", "x-api-key", format!("{} x", caller.key)),
        ("very long", "x-api-key", "tg_".repeat(3000)),
        ("revoked", "x-api-key", revoked.key.clone()),
        ("rotated out", "x-api-key", rotated.key.clone()),
        ("revoked, as bearer", "authorization", bearer(&revoked.key)),
        (
            "rotated out, as bearer",
            "authorization",
            bearer(&rotated.key),
        ),
        ("unknown, as bearer", "authorization", bearer(&unknown)),
        ("Basic", "authorization", "Basic dXNlcjpwYXNz".to_owned()),
        (
            "a good key as Basic",
            "authorization",
            format!("Basic {}", caller.key),
        ),
        ("a scheme only", "authorization", "Bearer".to_owned()),
        ("no scheme", "authorization", caller.key.clone()),
        ("nothing", "authorization", String::new()),
    ];
    for (label, header, value) in rows {
        let answer = nobody.send("GET", "/v1/artifacts", &[(header, &value)], b"");
        challenges(&answer);
        let body = KEY_INVALID.is(label, answer);
        let shown = value.len() > 8 && body.to_string().contains(&value);
        assert!(!shown, "{label}: the key is in the answer: {body}");
    }
}

#[test]
fn x_api_key_wins_over_authorization() {
    let server = Server::start();
    let caller = server.org("caller");
    let nobody = caller.with_key("");
    let good = caller.key.as_str();
    let (good_bearer, bad_bearer) = (format!("bEaReR {good}"), "Bearer nonsense");
    let get = |headers: &[(&str, &str)]| nobody.send("GET", "/v1/artifacts", headers, b"");
    get(&[("authorization", &good_bearer)]).expect(200);
    get(&[("x-api-key", good), ("authorization", bad_bearer)]).expect(200);
    let both = [("x-api-key", "nonsense"), ("authorization", &good_bearer)];
    KEY_INVALID.is("a bad x-api-key", get(&both));
}

#[test]
fn a_key_without_the_scope_is_forbidden_and_told_which() {
    let server = Server::start();
    let caller = server.org("caller");
    let (runner, _) = key(&caller, &["run"]);
    let body = FORBIDDEN.is("keys", runner.get("/v1/keys"));
    assert!(text(&body, "hint").contains("`manage`"), "{body}");
    let answer = caller.post("/v1/orgs", &json!({"name": "mine"}));
    FORBIDDEN.is("orgs", answer);
}

#[test]
fn what_was_taken_off_the_catalogue_is_not_listed_for_strangers_only() {
    let server = Server::start();
    let [seller, buyer, stranger] = ["seller", "buyer", "stranger"].map(|it| server.org(it));
    let id = published(&seller, &quick("quick", "1.0.0"));
    buyer.subscribe(&id);
    let artifact = format!("/v1/artifacts/{id}");
    let list = |listed: bool| {
        let body = json!({"listed": listed}).to_string();
        seller
            .send("PATCH", &artifact, JSON, body.as_bytes())
            .expect(200)
    };
    let input = json!({"input": null});
    buyer.run(&id, &input).expect(200);
    assert_eq!(list(false)["listed"], false);
    NOT_LISTED.is("GET", stranger.get(&artifact));
    let subscribing = stranger.post("/v1/subscriptions", &json!({"artifact_id": id}));
    NOT_LISTED.is("subscribe", subscribing);
    NOT_SUBSCRIBED.is("run", stranger.run(&id, &input));
    // Subscribers go on.
    buyer.get(&artifact).expect(200);
    buyer.run(&id, &input).expect(200);
    let releases = buyer.get(&format!("{artifact}/releases"));
    ARTIFACT_NOT_FOUND.is("releases", releases);
    let all = buyer.get("/v1/artifacts").expect(200);
    assert!(!all.to_string().contains(&id), "{all}");
    seller.get(&artifact).expect(200);
    seller.run(&id, &input).expect(200);
    assert_eq!(list(true)["listed"], true);
    stranger.get(&artifact).expect(200);
}
