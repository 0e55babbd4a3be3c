//! Releases: what was published, which of them runs.

use crate::Store;
use crate::catalogue::draft::VerdictRecord;
use crate::catalogue::publishing::set_active;
use crate::catalogue::terms::Terms;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId, ReleaseId};
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
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
    /// True for the release that runs.
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
        // An org changes one artifact's release at a time, so that many do not fill a transaction.
        let turn = self.making.of(org).await;
        let activating = self.change_artifact_in(turn, id, move |transaction| {
            activate(transaction, (org, id), release)
        });
        let Some(release) = activating.await? else {
            return Ok(None);
        };
        // Terms can be hundreds of kilobytes, which are read and parsed in the org's turn for lists.
        let active = sql::query(statements::RELEASE).bind(org).bind(id);
        let active = active.bind(release);
        let reading = self.list_readers.read(org, move |connection| {
            let row = active.optional(connection)?;
            row.as_ref().map(shown).transpose()
        });
        reading.await
    }
}

/// Lets a release run, or the one before the active one. `None` if there is no such release.
fn activate(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    asked: Option<ReleaseId>,
) -> Result<Option<ReleaseId>, StoreError> {
    let before = sql::query(statements::RELEASE_BEFORE).bind(org).bind(id);
    let release = match asked {
        Some(asked) => Some(asked),
        None => before.optional_scalar(transaction)?,
    };
    let Some(release) = release else {
        return Ok(None);
    };
    Ok(set_active(transaction, (org, id), release)?.then_some(release))
}

fn shown(row: &Row) -> Result<ShownRelease, SqlError> {
    let active: Option<bool> = row.get("active")?;
    Ok(ShownRelease {
        release: release_in(row, active == Some(true))?,
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
