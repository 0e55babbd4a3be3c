//! Releases: what was published, which of them runs.

use crate::Store;
use crate::catalogue::cover::has_cover;
use crate::catalogue::draft::{VerdictRecord, VerdictStatus, verdict_in};
use crate::catalogue::terms::Terms;
use crate::catalogue::words::words;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId, ReleaseId};
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::caps::{Caps, Rows};
use crate::time::Time;
use serde_json::Value;

/// Runs that tell which tools are in use: more take longer to count than a start may.
const RUNS_LOOKED_AT: i64 = 10_000;

/// A published tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Its identifier.
    pub id: ReleaseId,
    /// Unique in its artifact.
    pub version: String,
    /// Its bytes.
    pub digest: Digest,
    /// The terms that its subscribers agree to.
    pub terms: Terms,
    /// When it was published.
    pub created_at: Time,
    /// Whether it is the one that runs.
    pub active: bool,
}

/// A release as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRelease {
    /// The release.
    pub release: Release,
    /// JSON array: what it asks of subscribers beyond the release that was active before it.
    pub widens: Value,
}

/// Compares terms. The result is the JSON of everything that the second terms ask beyond the first.
pub type Widens = fn(&Terms, &Terms) -> Value;

/// How publishing a draft ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Published {
    /// It runs now.
    Made(ShownRelease),
    /// There is no draft.
    NoDraft,
    /// The gate has not admitted it.
    NotAdmitted(Option<VerdictRecord>),
    /// That version was released.
    VersionExists(String),
    /// There is no cover, and none was to be made.
    NoCover,
}

impl Store {
    /// Makes a release of an artifact's draft, active and listed from now. `cover` becomes its cover where there is
    /// none. What it `widens` is told from the terms of the active release and of the draft.
    pub async fn publish(
        &self,
        (org, id): (OrgId, ArtifactId),
        cover: Option<String>,
        widens: Widens,
    ) -> Result<Published, StoreError> {
        let caps = self.caps;
        self.change_artifact(id, move |transaction| {
            publish(transaction, org, id, cover.as_deref(), widens, caps)
        })
        .await
    }

    /// An artifact's releases, newest first.
    pub async fn releases(
        &self,
        (org, id): (OrgId, ArtifactId),
        before: Option<ReleaseId>,
        limit: usize,
    ) -> Result<Page<ShownRelease, ReleaseId>, StoreError> {
        let query = sql::query(statements::RELEASES)
            .bind(org)
            .bind(id)
            .bind(before.unwrap_or_else(ReleaseId::last))
            .bind(one_more(limit));
        let page = self.list_readers.read(org, move |connection| {
            Page::read(&query, connection, limit, shown, |it| it.release.id)
        });
        page.await
    }

    /// How a release was judged.
    pub async fn release_log(
        &self,
        (org, id): (OrgId, ArtifactId),
        release: ReleaseId,
    ) -> Result<Option<String>, StoreError> {
        let log = self
            .readers
            .optional_scalar(
                sql::query(statements::RELEASE_LOG)
                    .bind(org)
                    .bind(id)
                    .bind(release),
            )
            .await?;
        Ok(log)
    }

    /// The tools of active releases among the latest runs, most used first.
    pub async fn digests_of_latest_runs(&self) -> Result<Vec<Digest>, StoreError> {
        let rows = self
            .readers
            .all(sql::query(statements::DIGESTS_OF_LATEST_RUNS).bind(RUNS_LOOKED_AT))
            .await?;
        let digests = rows.iter().map(|row| row.get("digest"));
        Ok(digests.collect::<Result<_, _>>()?)
    }

    /// The next tool of an active release in order of digests, or the first. `None` after the last.
    pub async fn active_digest_after(
        &self,
        mut after: Option<Digest>,
    ) -> Result<Option<Digest>, StoreError> {
        loop {
            let row = self
                .readers
                .one(
                    sql::query(statements::RELEASED_DIGEST_AFTER)
                        .bind(after.map_or(Vec::new(), |digest| digest.as_bytes().to_vec())),
                )
                .await?;
            let Some(digest) = row.get("digest")? else {
                return Ok(None);
            };
            if row.get("is_active")? {
                return Ok(Some(digest));
            }
            after = Some(digest);
        }
    }

    /// Lets a release run, or the one published before the one that runs. `None` where it is not there.
    pub async fn activate(
        &self,
        (org, id): (OrgId, ArtifactId),
        release: Option<ReleaseId>,
    ) -> Result<Option<ShownRelease>, StoreError> {
        self.change_artifact(id, move |transaction| {
            activate(transaction, org, id, release)
        })
        .await
    }
}

pub(crate) fn publish(
    transaction: &mut Connection,
    org: OrgId,
    id: ArtifactId,
    cover: Option<&str>,
    widens: Widens,
    caps: Caps,
) -> Result<Published, StoreError> {
    caps.check(transaction, org, Rows::Releases(id))?;
    let draft = sql::query(statements::DRAFT_TO_PUBLISH)
        .bind(org)
        .bind(id)
        .optional(transaction)?;
    let Some(draft) = draft else {
        return Ok(Published::NoDraft);
    };
    let verdict = verdict_in(&draft, "about", "version")?;
    let (about, version) = match verdict {
        Some(VerdictRecord {
            status: VerdictStatus::Admitted,
            about: Some(about),
            version,
            ..
        }) => (about, version),
        verdict => return Ok(Published::NotAdmitted(verdict)),
    };
    let versions: Vec<String> = sql::query(statements::VERSIONS)
        .bind(org)
        .bind(id)
        .scalars(transaction)?;
    let version = match version {
        Some(version) if versions.contains(&version) => {
            return Ok(Published::VersionExists(version));
        }
        Some(version) => version,
        None => next_version(&versions),
    };
    if !has_cover(transaction, (org, id), cover)? {
        return Ok(Published::NoCover);
    }
    let terms = Terms::of(&about).map_err(|error| StoreError::Failed(error.into()))?;
    let widens = match active_terms(transaction, org, id)? {
        Some(before) => widens(&before, &terms),
        None => Value::Array(Vec::new()),
    };
    let release = Release {
        id: ReleaseId::new(),
        version,
        digest: draft.get("digest")?,
        terms,
        created_at: Time::now(),
        active: true,
    };
    let release = ShownRelease { release, widens };
    let kept = (draft.get("log")?, draft.get("size_bytes")?);
    insert(transaction, (org, id), (&release, &about), kept)?;
    for statement in [statements::LIST, statements::DELETE_DRAFT] {
        sql::query(statement)
            .bind(org)
            .bind(id)
            .execute(transaction)?;
    }
    set_active(transaction, (org, id), release.release.id, &about)?;
    Ok(Published::Made(release))
}

/// The terms of the active release, where there is one.
fn active_terms(
    transaction: &mut Connection,
    org: OrgId,
    id: ArtifactId,
) -> Result<Option<Terms>, StoreError> {
    let active = sql::query(statements::ACTIVE_TERMS).bind(org).bind(id);
    let active = active.optional(transaction)?;
    Ok(active.map(|row| row.json("terms")).transpose()?)
}

fn insert(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    (ShownRelease { release, widens }, about): (&ShownRelease, &Value),
    (log, size_bytes): (String, i64),
) -> Result<(), StoreError> {
    let terms = serde_json::to_string(&release.terms);
    let terms = terms.map_err(|error| StoreError::Failed(error.into()))?;
    sql::query(statements::INSERT_RELEASE)
        .bind(org)
        .bind(id)
        .bind(release.id)
        .bind(&release.version)
        .bind(release.digest.as_bytes())
        .bind(about.to_string())
        .bind(log)
        .bind(release.created_at)
        .bind(widens.to_string())
        .bind(size_bytes)
        .bind(terms)
        .execute(transaction)?;
    Ok(())
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

fn activate(
    transaction: &mut Connection,
    org: OrgId,
    id: ArtifactId,
    asked: Option<ReleaseId>,
) -> Result<Option<ShownRelease>, StoreError> {
    let asked = match asked {
        Some(asked) => Some(asked),
        None => sql::query(statements::RELEASE_BEFORE)
            .bind(org)
            .bind(id)
            .optional_scalar(transaction)?,
    };
    let Some(asked) = asked else { return Ok(None) };
    let row = sql::query(statements::RELEASE)
        .bind(org)
        .bind(id)
        .bind(asked)
        .optional(transaction)?;
    let Some(row) = row else { return Ok(None) };
    let (release, widens) = (release_in(&row, true)?, row.json("widens")?);
    let about: Value = row.json("about")?;
    set_active(transaction, (org, id), release.id, &about)?;
    Ok(Some(ShownRelease { release, widens }))
}

fn set_active(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    release: ReleaseId,
    about: &Value,
) -> Result<(), StoreError> {
    sql::query(statements::ACTIVATE)
        .bind(org)
        .bind(id)
        .bind(release)
        .bind(words(about))
        .execute(transaction)?;
    Ok(())
}

fn shown(row: &Row) -> Result<ShownRelease, SqlError> {
    let active: Option<i64> = row.get("active")?;
    Ok(ShownRelease {
        release: release_in(row, active == Some(1))?,
        widens: row.json("widens")?,
    })
}

pub(crate) fn release_in(row: &Row, active: bool) -> Result<Release, SqlError> {
    Ok(Release {
        id: row.get("release_id")?,
        version: row.get("version")?,
        digest: row.get("digest")?,
        terms: row.json("terms")?,
        created_at: row.get("released_at")?,
        active,
    })
}
