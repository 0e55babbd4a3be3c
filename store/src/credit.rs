//! Credits: what the operator gives to orgs, which are payments of nobody's.

use crate::Store;
use crate::action::{Actor, note};
use crate::directly::directly;
use crate::error::StoreError;
use crate::id::OrgId;
use crate::ledger_entry::{LedgerEntry, entry_in};
use crate::number::signed;
use crate::payment::{self, CreditNote, Payment, PaymentRecord};
use crate::posting::post;
use crate::statements;
use crate::writer::Transaction;
use serde_json::json;
use sqlx::{FromRow, Row};
use std::sync::Arc;

/// A gift of the operator's, or the payment it has received elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Who gets it.
    pub org: OrgId,
    /// How much, at least one.
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
                move |(_, given): &(_, Option<Payment>)| {
                    wallets.post(given.iter().flat_map(Payment::changes));
                },
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
) -> Result<(Credited, Option<Payment>), StoreError> {
    let request = credit.request_sha256;
    if let Some(request) = &request
        && let Some(before) = asked_before(transaction, &credit, request).await?
    {
        return Ok((before, None));
    }
    let known: Option<i64> = sqlx::query_scalar(statements::ORG_POSTED)
        .bind(credit.org)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(posted) = known else {
        return Ok((Credited::NoOrg, None));
    };
    if posted.checked_add(signed(credit.tokens)).is_none() {
        return Ok((Credited::TooMuch, None));
    }
    let payment = Payment::credit(credit.org, credit.tokens);
    let noted = CreditNote {
        reason: &credit.reason,
        request: request.as_ref().map(<[u8; 32]>::as_slice),
    };
    let recorded = directly(transaction, |it| {
        let recorded = payment::record_credit(it, payment, noted)?;
        post(it, payment.changes())?;
        Ok(recorded)
    })
    .await?;
    let line = recorded.line_of_credit();
    let detail = json!({"entry_id": line.id, "tokens": line.tokens, "reason": credit.reason});
    note(transaction, actor, "credit.made", credit.org, detail).await?;
    Ok((Credited::Made(line), Some(payment)))
}

/// How the same request ended before, where there was one.
async fn asked_before(
    transaction: &mut Transaction,
    credit: &Credit,
    request: &[u8; 32],
) -> Result<Option<Credited>, StoreError> {
    let payment = sqlx::query(statements::PAYMENT_BY_REQUEST)
        .bind(request.as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
    let (row, line) = match payment {
        Some(row) => {
            let line = PaymentRecord::from_row(&row)?.line_of_credit();
            (row, line)
        }
        None => {
            let entry = sqlx::query(statements::ENTRY_BY_REQUEST)
                .bind(request.as_slice())
                .fetch_optional(transaction)
                .await?;
            let Some(row) = entry else {
                return Ok(None);
            };
            let line = entry_in(&row)?;
            (row, line)
        }
    };
    let (org, reason): (OrgId, String) = (row.try_get("org_id")?, row.try_get("reason")?);
    let is_same =
        (org, line.tokens, reason.as_str()) == (credit.org, signed(credit.tokens), &credit.reason);
    Ok(Some(match is_same {
        true => Credited::Made(line),
        false => Credited::Conflict,
    }))
}
