//! Answers kept for repeated requests.

use crate::Store;
use crate::directly::directly;
use crate::error::StoreError;
use crate::id::{OrgId, ProjectId, RunId, SessionId};
use crate::kept::{self, ANSWER_BYTES};
use crate::number::signed;
use crate::page::SHORT_BYTES;
use crate::scope::Scope;
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// Where a request's answer is kept: one for each project, session, method, path with query, and idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Whose request.
    pub owner: (OrgId, ProjectId),
    request_sha256: [u8; 32],
}

impl Slot {
    /// The slot of a request.
    pub fn new(owner: (OrgId, ProjectId), method: &str, path_and_query: &str, key: &str) -> Self {
        Self::in_session(owner, None, method, path_and_query, key)
    }

    /// The same of a request that was made in a session: one does not see another's answers, nor its key's.
    pub fn in_session(
        owner: (OrgId, ProjectId),
        session: Option<SessionId>,
        method: &str,
        path_and_query: &str,
        key: &str,
    ) -> Self {
        let session = session
            .as_ref()
            .map(|session| session.as_bytes().as_slice());
        let parts = [method, path_and_query, key].map(str::as_bytes);
        let mut hasher = Sha256::new();
        for part in parts.into_iter().chain(session) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self {
            owner,
            request_sha256: hasher.finalize().into(),
        }
    }
}

impl Slot {
    /// One digest of all of it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.owner.0.as_bytes());
        hasher.update(self.owner.1.as_bytes());
        hasher.update(self.request_sha256);
        hasher.finalize().into()
    }
}

/// The answer of an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// What its body was.
    pub body_sha256: [u8; 32],
    /// The run it started, whose record has the rest where there is no status.
    pub run: Option<RunId>,
    /// The status it was answered with.
    pub status: Option<u16>,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its body. The text is empty if [`is_long`](Self::is_long) is true.
    pub body: Option<KeptBody>,
    /// True if its body is longer than 16 KiB and was left out. [`Store::kept_body`] reads it.
    pub is_long: bool,
    /// What its sender's key had to cover, where that is known.
    pub scope: Option<Scope>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBody {
    /// What it was sent as.
    pub content_type: String,
    /// What was sent, without secrets.
    pub text: String,
}

impl KeptBody {
    /// Of JSON.
    pub fn json(text: String) -> Self {
        Self {
            content_type: "application/json".to_owned(),
            text,
        }
    }
}

impl Store {
    /// The answer kept in a slot since a time.
    pub async fn kept_answer(
        &self,
        slot: Slot,
        since: Time,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let row = sqlx::query(statements::KEPT_ANSWER)
            .bind(slot.owner.0)
            .bind(slot.owner.1)
            .bind(slot.request_sha256.as_slice())
            .bind(since)
            .bind(SHORT_BYTES as i64)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body_sha256: &[u8] = row.try_get("body_sha256")?;
        let status: Option<u16> = row.try_get("status")?;
        Ok(Some(KeptAnswer {
            body_sha256: body_sha256
                .try_into()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            run: row.try_get("run_id")?,
            status,
            location: row.try_get("location")?,
            body: body_in(&row)?,
            is_long: row.try_get::<i64, _>("is_long")? == 1,
            scope: scope_in(&row)?,
        }))
    }

    /// The body of a kept answer, however long.
    pub async fn kept_body(&self, slot: Slot) -> Result<Option<String>, StoreError> {
        let (org, project) = slot.owner;
        let query = sqlx::query_scalar(statements::KEPT_BODY)
            .bind(org)
            .bind(project)
            .bind(slot.request_sha256.as_slice());
        let mut reader = self.list_readers.acquire(org).await?;
        let body: Option<Option<String>> = query.fetch_optional(reader.connection()?).await?;
        Ok(body.flatten())
    }

    /// Keeps an answer.
    pub async fn keep_answer(&self, slot: Slot, answer: KeptAnswer) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| Box::pin(keep_answer(transaction, slot, answer)))
            .await
    }
}

fn scope_in(row: &SqliteRow) -> Result<Option<Scope>, sqlx::Error> {
    let name: Option<String> = row.try_get("scope")?;
    let unknown = |name: &str| sqlx::Error::Decode(format!("scope `{name}`").into());
    let scope = name.map(|name| Scope::named(&name).ok_or_else(|| unknown(&name)));
    scope.transpose()
}

fn body_in(row: &SqliteRow) -> Result<Option<KeptBody>, sqlx::Error> {
    let (content_type, text): (Option<String>, Option<String>) =
        (row.try_get("content_type")?, row.try_get("body")?);
    // An omitted body still has a content type.
    let body = content_type.map(|content_type| KeptBody {
        content_type,
        text: text.unwrap_or_default(),
    });
    Ok(body)
}

pub(crate) async fn keep_answer(
    transaction: &mut Transaction,
    slot: Slot,
    answer: KeptAnswer,
) -> Result<(), StoreError> {
    let body = answer.body.map(|body| (body.content_type, body.text));
    let (content_type, text) = body.unzip();
    let forgotten: Option<i64> = sqlx::query_scalar(statements::FORGET_ANSWER)
        .bind(slot.owner.0)
        .bind(slot.owner.1)
        .bind(slot.request_sha256.as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
    let bytes = text.as_ref().map_or(0, String::len) as u64 + ANSWER_BYTES;
    let counted = signed(bytes) - forgotten.unwrap_or(0);
    directly(transaction, |it| kept::count(it, slot.owner.0, counted)).await?;
    sqlx::query(statements::KEEP_ANSWER)
        .bind(slot.owner.0)
        .bind(slot.owner.1)
        .bind(slot.request_sha256.as_slice())
        .bind(answer.body_sha256.as_slice())
        .bind(answer.run)
        .bind(answer.status)
        .bind(answer.location)
        .bind(content_type)
        .bind(text)
        .bind(Time::now())
        .bind(answer.scope.map(Scope::name))
        .execute(transaction)
        .await?;
    Ok(())
}
