//! Orgs' statements: why a wallet is as it is.

use crate::Store;
use crate::error::StoreError;
use crate::id::{EntryId, OrgId};
use crate::ledger_entry::{LedgerEntry, entry_in};
use crate::page::{Page, one_more};
use crate::{payment, statements};
use sqlx::Connection;
use std::cmp::Reverse;

impl Store {
    /// An org's statement, newest first.
    pub async fn entries_of_wallet(
        &self,
        org: OrgId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<Page<LedgerEntry, EntryId>, StoreError> {
        let before = before.unwrap_or_else(EntryId::last);
        // One reading of all: whatever was made before a line that is told is there, too.
        let mut reader = self.list_readers.acquire(org).await?;
        let mut reading = reader.connection()?.begin().await?;
        let rows = sqlx::query(statements::LEDGER)
            .bind(org)
            .bind(before)
            .bind(one_more(limit))
            .fetch_all(&mut *reading)
            .await?;
        let of_payments = payment::lines_before(&mut reading, org, before, one_more(limit)).await?;
        reading.rollback().await?;
        let entries = rows.iter().map(entry_in);
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.extend(of_payments.into_values());
        entries.sort_unstable_by_key(|entry| Reverse(entry.id));
        Ok(Page::cut(entries, limit, |entry| entry.id))
    }
}
