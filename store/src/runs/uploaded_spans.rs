//! Spans that callers added to their runs.

use crate::Store;
use crate::error::StoreError;
use crate::id::{OrgId, RunId};
use crate::number::signed;
use crate::runs::kept;
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::time::Time;

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
                let bytes = spans.len() as u64;
                if bytes > kept::room(transaction, org, limit)? {
                    return Err(kept::full(limit));
                }
                kept::count(transaction, org, signed(bytes))?;
                keep(transaction, (org, id), position, &spans, now)
            })
            .await
    }

    /// The spans that were added to a run, in that order: lists of JSON.
    pub async fn uploaded_spans(
        &self,
        (org, id): (OrgId, RunId),
    ) -> Result<Vec<String>, StoreError> {
        let query = sql::query(statements::UPLOADED_SPANS).bind(org).bind(id);
        let spans = self
            .list_readers
            .read(org, move |connection| query.scalars(connection));
        spans.await
    }
}

fn keep(
    connection: &mut Connection,
    (org, id): (OrgId, RunId),
    position: usize,
    spans: &str,
    kept_at: Time,
) -> Result<(), StoreError> {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    sql::query(statements::KEEP_UPLOADED_SPANS)
        .bind(org)
        .bind(id)
        .bind(position)
        .bind(spans)
        .bind(kept_at)
        .execute(connection)?;
    Ok(())
}
