//! Steps 4 and 5: what a caller may run, on which terms, for how much.

use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::edge::turns;
use crate::server::state::Server;
use crate::server::state::offer::Offer;
use crate::terms::widens;
use serde_json::json;
use std::sync::Arc;
use tollgate_runtime::Violation;
use tollgate_store::{Artifact, OrgId, Release, Subscription, VerdictRecord, VerdictStatus};

/// Releases that are read at once.
const RELEASES_AT_ONCE: usize = 4;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The release that was published last, or rolled back to.
    ActiveRelease,
    /// The draft, for the artifact's own project.
    Draft,
}

/// What the caller may run of an artifact. 403 without a subscription, 400 not validated, 409 no active release.
pub(crate) async fn offer(
    server: &Server,
    caller: &Caller,
    artifact: &Artifact,
    of: Of,
) -> Result<Offer, Problem> {
    match of {
        Of::ActiveRelease if artifact.owner == caller.owner() => {
            go_on(caller, artifact)?;
            own(artifact)
        }
        Of::ActiveRelease => subscribed(server, caller, artifact).await,
        Of::Draft => {
            go_on(caller, artifact)?;
            draft(artifact)
        }
    }
}

/// Refuses where the operator has stopped the caller or the artifact.
fn go_on(caller: &Caller, artifact: &Artifact) -> Result<(), Problem> {
    caller.goes_on()?;
    not_suspended(artifact)
}

/// Refuses what the operator has stopped.
pub(crate) fn not_suspended(artifact: &Artifact) -> Result<(), Problem> {
    match artifact.is_suspended {
        true => Err(Problem::of(Kind::Suspended).with_artifact(artifact.id)),
        false => Ok(()),
    }
}

/// One's own costs nothing.
fn own(artifact: &Artifact) -> Result<Offer, Problem> {
    let active = active(artifact)?;
    Ok(Offer {
        release: Some(active.id),
        digest: active.digest,
        price: 0,
        seller: None,
    })
}

async fn subscribed(
    server: &Server,
    caller: &Caller,
    artifact: &Artifact,
) -> Result<Offer, Problem> {
    let subscription = server.store.subscription_to(caller.owner(), artifact.id);
    let subscription = subscription.await?.ok_or_else(|| {
        let release = artifact.active.as_ref().map(|active| active.id.to_string());
        let body = json!({"artifact_id": artifact.id.to_string(), "release_id": release});
        let hint = format!(
            "`POST /v1/subscriptions` `{body}` with a `manage` key subscribes your project to the terms that `GET /v1/artifacts/{}` shows.",
            artifact.id
        );
        Problem::of(Kind::NotSubscribed).with_hint(hint)
    })?;
    go_on(caller, artifact)?;
    within_terms(server, caller.key.owner.org, &subscription, artifact).await
}

/// The release that the caller's project runs, or would run if it subscribed now. `None` if there is none.
pub(crate) async fn release(
    server: &Server,
    caller: &Caller,
    artifact: &Artifact,
) -> Result<Option<Arc<Release>>, Problem> {
    let Some(active) = &artifact.active else {
        return Ok(None);
    };
    let subscription = match artifact.owner == caller.owner() {
        true => None,
        false => {
            let subscription = server.store.subscription_to(caller.owner(), artifact.id);
            subscription.await?
        }
    };
    let Some(subscription) = subscription else {
        return Ok(Some(Arc::clone(active)));
    };
    let offer = within_terms(server, caller.key.owner.org, &subscription, artifact).await?;
    match offer.release {
        Some(id) if id != active.id => {
            let release = server.store.release(artifact.id, id).await?;
            Ok(release.map(Arc::new))
        }
        _ => Ok(Some(Arc::clone(active))),
    }
}

fn active(artifact: &Artifact) -> Result<&Release, Problem> {
    match &artifact.active {
        Some(active) => Ok(active),
        None => {
            let draft = artifact.draft.as_ref();
            admitted(draft.and_then(|draft| draft.verdict.as_ref()))?;
            Err(Problem::of(Kind::NoActiveRelease))
        }
    }
}

/// The newest release, from the active one back, that asks no more than the subscriber has agreed to.
async fn within_terms(
    server: &Server,
    payer: OrgId,
    subscription: &Subscription,
    artifact: &Artifact,
) -> Result<Offer, Problem> {
    let (active, seller) = (active(artifact)?, artifact.owner.org);
    if active.id == subscription.release {
        return Ok(priced(active, seller));
    }
    // Neither changes, nor does what was released between them.
    match server.within_terms.get(&(active.id, subscription.release)) {
        Some(offer) => Ok(offer),
        None => Box::pin(look_for(server, payer, subscription, active, seller)).await,
    }
}

async fn look_for(
    server: &Server,
    payer: OrgId,
    subscription: &Subscription,
    active: &Release,
    seller: OrgId,
) -> Result<Offer, Problem> {
    // A seller may have made thousands of releases that say much, and one org has many projects that agreed to others
    // of them: it looks for one of them at a time.
    let _turn = server.turns.of(payer, turns::Kind::LookBack).await;
    let both = (active.id, subscription.release);
    if let Some(offer) = server.within_terms.get(&both) {
        return Ok(offer);
    }
    let offer = look_back(server, subscription, active, seller).await?;
    server.within_terms.insert(both, offer);
    Ok(offer)
}

async fn look_back(
    server: &Server,
    subscription: &Subscription,
    active: &Release,
    seller: OrgId,
) -> Result<Offer, Problem> {
    let accepted = accepted(server, subscription).await?;
    let is_within = |release: &Release| widens(&accepted.terms, &release.terms).is_empty();
    if is_within(active) {
        return Ok(priced(active, seller));
    }
    let mut before = active.id;
    loop {
        // Mostly the one before; a seller may have made thousands.
        let page = server
            .store
            .releases_before(subscription.artifact, before, RELEASES_AT_ONCE)
            .await?;
        let Some(oldest) = page.last().map(|release| release.id) else {
            return Ok(priced(&accepted, seller));
        };
        // What was agreed to is within itself: nobody looks further back.
        if let Some(release) = page.iter().find(|release| is_within(release)) {
            return Ok(priced(release, seller));
        }
        before = oldest;
    }
}

/// A release as it is run by others.
fn priced(release: &Release, seller: OrgId) -> Offer {
    let price = release.terms.price;
    Offer {
        release: Some(release.id),
        digest: release.digest,
        price,
        seller: (price > 0).then_some(seller),
    }
}

/// The release whose terms a subscriber has agreed to.
pub(crate) async fn accepted(
    server: &Server,
    subscription: &Subscription,
) -> Result<Release, Problem> {
    let accepted = server
        .store
        .release(subscription.artifact, subscription.release)
        .await?;
    accepted.ok_or_else(|| Problem::of(Kind::Internal))
}

fn draft(artifact: &Artifact) -> Result<Offer, Problem> {
    let draft = artifact.draft.as_ref();
    let draft = draft.ok_or_else(|| Problem::of(Kind::DraftNotFound))?;
    admitted(draft.verdict.as_ref())?;
    Ok(Offer {
        release: None,
        digest: draft.digest,
        price: 0,
        seller: None,
    })
}

/// Refuses a draft that no verdict admits, with the verdict's violations.
pub(crate) fn admitted(verdict: Option<&VerdictRecord>) -> Result<(), Problem> {
    let not_validated = Problem::of(Kind::NotValidated);
    match verdict.map(|verdict| (verdict.status, verdict)) {
        Some((VerdictStatus::Admitted, _)) => Ok(()),
        Some((VerdictStatus::Rejected, verdict)) => {
            let violations = verdict.violations.as_array().cloned().unwrap_or_default();
            Err(not_validated.with_recorded_violations(violations))
        }
        Some((VerdictStatus::Pending, _)) => {
            let message =
                "the draft is being validated; `GET …/draft/validation` says when it is done";
            let violation = Violation::new("validation_pending", message);
            Err(not_validated.with_violation(violation).retryable(true))
        }
        None => {
            let message = "nobody asked for a validation; `POST …/draft/validation` does";
            Err(not_validated.with_violation(Violation::new("validation_missing", message)))
        }
    }
}
