//! The description of the HTTP surface: what handlers say of themselves, and the problems each can answer with.

use crate::problem::{Kind, Problem};
use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required};
use utoipa::{ToSchema, openapi};

/// What holds of every call.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Tollgate", description = "Runs tools that strangers wrote."),
    components(schemas(ProblemBody)),
    security(("key" = []), ("bearer" = []))
)]
struct Head;

/// The body of every answer that is not good.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what `Problem` is sent as")]
struct ProblemBody {
    /// The exact sentence.
    detail: String,
    /// The sentence's name.
    code: String,
    /// Who must act: `caller`, `seller` or `platform`.
    act: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Finds the request in the server's log.
    request_id: String,
    /// What to do next.
    hint: Option<String>,
    run_id: Option<String>,
    artifact_id: Option<String>,
    /// Tokens.
    charged: Option<u64>,
    retry_after_s: Option<u64>,
    /// When a budget starts again.
    #[schema(format = DateTime)]
    resets_at: Option<String>,
    /// The first 20.
    #[schema(value_type = Option<Vec<Object>>)]
    violations: Option<Vec<Object>>,
    violations_total: Option<u64>,
    /// Credentials that a run lacks.
    #[schema(value_type = Option<Vec<Object>>)]
    missing: Option<Vec<Object>>,
    #[schema(value_type = Option<Object>)]
    failure: Option<Object>,
}

/// The part that no handler says.
pub(crate) fn head() -> OpenApi {
    let mut head = Head::openapi();
    let components = head.components.get_or_insert_default();
    let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A key, or a session's token: that runs the session's artifacts and reads its own runs, nothing else.",
        ))
        .build();
    components.add_security_scheme("key", key);
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    head
}

/// Adds the problems each call can answer with, each with an example.
pub(crate) fn with_problems(mut description: OpenApi) -> OpenApi {
    for (path, item) in &mut description.paths.paths {
        for (method, operation) in operations(item) {
            for kind in Kind::ALL
                .iter()
                .copied()
                .filter(|kind| answers(&method, path, *kind))
            {
                add(operation, kind);
            }
            if path.starts_with("/v1/") {
                describe_rates(operation);
            }
            if method == HttpMethod::Post && path.starts_with("/v1/") {
                describe_idempotency(operation);
            }
        }
    }
    description
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether a call can answer with a problem.
fn answers(method: &HttpMethod, path: &str, kind: Kind) -> bool {
    let is_keyed = path.starts_with("/v1/");
    let (is_get, is_post) = (*method == HttpMethod::Get, *method == HttpMethod::Post);
    let has_body = is_post || *method == HttpMethod::Put || *method == HttpMethod::Patch;
    let is_run = path.ends_with("/run");
    let is_upload = is_post && (path == "/v1/artifacts" || path.ends_with("/draft"));
    let ends = |end: &str| path.ends_with(end);
    let is_entry = path == "/v1/environment/{name}";
    let is_budget = path == "/v1/budgets" && *method == HttpMethod::Put;
    let is_subscribing = is_post && path == "/v1/subscriptions";
    let is_catalogue =
        is_get && (path == "/v1/artifacts" || path == "/v1/artifacts/{id}" || ends("/cover"));
    match kind {
        Kind::Internal | Kind::AtCapacity => path != "/healthz",
        Kind::AuthorizationMissing | Kind::KeyInvalid | Kind::TokenExpired | Kind::RateLimited => {
            is_keyed
        }
        Kind::BadRequest => is_keyed,
        // Any key may look at the catalogue, a session may not.
        Kind::Forbidden => is_keyed,
        Kind::RequestTimeout | Kind::FileTooLarge => has_body,
        // A secret's name is judged where it is taken back, too.
        Kind::Unprocessable => {
            let takes_none = ["/cancel", "/validation", "/cover", "/resume"];
            let takes_none = takes_none.into_iter().any(ends);
            has_body && !takes_none || is_entry
        }
        Kind::ArtifactNotFound => path.contains("/artifacts/{id}") || is_entry || is_subscribing,
        Kind::NotListed => {
            is_catalogue && path != "/v1/artifacts"
                || is_subscribing
                || is_entry && *method == HttpMethod::Put
        }
        Kind::NotSubscribed | Kind::PriceAboveMax => ends("/artifacts/{id}/run"),
        Kind::BalanceInsufficient | Kind::BudgetExhausted => {
            ends("/artifacts/{id}/run") || is_subscribing
        }
        Kind::SubscriptionNotFound => path.starts_with("/v1/subscriptions/"),
        Kind::AlreadySubscribed => is_subscribing,
        Kind::TermsChanged => is_subscribing || ends("/accept"),
        Kind::DraftNotFound => {
            ends("/draft") && !is_post
                || ends("/validation")
                || is_post && ends("/cover")
                || ends("/publish")
                || ends("/draft/run")
        }
        Kind::ReleaseNotFound => ends("/log") || ends("/rollback"),
        Kind::RunNotFound => path.starts_with("/v1/runs/"),
        Kind::SessionNotFound => path.starts_with("/v1/sessions/"),
        Kind::KeyNotFound => path.starts_with("/v1/keys/") || is_budget,
        Kind::NotValidated => is_run || ends("/publish") || is_get && ends("/validation"),
        Kind::NoActiveRelease => {
            ends("/artifacts/{id}/run")
                || ends("/rollback")
                || ends("/accept")
                || is_subscribing
                || *method == HttpMethod::Patch
        }
        Kind::InputInvalid
        | Kind::CredentialsMissing
        | Kind::ToolFailed
        | Kind::ToolTimedOut
        | Kind::RunCancelled => is_run,
        Kind::DraftExists => is_upload && ends("/draft"),
        Kind::ArtifactExists => is_upload && !ends("/draft"),
        Kind::VersionExists => ends("/publish"),
        Kind::CoverMissing => ends("/publish") || is_get && ends("/cover"),
        Kind::Suspended => is_keyed && !is_catalogue,
        Kind::RunNotRunning => is_post && (ends("/cancel") || ends("/spans")),
        Kind::IdempotencyConflict => is_post && is_keyed,
        Kind::RouteNotFound => path.starts_with("/v1/orgs/{id}"),
        Kind::MethodNotAllowed => false,
    }
}

fn add(operation: &mut Operation, kind: Kind) {
    let row = kind.row();
    let mut example = Problem::of(kind).body();
    example["request_id"] = json!("req_06bqk8m0000000000000000000");
    let example = ExampleBuilder::new().value(Some(example)).build();
    let status = row.status.as_u16().to_string();
    let responses = &mut operation.responses.responses;
    let response = responses.entry(status).or_insert_with(|| {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().content("application/problem+json", content);
        RefOr::T(response.build())
    });
    let RefOr::T(response) = response else { return };
    if !response.description.contains(row.detail) {
        let separator = if response.description.is_empty() {
            ""
        } else {
            "; "
        };
        response
            .description
            .push_str(&format!("{separator}\"{}\"", row.detail));
    }
    if let Some(RefOr::T(content)) = response.content.get_mut("application/problem+json") {
        content
            .examples
            .insert(row.code.to_owned(), RefOr::T(example));
    }
    if matches!(kind, Kind::AtCapacity | Kind::RateLimited) {
        add_header(response, "Retry-After", Type::Integer, "Seconds.");
    }
    if matches!(
        kind,
        Kind::AuthorizationMissing | Kind::KeyInvalid | Kind::TokenExpired
    ) {
        add_header(response, "WWW-Authenticate", Type::String, "`Bearer`.");
    }
}

fn add_header(response: &mut Response, name: &str, of: Type, description: &str) {
    let header = HeaderBuilder::new()
        .schema(Some(Object::with_type(of)))
        .description(Some(description))
        .build();
    response.headers.insert(name.to_owned(), header.into());
}

/// Every answer to a caller that is known says how the limits stand that the request was counted by, where there are any.
fn describe_rates(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let (true, RefOr::T(response)) = (status != "401", response) else {
            continue;
        };
        for (name, description) in [
            (
                "RateLimit-Policy",
                "The limits: `\"key\";q=2000;w=2, \"org\";q=4000;w=2` is a key's 2,000 requests at once, given anew within 2 seconds, and its org's 4,000.",
            ),
            (
                "RateLimit",
                "How they stand: of `\"key\";r=1999;t=1, \"org\";r=3999;t=1` each `r` is what may be sent within `t` seconds.",
            ),
        ] {
            add_header(response, name, Type::String, description);
        }
    }
}

/// Every POST takes the header, and says when its answer is an earlier one.
fn describe_idempotency(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let description =
                "`true` where the request was answered before, and this is that answer.";
            add_header(response, "Idempotency-Replayed", Type::String, description);
        }
    }
    add_idempotency_key(operation);
}

/// Runs name the parameter themselves.
fn add_idempotency_key(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    if parameters
        .iter()
        .any(|it| matches!(it, RefOr::T(parameter) if parameter.name == "Idempotency-Key"))
    {
        return;
    }
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .max_length(Some(255))
        .build();
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(openapi::Schema::Object(schema)))
        .build();
    parameters.push(parameter.into());
}
