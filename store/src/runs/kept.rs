//! How many bytes of outputs, logs, spans and answers an org keeps, counted in the transactions that keep and forget them.

use crate::Store;
use crate::error::StoreError;
use crate::id::{OrgId, ProjectId, RunId};
use crate::number::signed;
use crate::runs::failure::RecordedFailure;
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::time::Time;
use serde_json::json;

/// Bytes of an answer's row beside its body, about.
pub(crate) const ANSWER_BYTES: u64 = 256;

/// Bytes of a failure that are part of a run's record. One that has more, which the tool's own error can have, is counted.
const FAILURE_BYTES: u64 = 16 * 1024;

/// The bytes that an org keeps, and their limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBytes {
    /// Bytes of outputs, logs, spans and answers to repeated requests.
    pub used: u64,
    /// How many there may be; [`u64::MAX`] is no limit.
    pub limit: u64,
}

impl Store {
    /// The bytes that an org keeps now.
    pub async fn kept_bytes(&self, org: OrgId) -> Result<KeptBytes, StoreError> {
        let used: Option<i64> = self
            .readers
            .optional_scalar(sql::query(statements::KEPT_BYTES).bind(org))
            .await?;
        Ok(KeptBytes {
            used: used.unwrap_or(0).max(0).cast_unsigned(),
            limit: self.caps.kept_bytes,
        })
    }

    /// Refuses where an org keeps as much as it may: nothing more can be kept for a repeated request.
    pub async fn check_kept_bytes(&self, org: OrgId) -> Result<(), StoreError> {
        let KeptBytes { used, limit } = self.kept_bytes(org).await?;
        match used < limit {
            true => Ok(()),
            false => Err(full(limit)),
        }
    }
}

pub(crate) fn full(limit: u64) -> StoreError {
    StoreError::Full {
        what: "bytes of outputs, logs, spans and answers",
        limit,
    }
}

/// Bytes that an org may still keep.
pub(crate) fn room(connection: &mut Connection, org: OrgId, limit: u64) -> Result<u64, StoreError> {
    let query = sql::query(statements::KEPT_BYTES).bind(org);
    let used: Option<i64> = query.optional_scalar(connection)?;
    let used = used.unwrap_or(0).max(0).cast_unsigned();
    Ok(limit.saturating_sub(used))
}

/// Counts bytes that are kept from now on, or no longer.
pub(crate) fn count(connection: &mut Connection, org: OrgId, bytes: i64) -> Result<(), StoreError> {
    if bytes != 0 {
        let query = sql::query(statements::COUNT_KEPT_BYTES);
        query.bind(org).bind(bytes).execute(connection)?;
    }
    Ok(())
}

/// The texts of a run that are kept beside its record.
pub(crate) struct Left<'r> {
    pub(crate) run: (OrgId, ProjectId, RunId),
    pub(crate) output: Option<&'r str>,
    /// It is in the record already.
    pub(crate) failure: Option<&'r RecordedFailure>,
    pub(crate) logs: Option<&'r str>,
    pub(crate) spans: Option<&'r str>,
    pub(crate) uploaded_spans: Option<&'r str>,
    pub(crate) at: Time,
}

impl Left<'_> {
    /// Keeps what there is room for, in the order of what a caller misses most, and notes in the record what was cut.
    pub(crate) fn keep(&self, connection: &mut Connection, limit: u64) -> Result<(), StoreError> {
        let parts = [
            ("output", statements::KEEP_OUTPUT, self.output),
            ("logs", statements::KEEP_LOGS, self.logs),
            ("spans", statements::KEEP_SPANS, self.spans),
            (
                "spans",
                statements::KEEP_FIRST_UPLOADED_SPANS,
                self.uploaded_spans,
            ),
        ];
        let parts = parts.into_iter();
        let mut parts = parts
            .filter_map(|(name, keep, text)| Some((name, keep, text?)))
            .peekable();
        let failure_bytes = self.failure.map_or(0, |it| it.text().len() as u64);
        if parts.peek().is_none() && failure_bytes <= FAILURE_BYTES {
            return Ok(());
        }
        let (org, project, run) = self.run;
        let mut left = room(connection, org, limit)?;
        let (mut kept, mut cut) = (0, Vec::new());
        match self.failure {
            Some(failure) if failure_bytes > FAILURE_BYTES && failure_bytes > left => {
                cut.push("failure");
                let query = sql::query(statements::CUT_FAILURE).bind(failure.short().text());
                query
                    .bind(org)
                    .bind(project)
                    .bind(run)
                    .execute(connection)?;
            }
            Some(_) if failure_bytes > FAILURE_BYTES => {
                left -= failure_bytes;
                kept += signed(failure_bytes);
            }
            _ => {}
        }
        for (name, keep, text) in parts {
            let bytes = text.len() as u64;
            let marker = self.marker();
            let text = match bytes <= left {
                true => {
                    left -= bytes;
                    Some(text)
                }
                false => {
                    cut.push(name);
                    (name == "logs").then_some(marker.as_str())
                }
            };
            if let Some(text) = text {
                let query = sql::query(keep).bind(org).bind(run);
                query.bind(text).bind(self.at).execute(connection)?;
                kept += signed(text.len() as u64);
            }
        }
        count(connection, org, kept)?;
        if !cut.is_empty() {
            cut.dedup();
            let query = sql::query(statements::NOTE_CUT).bind(cut.join(","));
            query
                .bind(org)
                .bind(project)
                .bind(run)
                .execute(connection)?;
        }
        Ok(())
    }

    /// Stands where the log would.
    fn marker(&self) -> String {
        let text = "not kept: the org keeps as many bytes of outputs, logs and spans as it may";
        let line = json!({"at": self.at, "stream": "stderr", "text": text, "cut": true});
        json!([line]).to_string()
    }
}
