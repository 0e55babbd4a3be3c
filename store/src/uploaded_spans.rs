//! Spans that callers added to their runs.

use crate::Store;
use crate::directly::directly;
use crate::error::StoreError;
use crate::id::{OrgId, RunId};
use crate::kept;
use crate::number::signed;
use crate::statements;
use crate::time::Time;
use rusqlite::{Connection, params};

impl Store {
    /// Adds spans to a run that has a row: a JSON array of them, in the order of `position`, which none of its others has.
    /// Refused as [`StoreError::Full`] where the org keeps as much as it may.
    pub async fn keep_uploaded_spans(
        &self,
        (org, id): (OrgId, RunId),
        position: usize,
        spans: String,
    ) -> Result<(), StoreError> {
        let (now, limit) = (Time::now(), self.caps.kept_bytes);
        self.writer
            .write(move |transaction| {
                Box::pin(directly(transaction, move |it| {
                    let bytes = spans.len() as u64;
                    if bytes > kept::room(it, org, limit)? {
                        return Err(kept::full(limit));
                    }
                    kept::count(it, org, signed(bytes))?;
                    keep(it, (org, id), position, &spans, now)
                }))
            })
            .await
    }

    /// The spans that were added to a run, in that order: lists of JSON.
    pub async fn uploaded_spans(
        &self,
        (org, id): (OrgId, RunId),
    ) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(statements::UPLOADED_SPANS).bind(org);
        let mut reader = self.list_readers.acquire(org).await?;
        Ok(query.bind(id).fetch_all(reader.connection()?).await?)
    }
}

fn keep(
    connection: &Connection,
    (org, id): (OrgId, RunId),
    position: usize,
    spans: &str,
    kept_at: Time,
) -> Result<(), StoreError> {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    connection
        .prepare_cached(statements::KEEP_UPLOADED_SPANS)?
        .execute(params![org, id, position, spans, kept_at])?;
    Ok(())
}
