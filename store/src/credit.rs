//! Credits: what the operator gives to orgs. Each is two entries that sum to zero: of the org, and of nobody.

use crate::Store;
use crate::action::{Actor, note};
use crate::directly::{directly, each};
use crate::error::StoreError;
use crate::id::{EntryId, OrgId};
use crate::ledger_entry::{LedgerEntry, entry_in};
use crate::number::signed;
use crate::posting::post;
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use serde_json::json;
use sqlx::Row;
use std::sync::Arc;

/// A gift of the operator's, or the payment it has received elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Who gets it.
    pub org: OrgId,
    /// How much.
    pub tokens: u64,
    /// What for.
    pub reason: String,
    /// Of the request that asks for it: the same again gives nothing more.
    pub request_sha256: Option<[u8; 32]>,
}

/// How a credit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credited {
    /// The org has it, by this request or by the same one before.
    Made(LedgerEntry),
    /// There is no such org.
    NoOrg,
    /// It would have more than can be counted.
    TooMuch,
    /// The same request was another one before.
    Conflict,
}

impl Store {
    /// Gives tokens to an org.
    pub async fn credit(&self, actor: Actor, credit: Credit) -> Result<Credited, StoreError> {
        let wallets = Arc::clone(&self.wallets);
        self.writer
            .write_then(
                move |transaction| Box::pin(give(transaction, actor, credit)),
                move |(_, given)| wallets.post(*given),
            )
            .await
            .map(|(credited, _)| credited)
    }
}

/// How it ended, and what is given now.
async fn give(
    transaction: &mut Transaction,
    actor: Actor,
    credit: Credit,
) -> Result<(Credited, Option<(OrgId, i64)>), StoreError> {
    let (org, tokens) = (credit.org, signed(credit.tokens));
    let request = credit.request_sha256.map(|it| it.to_vec());
    if let Some(request) = &request {
        let before = sqlx::query(statements::ENTRY_BY_REQUEST)
            .bind(request)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(before) = before {
            let (of, reason): (OrgId, String) =
                (before.try_get("org_id")?, before.try_get("reason")?);
            let entry = entry_in(&before)?;
            let is_same = (of, entry.tokens, reason) == (org, tokens, credit.reason);
            let credited = match is_same {
                true => Credited::Made(entry),
                false => Credited::Conflict,
            };
            return Ok((credited, None));
        }
    }
    let known: Option<i64> = sqlx::query_scalar(statements::ORG_POSTED)
        .bind(org)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(posted) = known else {
        return Ok((Credited::NoOrg, None));
    };
    if posted.checked_add(tokens).is_none() {
        return Ok((Credited::TooMuch, None));
    }
    let entry = LedgerEntry {
        id: EntryId::new(),
        at: Time::now(),
        kind: "credit".to_owned(),
        tokens,
        run: None,
        subscription: None,
    };
    let reason = &credit.reason;
    let sides = [(org, tokens, request), (OrgId::none(), -tokens, None)];
    directly(transaction, |it| {
        each(it, statements::INSERT_ENTRY, sides, |it, side| {
            let (org, tokens, request) = side;
            it.bind(org)?
                .bind(entry.id)?
                .bind(&entry.kind)?
                .bind(tokens)?
                .bind(reason)?
                .bind(request)?
                .bind(entry.at)
        })?;
        post(it, [(org, tokens)])
    })
    .await?;
    let detail = json!({"entry_id": entry.id, "tokens": tokens, "reason": credit.reason});
    note(transaction, actor, "credit.made", org, detail).await?;
    Ok((Credited::Made(entry), Some((org, tokens))))
}
