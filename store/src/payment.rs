//! Payments for runs and subscriptions: from one org to another, of which the platform has its fee. Each is a row, of
//! which the lines of statements are told: a row for every line took the writer three times as long.

use crate::directly::each;
use crate::error::StoreError;
use crate::id::{EntryId, OrgId, RunId, SubscriptionId};
use crate::ledger_entry::LedgerEntry;
use crate::number::signed;
use crate::statements;
use crate::time::Time;
use rusqlite::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// A ten-thousandth, which fees are counted in.
const BASIS: u128 = 10_000;
/// Between two payments at the least: no two are at the same time.
const TICK: Duration = Duration::from_micros(1);

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paid {
    Run(RunId),
    Subscription(SubscriptionId),
}

/// A payment of a token or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payment {
    of: Paid,
    buyer: OrgId,
    seller: OrgId,
    tokens: i64,
    /// Of what the seller earns, the platform's.
    fee: Option<(OrgId, i64)>,
}

impl Paid {
    fn run(self) -> Option<RunId> {
        match self {
            Self::Run(run) => Some(run),
            Self::Subscription(_) => None,
        }
    }

    fn subscription(self) -> Option<SubscriptionId> {
        match self {
            Self::Run(_) => None,
            Self::Subscription(subscription) => Some(subscription),
        }
    }
}

impl Payment {
    /// By whose the fees are, and how much of what sellers earn. `None` where there is nothing to pay.
    pub(crate) fn new(
        of: Paid,
        (buyer, seller): (OrgId, OrgId),
        tokens: u64,
        fees: Option<(OrgId, u32)>,
    ) -> Option<Self> {
        let fees = fees.filter(|(platform, _)| *platform != seller);
        let fee = fees.map(|(platform, basis_points)| (platform, fee(tokens, basis_points)));
        (tokens > 0).then(|| Self {
            of,
            buyer,
            seller,
            tokens: signed(tokens),
            fee: fee.filter(|(_, tokens)| *tokens > 0),
        })
    }

    /// For an org each, what it has more and what that is called. They sum to zero.
    fn lines(&self) -> impl Iterator<Item = (OrgId, &'static str, i64)> {
        let paid = match self.of {
            Paid::Run(_) => "charge",
            Paid::Subscription(_) => "subscription",
        };
        let fee = self
            .fee
            .map(|(platform, tokens)| [(self.seller, "fee", -tokens), (platform, "fee", tokens)]);
        let rest = [(self.seller, "earning", self.tokens)];
        let lines = [(self.buyer, paid, -self.tokens)].into_iter().chain(rest);
        lines.chain(fee.into_iter().flatten())
    }

    /// What it changes in wallets.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (OrgId, i64)> {
        self.lines().map(|(org, _, tokens)| (org, tokens))
    }

    /// An org's lines of it.
    fn entries(&self, at: Time, org: OrgId) -> impl Iterator<Item = LedgerEntry> {
        let lines = (0..)
            .zip(self.lines())
            .filter(move |(_, line)| line.0 == org);
        lines.map(move |(place, (_, kind, tokens))| LedgerEntry {
            id: EntryId::of_line(at, place),
            at,
            kind: kind.to_owned(),
            tokens,
            run: self.of.run(),
            subscription: self.of.subscription(),
        })
    }
}

/// Rounded down: what cannot be divided is the seller's.
fn fee(tokens: u64, basis_points: u32) -> i64 {
    let fee = u128::from(tokens) * u128::from(basis_points) / BASIS;
    i64::try_from(fee).unwrap_or(i64::MAX)
}

/// Writes payments down, each later than all before it, whatever the machine's clock does.
pub(crate) fn record<'p>(
    connection: &Connection,
    payments: impl Iterator<Item = &'p Payment>,
) -> Result<(), StoreError> {
    let mut last = connection.prepare_cached(statements::LAST_PAYMENT)?;
    let last: Option<Time> = last.query_row([], |row| row.get(0))?;
    let now = Time::now();
    let mut at = last.map_or(now, |last| now.max(last.after(TICK)));
    let timed = payments.map(|payment| {
        let its = at;
        at = at.after(TICK);
        (its, payment)
    });
    each(
        connection,
        statements::INSERT_PAYMENT,
        timed,
        |it, (at, payment)| {
            it.bind(at)?
                .bind(payment.of.run())?
                .bind(payment.of.subscription())?
                .bind(payment.buyer)?
                .bind(payment.seller)?
                .bind(payment.tokens)?
                .bind(payment.fee.map(|(platform, _)| platform))?
                .bind(payment.fee.map_or(0, |(_, tokens)| tokens))
        },
    )?;
    Ok(())
}

/// An org's lines that sort before one: the last `limit` of them, and maybe more.
pub(crate) async fn lines(
    connection: &mut SqliteConnection,
    org: OrgId,
    before: EntryId,
    limit: i64,
) -> Result<BTreeMap<EntryId, LedgerEntry>, StoreError> {
    // An org that is on more than one side has its lines once.
    let mut entries = BTreeMap::new();
    for payments in [
        statements::PAYMENTS_OF_BUYER,
        statements::PAYMENTS_OF_SELLER,
        statements::PAYMENTS_OF_PLATFORM,
    ] {
        let rows: Vec<Kept> = sqlx::query_as(payments)
            .bind(org)
            .bind(before.time())
            // All lines of the one that `before` is of may sort after it.
            .bind(limit.saturating_add(1))
            .fetch_all(&mut *connection)
            .await?;
        let lines = rows.iter().flat_map(|it| it.payment.entries(it.at, org));
        entries.extend(lines.filter(|it| it.id < before).map(|it| (it.id, it)));
    }
    Ok(entries)
}

/// A payment's row.
struct Kept {
    at: Time,
    payment: Payment,
}

impl FromRow<'_, SqliteRow> for Kept {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let of = match row.try_get("run_id")? {
            Some(run) => Paid::Run(run),
            None => Paid::Subscription(row.try_get("subscription_id")?),
        };
        let platform: Option<OrgId> = row.try_get("platform_id")?;
        let fee = row.try_get("fee")?;
        let payment = Payment {
            of,
            buyer: row.try_get("buyer_id")?,
            seller: row.try_get("seller_id")?,
            tokens: row.try_get("tokens")?,
            fee: platform.map(|platform| (platform, fee)),
        };
        let at = row.try_get("at")?;
        Ok(Self { at, payment })
    }
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
    fn the_lines_of_a_payment_sum_to_zero() {
        let (buyer, seller, platform) = (OrgId::new(), OrgId::new(), OrgId::new());
        let of = || Paid::Run(RunId::new());
        let cases = [
            ((buyer, seller), Some((platform, 1000)), 4),
            ((buyer, seller), Some((platform, 1)), 2),
            ((buyer, seller), None, 2),
            ((seller, seller), Some((platform, 1000)), 4),
            ((platform, seller), Some((platform, 1000)), 4),
            ((buyer, platform), Some((platform, 1000)), 2),
        ];
        for (sides, fees, count) in cases {
            let payment = Payment::new(of(), sides, 10, fees).expect("ten tokens");
            let lines: Vec<_> = payment.lines().collect();
            assert_eq!(lines.len(), count, "{lines:?}");
            let sum: i64 = lines.iter().map(|(_, _, tokens)| tokens).sum();
            assert_eq!(sum, 0, "{lines:?}");
        }
        assert_eq!(Payment::new(of(), (buyer, seller), 0, None), None);
    }
}
