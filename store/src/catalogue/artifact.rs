//! Artifacts of the catalogue.

use crate::Store;
use crate::catalogue::draft::{Draft, NewDraft, draft_in, insert_draft};
use crate::catalogue::quota::{OverQuota, Quota, over_artifacts, over_bytes};
use crate::catalogue::release::{Release, release_in};
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId};
use crate::owner::Owner;
use crate::page::{LOOKED_AT_MAX, Page, one_more, parsed};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::time::Time;
use serde_json::Value;
use std::sync::Arc;

/// An entry of the catalogue, with what it offers now and what is being prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its identifier.
    pub id: ArtifactId,
    /// The org and project that own it.
    pub owner: Owner,
    /// Unique in its project.
    pub name: String,
    /// True if others see it.
    pub listed: bool,
    /// When it was made.
    pub created_at: Time,
    /// The next release, until it is published.
    pub draft: Option<Draft>,
    /// The release that runs.
    pub active: Option<Arc<Release>>,
    /// True if the operator has suspended it, or its org.
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
        Owner { org, project }: Owner,
        name: String,
        draft: NewDraft,
        quota: Quota,
    ) -> Result<Upload, StoreError> {
        self.writer
            .write(move |transaction| {
                insert_artifact(transaction, Owner { org, project }, &name, draft, quota)
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
        let query = sql::query(statements::DESCRIBED_ARTIFACT).bind(id);
        let described = self.list_readers.read(org, move |connection| {
            let row = query.optional(connection)?;
            row.as_ref().map(described).transpose()
        });
        described.await
    }

    async fn read_artifact(&self, id: ArtifactId) -> Result<Option<Arc<Artifact>>, StoreError> {
        let row = self
            .readers
            .optional(sql::query(statements::ARTIFACT).bind(id))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let artifact = parsed(row, artifact).await?;
        Ok(Some(Arc::new(self.remembered.share_release(artifact))))
    }

    /// Changes an artifact.
    pub(crate) async fn change_artifact<T: Send + 'static>(
        &self,
        id: ArtifactId,
        change: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.change_artifact_in((), id, change).await
    }

    /// Changes an artifact in a turn, which ends once the change is committed.
    pub(crate) async fn change_artifact_in<T: Send + 'static>(
        &self,
        turn: impl Send + 'static,
        id: ArtifactId,
        change: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        let changed = self.writer.write_then(change, move |_| {
            remembered.artifacts.forget(&id);
            drop(turn);
        });
        changed.await
    }

    /// The artifacts of a project and, unless only those are asked for, all that are listed; newest first. Those with
    /// `text` in their name, or in what the active release says of itself and its functions.
    pub async fn artifacts(
        &self,
        Owner { org, project }: Owner,
        only_mine: bool,
        text: &str,
        before: Option<ArtifactId>,
        limit: usize,
    ) -> Result<Page<DescribedArtifact, ArtifactId>, StoreError> {
        let statement = match only_mine {
            true => statements::MY_ARTIFACTS,
            false => statements::ARTIFACTS,
        };
        let before = before.unwrap_or_else(ArtifactId::last);
        let reach = sql::query(statements::REACH_OF_ARTIFACTS)
            .bind(before)
            .bind(LOOKED_AT_MAX);
        let query = sql::query(statement)
            .bind(org)
            .bind(project)
            .bind(before)
            .bind(text.to_lowercase())
            .bind(one_more(limit));
        let page = self.list_readers.read(org, move |connection| {
            // An org has few artifacts of its own.
            let reach: Option<ArtifactId> = match only_mine {
                true => None,
                false => reach.optional_scalar(connection)?,
            };
            // The cursor must not reveal another org's artifact id.
            let reach = reach.map(|artifact| artifact.first_of_its_time());
            let query = query.bind(reach.unwrap_or_else(ArtifactId::none));
            let place = |it: &DescribedArtifact| it.artifact.id;
            let page = Page::read(&query, connection, limit, described, place)?;
            Ok::<_, SqlError>(page.or_from(reach))
        });
        page.await
    }

    /// Shows an artifact to others, or no longer. `false` where it was never published.
    pub async fn set_listed(
        &self,
        (org, id): (OrgId, ArtifactId),
        listed: bool,
    ) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            let set = sql::query(statements::SET_LISTED)
                .bind(org)
                .bind(id)
                .bind(i64::from(listed))
                .execute(transaction)?;
            Ok(set == 1)
        })
        .await
    }
}

pub(crate) fn insert_artifact(
    transaction: &mut Connection,
    Owner { org, project }: Owner,
    name: &str,
    draft: NewDraft,
    quota: Quota,
) -> Result<Upload, StoreError> {
    let taken = sql::query(statements::ARTIFACT_NAMED)
        .bind(org)
        .bind(project)
        .bind(name)
        .optional_scalar(transaction)?;
    if let Some(taken) = taken {
        return Ok(Upload::NameTaken(taken));
    }
    if let Some(over) = over_artifacts(transaction, org, quota)? {
        return Ok(Upload::OverQuota(over));
    }
    if let Some(over) = over_bytes(transaction, org, &draft, quota)? {
        return Ok(Upload::OverQuota(over));
    }
    let id = ArtifactId::new();
    sql::query(statements::INSERT_ARTIFACT)
        .bind(org)
        .bind(project)
        .bind(id)
        .bind(name)
        .bind(Time::now())
        .execute(transaction)?;
    insert_draft(transaction, (org, id), draft)?;
    Ok(Upload::Made(id))
}

fn described(row: &Row) -> Result<DescribedArtifact, SqlError> {
    Ok(DescribedArtifact {
        artifact: artifact(row)?,
        about: row.optional_json("about")?,
        widens: row.optional_json("widens")?,
    })
}

fn artifact(row: &Row) -> Result<Artifact, SqlError> {
    let draft = match row.get("draft_digest")? {
        Some(digest) => Some(draft_in(row, digest)?),
        None => None,
    };
    let has_release: Option<Vec<u8>> = row.get("release_id")?;
    let active = match has_release {
        Some(_) => Some(Arc::new(release_in(row, true)?)),
        None => None,
    };
    Ok(Artifact {
        id: row.get("artifact_id")?,
        owner: Owner::of(row)?,
        name: row.get("name")?,
        listed: row.get("listed")?,
        created_at: row.get("created_at")?,
        draft,
        active,
        is_suspended: row.get("is_suspended")?,
    })
}
