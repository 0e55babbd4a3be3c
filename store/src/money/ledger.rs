//! Orgs' statements: why a wallet is as it is.

use crate::Store;
use crate::error::StoreError;
use crate::id::{EntryId, OrgId};
use crate::money::ledger_entry::LedgerEntry;
use crate::money::payment;
use crate::page::{Page, one_more};
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
        let lines = self.list_readers.read(org, move |connection| {
            // One transaction: every payment before a line that is returned is seen, too.
            connection.batch("BEGIN")?;
            let lines = payment::lines_before(connection, org, before, one_more(limit));
            connection.batch("ROLLBACK")?;
            lines
        });
        let mut entries: Vec<_> = lines.await?.into_values().collect();
        entries.sort_unstable_by_key(|entry| Reverse(entry.id));
        Ok(Page::cut(entries, limit, |entry| entry.id))
    }
}
