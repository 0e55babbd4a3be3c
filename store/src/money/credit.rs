//! Credits: what the operator gives to orgs, which are payments of nobody's.

use crate::Store;
use crate::error::StoreError;
use crate::id::OrgId;
use crate::money::ledger_entry::LedgerEntry;
use crate::money::payment::{self, CreditNote, Payment, PaymentRecord};
use crate::money::posting::post;
use crate::number::signed;
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::tenancy::action::{Actor, note};
use serde_json::json;
use std::sync::Arc;

/// A gift of the operator's, or the payment it has received elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Who gets it.
    pub org: OrgId,
    /// How much, at least one.
    pub tokens: u64,
    /// The reason.
    pub reason: String,
    /// The hash of the request that asks for it. The same request again gives nothing more.
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
                move |transaction| give(transaction, actor, &credit),
                move |(_, given): &(_, Option<Payment>)| {
                    wallets.post(given.iter().flat_map(Payment::changes));
                },
            )
            .await
            .map(|(credited, _)| credited)
    }
}

/// How it ended, and what is given now.
pub(crate) fn give(
    transaction: &mut Connection,
    actor: Actor,
    credit: &Credit,
) -> Result<(Credited, Option<Payment>), StoreError> {
    let request = credit.request_sha256;
    if let Some(request) = &request
        && let Some(before) = asked_before(transaction, credit, request)?
    {
        return Ok((before, None));
    }
    let known: Option<i64> = sql::query(statements::ORG_POSTED)
        .bind(credit.org)
        .optional_scalar(transaction)?;
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
    let recorded = payment::record_credit(transaction, payment, noted)?;
    post(transaction, payment.changes())?;
    let line = recorded.line_of_credit();
    let detail = json!({"entry_id": line.id, "tokens": line.tokens, "reason": credit.reason});
    note(transaction, actor, "credit.made", credit.org, detail)?;
    Ok((Credited::Made(line), Some(payment)))
}

/// How the same request ended before, where there was one.
fn asked_before(
    transaction: &mut Connection,
    credit: &Credit,
    request: &[u8; 32],
) -> Result<Option<Credited>, StoreError> {
    let payment = sql::query(statements::PAYMENT_BY_REQUEST)
        .bind(request.as_slice())
        .optional(transaction)?;
    let Some(row) = payment else {
        return Ok(None);
    };
    let line = PaymentRecord::read(&row)?.line_of_credit();
    let (org, reason): (OrgId, String) = (row.get("org_id")?, row.get("reason")?);
    let is_same =
        (org, line.tokens, reason.as_str()) == (credit.org, signed(credit.tokens), &credit.reason);
    Ok(Some(match is_same {
        true => Credited::Made(line),
        false => Credited::Conflict,
    }))
}
