//! Answers kept for repeated requests.

use crate::Store;
use crate::error::StoreError;
use crate::id::{RunId, SessionId};
use crate::number::signed;
use crate::owner::Owner;
use crate::page::SHORT_BYTES;
use crate::runs::kept::{self, ANSWER_BYTES};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::scope::Scope;
use crate::time::Time;
use sha2::{Digest, Sha256};

/// The place of a request's answer: one for each project, session, method, path with query, and idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The org and project that sent the request.
    pub owner: Owner,
    request_sha256: [u8; 32],
}

impl Slot {
    /// The slot of a request.
    pub fn new(owner: Owner, method: &str, path_and_query: &str, key: &str) -> Self {
        Self::in_session(owner, None, method, path_and_query, key)
    }

    /// The same of a request that was made in a session: one does not see another's answers, nor its key's.
    pub fn in_session(
        owner: Owner,
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
        hasher.update(self.owner.org.as_bytes());
        hasher.update(self.owner.project.as_bytes());
        hasher.update(self.request_sha256);
        hasher.finalize().into()
    }
}

/// The answer of an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The SHA-256 of the request's body.
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
    /// The scope that the request needed, if that is known.
    pub scope: Option<Scope>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBody {
    /// The content type.
    pub content_type: String,
    /// The text, without secrets.
    pub text: String,
}

impl KeptBody {
    /// A body of JSON.
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
        let row = self
            .readers
            .optional(
                sql::query(statements::KEPT_ANSWER)
                    .bind(slot.owner.org)
                    .bind(slot.owner.project)
                    .bind(slot.request_sha256)
                    .bind(since)
                    .bind(SHORT_BYTES as i64),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KeptAnswer {
            body_sha256: row.get("body_sha256")?,
            run: row.get("run_id")?,
            status: row.get("status")?,
            location: row.get("location")?,
            body: body_in(&row)?,
            is_long: row.get("is_long")?,
            scope: scope_in(&row)?,
        }))
    }

    /// The body of a kept answer, however long.
    pub async fn kept_body(&self, slot: Slot) -> Result<Option<String>, StoreError> {
        let Owner { org, project } = slot.owner;
        let query = sql::query(statements::KEPT_BODY)
            .bind(org)
            .bind(project)
            .bind(slot.request_sha256);
        let body = self.list_readers.read(org, move |connection| {
            query.optional_scalar::<Option<String>>(connection)
        });
        Ok(body.await?.flatten())
    }

    /// Keeps an answer.
    pub async fn keep_answer(&self, slot: Slot, answer: KeptAnswer) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| keep_answer(transaction, slot, &answer))
            .await
    }
}

fn scope_in(row: &Row) -> Result<Option<Scope>, SqlError> {
    let name: Option<String> = row.get("scope")?;
    let unknown = |name: &str| SqlError::unreadable(format!("scope `{name}`"));
    let scope = name.map(|name| Scope::named(&name).ok_or_else(|| unknown(&name)));
    scope.transpose()
}

fn body_in(row: &Row) -> Result<Option<KeptBody>, SqlError> {
    let (content_type, text): (Option<String>, Option<String>) =
        (row.get("content_type")?, row.get("body")?);
    // An omitted body still has a content type.
    let body = content_type.map(|content_type| KeptBody {
        content_type,
        text: text.unwrap_or_default(),
    });
    Ok(body)
}

pub(crate) fn keep_answer(
    transaction: &mut Connection,
    slot: Slot,
    answer: &KeptAnswer,
) -> Result<(), StoreError> {
    let body = answer.body.as_ref();
    let body = body.map(|body| (body.content_type.as_str(), body.text.as_str()));
    let (content_type, text) = body.unzip();
    let forgotten: Option<i64> = sql::query(statements::FORGET_ANSWER)
        .bind(slot.owner.org)
        .bind(slot.owner.project)
        .bind(slot.request_sha256)
        .optional_scalar(transaction)?;
    let bytes = text.map_or(0, str::len) as u64 + ANSWER_BYTES;
    let counted = signed(bytes) - forgotten.unwrap_or(0);
    kept::count(transaction, slot.owner.org, counted)?;
    sql::query(statements::KEEP_ANSWER)
        .bind(slot.owner.org)
        .bind(slot.owner.project)
        .bind(slot.request_sha256)
        .bind(answer.body_sha256.as_slice())
        .bind(answer.run)
        .bind(answer.status)
        .bind(answer.location.as_deref())
        .bind(content_type)
        .bind(text)
        .bind(Time::now())
        .bind(answer.scope.map(Scope::name))
        .execute(transaction)?;
    Ok(())
}
