//! Entries: why a wallet is as it is. Each posting changes wallets and says so in one transaction.

use crate::Store;
use crate::action::{Actor, note};
use crate::error::StoreError;
use crate::id::{EntryId, OrgId, RunId, SubscriptionId};
use crate::page::{Page, one_more};
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A ten-thousandth, which fees are counted in.
const BASIS: u128 = 10_000;

/// A line of an org's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its identifier.
    pub id: EntryId,
    /// When it was made.
    pub at: Time,
    /// `credit`, `charge`, `subscription`, `earning` or `fee`.
    pub kind: String,
    /// What the org has more.
    pub tokens: i64,
    /// The run it is for.
    pub run: Option<RunId>,
    /// The subscription it is for.
    pub subscription: Option<SubscriptionId>,
}

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

/// What is paid for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paid {
    Run(RunId),
    Subscription(SubscriptionId),
}

/// A payment from one org to another, of which the platform has its fee.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment {
    pub(crate) of: Paid,
    pub(crate) buyer: OrgId,
    pub(crate) seller: OrgId,
    pub(crate) tokens: u64,
}

impl Store {
    /// Gives tokens to an org.
    pub async fn credit(&self, actor: Actor, credit: Credit) -> Result<Credited, StoreError> {
        let wallets = std::sync::Arc::clone(&self.wallets);
        self.writer
            .write_then(
                move |transaction| Box::pin(give(transaction, actor, credit)),
                move |(_, changes)| wallets.post(changes),
            )
            .await
            .map(|(credited, _)| credited)
    }

    /// An org's statement, newest first.
    pub async fn entries_of_wallet(
        &self,
        org: OrgId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<Page<LedgerEntry, EntryId>, StoreError> {
        let rows = sqlx::query(statements::LEDGER)
            .bind(org)
            .bind(before.unwrap_or_else(EntryId::last))
            .bind(one_more(limit))
            .fetch_all(&self.readers)
            .await?;
        let entries = rows.iter().map(entry_in).collect::<Result<_, _>>()?;
        Ok(Page::cut(entries, limit, |entry: &LedgerEntry| entry.id))
    }
}

/// What changes a payment makes, to be posted once it is committed.
pub(crate) async fn pay(
    transaction: &mut Transaction,
    payment: Payment,
    fees: Option<(OrgId, u32)>,
) -> Result<Vec<(OrgId, i64)>, StoreError> {
    let Payment {
        of,
        buyer,
        seller,
        tokens,
    } = payment;
    let kind = match of {
        Paid::Run(_) => "charge",
        Paid::Subscription(_) => "subscription",
    };
    let paid = signed(tokens);
    let mut lines = vec![(buyer, kind, -paid), (seller, "earning", paid)];
    if let Some((platform, basis_points)) = fees.filter(|(platform, _)| *platform != seller) {
        let fee = fee(tokens, basis_points);
        if fee > 0 {
            lines.extend([(seller, "fee", -fee), (platform, "fee", fee)]);
        }
    }
    let posting = match of {
        Paid::Run(run) => *run.as_bytes(),
        Paid::Subscription(subscription) => *subscription.as_bytes(),
    };
    for (org, kind, tokens) in &lines {
        let (run, subscription) = match of {
            Paid::Run(run) => (Some(run), None),
            Paid::Subscription(subscription) => (None, Some(subscription)),
        };
        sqlx::query(statements::INSERT_ENTRY)
            .bind(*org)
            .bind(EntryId::new())
            .bind(posting.to_vec())
            .bind(*kind)
            .bind(*tokens)
            .bind(run)
            .bind(subscription)
            .bind(None::<String>)
            .bind(None::<Vec<u8>>)
            .bind(Time::now())
            .execute(&mut *transaction)
            .await?;
    }
    let changes = summed(&lines);
    for (org, tokens) in &changes {
        change(transaction, *org, *tokens).await?;
    }
    Ok(changes)
}

/// Rounded down: what cannot be divided is the seller's.
fn fee(tokens: u64, basis_points: u32) -> i64 {
    let fee = u128::from(tokens) * u128::from(basis_points) / BASIS;
    i64::try_from(fee).unwrap_or(i64::MAX)
}

/// One change an org, where there is any.
fn summed(lines: &[(OrgId, &str, i64)]) -> Vec<(OrgId, i64)> {
    let mut changes: Vec<(OrgId, i64)> = Vec::new();
    for (org, _, tokens) in lines {
        match changes.iter_mut().find(|(it, _)| it == org) {
            Some((_, sum)) => *sum += tokens,
            None => changes.push((*org, *tokens)),
        }
    }
    changes.retain(|(_, tokens)| *tokens != 0);
    changes
}

/// Refused by the database where a wallet would be less than empty.
async fn change(transaction: &mut Transaction, org: OrgId, tokens: i64) -> Result<(), StoreError> {
    // A row that is made anew is checked before it is found to be there.
    let statement = match tokens < 0 {
        true => statements::TAKE_TOKENS,
        false => statements::GIVE_TOKENS,
    };
    let changed = sqlx::query(statement)
        .bind(org)
        .bind(tokens)
        .execute(transaction)
        .await?;
    match changed.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Failed(sqlx::Error::RowNotFound)),
    }
}

async fn give(
    transaction: &mut Transaction,
    actor: Actor,
    credit: Credit,
) -> Result<(Credited, Vec<(OrgId, i64)>), StoreError> {
    let request = credit.request_sha256.map(|it| it.to_vec());
    if let Some(request) = &request {
        let before = sqlx::query(statements::ENTRY_BY_REQUEST)
            .bind(request)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(before) = before {
            let (org, reason): (OrgId, String) =
                (before.try_get("org_id")?, before.try_get("reason")?);
            let entry = entry_in(&before)?;
            let is_same =
                (org, entry.tokens, reason) == (credit.org, signed(credit.tokens), credit.reason);
            let credited = match is_same {
                true => Credited::Made(entry),
                false => Credited::Conflict,
            };
            return Ok((credited, Vec::new()));
        }
    }
    let known: Option<i64> = sqlx::query_scalar(statements::ORG_POSTED)
        .bind(credit.org)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(posted) = known else {
        return Ok((Credited::NoOrg, Vec::new()));
    };
    let tokens = signed(credit.tokens);
    if posted.checked_add(tokens).is_none() {
        return Ok((Credited::TooMuch, Vec::new()));
    }
    let entry = LedgerEntry {
        id: EntryId::new(),
        at: Time::now(),
        kind: "credit".to_owned(),
        tokens,
        run: None,
        subscription: None,
    };
    let sides = [
        (credit.org, tokens, request),
        (OrgId::none(), -tokens, None),
    ];
    for (org, tokens, request) in sides {
        sqlx::query(statements::INSERT_ENTRY)
            .bind(org)
            .bind(entry.id)
            .bind(entry.id.as_bytes().to_vec())
            .bind(&entry.kind)
            .bind(tokens)
            .bind(None::<RunId>)
            .bind(None::<SubscriptionId>)
            .bind(&credit.reason)
            .bind(request)
            .bind(entry.at)
            .execute(&mut *transaction)
            .await?;
    }
    change(transaction, credit.org, tokens).await?;
    let detail = json!({"entry_id": entry.id, "tokens": tokens, "reason": credit.reason});
    note(transaction, actor, "credit.made", credit.org, detail).await?;
    Ok((Credited::Made(entry), vec![(credit.org, tokens)]))
}

fn entry_in(row: &SqliteRow) -> Result<LedgerEntry, sqlx::Error> {
    Ok(LedgerEntry {
        id: row.try_get("entry_id")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        tokens: row.try_get("tokens")?,
        run: row.try_get("run_id")?,
        subscription: row.try_get("subscription_id")?,
    })
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_rounded_down() {
        let cases = [
            (0, 1000, 0),
            (5, 1000, 0),
            (9, 1000, 0),
            (10, 1000, 1),
            (19, 1000, 1),
            (1_000_000, 250, 25_000),
            (7, 10_000, 7),
            (7, 0, 0),
            (i64::MAX as u64, 10_000, i64::MAX),
        ];
        for (tokens, basis_points, expected) in cases {
            assert_eq!(fee(tokens, basis_points), expected, "{tokens}");
        }
    }

    #[test]
    fn an_org_that_is_on_both_sides_is_changed_once() {
        let (one, other) = (OrgId::new(), OrgId::new());
        let lines = [
            (one, "charge", -10),
            (one, "earning", 10),
            (one, "fee", -1),
            (other, "fee", 1),
        ];
        assert_eq!(summed(&lines), [(one, -1), (other, 1)]);
        assert_eq!(summed(&lines[..2]), []);
    }
}
