//! Tools' files from their arrival until nothing names them any more. An upload is noted before its file is written,
//! so that every file that is to be removed some day is known, however the upload ends.

use crate::Store;
use crate::catalogue::draft::NewDraft;
use crate::catalogue::quota::{OverQuota, Quota};
use crate::digest::Digest;
use crate::error::StoreError;
use crate::folder::files::Files;
use crate::id::{ArtifactId, OrgId};
use crate::number::{signed, unsigned};
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::time::Time;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long an upload has to become a draft, and requests that still read a discarded tool have to end.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Uploads of an org that nothing came of: the small ones, which bytes do not bound, are counted in the writer, too.
const UNUSED_MAX: u64 = 1000;
/// Files that are removed in one transaction.
const REMOVED_AT_ONCE: i64 = 20;

/// How keeping a tool's bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// They are there.
    Kept(NewDraft),
    /// The org has uploaded too much that nothing came of.
    OverQuota(OverQuota),
}

impl Store {
    /// Keeps a tool's bytes for a while, for a draft to be made of them. An org may have as many bytes of tools that
    /// were refused or discarded lately as it may keep.
    pub async fn keep_tool(
        &self,
        org: OrgId,
        bytes: Bytes,
        quota: Quota,
    ) -> Result<Kept, StoreError> {
        let draft = NewDraft {
            digest: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
        };
        let noting = self
            .writer
            .write(move |transaction| note(transaction, org, draft, quota));
        if let Some(over) = noting.await? {
            return Ok(Kept::OverQuota(over));
        }
        self.files.put(bytes).await?;
        Ok(Kept::Kept(draft))
    }

    /// A tool's bytes.
    pub async fn tool(&self, digest: &Digest) -> Result<Bytes, StoreError> {
        self.files.get(digest).await
    }

    /// Removes the files of tools that were uploaded or discarded a while ago and that nothing names. Says how many.
    pub async fn remove_unnamed_tools(&self) -> Result<u64, StoreError> {
        self.remove_tools_unnamed_for(KEPT_FOR).await
    }

    pub(crate) async fn remove_tools_unnamed_for(&self, age: Duration) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let (tokio, files) = (Handle::current(), Arc::clone(&self.files));
            let before = Time::now().before(age);
            let removing = self
                .writer
                .write(move |transaction| remove_old(transaction, (&tokio, &files), before));
            match removing.await? {
                Some(more) => removed += more,
                None => return Ok(removed),
            }
        }
    }
}

fn note(
    transaction: &mut Connection,
    org: OrgId,
    draft: NewDraft,
    quota: Quota,
) -> Result<Option<OverQuota>, StoreError> {
    let unused = sql::query(statements::UNUSED_UPLOADS)
        .bind(org)
        .bind(draft.digest.as_bytes())
        .one(transaction)?;
    let is_there: bool = unused.get("is_there")?;
    let tools = unsigned(unused.get("tools")?);
    let used = unsigned(unused.get("used")?);
    let (limit, more) = (quota.stored_bytes, draft.size_bytes);
    let minutes = KEPT_FOR.as_secs() / 60;
    if !is_there && tools >= UNUSED_MAX {
        let limit = UNUSED_MAX;
        return Ok(Some(OverQuota::UnusedTools { limit, minutes }));
    }
    if !is_there && used.saturating_add(more) > limit {
        return Ok(Some(OverQuota::UnusedBytes {
            limit,
            used,
            more,
            minutes,
        }));
    }
    sql::query(statements::NOTE_UPLOAD)
        .bind(org)
        .bind(draft.digest.as_bytes())
        .bind(signed(more))
        .bind(Time::now())
        .execute(transaction)?;
    Ok(None)
}

/// Notes the tool of a draft that is about to be discarded.
pub(crate) fn note_discarded(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
) -> Result<(), StoreError> {
    sql::query(statements::NOTE_DISCARDED)
        .bind(org)
        .bind(id)
        .bind(Time::now())
        .execute(transaction)?;
    Ok(())
}

/// `None` where there is nothing that old. While a transaction is under way nothing begins to name a tool: an upload
/// of it is noted before, and then it is named, or afterwards, and then it is written anew.
fn remove_old(
    transaction: &mut Connection,
    (tokio, files): (&Handle, &Files),
    before: Time,
) -> Result<Option<u64>, StoreError> {
    let old = sql::query(statements::TAKE_OLD_UPLOADS)
        .bind(before)
        .bind(REMOVED_AT_ONCE)
        .all(transaction)?;
    if old.is_empty() {
        return Ok(None);
    }
    let old = old.iter().map(|row| row.get("digest"));
    // Several orgs may have uploaded the same.
    let old: HashSet<Digest> = old.collect::<Result<_, _>>()?;
    let mut removed = 0;
    for digest in old {
        let is_named: bool = sql::query(statements::IS_NAMED)
            .bind(digest.as_bytes())
            .scalar(transaction)?;
        if is_named {
            continue;
        }
        // One that cannot be removed keeps no other from it.
        match tokio.block_on(files.remove(&digest)) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, %digest, "the file of a tool stays"),
        }
    }
    Ok(Some(removed))
}
