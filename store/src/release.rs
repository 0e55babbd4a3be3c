//! Releases: what was published, which of them runs.

use crate::Store;
use crate::artifact::{digest_in, json_in};
use crate::caps::{Caps, Rows};
use crate::cover::has_cover;
use crate::draft::{VerdictRecord, VerdictStatus, verdict_in};
use crate::error::StoreError;
use crate::files::Digest;
use crate::id::{ArtifactId, OrgId, ReleaseId};
use crate::page::{Page, one_more};
use crate::statements;
use crate::terms::Terms;
use crate::time::Time;
use crate::words::words;
use crate::writer::Transaction;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

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
            Box::pin(publish(transaction, org, id, cover, widens, caps))
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
        let query = sqlx::query(statements::RELEASES)
            .bind(org)
            .bind(id)
            .bind(before.unwrap_or_else(ReleaseId::last))
            .bind(one_more(limit));
        let mut reader = self.list_readers.acquire(org).await?;
        Page::read(query, reader.connection()?, limit, shown, |it| {
            it.release.id
        })
        .await
    }

    /// How a release was judged.
    pub async fn release_log(
        &self,
        (org, id): (OrgId, ArtifactId),
        release: ReleaseId,
    ) -> Result<Option<String>, StoreError> {
        let log = sqlx::query_scalar(statements::RELEASE_LOG)
            .bind(org)
            .bind(id)
            .bind(release)
            .fetch_optional(&self.readers)
            .await?;
        Ok(log)
    }

    /// The tools of active releases among the latest runs, most used first.
    pub async fn digests_of_latest_runs(&self) -> Result<Vec<Digest>, StoreError> {
        let rows = sqlx::query(statements::DIGESTS_OF_LATEST_RUNS)
            .bind(RUNS_LOOKED_AT)
            .fetch_all(&self.readers)
            .await?;
        let digests = rows.iter().map(|row| digest_in(row.try_get("digest")?));
        Ok(digests.collect::<Result<_, _>>()?)
    }

    /// The next tool of an active release in order of digests, or the first. `None` after the last.
    pub async fn active_digest_after(
        &self,
        mut after: Option<Digest>,
    ) -> Result<Option<Digest>, StoreError> {
        loop {
            let row = sqlx::query(statements::RELEASED_DIGEST_AFTER)
                .bind(after.as_ref().map_or(&[][..], Digest::as_bytes))
                .fetch_one(&self.readers)
                .await?;
            let Some(digest) = row.try_get::<Option<&[u8]>, _>("digest")? else {
                return Ok(None);
            };
            let digest = digest_in(digest)?;
            if row.try_get("is_active")? {
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
            Box::pin(activate(transaction, org, id, release))
        })
        .await
    }
}

async fn publish(
    transaction: &mut Transaction,
    org: OrgId,
    id: ArtifactId,
    cover: Option<String>,
    widens: Widens,
    caps: Caps,
) -> Result<Published, StoreError> {
    caps.check(transaction, org, Rows::Releases(id)).await?;
    let draft = sqlx::query(statements::DRAFT_TO_PUBLISH)
        .bind(org)
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
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
    let versions: Vec<String> = sqlx::query_scalar(statements::VERSIONS)
        .bind(org)
        .bind(id)
        .fetch_all(&mut *transaction)
        .await?;
    let version = match version {
        Some(version) if versions.contains(&version) => {
            return Ok(Published::VersionExists(version));
        }
        Some(version) => version,
        None => next_version(&versions),
    };
    if !has_cover(transaction, (org, id), cover).await? {
        return Ok(Published::NoCover);
    }
    let terms = Terms::of(&about).map_err(|error| StoreError::Failed(error.into()))?;
    let widens = match active_terms(transaction, org, id).await? {
        Some(before) => widens(&before, &terms),
        None => Value::Array(Vec::new()),
    };
    let release = Release {
        id: ReleaseId::new(),
        version,
        digest: digest_in(draft.try_get("digest")?)?,
        terms,
        created_at: Time::now(),
        active: true,
    };
    let release = ShownRelease { release, widens };
    let kept = (draft.try_get("log")?, draft.try_get("size_bytes")?);
    insert(transaction, (org, id), (&release, &about), kept).await?;
    for statement in [statements::LIST, statements::DELETE_DRAFT] {
        sqlx::query(statement)
            .bind(org)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
    }
    set_active(transaction, (org, id), release.release.id, &about).await?;
    Ok(Published::Made(release))
}

/// The terms of the active release, where there is one.
async fn active_terms(
    transaction: &mut Transaction,
    org: OrgId,
    id: ArtifactId,
) -> Result<Option<Terms>, StoreError> {
    let terms: Option<String> = sqlx::query_scalar(statements::ACTIVE_TERMS)
        .bind(org)
        .bind(id)
        .fetch_optional(transaction)
        .await?;
    Ok(terms.as_deref().map(json_in).transpose()?)
}

async fn insert(
    transaction: &mut Transaction,
    (org, id): (OrgId, ArtifactId),
    (ShownRelease { release, widens }, about): (&ShownRelease, &Value),
    (log, size_bytes): (String, i64),
) -> Result<(), StoreError> {
    let terms = serde_json::to_string(&release.terms);
    let terms = terms.map_err(|error| StoreError::Failed(error.into()))?;
    sqlx::query(statements::INSERT_RELEASE)
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
        .execute(transaction)
        .await?;
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

async fn activate(
    transaction: &mut Transaction,
    org: OrgId,
    id: ArtifactId,
    asked: Option<ReleaseId>,
) -> Result<Option<ShownRelease>, StoreError> {
    let asked = match asked {
        Some(asked) => Some(asked),
        None => {
            sqlx::query_scalar(statements::RELEASE_BEFORE)
                .bind(org)
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?
        }
    };
    let Some(asked) = asked else { return Ok(None) };
    let row = sqlx::query(statements::RELEASE)
        .bind(org)
        .bind(id)
        .bind(asked)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (release, widens) = (release_in(&row, true)?, json_in(row.try_get("widens")?)?);
    let about: Value = json_in(row.try_get("about")?)?;
    set_active(transaction, (org, id), release.id, &about).await?;
    Ok(Some(ShownRelease { release, widens }))
}

async fn set_active(
    transaction: &mut Transaction,
    (org, id): (OrgId, ArtifactId),
    release: ReleaseId,
    about: &Value,
) -> Result<(), StoreError> {
    sqlx::query(statements::ACTIVATE)
        .bind(org)
        .bind(id)
        .bind(release)
        .bind(words(about))
        .execute(transaction)
        .await?;
    Ok(())
}

fn shown(row: &SqliteRow) -> Result<ShownRelease, sqlx::Error> {
    let active: Option<i64> = row.try_get("active")?;
    Ok(ShownRelease {
        release: release_in(row, active == Some(1))?,
        widens: json_in(row.try_get("widens")?)?,
    })
}

pub(crate) fn release_in(row: &SqliteRow, active: bool) -> Result<Release, sqlx::Error> {
    Ok(Release {
        id: row.try_get("release_id")?,
        version: row.try_get("version")?,
        digest: digest_in(row.try_get("digest")?)?,
        terms: json_in(row.try_get("terms")?)?,
        created_at: row.try_get("released_at")?,
        active,
    })
}
