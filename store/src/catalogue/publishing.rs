//! How a draft becomes a release. Terms can be hundreds of kilobytes of a seller's JSON, and a description megabytes. So
//! the release is planned beside the writer, which then compares what the plan rests on and copies texts from row to row.

use crate::Store;
use crate::catalogue::cover::has_cover;
use crate::catalogue::draft::{VerdictStatus, verdict_in};
use crate::catalogue::release::{Published, Release, ShownRelease, Widens};
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId, ReleaseId};
use crate::sql::{self, Connection, SqlError, statements};
use crate::tenancy::caps::Rows;
use crate::time::Time;
use serde_json::Value;
use std::sync::Arc;

/// Plans are made anew when the draft or the active release has changed meanwhile. An org publishes one draft at a time,
/// so that is rare.
const PLANS_MAX: usize = 5;

/// A release that a draft would become.
#[derive(Debug)]
pub(crate) struct Plan {
    release: ShownRelease,
    /// The draft was validated then.
    asked_at: Time,
    /// The release whose terms were compared. 16 zero bytes if there is none.
    active: ReleaseId,
}

impl Store {
    /// Makes a release of an artifact's draft, active and listed from now. `cover` becomes its cover if there is none.
    /// `widens` compares the terms of the active release with those of the draft.
    pub async fn publish(
        &self,
        (org, id): (OrgId, ArtifactId),
        cover: Option<String>,
        widens: Widens,
    ) -> Result<Published, StoreError> {
        let turn = Arc::new(self.room_for(org, [Rows::Releases(id)]).await?);
        for _ in 0..PLANS_MAX {
            let planning = move |connection: &mut Connection| plan(connection, (org, id), widens);
            let plan = match self.readers.read(planning).await? {
                Ok(plan) => plan,
                Err(refused) => return Ok(refused),
            };
            let (cover, turn) = (cover.clone(), Arc::clone(&turn));
            let publishing = self.change_artifact_in(turn, id, move |transaction| {
                carry_out(transaction, (org, id), &plan, cover.as_deref())
            });
            if let Some(published) = publishing.await? {
                return Ok(published);
            }
        }
        let why = "the draft changed while it was published";
        Err(StoreError::Refusing(why.to_owned()))
    }
}

/// Plans the release of a draft. The inner error says why it cannot be published.
pub(crate) fn plan(
    connection: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    widens: Widens,
) -> Result<Result<Plan, Published>, SqlError> {
    let draft = sql::query(statements::DRAFT_TO_PUBLISH).bind(org).bind(id);
    let Some(draft) = draft.optional(connection)? else {
        return Ok(Err(Published::NoDraft));
    };
    let verdict = verdict_in(&draft, "no_about", "version")?;
    let Some(verdict) = verdict
        .as_ref()
        .filter(|verdict| verdict.status == VerdictStatus::Admitted)
    else {
        return Ok(Err(Published::NotAdmitted(verdict)));
    };
    let versions = sql::query(statements::VERSIONS).bind(org).bind(id);
    let versions: Vec<String> = versions.scalars(connection)?;
    let version = match &verdict.version {
        Some(version) if versions.contains(version) => {
            return Ok(Err(Published::VersionExists(version.clone())));
        }
        Some(version) => version.clone(),
        None => next_version(&versions),
    };
    let active = sql::query(statements::ACTIVE_TERMS).bind(org).bind(id);
    let active = active.optional(connection)?;
    let terms = draft.json("terms")?;
    let (active, widens) = match active {
        Some(active) => (
            active.get("release_id")?,
            widens(&active.json("terms")?, &terms),
        ),
        None => (ReleaseId::none(), Value::Array(Vec::new())),
    };
    let release = Release {
        id: ReleaseId::new(),
        version,
        digest: draft.get::<Digest>("digest")?,
        terms,
        created_at: Time::now(),
        active: true,
    };
    Ok(Ok(Plan {
        release: ShownRelease { release, widens },
        asked_at: draft.get("asked_at")?,
        active,
    }))
}

/// Publishes as planned. `None` if the draft or the active release has changed since.
pub(crate) fn carry_out(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    plan: &Plan,
    cover: Option<&str>,
) -> Result<Option<Published>, StoreError> {
    let ShownRelease { release, widens } = &plan.release;
    let holds: bool = sql::query(statements::PLAN_HOLDS)
        .bind(org)
        .bind(id)
        .bind(release.digest)
        .bind(plan.asked_at)
        .bind(ReleaseId::none())
        .bind(plan.active)
        .scalar(transaction)?;
    if !holds {
        return Ok(None);
    }
    if !has_cover(transaction, (org, id), cover)? {
        return Ok(Some(Published::NoCover));
    }
    sql::query(statements::INSERT_RELEASE)
        .bind(org)
        .bind(id)
        .bind(release.id)
        .bind(&release.version)
        .bind(widens.to_string())
        .bind(release.created_at)
        .execute(transaction)?;
    for statement in [statements::LIST, statements::DELETE_DRAFT] {
        sql::query(statement)
            .bind(org)
            .bind(id)
            .execute(transaction)?;
    }
    set_active(transaction, (org, id), release.id)?;
    Ok(Some(Published::Made(plan.release.clone())))
}

/// Lets a release run. `false` if there is no such release.
pub(crate) fn set_active(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    release: ReleaseId,
) -> Result<bool, SqlError> {
    let active = sql::query(statements::ACTIVATE).bind(org).bind(id);
    Ok(active.bind(release).execute(transaction)? == 1)
}

/// The first of 0.0.1, 0.0.2, … after as many as there are that is free.
fn next_version(versions: &[String]) -> String {
    let mut patch = versions.len() + 1;
    loop {
        let version = format!("0.0.{patch}");
        if !versions.contains(&version) {
            return version;
        }
        patch += 1;
    }
}
