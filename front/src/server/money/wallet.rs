//! An org's tokens: what it has, what is held, and why.

use crate::problem::answer::Created;
use crate::problem::unprocessable;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params};
use crate::server::repeated::slot;
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use serde::{Deserialize, Serialize};
use tollgate_runtime::quoted;
use tollgate_store::{Credit, Credited, Hold, LedgerEntry, NotHeld, Payer, Scope, Time};
use utoipa::ToSchema;

/// The most tokens of one credit, or of a cap: far more than that could not be written exactly in JSON.
pub(crate) const TOKENS_MAX: u64 = 1_000_000_000_000_000;
const REASON_BYTES_MAX: usize = 256;

/// An org's tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WalletView {
    /// What the org has.
    posted: u64,
    /// What of it is held for runs under way.
    held: u64,
    /// What it may still spend.
    available: u64,
}

/// A line of a statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerEntryView {
    #[schema(example = "ent_06bqk8m0000000000000000000")]
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// `credit`, `charge`, `subscription`, `earning` or `fee`.
    #[schema(example = "charge")]
    kind: String,
    /// What the org has more, or less.
    #[schema(example = -5)]
    tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<String>,
}

/// What is given to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct CreditRequest {
    #[schema(example = "org_06bqk8m0000000000000000000")]
    org_id: String,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_u64, example = 1000)]
    tokens: u64,
    /// What for, 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256, example = "invoice 2026-11")]
    reason: String,
}

/// Holds the price of what was asked for at a time. 402 where a budget or the wallet has too little.
pub(crate) async fn hold(
    server: &Server,
    payer: Payer,
    price: u64,
    at: Time,
) -> Result<Hold, Problem> {
    let held = server.store.hold(payer, price, at).await?;
    held.map_err(|refused| match refused {
        NotHeld::Session => Problem::of(Kind::BudgetExhausted).with_hint(
            "Nothing was started or charged: the session has started all of its `runs`, or the price would pass its `cap`; whoever made it makes another with `POST /v1/sessions`.",
        ),
        NotHeld::Budget(resets_at) => Problem::budget_exhausted(resets_at),
        NotHeld::Balance(wallet) => Problem::balance_insufficient(price, wallet.available()),
    })
}

/// What the org has.
#[utoipa::path(get, path = "/v1/wallet", tag = "wallet", responses((status = 200, body = WalletView)))]
pub(crate) async fn get_wallet(
    State(server): State<Shared>,
    caller: Caller,
) -> Result<Json<WalletView>, Problem> {
    caller.needs(Scope::Run)?;
    let wallet = server.store.wallet(caller.key.owner.org);
    Ok(Json(WalletView {
        posted: wallet.posted,
        held: wallet.held,
        available: wallet.available(),
    }))
}

/// The org's statement, newest first. All of it adds up to `posted`.
#[utoipa::path(get, path = "/v1/wallet/entries", tag = "wallet", params(Paging),
    responses((status = 200, body = List<LedgerEntryView>)))]
pub(crate) async fn list_wallet_entries(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<List<LedgerEntryView>>, Problem> {
    caller.needs(Scope::Run)?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    let page = server
        .store
        .entries_of_wallet(caller.key.owner.org, before, limit)
        .await?;
    Ok(Json(List::of(page, view)))
}

/// Gives tokens to an org. The operator's. With an `Idempotency-Key` they are given once, however often it is sent.
#[utoipa::path(post, path = "/v1/wallet/credits", tag = "operator", request_body = CreditRequest,
    responses((status = 201, body = LedgerEntryView,
        headers(("Location" = String, description = "The wallet's entries.")))))]
pub(crate) async fn create_credit(
    State(server): State<Shared>,
    caller: Caller,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Created<LedgerEntryView>, Problem> {
    caller.needs(Scope::Operator)?;
    let request: CreditRequest = sent.json(&server.bodies, caller.key.owner.org).await?;
    let credit = checked(&request)?;
    // Kept with the credit itself: an answer could be lost between the two.
    let slot = slot(&caller, &method, &uri, &headers)?;
    let credit = Credit {
        request_sha256: slot.map(|slot| slot.digest()),
        ..credit
    };
    let too_much = "the org would have more tokens than can be counted";
    match server.store.credit(caller.actor(), credit).await? {
        Credited::Made(entry) => Ok(Created {
            location: "/v1/wallet/entries".to_owned(),
            body: view(entry),
        }),
        Credited::NoOrg => Err(unknown_org(&request.org_id)),
        Credited::TooMuch => Err(unprocessable("tokens_invalid", too_much, Some("/tokens"))),
        Credited::Conflict => Err(Problem::of(Kind::IdempotencyConflict)),
    }
}

fn checked(request: &CreditRequest) -> Result<Credit, Problem> {
    let org = request.org_id.parse();
    let org = org.map_err(|_| unknown_org(&request.org_id))?;
    if !(1..=TOKENS_MAX).contains(&request.tokens) {
        let message = format!("a credit is 1 to {TOKENS_MAX} tokens");
        return Err(unprocessable("tokens_invalid", message, Some("/tokens")));
    }
    let reason = &request.reason;
    let is_reason = !reason.trim().is_empty()
        && reason.len() <= REASON_BYTES_MAX
        && !reason.chars().any(char::is_control);
    if !is_reason {
        let message =
            format!("a reason has 1 to {REASON_BYTES_MAX} bytes and no control characters");
        return Err(unprocessable("reason_invalid", message, Some("/reason")));
    }
    Ok(Credit {
        org,
        tokens: request.tokens,
        reason: reason.clone(),
        request_sha256: None,
    })
}

fn unknown_org(id: &str) -> Problem {
    let message = format!("`{}` is no org of this server", quoted(id));
    unprocessable("org_unknown", message, Some("/org_id"))
}

fn view(entry: LedgerEntry) -> LedgerEntryView {
    LedgerEntryView {
        id: entry.id.to_string(),
        at: entry.at.to_string(),
        kind: entry.kind,
        tokens: entry.tokens,
        run_id: entry.run.map(|it| it.to_string()),
        subscription_id: entry.subscription.map(|it| it.to_string()),
    }
}
