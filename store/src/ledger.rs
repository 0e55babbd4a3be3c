//! Entries: why a wallet is as it is. Each posting changes wallets and says so in one transaction.

use crate::Store;
use crate::action::{Actor, note};
use crate::directly::{Binding, directly, each};
use crate::error::StoreError;
use crate::id::{EntryId, OrgId, RunId, SubscriptionId};
use crate::number::signed;
use crate::page::{Page, one_more};
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use rusqlite::Connection;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

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
            .fetch_all(&self.list_readers)
            .await?;
        let entries = rows.iter().map(entry_in).collect::<Result<_, _>>()?;
        Ok(Page::cut(entries, limit, |entry: &LedgerEntry| entry.id))
    }
}

impl Payment {
    /// What its lines say: what the buyer pays, what the seller earns, and the platform's fee.
    pub(crate) fn lines(&self, fees: Option<(OrgId, u32)>) -> Vec<Line> {
        let paid = signed(self.tokens);
        let (posting, kind, run, subscription) = match self.of {
            Paid::Run(run) => (*run.as_bytes(), "charge", Some(run), None),
            Paid::Subscription(it) => (*it.as_bytes(), "subscription", None, Some(it)),
        };
        let mut sides = vec![(self.buyer, kind, -paid), (self.seller, "earning", paid)];
        if let Some((platform, basis_points)) = fees.filter(|(it, _)| *it != self.seller) {
            let fee = fee(self.tokens, basis_points);
            if fee > 0 {
                sides.extend([(self.seller, "fee", -fee), (platform, "fee", fee)]);
            }
        }
        let line = |(org, kind, tokens)| Line {
            org,
            id: EntryId::new(),
            posting,
            kind,
            tokens,
            run,
            subscription,
            reason: None,
            request: None,
        };
        sides.into_iter().map(line).collect()
    }
}

/// An entry to be made.
#[derive(Debug)]
pub(crate) struct Line {
    org: OrgId,
    id: EntryId,
    /// Those of one posting sum to zero.
    posting: [u8; 16],
    kind: &'static str,
    tokens: i64,
    run: Option<RunId>,
    subscription: Option<SubscriptionId>,
    reason: Option<String>,
    request: Option<Vec<u8>>,
}

/// Makes entries, and changes the wallets by them. What changed is to be posted once it is committed.
pub(crate) fn enter<'l>(
    connection: &Connection,
    lines: impl Iterator<Item = &'l Line> + Clone,
    at: Time,
) -> Result<Vec<(OrgId, i64)>, StoreError> {
    let entered = lines.clone();
    each(connection, statements::INSERT_ENTRY, entered, |it, line| {
        bind_line(it, line, at)
    })?;
    let changes = summed(lines);
    change(connection, &changes)?;
    Ok(changes)
}

fn bind_line<'s, 'c>(
    statement: Binding<'s, 'c>,
    line: &Line,
    at: Time,
) -> rusqlite::Result<Binding<'s, 'c>> {
    statement
        .bind(line.org)?
        .bind(line.id)?
        .bind(line.posting.as_slice())?
        .bind(line.kind)?
        .bind(line.tokens)?
        .bind(line.run)?
        .bind(line.subscription)?
        .bind(&line.reason)?
        .bind(&line.request)?
        .bind(at)
}

/// Rounded down: what cannot be divided is the seller's.
fn fee(tokens: u64, basis_points: u32) -> i64 {
    let fee = u128::from(tokens) * u128::from(basis_points) / BASIS;
    i64::try_from(fee).unwrap_or(i64::MAX)
}

/// One change an org, where there is any. The platform's own side of credits is no wallet.
pub(crate) fn summed<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Vec<(OrgId, i64)> {
    let mut changes: HashMap<OrgId, i64> = HashMap::new();
    for line in lines.into_iter().filter(|line| line.org != OrgId::none()) {
        *changes.entry(line.org).or_default() += line.tokens;
    }
    changes.retain(|_, tokens| *tokens != 0);
    changes.into_iter().collect()
}

/// Refused by the database where a wallet would be less than empty.
fn change(connection: &Connection, changes: &[(OrgId, i64)]) -> Result<(), StoreError> {
    let takes = |(_, tokens): &&(OrgId, i64)| *tokens < 0;
    let (takes, gives): (Vec<_>, Vec<_>) = changes.iter().partition(takes);
    let mut changed = 0;
    for (statement, changes) in [
        (statements::GIVE_TOKENS, gives),
        (statements::TAKE_TOKENS, takes),
    ] {
        changed += each(connection, statement, changes, |it, (org, tokens)| {
            it.bind(tokens)?.bind(org)
        })?;
    }
    match changed == changes.len() {
        true => Ok(()),
        false => Err(rusqlite::Error::QueryReturnedNoRows.into()),
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
    let line = |org, tokens, request| Line {
        org,
        id: entry.id,
        posting: *entry.id.as_bytes(),
        kind: "credit",
        tokens,
        run: None,
        subscription: None,
        reason: Some(credit.reason.clone()),
        request,
    };
    let lines = [
        line(credit.org, tokens, request),
        line(OrgId::none(), -tokens, None),
    ];
    let changes = directly(transaction, |it| enter(it, lines.iter(), entry.at)).await?;
    let detail = json!({"entry_id": entry.id, "tokens": tokens, "reason": credit.reason});
    note(transaction, actor, "credit.made", credit.org, detail).await?;
    Ok((Credited::Made(entry), changes))
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
        let payment = Payment {
            of: Paid::Run(RunId::new()),
            buyer: one,
            seller: one,
            tokens: 10,
        };
        let mut changes = summed(&payment.lines(Some((other, 1000))));
        changes.sort_by_key(|(_, tokens)| *tokens);
        assert_eq!(changes, [(one, -1), (other, 1)]);
        assert_eq!(summed(&payment.lines(None)), []);
        assert_eq!(summed(&payment.lines(Some((one, 1000)))), []);
    }
}
