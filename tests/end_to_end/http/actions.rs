//! The list of what the operator did, and of what anybody did to keys and projects.

use super::rows::{BAD_REQUEST, FORBIDDEN};
use super::small::{key, published, quick, text};
use serde_json::{Value, json};
use tollgate_tests::server::{Caller, JSON, Server};

/// Action, actor's org, target and detail of every one, oldest first.
fn actions(operator: &Caller) -> Vec<[Value; 4]> {
    let listed = operator.get("/v1/audit?limit=100").expect(200);
    assert_eq!(listed["next_cursor"], Value::Null, "{listed}");
    let items = listed["items"].as_array().expect("a list");
    let at: Vec<_> = items.iter().map(|it| text(it, "at")).collect();
    assert!(at.is_sorted_by(|one, other| one >= other), "{listed}");
    for it in items {
        assert!(text(it, "id").starts_with("act_"), "{it}");
        assert!(text(it, "key_id").starts_with("key_"), "{it}");
    }
    let parts = ["action", "org_id", "target_id", "detail"];
    let all = items.iter().rev();
    all.map(|it| parts.map(|part| it[part].clone())).collect()
}

fn post(caller: &Caller, path: &str) -> u16 {
    caller.send("POST", path, &[], b"").status
}

#[test]
fn each_action_is_told_once_with_who_did_it_to_what_and_no_secret() {
    let server = Server::start();
    let operator = server.operator();
    // The first start is nobody's action.
    assert_eq!(actions(&operator), [] as [[Value; 4]; 0]);
    let made = operator
        .post("/v1/orgs", &json!({"name": "acme"}))
        .expect(201);
    let caller = server.caller(&text(&made, "key"));
    let (org, project) = (&made["id"], &made["project_id"]);
    let credit = json!({"org_id": org, "tokens": 100, "reason": "invoice 1"}).to_string();
    let once = [JSON[0], ("idempotency-key", "invoice-1")];
    let credit = || operator.send("POST", "/v1/wallet/credits", &once, credit.as_bytes());
    let entry = credit().expect(201);
    assert_eq!(credit().headers["idempotency-replayed"], "true");
    let second = caller
        .post("/v1/projects", &json!({"name": "second"}))
        .expect(201);
    let (agent, id) = key(&caller, &["run", "publish"]);
    let rotated = caller.post(&format!("/v1/keys/{id}/rotate"), &json!({"overlap_s": 60}));
    let rotated = rotated.expect(200);
    let tool = published(&caller, &quick("tool", "1.0.0"));
    let (tool_path, org_path) = (
        format!("/v1/artifacts/{tool}"),
        format!("/v1/orgs/{}", text(&made, "id")),
    );
    for path in [&tool_path, &org_path, &format!("/v1/keys/{id}")] {
        for verb in ["suspend", "suspend", "resume", "resume"] {
            assert_eq!(post(&operator, &format!("{path}/{verb}")), 204, "{path}");
        }
    }
    for _ in 0..2 {
        caller.delete(&format!("/v1/keys/{id}")).expect(204);
    }
    // What was refused was not done.
    let keys = json!({"name": "", "scopes": ["run"]});
    assert_eq!(caller.post("/v1/keys", &keys).status, 422);
    assert_eq!(post(&caller, &format!("{tool_path}/suspend")), 403);
    assert_eq!(
        post(&operator, "/v1/orgs/org_06bqk8m0000000000000000000/suspend"),
        404
    );

    let all = actions(&operator);
    let by_operator = all[0][1].clone();
    assert_ne!(by_operator, *org);
    let (operators, theirs) = (&by_operator, org);
    let key_of = |detail: &Value| {
        let key = text(detail, "key_id");
        assert!(key.starts_with("key_"), "{detail}");
        json!(key)
    };
    let first = key_of(&all[0][3]);
    let other = key_of(&all[2][3]);
    let expected = [
        (
            "org.created",
            operators,
            org,
            json!({"name": "acme", "project_id": project, "key_id": first}),
        ),
        (
            "credit.made",
            operators,
            org,
            json!({"entry_id": entry["id"], "tokens": 100, "reason": "invoice 1"}),
        ),
        (
            "project.created",
            theirs,
            &second["id"],
            json!({"name": "second", "key_id": other}),
        ),
        (
            "key.created",
            theirs,
            &json!(id),
            json!({"name": "a key", "scopes": ["run", "publish"]}),
        ),
        ("key.rotated", theirs, &json!(id), json!({"overlap_s": 60})),
        ("artifact.suspended", operators, &json!(tool), json!({})),
        ("artifact.resumed", operators, &json!(tool), json!({})),
        ("org.suspended", operators, org, json!({})),
        ("org.resumed", operators, org, json!({})),
        ("key.suspended", operators, &json!(id), json!({})),
        ("key.resumed", operators, &json!(id), json!({})),
        ("key.revoked", theirs, &json!(id), json!({})),
    ];
    let expected = expected
        .map(|(action, by, target, detail)| [json!(action), by.clone(), target.clone(), detail]);
    assert_eq!(all, expected);
    let told = operator.get("/v1/audit?limit=100").body.to_string();
    let secrets = [
        &caller.key,
        &agent.key,
        &text(&rotated, "key"),
        &text(&second, "key"),
    ];
    for secret in secrets {
        assert!(!told.contains(secret.as_str()), "a key is told");
    }

    // It stays, and is read page by page.
    let server = Server::start_in(server.kill(), &[]);
    let operator = server.caller(&operator.key);
    assert_eq!(actions(&operator), expected);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = operator
            .get(&format!("/v1/audit?limit=5{cursor}"))
            .expect(200);
        let items = page["items"].as_array().expect("a list");
        seen.extend(items.iter().map(|it| text(it, "action")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(
        seen,
        expected.map(|it| it[0].as_str().expect("text").to_owned())
    );
}

#[test]
fn only_the_operator_reads_what_was_done() {
    let server = Server::start();
    let (operator, caller) = (server.operator(), server.org("caller"));
    let (manager, _) = key(&operator, &["manage"]);
    for (label, refused) in [("another org", &caller), ("its own manager", &manager)] {
        FORBIDDEN.is(label, refused.get("/v1/audit"));
    }
    let (second, _) = key(&operator, &["operator"]);
    second.get("/v1/audit").expect(200);
    for query in ["limit=0", "limit=101", "cursor=nonsense", "cursor=", "q=x"] {
        let answer = operator.get(&format!("/v1/audit?{query}"));
        BAD_REQUEST.is_for("query_invalid", query, answer);
    }
}
