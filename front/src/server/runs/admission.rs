//! A run, from request to answer, in the contract's order: the first step that does not hold answers.

use super::jobs;
use super::life::{Durable, Known, Running, Start, start};
use super::prepare;
use super::recall;
use super::request::{Preference, RunRequest, traceparent};
use crate::problem::{Kind, Problem};
use crate::server::access::caller::{Caller, identify};
use crate::server::access::visible;
use crate::server::edge::body::{self, Held};
use crate::server::edge::turns::{self, Length};
use crate::server::money::offer::{Of, not_suspended, offer};
use crate::server::money::wallet;
use crate::server::repeated::{Earlier, Entered, enter, slot};
use crate::server::state::live::RunEnd;
use crate::server::state::offer::Offer;
use crate::server::state::slots::First;
use crate::server::state::{Server, Shared};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tollgate_runtime::Run;
use tollgate_store::{Artifact, Hold, KeptAnswer, NewRun, OrgId, RunId, Scope, Time};

/// Bytes of a run's body beside its input.
const ENVELOPE_BYTES: u64 = 64 * 1024;

/// A request for a run.
pub(crate) struct Call {
    pub(crate) artifact: String,
    pub(crate) of: Of,
    pub(crate) parts: Parts,
    pub(crate) body: Body,
}

/// The steps. Nothing of the tool has run before the last. What most runs have no part of is boxed: every call's future
/// would have room for it.
pub(crate) async fn run(server: &Shared, call: Call) -> Result<Response, Problem> {
    // 1: who calls. 401
    let caller = identify(server, &call.parts.headers, &call.parts.extensions).await?;
    // 2: as many of its org's runs as there may be. 429; of requests, where it became known who calls
    let preference = Preference::read(&call.parts.headers);
    let is_awaited = preference == Preference::Answer;
    let under_way = server
        .rates
        .run(caller.key.owner.org, is_awaited, &call.parts.extensions)?;
    if call.of == Of::Draft {
        // No session may know of one.
        caller.has_key()?;
    }
    // 3: tenancy. 404, 403 not listed
    let artifact = tenancy(server, &caller, &call.artifact, call.of).await?;
    let of = call.of;
    let asked = match ask(server, &caller, &artifact, call).await? {
        Asked::Before(earlier) => {
            // The key is perhaps not the first one, and the operator may have stopped it or the artifact since.
            scope(&caller, &artifact, of)?;
            caller.goes_on()?;
            not_suspended(&artifact)?;
            return Box::pin(recall::answer(server, &caller, earlier)).await;
        }
        Asked::Now(asked) => asked,
    };
    // 4: scope, then subscription. 403; suspended. 409
    scope(&caller, &artifact, of)?;
    // 5: what runs. 400 not validated, 409 no active release
    let offer = offer(server, &caller, &artifact, of).await?;
    // 6: the request. 400, 422
    let Request { parts, body, first } = *asked;
    let traceparent = traceparent(&parts.headers);
    let read = read(server, caller.key.owner.org, parts.headers, body).await?;
    let run = new_run(&caller, &artifact, offer, &read, traceparent);
    // Only a row needs the text.
    let queued = match preference {
        Preference::Async { wait } => Some((wait, read.text)),
        Preference::Answer => {
            drop(read.text);
            None
        }
    };
    // 6, 7: the input and the credentials. 422, 428
    let (prepared, load) = prepare::prepare(server, &run, read.held).await?;
    // 8: the price is held. 402
    let run = asked_now(run);
    let hold = price(server, &run, read.request.max_price).await?;
    // 9: a place. 503
    place(server)?;
    // 10, 11: run and settle. 200, 502, 504; or 202
    match queued {
        Some((wait, input)) => {
            // It is prepared again when it is taken up.
            drop(prepared);
            Box::pin(jobs::queue(server, run, input, hold, first, wait)).await
        }
        None => {
            let durable = match first {
                Some(_) => Durable::Begun,
                None => Durable::No,
            };
            let start = Start {
                run,
                prepared,
                hold,
                queued: Duration::ZERO,
                load,
                durable,
                under_way,
            };
            begun(server, start, first).await
        }
    }
}

/// A request whose body is here.
struct Request {
    parts: Parts,
    body: Held,
    /// Where the request has an idempotency key: its place.
    first: Option<First>,
}

enum Asked {
    /// An equal request was answered, or started a run.
    Before(Earlier),
    /// This is the first.
    Now(Box<Request>),
}

/// Reads the body, and compares it with what was asked before under the same idempotency key.
async fn ask(
    server: &Shared,
    caller: &Caller,
    artifact: &Artifact,
    call: Call,
) -> Result<Asked, Problem> {
    let Call {
        of, parts, body, ..
    } = call;
    let body_bytes_max = 2 * server.config.limits.input_bytes + ENVELOPE_BYTES;
    let body = match body::read_of(&server.bodies, caller.key.owner.org, body, body_bytes_max).await
    {
        Ok(body) => body,
        Err(problem) => {
            // What comes first answers first.
            scope(caller, artifact, of)?;
            Box::pin(offer(server, caller, artifact, of)).await?;
            return Err(problem);
        }
    };
    let first = match slot(caller, &parts.method, &parts.uri, &parts.headers)? {
        Some(slot) => {
            match Box::pin(enter(
                server,
                caller.key.owner.org,
                slot,
                body.bytes.clone(),
            ))
            .await?
            {
                Entered::Kept(earlier) => return Ok(Asked::Before(earlier)),
                Entered::First(first) => Some(first),
            }
        }
        None => None,
    };
    Ok(Asked::Now(Box::new(Request { parts, body, first })))
}

async fn tenancy(
    server: &Server,
    caller: &Caller,
    artifact: &str,
    of: Of,
) -> Result<Arc<Artifact>, Problem> {
    match of {
        Of::ActiveRelease => visible::own_or_published(server, caller, artifact).await,
        Of::Draft => visible::own(server, caller, artifact).await,
    }
}

fn scope(caller: &Caller, artifact: &Artifact, of: Of) -> Result<(), Problem> {
    match of {
        Of::ActiveRelease => caller.may_run(artifact.id),
        Of::Draft => caller.covers(Scope::Publish),
    }
}

/// What a body asks for.
struct Read {
    /// Without its input.
    request: RunRequest,
    held: Run,
    text: String,
    sha256: [u8; 32],
}

async fn read(
    server: &Shared,
    org: OrgId,
    headers: HeaderMap,
    body: Held,
) -> Result<Read, Problem> {
    let (reading, body_bytes) = (Arc::clone(server), body.bytes.len());
    let read = move || {
        let mut request = RunRequest::read(&headers, &body.bytes)?;
        let input = std::mem::take(&mut request.input);
        let text = input.to_string();
        let sha256 = Sha256::digest(text.as_bytes()).into();
        // Before its part of the budget of all bodies is for the next one.
        let held = prepare::held(&reading, org, request.function.as_deref(), input)?;
        drop(body);
        Ok(Read {
            request,
            held,
            text,
            sha256,
        })
    };
    let turn = (org, turns::Kind::Read);
    server
        .turns
        .work(turn, Length::of_json(body_bytes), read)
        .await?
}

/// The run's row.
fn new_run(
    caller: &Caller,
    artifact: &Artifact,
    offer: Offer,
    read: &Read,
    traceparent: Option<String>,
) -> NewRun {
    let is_own = artifact.owner == caller.owner();
    let request = &read.request;
    NewRun {
        id: RunId::new(),
        owner: caller.owner(),
        key: caller.key.key,
        session: caller.session_id(),
        artifact: artifact.id,
        release: offer.release,
        digest: offer.digest,
        function: request.function.clone(),
        external_id: request.external_id.clone(),
        traceparent,
        timeout_ms: request.timeout_ms,
        is_own,
        share_diagnostics: request.share_diagnostics.unwrap_or(is_own),
        input_sha256: read.sha256,
        input_bytes: read.text.len() as u64,
        created_at: Time::now(),
        price: offer.price,
        seller: offer.seller,
    }
}

/// Loading a tool may take a while, and budgets count a run in the day it is held in.
fn asked_now(run: NewRun) -> NewRun {
    NewRun {
        id: RunId::new(),
        created_at: Time::now(),
        ..run
    }
}

/// Holds the price, unless it is more than the caller wants to pay or the org has.
async fn price(server: &Server, run: &NewRun, max_price: Option<u64>) -> Result<Hold, Problem> {
    if max_price.is_some_and(|max_price| run.price > max_price) {
        return Err(Problem::of(Kind::PriceAboveMax));
    }
    wallet::hold(server, run.payer(), run.price, run.created_at).await
}

/// A server that is ending starts nothing, nor does one that could not record what it did.
fn place(server: &Server) -> Result<(), Problem> {
    match server.is_draining() || server.store.refuses_writes() {
        true => Err(Problem::of(Kind::AtCapacity)),
        false => Ok(()),
    }
}

/// Starts a run, durably where its answer is kept, and waits for its end.
async fn begun(server: &Shared, begin: Start, first: Option<First>) -> Result<Response, Problem> {
    let running = match first {
        None => go(server, begin),
        Some(first) => {
            // In a task: a caller that leaves here must not leave a row that nobody ends.
            let beginning = Box::pin(begin_durably(Arc::clone(server), begin, first));
            let beginning = tokio::spawn(beginning);
            beginning
                .await
                .unwrap_or_else(|_| Err(Problem::of(Kind::Internal)))?
        }
    };
    match running.awaited().await {
        RunEnd::Recorded(record) => Ok(super::run_view::answer(&record)),
        RunEnd::Refused(problem) => Err(*problem),
    }
}

async fn begin_durably(server: Shared, begin: Start, first: First) -> Result<Running, Problem> {
    let kept = KeptAnswer {
        body_sha256: first.body_sha256,
        run: Some(begin.run.id),
        status: None,
        location: None,
        body: None,
        is_long: false,
        scope: None,
    };
    let slot = Some((first.slot, kept));
    server.store.begin_run(begin.run.clone(), slot).await?;
    Ok(go(&server, begin))
}

fn go(server: &Shared, begin: Start) -> Running {
    let known = Known::new(server, begin.run.clone(), begin.durable);
    start(known, begin)
}
