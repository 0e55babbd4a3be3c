//! Drafts: what is to become an artifact's next release, and what the gate says of it.

use crate::Store;
use crate::catalogue::quota::{OverQuota, Quota, over_bytes};
use crate::catalogue::terms::Terms;
use crate::catalogue::upload::note_discarded;
use crate::catalogue::words::words;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId};
use crate::number::{signed, unsigned};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::time::Time;
use serde_json::Value;

/// A tool that is not published yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// The gate's verdict, once a validation was requested.
    pub verdict: Option<VerdictRecord>,
}

/// The gate's verdict, or that it is pending.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRecord {
    /// In one word.
    pub status: VerdictStatus,
    /// JSON array: the reasons against it.
    pub violations: Value,
    /// JSON array: what is worth knowing.
    pub notes: Value,
    /// The description of an admitted tool.
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
            if let Some(over) = over_bytes(transaction, artifact.0, &draft, quota)? {
                return Ok(Drafted::OverQuota(over));
            }
            Ok(match insert_draft(transaction, artifact, draft)? {
                true => Drafted::Made,
                false => Drafted::Exists,
            })
        })
        .await
    }

    /// Takes a draft away. `false` where there is none.
    pub async fn delete_draft(&self, (org, id): (OrgId, ArtifactId)) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            note_discarded(transaction, (org, id))?;
            let deleted = sql::query(statements::DELETE_DRAFT)
                .bind(org)
                .bind(id)
                .execute(transaction)?;
            Ok(deleted == 1)
        })
        .await
    }

    /// Notes that the gate is asked about a draft. `false` where it was asked already, or there is none.
    pub async fn ask_validation(&self, (org, id): (OrgId, ArtifactId)) -> Result<bool, StoreError> {
        self.change_artifact(id, move |transaction| {
            let asked = sql::query(statements::ASK_VALIDATION)
                .bind(org)
                .bind(id)
                .bind(Time::now())
                .execute(transaction)?;
            Ok(asked == 1)
        })
        .await
    }

    /// The drafts that the gate was asked about and has not judged, in the order they were asked about.
    pub async fn pending_validations(&self) -> Result<Vec<(OrgId, ArtifactId)>, StoreError> {
        let pending = self
            .readers
            .read(|connection| sql::query(statements::PENDING_VALIDATIONS).pairs(connection));
        pending.await
    }

    /// Notes that the gate begins to judge a draft. Returns how often it has begun since it was asked; `None` if the draft
    /// is no longer pending.
    pub async fn begin_judging(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<Option<u32>, StoreError> {
        self.change_artifact(id, move |transaction| {
            let begun = sql::query(statements::BEGIN_JUDGING)
                .bind(org)
                .bind(id)
                .optional_scalar(transaction)?;
            Ok(begun)
        })
        .await
    }

    /// Takes back that the gate began to judge a draft: the judging ended for a reason that is not the draft's.
    pub async fn break_off_judging(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<(), StoreError> {
        self.change_artifact(id, move |transaction| {
            sql::query(statements::BREAK_OFF_JUDGING)
                .bind(org)
                .bind(id)
                .execute(transaction)?;
            Ok(())
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
        // The texts can be megabytes, so neither a thread that serves requests nor the writer makes them.
        let making = tokio::task::spawn_blocking(move || VerdictTexts::of(&verdict));
        let texts = making
            .await
            .map_err(|error| StoreError::Failed(error.into()))?;
        let texts = texts.map_err(|error| StoreError::Failed(error.into()))?;
        self.change_artifact(id, move |transaction| {
            Ok(texts.record(transaction, (org, id), digest, &log)?)
        })
        .await
    }
}

/// A verdict as its row has it.
pub(crate) struct VerdictTexts {
    status: VerdictStatus,
    violations: String,
    notes: String,
    about: Option<String>,
    version: Option<String>,
    terms: Option<String>,
    words: String,
}

impl VerdictTexts {
    /// Fails if the terms of an admitted tool cannot be read.
    pub(crate) fn of(verdict: &VerdictRecord) -> Result<Self, serde_json::Error> {
        let about = verdict.about.as_ref();
        let admitted = about.filter(|_| verdict.status == VerdictStatus::Admitted);
        Ok(Self {
            status: verdict.status,
            violations: verdict.violations.to_string(),
            notes: verdict.notes.to_string(),
            about: about.map(Value::to_string),
            version: verdict.version.clone(),
            terms: admitted.map(Terms::text_of).transpose()?,
            words: about.map(words).unwrap_or_default(),
        })
    }

    /// Records the verdict of a draft. `false` if the draft has other bytes or is not pending.
    pub(crate) fn record(
        &self,
        transaction: &mut Connection,
        (org, id): (OrgId, ArtifactId),
        digest: Digest,
        log: &str,
    ) -> Result<bool, SqlError> {
        let recorded = sql::query(statements::RECORD_VERDICT)
            .bind(org)
            .bind(id)
            .bind(digest)
            .bind(self.status.name())
            .bind(&self.violations)
            .bind(&self.notes)
            .bind(self.about.as_deref())
            .bind(self.version.as_deref())
            .bind(log)
            .bind(signed(self.about.as_ref().map_or(0, String::len) as u64))
            .bind(self.terms.as_deref())
            .bind(&self.words)
            .execute(transaction)?;
        Ok(recorded == 1)
    }
}

pub(crate) fn insert_draft(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    draft: NewDraft,
) -> Result<bool, StoreError> {
    let inserted = sql::query(statements::INSERT_DRAFT)
        .bind(org)
        .bind(id)
        .bind(draft.digest.as_bytes())
        .bind(signed(draft.size_bytes))
        .bind(Time::now())
        .execute(transaction)?;
    Ok(inserted == 1)
}

pub(crate) fn draft_in(row: &Row, digest: Digest) -> Result<Draft, SqlError> {
    let verdict = verdict_in(row, "draft_about", "draft_version")?;
    let size_bytes: i64 = row.get("size_bytes")?;
    Ok(Draft {
        digest,
        size_bytes: unsigned(size_bytes),
        verdict,
    })
}

pub(crate) fn verdict_in(
    row: &Row,
    about: &str,
    version: &str,
) -> Result<Option<VerdictRecord>, SqlError> {
    let status: Option<String> = row.get("verdict")?;
    let Some(status) = status else {
        return Ok(None);
    };
    let status = VerdictStatus::named(&status)
        .ok_or_else(|| SqlError::unreadable(format!("verdict `{status}`")))?;
    Ok(Some(VerdictRecord {
        status,
        violations: row.json("violations")?,
        notes: row.json("notes")?,
        about: row.optional_json(about)?,
        version: row.get(version)?,
    }))
}
