//! Subscriptions: a project takes an artifact's terms, pays once where that has a price, and may run it from then on.

use super::offer::{accepted, not_suspended};
use super::wallet;
use crate::problem::answer::{Created, NoContent};
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, Segment, id};
use crate::server::edge::turns;
use crate::server::edge::unsent::showing::Shown;
use crate::server::state::{Server, Shared};
use crate::terms::{Widening, widens};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use tollgate_store::{
    ArtifactId, NewSubscription, OrgId, Release, ReleaseId, Scope, Subscription, SubscriptionId,
    Time,
};
use utoipa::ToSchema;

/// Bytes of widenings after which a page ends.
const PAGE_BYTES: usize = 2 << 20;

/// What to subscribe to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Subscribe {
    #[schema(example = "art_06bqk8m0000000000000000000")]
    artifact_id: String,
    /// The release whose terms were read. If another one is active by now, nothing is subscribed to or paid.
    release_id: Option<String>,
    /// Tokens. If the subscription costs more, nothing is subscribed to or paid.
    max_price: Option<u64>,
}

/// Whose terms to take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Accept {
    /// The release whose terms were read: the active one.
    #[schema(example = "rel_06bqk8m0000000000000000000")]
    release_id: String,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionView {
    #[schema(example = "sub_06bqk8m0000000000000000000")]
    id: String,
    artifact_id: String,
    /// The release whose terms were taken.
    release_id: String,
    /// What the active release asks beyond them: it is run once they are accepted, until then the newest that asks no
    /// more.
    #[serde(serialize_with = "as_it_is")]
    #[schema(value_type = Vec<Widening>)]
    pending_widens: Arc<Vec<Widening>>,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// Subscribes the project to an artifact, on the terms of its active release, and pays its `subscription_price`.
#[utoipa::path(post, path = "/v1/subscriptions", tag = "subscriptions", request_body = Subscribe,
    responses((status = 201, body = SubscriptionView,
        headers(("Location" = String, description = "The subscriptions.")))))]
pub(crate) async fn subscribe(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Created<SubscriptionView>, Problem> {
    caller.needs(Scope::Manage)?;
    let asked: Subscribe = sent.json(&server.bodies, caller.key.owner.org).await?;
    let Subscribe { artifact_id, .. } = &asked;
    let artifact = visible::own_listed_or_subscribed(&server, &caller, artifact_id).await?;
    if artifact.owner == caller.owner() {
        let message = "it is your project's own: runs of it cost nothing and need no subscription";
        return Err(crate::problem::unprocessable(
            "artifact_own",
            message,
            Some("/artifact_id"),
        ));
    }
    not_suspended(&artifact)?;
    let release = artifact
        .active
        .as_ref()
        .ok_or_else(|| Problem::of(Kind::NoActiveRelease))?;
    let is_subscribed = server.store.subscription_to(caller.owner(), artifact.id);
    if is_subscribed.await?.is_some() {
        return Err(Problem::of(Kind::AlreadySubscribed));
    }
    let price = release.terms.subscription_price;
    let names_another = asked
        .release_id
        .is_some_and(|it| it != release.id.to_string());
    if names_another || asked.max_price.is_some_and(|max_price| price > max_price) {
        return Err(terms_changed(artifact.id, release.id));
    }
    let at = Time::now();
    let hold = wallet::hold(&server, caller.payer(), price, at).await?;
    let new = NewSubscription {
        artifact: artifact.id,
        seller: artifact.owner.org,
        release: release.id,
        price,
        key: caller.key.key,
        at,
    };
    // In a task: a caller that leaves must not give the hold back before it is paid with.
    let (owner, paying) = (caller.owner(), Arc::clone(&server));
    let made = tokio::spawn(async move { paying.store.subscribe(owner, new, hold).await });
    let made = made.await.map_err(|_| Problem::of(Kind::Internal))??;
    let made = made.ok_or_else(|| Problem::of(Kind::AlreadySubscribed))?;
    Ok(Created {
        location: "/v1/subscriptions".to_owned(),
        body: view(&server, caller.key.owner.org, made).await?,
    })
}

fn terms_changed(artifact: ArtifactId, active: ReleaseId) -> Problem {
    let hint = format!(
        "The active release is {active}. Read its terms in `GET /v1/artifacts/{artifact}`, and send its id as `release_id` if you agree to them."
    );
    Problem::of(Kind::TermsChanged).with_hint(hint)
}

/// Lists the project's subscriptions, those that have ended too, newest first.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", params(Paging),
    responses((status = 200, body = List<SubscriptionView>)))]
pub(crate) async fn list_subscriptions(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Shown<Json<List<SubscriptionView>>>, Problem> {
    caller.needs(Scope::Run)?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    let showing = Some(server.showing(caller.whose()).await?);
    let page = server
        .store
        .subscriptions(caller.owner(), before, limit)
        .await?;
    let (mut items, mut next, mut bytes) = (Vec::new(), page.next, 0);
    for subscription in page.items {
        let id = subscription.id;
        // Sellers wrote most of it: a page of large items is short.
        if bytes > PAGE_BYTES {
            next = items.last().map(|(id, _)| *id);
            break;
        }
        let view = view(&server, caller.key.owner.org, subscription).await?;
        bytes += view
            .pending_widens
            .iter()
            .map(Widening::bytes)
            .sum::<usize>();
        items.push((id, view));
    }
    let body = Json(List {
        items: items.into_iter().map(|(_, view)| view).collect(),
        next_cursor: next.map(|id| id.to_string()),
    });
    Ok(Shown { body, showing })
}

/// Ends a subscription, at once. What was paid for it stays paid.
#[utoipa::path(delete, path = "/v1/subscriptions/{id}", tag = "subscriptions", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn unsubscribe(
    State(server): State<Shared>,
    caller: Caller,
    Segment(subscription): Segment,
) -> Result<NoContent, Problem> {
    let subscription = id(&subscription, Kind::SubscriptionNotFound)?;
    caller.needs(Scope::Manage)?;
    let ended = server.store.unsubscribe(caller.owner(), subscription);
    match ended.await? {
        true => Ok(NoContent),
        false => Err(Problem::of(Kind::SubscriptionNotFound)),
    }
}

/// Takes the terms of the active release, which the body names: terms that were not read are not taken.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/accept", tag = "subscriptions", params(("id" = String, Path)),
    request_body = Accept, responses((status = 200, body = SubscriptionView)))]
pub(crate) async fn accept(
    State(server): State<Shared>,
    caller: Caller,
    Segment(subscription): Segment,
    sent: Sent,
) -> Result<Json<SubscriptionView>, Problem> {
    let subscription: SubscriptionId = id(&subscription, Kind::SubscriptionNotFound)?;
    caller.needs(Scope::Manage)?;
    let not_found = || Problem::of(Kind::SubscriptionNotFound);
    let found = server.store.subscription(caller.owner(), subscription);
    let found = found.await?.filter(|it| it.ended_at.is_none());
    let found = found.ok_or_else(not_found)?;
    let asked: Accept = sent.json(&server.bodies, caller.key.owner.org).await?;
    let artifact = server.store.artifact(found.artifact).await?;
    let active = artifact.and_then(|it| it.active.clone());
    let active = active.ok_or_else(|| Problem::of(Kind::NoActiveRelease))?;
    if asked.release_id != active.id.to_string() {
        return Err(terms_changed(found.artifact, active.id));
    }
    let is_accepted = server
        .store
        .accept(caller.owner(), subscription, active.id)
        .await?;
    if !is_accepted {
        return Err(not_found());
    }
    let taken = Subscription {
        release: active.id,
        ..found
    };
    Ok(Json(view(&server, caller.key.owner.org, taken).await?))
}

async fn view(
    server: &Server,
    org: OrgId,
    subscription: Subscription,
) -> Result<SubscriptionView, Problem> {
    Ok(SubscriptionView {
        id: subscription.id.to_string(),
        artifact_id: subscription.artifact.to_string(),
        release_id: subscription.release.to_string(),
        pending_widens: pending_widens(server, org, &subscription).await?,
        created_at: subscription.created_at.to_string(),
        ended_at: subscription.ended_at.map(|it| it.to_string()),
    })
}

/// Compares the active release with the accepted one. The result depends on these two releases only, so it is cached. Reading a
/// release takes long, so an org compares one pair at a time.
async fn widened(
    server: &Server,
    org: OrgId,
    subscription: &Subscription,
    active: &Release,
) -> Result<Arc<Vec<Widening>>, Problem> {
    let both = (active.id, subscription.release);
    if let Some(widens) = server.widenings.get(&both) {
        return Ok(widens);
    }
    let _turn = server.turns.of(org, turns::Kind::LookBack).await;
    if let Some(widens) = server.widenings.get(&both) {
        return Ok(widens);
    }
    let accepted = accepted(server, subscription).await?;
    let widens = Arc::new(widens(&accepted.terms, &active.terms));
    server.widenings.insert(both, Arc::clone(&widens));
    Ok(widens)
}

async fn pending_widens(
    server: &Server,
    org: OrgId,
    subscription: &Subscription,
) -> Result<Arc<Vec<Widening>>, Problem> {
    let artifact = server.store.artifact(subscription.artifact).await?;
    let active = artifact.and_then(|it| it.active.clone());
    let active =
        active.filter(|it| it.id != subscription.release && subscription.ended_at.is_none());
    match active {
        Some(active) => widened(server, org, subscription, &active).await,
        None => Ok(Arc::default()),
    }
}

fn as_it_is<S: Serializer>(widens: &Arc<Vec<Widening>>, serializer: S) -> Result<S::Ok, S::Error> {
    widens.serialize(serializer)
}
