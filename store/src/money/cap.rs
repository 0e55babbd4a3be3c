//! Budgets as rows. What was spent of each is added up once, when it is set or its project is asked about first, from what
//! is kept longer than any record; from then on it is [counted](crate::money::budget) in memory.

use crate::Store;
use crate::error::StoreError;
use crate::id::{BudgetId, KeyId};
use crate::money::budget::{Budget, Payer, Period};
use crate::number::signed;
use crate::owner::Owner;
use crate::page::Page;
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::caps::Rows;
use crate::time::Time;
use std::collections::HashMap;
use std::sync::Arc;

impl Store {
    /// A project's budgets, in the order of their identifiers: those after one.
    pub async fn budgets(
        &self,
        owner: Owner,
        after: Option<BudgetId>,
        limit: usize,
    ) -> Result<Page<Budget, BudgetId>, StoreError> {
        let mut budgets = self.budgets_now(owner).await?;
        budgets.retain(|it| after.is_none_or(|after| it.id > after));
        Ok(Page::cut(budgets, limit, |it: &Budget| it.id))
    }

    /// A project's budget of a key, or of the whole project, with what is spent and held.
    pub async fn budget(
        &self,
        owner: Owner,
        key: Option<KeyId>,
        period: Period,
    ) -> Result<Option<Budget>, StoreError> {
        let mut its = self.budgets_now(owner).await?.into_iter();
        Ok(its.find(|it| (it.key, it.period) == (key, period)))
    }

    /// As they are counted here, or else in the database: what asks for them is no write.
    async fn budgets_now(&self, owner: Owner) -> Result<Vec<Budget>, StoreError> {
        let payer = Payer {
            owner,
            key: KeyId::none(),
            session: None,
        };
        match self.wallets.knows(&payer) {
            true => Ok(self.wallets.budgets(owner.project)),
            false => {
                let read = move |connection: &mut Connection| of_project(connection, owner);
                let mut budgets = self.list_readers.read(owner.org, read).await?;
                budgets.sort_by_key(|it| it.id);
                Ok(budgets)
            }
        }
    }

    async fn learn_budgets(&self, owner: Owner) -> Result<(), StoreError> {
        let payer = Payer {
            owner,
            key: KeyId::none(),
            session: None,
        };
        self.learn(&payer).await
    }

    /// Sets what a project, or one of its keys, may spend. Runs that are under way are counted once they are charged.
    pub async fn set_budget(
        &self,
        owner: Owner,
        key: Option<KeyId>,
        period: Period,
        cap: u64,
    ) -> Result<Budget, StoreError> {
        self.learn_budgets(owner).await?;
        let turn = self.learning.of(owner.org).await;
        let wallets = Arc::clone(&self.wallets);
        let room = match self.budget(owner, key, period).await? {
            Some(_) => None,
            None => Some(self.room_for(owner.org, [Rows::Budgets]).await?),
        };
        let project = owner.project;
        self.writer
            .write_then(
                move |transaction| {
                    let now = Time::now();
                    let row = sql::query(statements::SET_BUDGET)
                        .bind(owner.org)
                        .bind(project)
                        .bind(key.unwrap_or_else(KeyId::none))
                        .bind(period.name())
                        .bind(BudgetId::new())
                        .bind(signed(cap))
                        .bind(now)
                        .one(transaction)?;
                    let budget = budget_in(&row, now)?;
                    // One that was there before is counted already.
                    match budget.created_at == now {
                        true => Ok(counted(transaction, owner, budget)?),
                        false => Ok(budget),
                    }
                },
                move |budget| {
                    wallets.set_budget(project, *budget);
                    drop((room, turn));
                },
            )
            .await
    }

    /// Takes a budget away: nothing is counted any more. What it was, where there was one.
    pub async fn remove_budget(
        &self,
        owner: Owner,
        key: Option<KeyId>,
        period: Period,
    ) -> Result<Option<Budget>, StoreError> {
        self.learn_budgets(owner).await?;
        let wallets = Arc::clone(&self.wallets);
        let project = owner.project;
        self.writer
            .write_then(
                move |transaction| {
                    let row = sql::query(statements::REMOVE_BUDGET)
                        .bind(owner.org)
                        .bind(project)
                        .bind(key.unwrap_or_else(KeyId::none))
                        .bind(period.name())
                        .optional(transaction)?;
                    let removed = row.as_ref().map(|row| budget_in(row, Time::now()));
                    Ok(removed.transpose()?)
                },
                move |removed: &Option<Budget>| {
                    if let Some(budget) = removed {
                        wallets.remove_budget(project, budget);
                    }
                },
            )
            .await
    }
}

/// A project's budgets, with what was spent of them and is held by durable runs. Nothing else of the project is held when
/// this is asked first.
pub(crate) fn of_project(
    connection: &mut Connection,
    owner: Owner,
) -> Result<Vec<Budget>, StoreError> {
    let now = Time::now();
    let rows = sql::query(statements::BUDGETS_OF_PROJECT)
        .bind(owner.org)
        .bind(owner.project)
        .all(connection)?;
    let budgets = rows.iter().map(|row| budget_in(row, now));
    let mut budgets: Vec<Budget> = budgets.collect::<Result<_, _>>()?;
    let Some(since) = budgets.iter().map(|it| it.starts_at).min() else {
        return Ok(budgets);
    };
    let mut of_key: HashMap<Option<KeyId>, Vec<usize>> = HashMap::new();
    for (at, budget) in budgets.iter().enumerate() {
        of_key.entry(budget.key).or_default().push(at);
    }
    let places = |key| {
        let of_key = [None, Some(key)].map(|it| of_key.get(&it));
        of_key.into_iter().flatten().flatten().copied()
    };
    // However many budgets there are, all that was spent is read once: others wait meanwhile.
    let spent = sql::query(statements::SPENT_OF_PROJECT)
        .bind(owner.org)
        .bind(owner.project)
        .bind(since)
        .all(connection)?;
    for row in &spent {
        let (key, at, tokens) = amount_in(row)?;
        for place in places(key) {
            let budget = &mut budgets[place];
            if at >= budget.starts_at {
                budget.spent = budget.spent.saturating_add(tokens);
            }
        }
    }
    let held = sql::query(statements::HELD_OF_PROJECT)
        .bind(owner.org)
        .bind(owner.project)
        .all(connection)?;
    for row in &held {
        let (key, at, tokens) = amount_in(row)?;
        for place in places(key) {
            let budget = &mut budgets[place];
            if at >= budget.starts_at.max(budget.created_at) {
                budget.held = budget.held.saturating_add(tokens);
            }
        }
    }
    Ok(budgets)
}

/// By which key, when, and how many tokens.
fn amount_in(row: &Row) -> Result<(KeyId, Time, u64), SqlError> {
    let tokens: i64 = row.get("tokens")?;
    Ok((row.get("key_id")?, row.get("at")?, tokens.cast_unsigned()))
}

/// The budget, with what was charged since it began.
fn counted(
    connection: &mut Connection,
    Owner { org, project }: Owner,
    budget: Budget,
) -> Result<Budget, SqlError> {
    let spent: i64 = sql::query(statements::SPENT)
        .bind(org)
        .bind(project)
        .bind(budget.key)
        .bind(budget.starts_at)
        .scalar(connection)?;
    Ok(Budget {
        spent: spent.cast_unsigned(),
        ..budget
    })
}

fn budget_in(row: &Row, now: Time) -> Result<Budget, SqlError> {
    let period: &str = row.get("period")?;
    let period =
        Period::named(period).ok_or_else(|| SqlError::unreadable(format!("period `{period}`")))?;
    let key: KeyId = row.get("key_id")?;
    let cap: i64 = row.get("cap")?;
    Ok(Budget::new(
        row.get("budget_id")?,
        (key != KeyId::none()).then_some(key),
        period,
        cap.cast_unsigned(),
        row.get("created_at")?,
        now,
    ))
}
