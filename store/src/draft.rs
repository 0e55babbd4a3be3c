//! Drafts: what is to become an artifact's next release, and what the gate says of it.

use crate::Store;
use crate::artifact::{digest_in, json_in};
use crate::error::StoreError;
use crate::files::Digest;
use crate::id::{ArtifactId, OrgId};
use crate::number::{signed, unsigned};
use crate::quota::{OverQuota, Quota, over_bytes};
use crate::statements;
use crate::time::Time;
use crate::upload::note_discarded;
use crate::writer::Transaction;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A tool that is not published yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// What the gate said, once it was asked.
    pub verdict: Option<VerdictRecord>,
}

/// What the gate said, or that it has not yet.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRecord {
    /// In one word.
    pub status: VerdictStatus,
    /// JSON array: the reasons against it.
    pub violations: Value,
    /// JSON array: what is worth knowing.
    pub notes: Value,
    /// What the tool says of itself, where it is admitted.
    pub about: Option<Value>,
    /// The version it wants to be released as.
    pub version: Option<String>,
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictStatus {
    /// The gate was asked.
    Pending,
    /// It may be published.
    Admitted,
    /// It may not.
    Rejected,
}

impl VerdictStatus {
    /// As in answers.
    pub fn name(self) -> &'static str {
        match self {
            VerdictStatus::Pending => "PENDING",
            VerdictStatus::Admitted => "ADMITTED",
            VerdictStatus::Rejected => "REJECTED",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Admitted, Self::Rejected];
        all.into_iter().find(|status| status.name() == name)
    }
}

/// Bytes that were kept, to become a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDraft {
    /// The bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
}

/// How giving an artifact a draft ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drafted {
    /// It is there.
    Made,
    /// The artifact has one.
    Exists,
    /// The org would keep more than it may.
    OverQuota(OverQuota),
}

impl Store {
    /// Gives an artifact a draft.
    pub async fn put_draft(
        &self,
        artifact: (OrgId, ArtifactId),
        draft: NewDraft,
        quota: Quota,
    ) -> Result<Drafted, StoreError> {
        self.change_artifact(artifact.1, move |transaction| {
            Box::pin(async move {
                if let Some(over) = over_bytes(transaction, artifact.0, &draft, quota).await? {
                    return Ok(Drafted::OverQuota(over));
                }
                Ok(match insert_draft(transaction, artifact, draft).await? {
                    true => Drafted::Made,
                    false => Drafted::Exists,
                })
            })
        })
        .await
    }

    /// Takes a draft away. `false` where there is none.
    pub async fn delete_draft(&self, (org, id): (OrgId, ArtifactId)) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                note_discarded(transaction, (org, id)).await?;
                let deleted = sqlx::query(statements::DELETE_DRAFT)
                    .bind(org)
                    .bind(id)
                    .execute(transaction)
                    .await?;
                Ok(deleted.rows_affected() == 1)
            })
        })
        .await
    }

    /// Notes that the gate is asked about a draft. `false` where it was asked already, or there is none.
    pub async fn ask_validation(&self, (org, id): (OrgId, ArtifactId)) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                let asked = sqlx::query(statements::ASK_VALIDATION)
                    .bind(org)
                    .bind(id)
                    .bind(Time::now())
                    .execute(transaction)
                    .await?;
                Ok(asked.rows_affected() == 1)
            })
        })
        .await
    }

    /// The drafts that the gate was asked about and has not judged, in the order they were asked about.
    pub async fn pending_validations(&self) -> Result<Vec<(OrgId, ArtifactId)>, StoreError> {
        let pending = sqlx::query_as(statements::PENDING_VALIDATIONS)
            .fetch_all(&self.readers)
            .await?;
        Ok(pending)
    }

    /// Notes that the gate begins to judge a draft. Returns how often it has begun since it was asked; `None` if the draft
    /// is no longer pending.
    pub async fn begin_judging(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<Option<u32>, StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                let begun = sqlx::query_scalar(statements::BEGIN_JUDGING)
                    .bind(org)
                    .bind(id)
                    .fetch_optional(transaction)
                    .await?;
                Ok(begun)
            })
        })
        .await
    }

    /// Takes back that the gate began to judge a draft: the judging ended for a reason that is not the draft's.
    pub async fn break_off_judging(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<(), StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                sqlx::query(statements::BREAK_OFF_JUDGING)
                    .bind(org)
                    .bind(id)
                    .execute(transaction)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Records what the gate said of a draft's bytes. `false` where the draft is no longer those bytes.
    pub async fn record_verdict(
        &self,
        (org, id): (OrgId, ArtifactId),
        digest: Digest,
        verdict: VerdictRecord,
        log: String,
    ) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            Box::pin(async move {
                let recorded = sqlx::query(statements::RECORD_VERDICT)
                    .bind(org)
                    .bind(id)
                    .bind(digest.as_bytes())
                    .bind(verdict.status.name())
                    .bind(verdict.violations.to_string())
                    .bind(verdict.notes.to_string())
                    .bind(verdict.about.map(|about| about.to_string()))
                    .bind(verdict.version)
                    .bind(log)
                    .execute(transaction)
                    .await?;
                Ok(recorded.rows_affected() == 1)
            })
        })
        .await
    }
}

pub(crate) async fn insert_draft(
    transaction: &mut Transaction,
    (org, id): (OrgId, ArtifactId),
    draft: NewDraft,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(statements::INSERT_DRAFT)
        .bind(org)
        .bind(id)
        .bind(draft.digest.as_bytes())
        .bind(signed(draft.size_bytes))
        .bind(Time::now())
        .execute(transaction)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) fn draft_in(row: &SqliteRow, digest: &[u8]) -> Result<Draft, sqlx::Error> {
    let verdict = verdict_in(row, "draft_about", "draft_version")?;
    let size_bytes: i64 = row.try_get("size_bytes")?;
    Ok(Draft {
        digest: digest_in(digest)?,
        size_bytes: unsigned(size_bytes),
        verdict,
    })
}

pub(crate) fn verdict_in(
    row: &SqliteRow,
    about: &str,
    version: &str,
) -> Result<Option<VerdictRecord>, sqlx::Error> {
    let status: Option<String> = row.try_get("verdict")?;
    let Some(status) = status else {
        return Ok(None);
    };
    let status = VerdictStatus::named(&status)
        .ok_or_else(|| sqlx::Error::Decode(format!("verdict `{status}`").into()))?;
    let about: Option<String> = row.try_get(about)?;
    Ok(Some(VerdictRecord {
        status,
        violations: json_in(row.try_get("violations")?)?,
        notes: json_in(row.try_get("notes")?)?,
        about: about.as_deref().map(json_in).transpose()?,
        version: row.try_get(version)?,
    }))
}
