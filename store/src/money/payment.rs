//! Payments: for runs and subscriptions from one org to another, of which the platform has its fee, and credits. Each is
//! a row, of which the lines of statements are told: a row for every line took the writer three times as long.

use crate::error::StoreError;
use crate::id::{EntryId, OrgId, RunId, SubscriptionId};
use crate::money::ledger_entry::LedgerEntry;
use crate::number::signed;
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError, values};
use crate::time::Time;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::iter;
use std::time::Duration;

/// A ten-thousandth, which fees are counted in.
const BASIS: i128 = 10_000;
/// Between the places of two payments at the least.
const TICK: Duration = Duration::from_micros(1);

/// The thing that is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paid {
    Run(RunId),
    Subscription(SubscriptionId),
    /// Nothing: the operator gives it.
    Credit,
}

/// A payment of a token or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payment {
    of: Paid,
    buyer: OrgId,
    seller: OrgId,
    tokens: i64,
    /// The platform's share of the seller's earnings.
    fee: Option<(OrgId, i64)>,
}

/// The note of a credit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreditNote<'n> {
    pub(crate) reason: &'n str,
    /// The hash of the request that asks for it.
    pub(crate) request: Option<&'n [u8]>,
}

/// A payment as it is in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaymentRecord {
    /// The sort key: a time later than all before it, even if the machine's clock goes back.
    place: Time,
    at: Time,
    payment: Payment,
}

impl Payment {
    /// Without a fee yet. `None` where there is nothing to pay.
    pub(crate) fn new(of: Paid, (buyer, seller): (OrgId, OrgId), tokens: u64) -> Option<Self> {
        (tokens > 0).then(|| Self {
            of,
            buyer,
            seller,
            tokens: signed(tokens),
            fee: None,
        })
    }

    /// From nobody to an org.
    pub(crate) fn credit(org: OrgId, tokens: u64) -> Self {
        Self {
            of: Paid::Credit,
            buyer: OrgId::none(),
            seller: org,
            tokens: signed(tokens),
            fee: None,
        }
    }

    /// For an org each, what it has more and what that is called. They sum to zero, and what takes from an org that is on
    /// more than one side comes where it has that.
    fn lines(&self) -> impl Iterator<Item = (OrgId, &'static str, i64)> {
        let (paid, earned) = match self.of {
            Paid::Run(_) => ("charge", "earning"),
            Paid::Subscription(_) => ("subscription", "earning"),
            Paid::Credit => ("credit", "credit"),
        };
        let fee = self
            .fee
            .map(|(platform, tokens)| [(self.seller, "fee", -tokens), (platform, "fee", tokens)]);
        let sides = [
            (self.buyer, paid, -self.tokens),
            (self.seller, earned, self.tokens),
        ];
        sides.into_iter().chain(fee.into_iter().flatten())
    }

    /// The changes of wallets. A credit has no buyer.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (OrgId, i64)> {
        let changes = self.lines().map(|(org, _, tokens)| (org, tokens));
        changes.filter(|(org, _)| *org != OrgId::none())
    }
}

impl PaymentRecord {
    /// An org's lines of it.
    fn lines(&self, org: OrgId) -> impl Iterator<Item = LedgerEntry> {
        let lines = (0..).zip(self.payment.lines());
        let its = lines.filter(move |(_, line)| line.0 == org);
        its.map(|(nth, (_, kind, tokens))| self.line(nth, kind, tokens))
    }

    /// The line that a credit is to whom it is given.
    pub(crate) fn line_of_credit(&self) -> LedgerEntry {
        self.line(1, "credit", self.payment.tokens)
    }

    fn line(&self, nth: u8, kind: &str, tokens: i64) -> LedgerEntry {
        let (run, subscription) = self.payment.of.ids();
        LedgerEntry {
            id: EntryId::of_line(self.place, nth),
            at: self.at,
            kind: kind.to_owned(),
            tokens,
            run,
            subscription,
        }
    }
}

impl Paid {
    fn ids(self) -> (Option<RunId>, Option<SubscriptionId>) {
        match self {
            Self::Run(run) => (Some(run), None),
            Self::Subscription(subscription) => (None, Some(subscription)),
            Self::Credit => (None, None),
        }
    }
}

/// The platform's fee on sellers' earnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fees {
    /// The platform. It pays itself nothing.
    pub(crate) platform: OrgId,
    /// Ten-thousandths of what a seller earns.
    pub(crate) basis_points: u32,
}

/// Sets the fee of each payment, in the transaction that records it. Fees are whole tokens: what is rounded down is
/// carried to the seller's next payment, so that many small prices pay what one large one does.
pub(crate) fn set_fees<'p>(
    connection: &mut Connection,
    payments: impl Iterator<Item = &'p mut Payment>,
    fees: Option<Fees>,
) -> Result<(), StoreError> {
    let Some(fees) = fees.filter(|it| it.basis_points > 0) else {
        return Ok(());
    };
    let mut rests: HashMap<OrgId, i64> = HashMap::new();
    for payment in payments.filter(|it| it.seller != fees.platform) {
        let rest = match rests.entry(payment.seller) {
            Entry::Occupied(rest) => rest.into_mut(),
            Entry::Vacant(place) => place.insert(fee_rest(connection, payment.seller)?),
        };
        let (fee, left) = fee(payment.tokens, fees.basis_points, *rest);
        *rest = left;
        payment.fee = (fee > 0).then_some((fees.platform, fee));
    }
    let rests = rests
        .into_iter()
        .map(|(seller, rest)| values![seller, rest]);
    connection.execute_each(statements::SET_FEE_REST, rests)?;
    Ok(())
}

fn fee_rest(connection: &mut Connection, seller: OrgId) -> Result<i64, StoreError> {
    let query = sql::query(statements::FEE_REST).bind(seller);
    Ok(query.optional_scalar(connection)?.unwrap_or(0))
}

/// The fee in whole tokens, and the ten-thousandths that are left, at first `rest`.
fn fee(tokens: i64, basis_points: u32, rest: i64) -> (i64, i64) {
    let due = i128::from(tokens) * i128::from(basis_points) + i128::from(rest);
    let whole = i64::try_from(due / BASIS).unwrap_or(i64::MAX);
    let left = i64::try_from(due % BASIS).unwrap_or(0);
    (whole.min(tokens), left)
}

/// Writes payments down, but for credits.
pub(crate) fn record<'p>(
    connection: &mut Connection,
    payments: impl Iterator<Item = &'p Payment>,
) -> Result<(), StoreError> {
    let mut payments = payments.peekable();
    if payments.peek().is_none() {
        return Ok(());
    }
    let at = Time::now();
    let mut place = next_place(connection, at)?;
    let recorded = payments.map(|payment| {
        let recorded = PaymentRecord {
            place,
            at,
            payment: *payment,
        };
        place = place.after(TICK);
        (recorded, None)
    });
    insert(connection, recorded)
}

/// Writes a credit down.
pub(crate) fn record_credit(
    connection: &mut Connection,
    payment: Payment,
    note: CreditNote<'_>,
) -> Result<PaymentRecord, StoreError> {
    let at = Time::now();
    let place = next_place(connection, at)?;
    let recorded = PaymentRecord { place, at, payment };
    insert(connection, iter::once((recorded, Some(note))))?;
    Ok(recorded)
}

/// The place of a payment that is made now.
fn next_place(connection: &mut Connection, now: Time) -> Result<Time, StoreError> {
    let last: Option<Time> = sql::query(statements::LAST_PAYMENT).scalar(connection)?;
    Ok(last.map_or(now, |last| now.max(last.after(TICK))))
}

fn insert<'n>(
    connection: &mut Connection,
    recorded: impl Iterator<Item = (PaymentRecord, Option<CreditNote<'n>>)>,
) -> Result<(), StoreError> {
    let rows = recorded.map(|(recorded, note)| {
        let payment = &recorded.payment;
        let (run, subscription) = payment.of.ids();
        values![
            recorded.place,
            recorded.at,
            run,
            subscription,
            note.map(|note| note.reason),
            note.and_then(|note| note.request),
            payment.buyer,
            payment.seller,
            payment.tokens,
            payment.fee.map(|(platform, _)| platform),
            payment.fee.map_or(0, |(_, tokens)| tokens),
        ]
    });
    connection.execute_each(statements::INSERT_PAYMENT, rows)?;
    Ok(())
}

/// An org's lines that sort before one: the last `limit` of them, and maybe more.
pub(crate) fn lines_before(
    connection: &mut Connection,
    org: OrgId,
    before: EntryId,
    limit: i64,
) -> Result<BTreeMap<EntryId, LedgerEntry>, SqlError> {
    // An org that is on more than one side has its lines once.
    let mut entries = BTreeMap::new();
    for payments in [
        statements::PAYMENTS_OF_BUYER,
        statements::PAYMENTS_OF_SELLER,
        statements::PAYMENTS_OF_PLATFORM,
    ] {
        let query = sql::query(payments)
            .bind(org)
            .bind(before.last_place())
            // All lines of the payment of `before` may sort after it.
            .bind(limit.saturating_add(1));
        let rows = query.all(connection)?;
        let rows = rows.iter().map(PaymentRecord::read);
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let lines = rows.iter().flat_map(|it| it.lines(org));
        entries.extend(lines.filter(|it| it.id < before).map(|it| (it.id, it)));
    }
    Ok(entries)
}

impl PaymentRecord {
    pub(crate) fn read(row: &Row) -> Result<Self, SqlError> {
        let (run, subscription) = (row.get("run_id")?, row.get("subscription_id")?);
        let of = match (run, subscription) {
            (Some(run), _) => Paid::Run(run),
            (None, Some(subscription)) => Paid::Subscription(subscription),
            (None, None) => Paid::Credit,
        };
        let platform: Option<OrgId> = row.get("platform_id")?;
        let fee = row.get("fee")?;
        let payment = Payment {
            of,
            buyer: row.get("buyer_id")?,
            seller: row.get("seller_id")?,
            tokens: row.get("tokens")?,
            fee: platform.map(|platform| (platform, fee)),
        };
        Ok(Self {
            place: row.get("place")?,
            at: row.get("at")?,
            payment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_rounded_down_and_what_is_left_is_carried() {
        let cases = [
            (0, 1000, 0, (0, 0)),
            (5, 1000, 0, (0, 5000)),
            (5, 1000, 5000, (1, 0)),
            (9, 1000, 0, (0, 9000)),
            (9, 1000, 9000, (1, 8000)),
            (10, 1000, 0, (1, 0)),
            (19, 1000, 0, (1, 9000)),
            (1_000_000, 250, 0, (25_000, 0)),
            (7, 10_000, 0, (7, 0)),
            (7, 10_000, 9999, (7, 9999)),
            (7, 0, 9999, (0, 9999)),
            (i64::MAX, 10_000, 9999, (i64::MAX, 9999)),
        ];
        for (tokens, basis_points, rest, expected) in cases {
            assert_eq!(fee(tokens, basis_points, rest), expected, "{tokens}");
        }
        // No price under 40 paid any of 2.5 %.
        let mut carried = (0, 0);
        for _ in 0..4000 {
            let (fee, rest) = fee(1, 250, carried.1);
            carried = (carried.0 + fee, rest);
        }
        assert_eq!(carried, (100, 0));
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
            let mut payment = Payment::new(of(), sides, 10).expect("ten tokens");
            let fee = fees.map(|(platform, points)| (platform, fee(10, points, 0).0));
            payment.fee = fee.filter(|(platform, fee)| *fee > 0 && *platform != sides.1);
            let lines: Vec<_> = payment.lines().collect();
            assert_eq!(lines.len(), count, "{lines:?}");
            let sum: i64 = lines.iter().map(|(_, _, tokens)| tokens).sum();
            assert_eq!(sum, 0, "{lines:?}");
        }
        assert_eq!(Payment::new(of(), (buyer, seller), 0), None);
    }
}
