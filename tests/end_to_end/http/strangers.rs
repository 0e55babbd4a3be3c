//! Every route against those who may not: strangers, keys without the scope, nobody.

mod routes;

use super::rows::{AUTHORIZATION_MISSING, FORBIDDEN};
use super::small::{admitted, key, published, quick, text};
use routes::{Needs, ROUTES, Route};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tollgate_tests::server::{Answer, Caller, JSON, Server, WASM};

/// What belongs to a project, by the ids that paths name it with.
struct Owned {
    artifact: String,
    run: String,
    key: String,
    session: String,
    subscription: String,
    org: String,
}

impl Owned {
    fn of(owner: &Caller, artifact: String) -> Self {
        let input = json!({"input": null});
        let path = format!("/v1/artifacts/{artifact}/draft/run");
        let run = text(&owner.post(&path, &input).expect(200), "run_id");
        let (_, key) = key(owner, &["run"]);
        let session = json!({"artifacts": [artifact], "cap": 1, "runs": 1, "ttl_s": 3600});
        let session = text(&owner.post("/v1/sessions", &session).expect(201), "id");
        let other = sibling(owner);
        let subscription = owner.subscribe(&published(&other, &quick("another-s", "1.0.0")));
        Self {
            artifact,
            run,
            key,
            session,
            subscription,
            org: owner.org.clone(),
        }
    }

    fn id(&self, route: &Route) -> &str {
        match route.path {
            path if path.starts_with("/v1/runs/") => &self.run,
            path if path.starts_with("/v1/keys/") || path == "/v1/budgets" => &self.key,
            path if path.starts_with("/v1/sessions/") => &self.session,
            path if path.starts_with("/v1/subscriptions/") => &self.subscription,
            path if path.starts_with("/v1/orgs/") => &self.org,
            _ => &self.artifact,
        }
    }
}

/// Calls a route for an id.
fn call(caller: &Caller, route: &Route, id: &str) -> Answer {
    let path = route
        .path
        .replace("{id}", id)
        .replace("{release_id}", "rel_06bqk8m0000000000000000000")
        .replace("{name}", "API_KEY");
    let body = route.body.replace("{id}", id);
    match body.as_str() {
        "" => caller.send(route.method, &path, &[], b""),
        "TOOL" => caller.send(route.method, &path, WASM, &quick("stranger", "1.0.0")),
        json => caller.send(route.method, &path, JSON, json.as_bytes()),
    }
}

/// An answer without what differs from request to request.
fn told(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    (answer.status, body)
}

/// Whether a route names something that belongs to a project.
fn names_something(route: &Route) -> bool {
    route.path.contains("{id}") || route.body.contains("{id}")
}

/// Ids that are none, for paths and, where they are no more than text, for bodies.
const MALFORMED: &[&str] = &[
    "nonsense",
    "art_",
    "run_06bqk8m00000000000000000",
    "org_06bqk8m0000000000000000000",
    "ART_06BQK8M0000000000000000000",
    "art_06bqk8m0000000000000000000art_06bqk8m0000000000000000000",
];
/// The same for paths only.
const MALFORMED_PATHS: &[&str] = &[
    "%FF",
    "%20",
    "%00",
    "..%2f..",
    "a%2Fb",
    "%C3%BC",
    "'%20or%20'1'='1",
];

#[test]
fn what_belongs_to_another_project_answers_as_what_is_not_there() {
    let server = Server::start();
    let (owner, stranger) = (server.org("owner"), server.org("stranger"));
    let sibling = sibling(&owner);
    let hidden = Owned::of(&owner, admitted(&owner, &quick("hidden", "1.0.0")));
    for route in ROUTES.iter().filter(|route| names_something(route)) {
        let id = hidden.id(route);
        let prefix = &id[..4];
        let absent = told(call(
            &stranger,
            route,
            &format!("{prefix}06bqk8m0000000000000000000"),
        ));
        assert_eq!(absent.0, 404, "{route:?}: {}", absent.1);
        // An org is no other's for the projects in it.
        let is_org = route.path.starts_with("/v1/orgs/");
        for other in [&stranger, &sibling]
            .into_iter()
            .take(if is_org { 1 } else { 2 })
        {
            let foreign = told(call(other, route, id));
            assert_eq!(foreign, absent, "{route:?}");
        }
        let paths = MALFORMED_PATHS
            .iter()
            .filter(|_| route.path.contains("{id}"));
        for malformed in MALFORMED.iter().chain(paths) {
            let answer = told(call(&stranger, route, malformed));
            assert_eq!(answer, absent, "{route:?}: {malformed}");
        }
    }
    is_untouched(&owner, &hidden);
}

#[test]
fn strangers_look_at_a_listed_artifact_and_run_it_and_nothing_more() {
    let server = Server::start();
    let (owner, stranger) = (server.org("owner"), server.org("stranger"));
    let listed = published(&owner, &quick("listed", "1.0.0"));
    stranger.subscribe(&listed);
    for route in ROUTES.iter().filter(|route| names_something(route)) {
        if !route.path.starts_with("/v1/artifacts/") {
            continue;
        }
        let answer = told(call(&stranger, route, &listed));
        if route.is_for_strangers {
            assert_eq!(answer.0, 200, "{route:?}: {}", answer.1);
            continue;
        }
        let absent = told(call(&stranger, route, "art_06bqk8m0000000000000000000"));
        assert_eq!(answer, absent, "{route:?}");
    }
}

#[test]
fn a_key_without_the_scope_is_forbidden_every_call_that_needs_it() {
    let server = Server::start();
    let owner = server.org("owner");
    let owned = Owned::of(&owner, admitted(&owner, &quick("owned", "1.0.0")));
    let (runner, publisher) = (key(&owner, &["run"]).0, key(&owner, &["publish"]).0);
    for route in ROUTES {
        let refused: &[&Caller] = match route.needs {
            Needs::Nothing | Needs::AnyKey => &[],
            Needs::Run => &[&publisher],
            Needs::Publish => &[&runner],
            Needs::Manage => &[&runner, &publisher],
            Needs::Operator => &[&runner, &publisher, &owner],
        };
        for caller in refused {
            let answer = call(caller, route, owned.id(route));
            FORBIDDEN.is(&route.label(), answer);
        }
    }
    is_untouched(&owner, &owned);
}

#[test]
fn without_a_key_every_call_is_refused_before_anything_else() {
    let server = Server::start();
    let owner = server.org("owner");
    let owned = Owned::of(&owner, admitted(&owner, &quick("owned", "1.0.0")));
    let nobody = owner.with_key("");
    for route in ROUTES {
        for id in [
            owned.id(route),
            "art_06bqk8m0000000000000000000",
            "nonsense",
        ] {
            let answer = call(&nobody, route, id);
            if route.needs == Needs::Nothing {
                assert_eq!(answer.status, 200, "{route:?}");
            } else {
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{route:?}");
                AUTHORIZATION_MISSING.is(&route.label(), answer);
            }
        }
    }
    is_untouched(&owner, &owned);
}

#[test]
fn every_call_that_the_description_names_is_in_the_table() {
    let server = Server::start();
    let description = server.operator().get("/openapi.json").expect(200);
    let paths = description["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, calls)| {
            let methods = calls.as_object().expect("methods").keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let table: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(table, described);
}

/// A caller of another project of the owner's org.
fn sibling(owner: &Caller) -> Caller {
    let made = owner.post("/v1/projects", &json!({"name": "sibling"}));
    owner.with_key(&text(&made.expect(201), "key"))
}

/// Whether everything is as it was before the refusals.
fn is_untouched(owner: &Caller, owned: &Owned) {
    let artifact = owner
        .get(&format!("/v1/artifacts/{}", owned.artifact))
        .expect(200);
    assert!(artifact["draft"].is_object(), "{artifact}");
    assert!(artifact["active_release"].is_null(), "{artifact}");
    assert_eq!(artifact["listed"], false, "{artifact}");
    let keys = owner.get("/v1/keys").expect(200);
    let keys = keys["items"].as_array().expect("keys");
    assert!(
        keys.iter().all(|key| key["revoked_at"].is_null()),
        "{keys:?}"
    );
    assert!(
        keys.iter().any(|key| key["id"] == json!(owned.key)),
        "{keys:?}"
    );
    let run = owner.get(&format!("/v1/runs/{}", owned.run)).expect(200);
    assert_eq!(run["status"], "SUCCEEDED", "{run}");
    let session = owner.get(&format!("/v1/sessions/{}", owned.session));
    let session = session.expect(200);
    assert!(session.get("revoked_at").is_none(), "{session}");
    let subscriptions = owner.get("/v1/subscriptions").expect(200);
    let subscription = &subscriptions["items"][0];
    assert_eq!(subscription["id"], owned.subscription, "{subscriptions}");
    assert!(subscription.get("ended_at").is_none(), "{subscriptions}");
    let entries = owner.get("/v1/environment").expect(200);
    assert_eq!(entries["items"], json!([]), "{entries}");
}
