//! Who did what to whom: each action is noted in the transaction that does it.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ActionId, KeyId, OrgId};
use crate::owner::Owner;
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::time::Time;
use serde_json::Value;
use std::fmt::Display;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Org and project.
    pub owner: Owner,
    /// With which key of it.
    pub key: KeyId,
}

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its identifier.
    pub id: ActionId,
    /// When.
    pub at: Time,
    /// The key that acted.
    pub org: OrgId,
    /// The key.
    pub key: KeyId,
    /// What, such as `key.created`.
    pub what: String,
    /// The identifier of what it was done to.
    pub target: String,
    /// A JSON object: what else is worth knowing. Never a secret.
    pub detail: Value,
}

impl Store {
    /// Actions, newest first.
    pub async fn actions(
        &self,
        before: Option<ActionId>,
        limit: usize,
    ) -> Result<Page<Action, ActionId>, StoreError> {
        let rows = self
            .readers
            .all(
                sql::query(statements::ACTIONS)
                    .bind(before.unwrap_or_else(ActionId::last))
                    .bind(one_more(limit)),
            )
            .await?;
        let actions = rows.iter().map(action_in).collect::<Result<_, _>>()?;
        Ok(Page::cut(actions, limit, |action: &Action| action.id))
    }
}

/// Notes what is being done.
pub(crate) fn note(
    transaction: &mut Connection,
    actor: Actor,
    what: &str,
    target: impl Display,
    detail: Value,
) -> Result<(), StoreError> {
    sql::query(statements::NOTE_ACTION)
        .bind(ActionId::new())
        .bind(actor.owner.org)
        .bind(actor.key)
        .bind(what)
        .bind(target.to_string())
        .bind(detail.to_string())
        .bind(Time::now())
        .execute(transaction)?;
    Ok(())
}

fn action_in(row: &Row) -> Result<Action, SqlError> {
    Ok(Action {
        id: row.get("action_id")?,
        at: row.get("at")?,
        org: row.get("org_id")?,
        key: row.get("key_id")?,
        what: row.get("action")?,
        target: row.get("target")?,
        detail: row.json("detail")?,
    })
}
