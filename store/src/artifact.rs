//! Artifacts of the catalogue.

use crate::Store;
use crate::draft::{Draft, NewDraft, draft_in, insert_draft};
use crate::error::StoreError;
use crate::files::Digest;
use crate::id::{ArtifactId, OrgId, ProjectId};
use crate::page::{LOOKED_AT_MAX, Page, one_more, parsed};
use crate::quota::{OverQuota, Quota, over_artifacts, over_bytes};
use crate::release::{Release, release_in};
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;

/// An entry of the catalogue, with what it offers now and what is being prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its identifier.
    pub id: ArtifactId,
    /// Whose it is.
    pub owner: (OrgId, ProjectId),
    /// Unique in its project.
    pub name: String,
    /// Whether others see it.
    pub listed: bool,
    /// When it was made.
    pub created_at: Time,
    /// The next release, until it is published.
    pub draft: Option<Draft>,
    /// What runs.
    pub active: Option<Arc<Release>>,
    /// Whether the operator has stopped it, or its org.
    pub is_suspended: bool,
}

/// An artifact with all that it says of itself, which can be megabytes.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// The description of its active release, or without one, of its admitted draft.
    pub about: Option<Value>,
    /// JSON array: what its active release asks of subscribers beyond the one before it.
    pub widens: Option<Value>,
}

/// How making an artifact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// It is there, with its draft.
    Made(ArtifactId),
    /// The project has one of that name.
    NameTaken(ArtifactId),
    /// The org would keep more than it may.
    OverQuota(OverQuota),
}

impl Store {
    /// Makes an artifact with its draft.
    pub async fn create_artifact(
        &self,
        (org, project): (OrgId, ProjectId),
        name: String,
        draft: NewDraft,
        quota: Quota,
    ) -> Result<Upload, StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(insert_artifact(
                    transaction,
                    (org, project),
                    name,
                    draft,
                    quota,
                ))
            })
            .await
    }

    /// An artifact, whoever asks.
    pub async fn artifact(&self, id: ArtifactId) -> Result<Option<Arc<Artifact>>, StoreError> {
        let read = || self.read_artifact(id);
        self.remembered.artifacts.get(id, read).await
    }

    /// An artifact with all that it says of itself, whoever made it. `org` asks.
    pub async fn described_artifact(
        &self,
        org: OrgId,
        id: ArtifactId,
    ) -> Result<Option<DescribedArtifact>, StoreError> {
        let query = sqlx::query(statements::DESCRIBED_ARTIFACT).bind(id);
        let mut reader = self.list_readers.acquire(org).await?;
        let row = query.fetch_optional(reader.connection()?).await?;
        Ok(parsed(row.into_iter().collect(), described).await?.pop())
    }

    async fn read_artifact(&self, id: ArtifactId) -> Result<Option<Arc<Artifact>>, StoreError> {
        let row = sqlx::query(statements::ARTIFACT)
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let artifact = parsed(vec![row], artifact).await?.pop();
        Ok(artifact.map(Arc::new))
    }

    /// Changes an artifact.
    pub(crate) async fn change_artifact<T, F>(
        &self,
        id: ArtifactId,
        change: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
    {
        let remembered = Arc::clone(&self.remembered);
        let changed = self
            .writer
            .write_then(change, move |_| remembered.artifacts.forget(&id));
        changed.await
    }

    /// The artifacts of a project and, unless only those are asked for, all that are listed; newest first. Those with
    /// `text` in their name, or in what the active release says of itself and its functions.
    pub async fn artifacts(
        &self,
        (org, project): (OrgId, ProjectId),
        only_mine: bool,
        text: &str,
        before: Option<ArtifactId>,
        limit: usize,
    ) -> Result<Page<DescribedArtifact, ArtifactId>, StoreError> {
        let statement = match only_mine {
            true => statements::MY_ARTIFACTS_SQLITE,
            false => statements::ARTIFACTS_SQLITE,
        };
        let before = before.unwrap_or_else(ArtifactId::last);
        let mut reader = self.list_readers.acquire(org).await?;
        let reach = sqlx::query_scalar(statements::REACH_OF_ARTIFACTS)
            .bind(before)
            .bind(LOOKED_AT_MAX);
        // An org has few artifacts of its own.
        let reach: Option<ArtifactId> = match only_mine {
            true => None,
            false => reach.fetch_optional(reader.connection()?).await?,
        };
        // The cursor must not reveal another org's artifact id.
        let reach = reach.map(|it| it.first_of_its_time());
        let query = sqlx::query(statement)
            .bind(org)
            .bind(project)
            .bind(before)
            .bind(text.to_lowercase())
            .bind(one_more(limit))
            .bind(reach.unwrap_or_else(ArtifactId::none));
        let page = Page::read(query, reader.connection()?, limit, described, |it| {
            it.artifact.id
        })
        .await?;
        Ok(page.or_from(reach))
    }

    /// Shows an artifact to others, or no longer. `false` where it was never published.
    pub async fn set_listed(
        &self,
        (org, id): (OrgId, ArtifactId),
        listed: bool,
    ) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                let set = sqlx::query(statements::SET_LISTED)
                    .bind(org)
                    .bind(id)
                    .bind(i64::from(listed))
                    .execute(transaction)
                    .await?;
                Ok(set.rows_affected() == 1)
            })
        })
        .await
    }
}

async fn insert_artifact(
    transaction: &mut Transaction,
    (org, project): (OrgId, ProjectId),
    name: String,
    draft: NewDraft,
    quota: Quota,
) -> Result<Upload, StoreError> {
    let taken = sqlx::query_scalar(statements::ARTIFACT_NAMED)
        .bind(org)
        .bind(project)
        .bind(&name)
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(taken) = taken {
        return Ok(Upload::NameTaken(taken));
    }
    if let Some(over) = over_artifacts(transaction, org, quota).await? {
        return Ok(Upload::OverQuota(over));
    }
    if let Some(over) = over_bytes(transaction, org, &draft, quota).await? {
        return Ok(Upload::OverQuota(over));
    }
    let id = ArtifactId::new();
    sqlx::query(statements::INSERT_ARTIFACT)
        .bind(org)
        .bind(project)
        .bind(id)
        .bind(&name)
        .bind(Time::now())
        .execute(&mut *transaction)
        .await?;
    insert_draft(transaction, (org, id), draft).await?;
    Ok(Upload::Made(id))
}

fn described(row: &SqliteRow) -> Result<DescribedArtifact, sqlx::Error> {
    let json = |column: &str| {
        let text: Option<&str> = row.try_get(column)?;
        text.map(json_in).transpose()
    };
    Ok(DescribedArtifact {
        artifact: artifact(row)?,
        about: json("about")?,
        widens: json("widens")?,
    })
}

fn artifact(row: &SqliteRow) -> Result<Artifact, sqlx::Error> {
    let draft_digest: Option<Vec<u8>> = row.try_get("draft_digest")?;
    let draft = match draft_digest {
        Some(digest) => Some(draft_in(row, &digest)?),
        None => None,
    };
    let has_release: Option<Vec<u8>> = row.try_get("release_id")?;
    let active = match has_release {
        Some(_) => Some(Arc::new(release_in(row, true)?)),
        None => None,
    };
    Ok(Artifact {
        id: row.try_get("artifact_id")?,
        owner: (row.try_get("org_id")?, row.try_get("project_id")?),
        name: row.try_get("name")?,
        listed: row.try_get::<i64, _>("listed")? == 1,
        created_at: row.try_get("created_at")?,
        draft,
        active,
        is_suspended: row.try_get("is_suspended")?,
    })
}

pub(crate) fn json_in<T: DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(crate) fn digest_in(bytes: &[u8]) -> Result<Digest, sqlx::Error> {
    Digest::from_bytes(bytes).ok_or_else(|| sqlx::Error::Decode("a digest has 32 bytes".into()))
}
