//! Every route, with a request that it would take from whoever may.

/// A method and a path, and who may call it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// JSON, `TOOL` for a tool's bytes, or nothing.
    pub(super) body: &'static str,
    pub(super) needs: Needs,
    /// Whether others may call it while the artifact is listed.
    pub(super) is_for_strangers: bool,
}

/// What a key must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    AnyKey,
    Run,
    Publish,
    Manage,
    Operator,
}

use Needs::{AnyKey, Manage, Nothing, Operator, Publish, Run};

const fn route(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    needs: Needs,
) -> Route {
    Route {
        method,
        path,
        body,
        needs,
        is_for_strangers: false,
    }
}

impl Route {
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    const fn for_strangers(self) -> Self {
        Self {
            is_for_strangers: true,
            ..self
        }
    }
}

const RUN: &str = r#"{"input":null}"#;
const SPANS: &str = r#"{"spans":[]}"#;
const KEY: &str = r#"{"name":"another","scopes":["run"]}"#;
const NAMED: &str = r#"{"name":"another"}"#;
const SUBSCRIBE: &str = r#"{"artifact_id":"{id}"}"#;
const BUDGET: &str = r#"{"scope":"key","key_id":"{id}","period":"day","cap":1}"#;
const CREDIT: &str = r#"{"org_id":"org_06bqk8m0000000000000000000","tokens":1,"reason":"none"}"#;
/// For an artifact that is not there, which is said of the body.
const SESSION: &str =
    r#"{"artifacts":["art_06bqk8m0000000000000000000"],"cap":1,"runs":1,"ttl_s":1}"#;
/// For one artifact, which must be visible.
const ENTRY: &str = r#"{"value":"0123456789abcdef","hosts":["example.com"],"artifact_id":"{id}"}"#;

#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    route("GET", "/healthz", "", Nothing),
    route("GET", "/readyz", "", Nothing),
    route("POST", "/v1/artifacts", "TOOL", Publish),
    route("GET", "/v1/artifacts", "", AnyKey),
    route("GET", "/v1/artifacts/{id}", "", AnyKey).for_strangers(),
    route("PATCH", "/v1/artifacts/{id}", r#"{"listed":false}"#, Publish),
    route("POST", "/v1/artifacts/{id}/draft", "TOOL", Publish),
    route("DELETE", "/v1/artifacts/{id}/draft", "", Publish),
    route("POST", "/v1/artifacts/{id}/draft/validation", "", Publish),
    route("GET", "/v1/artifacts/{id}/draft/validation", "", Publish),
    route("POST", "/v1/artifacts/{id}/draft/run", RUN, Publish),
    route("POST", "/v1/artifacts/{id}/publish", "", Publish),
    route("GET", "/v1/artifacts/{id}/releases", "", Publish),
    route("GET", "/v1/artifacts/{id}/releases/{release_id}/log", "", Publish),
    route("POST", "/v1/artifacts/{id}/rollback", "", Publish),
    route("GET", "/v1/artifacts/{id}/cover", "", AnyKey).for_strangers(),
    route("POST", "/v1/artifacts/{id}/cover", "", Publish),
    route("GET", "/v1/artifacts/{id}/failures", "", Publish),
    route("POST", "/v1/artifacts/{id}/run", RUN, Run).for_strangers(),
    route("GET", "/v1/runs", "", Run),
    route("GET", "/v1/runs/{id}", "", Run),
    route("POST", "/v1/runs/{id}/cancel", "", Run),
    route("GET", "/v1/runs/{id}/logs", "", Run),
    route("GET", "/v1/runs/{id}/spans", "", Run),
    route("POST", "/v1/runs/{id}/spans", SPANS, Run),
    route("PUT", "/v1/environment/{name}", ENTRY, Manage),
    route("DELETE", "/v1/environment/{name}", "", Manage),
    route("GET", "/v1/environment", "", Manage),
    route("POST", "/v1/keys", KEY, Manage),
    route("GET", "/v1/keys", "", Manage),
    route("POST", "/v1/keys/{id}/rotate", "", Manage),
    route("DELETE", "/v1/keys/{id}", "", Manage),
    route("POST", "/v1/subscriptions", SUBSCRIBE, Manage),
    route("GET", "/v1/subscriptions", "", Run),
    route("DELETE", "/v1/subscriptions/{id}", "", Manage),
    route("POST", "/v1/subscriptions/{id}/accept", "", Manage),
    route("POST", "/v1/sessions", SESSION, Run),
    route("GET", "/v1/sessions/{id}", "", Run),
    route("DELETE", "/v1/sessions/{id}", "", Run),
    route("GET", "/v1/sessions/{id}/runs", "", Run),
    route("GET", "/v1/budgets", "", Run),
    route("PUT", "/v1/budgets", BUDGET, Manage),
    route("GET", "/v1/wallet", "", Run),
    route("GET", "/v1/wallet/entries", "", Run),
    route("POST", "/v1/wallet/credits", CREDIT, Operator),
    route("GET", "/v1/usage", "", Run),
    route("GET", "/v1/audit", "", Operator),
    route("POST", "/v1/artifacts/{id}/suspend", "", Operator),
    route("POST", "/v1/artifacts/{id}/resume", "", Operator),
    route("POST", "/v1/orgs/{id}/suspend", "", Operator),
    route("POST", "/v1/orgs/{id}/resume", "", Operator),
    route("POST", "/v1/keys/{id}/suspend", "", Operator),
    route("POST", "/v1/keys/{id}/resume", "", Operator),
    route("POST", "/v1/projects", NAMED, Manage),
    route("POST", "/v1/orgs", NAMED, Operator),
];
