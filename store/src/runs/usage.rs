//! The usage of projects, added up by day, artifact and key in the transaction that ends each run. The number of rows
//! depends neither on the number of runs nor on how long their records are kept.

use crate::Store;
use crate::day::Day;
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId, ProjectId};
use crate::number::{signed, unsigned};
use crate::owner::Owner;
use crate::page::{Page, one_more};
use crate::runs::run::{Finish, NewRun};
use crate::runs::status::FinishStatus;
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError, Statement, Value, values};
use crate::time::Time;
use std::collections::HashMap;

/// The sum of some runs' usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Runs that came to an end.
    pub runs: u64,
    /// Those of them that have an output.
    pub succeeded: u64,
    /// Tokens charged for them.
    pub charged: u64,
    /// Microseconds of thread CPU in their guests.
    pub cpu_us: u64,
    /// Microseconds from their guests' start to their end.
    pub wall_us: u64,
}

/// The usage of a day's, an artifact's or a key's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage<P> {
    /// The day, artifact or key.
    pub of: P,
    /// Their usage.
    pub used: Used,
}

impl Store {
    /// A project's usage each day, newest first. A run belongs to the day of its request, as it does for budgets.
    pub async fn usage_by_day(
        &self,
        owner: Owner,
        before: Option<Day>,
        limit: usize,
    ) -> Result<Page<Usage<Day>, Day>, StoreError> {
        let before = before.map_or_else(Time::last, Day::begins_at);
        let day = |row: &Row| row.get("day").map(Day::of);
        self.usage(statements::USAGE_BY_DAY, owner, before, limit, day)
            .await
    }

    /// A project's usage of each artifact, the newest artifact first.
    pub async fn usage_by_artifact(
        &self,
        owner: Owner,
        before: Option<ArtifactId>,
        limit: usize,
    ) -> Result<Page<Usage<ArtifactId>, ArtifactId>, StoreError> {
        let before = before.unwrap_or_else(ArtifactId::last);
        let artifact = |row: &Row| row.get("artifact_id");
        self.usage(
            statements::USAGE_BY_ARTIFACT,
            owner,
            before,
            limit,
            artifact,
        )
        .await
    }

    /// A project's usage with each key, the newest key first.
    pub async fn usage_by_key(
        &self,
        owner: Owner,
        before: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<Usage<KeyId>, KeyId>, StoreError> {
        let before = before.unwrap_or_else(KeyId::last);
        let key = |row: &Row| row.get("key_id");
        self.usage(statements::USAGE_BY_KEY, owner, before, limit, key)
            .await
    }

    async fn usage<P: Copy + Send + 'static>(
        &self,
        statement: Statement,
        Owner { org, project }: Owner,
        before: impl Into<Value<'static>>,
        limit: usize,
        of: impl Fn(&Row) -> Result<P, SqlError> + Send + 'static,
    ) -> Result<Page<Usage<P>, P>, StoreError> {
        let query = sql::query(statement)
            .bind(org)
            .bind(project)
            .bind(before)
            .bind(one_more(limit));
        let usage = move |row: &Row| {
            let (of, used) = (of(row)?, used_in(row)?);
            Ok(Usage { of, used })
        };
        let usages = self.list_readers.read(org, move |connection| {
            let rows = query.all(connection)?;
            rows.iter().map(usage).collect::<Result<_, SqlError>>()
        });
        Ok(Page::cut(usages.await?, limit, |usage: &Usage<P>| usage.of))
    }
}

/// Adds runs that have ended. One that was cancelled before its guest started used nothing, and is not counted.
pub(crate) fn count<'r>(
    connection: &mut Connection,
    ended: impl IntoIterator<Item = (&'r NewRun, &'r Finish)>,
) -> Result<(), StoreError> {
    let mut added: HashMap<Place, Used> = HashMap::new();
    for (run, finish) in ended {
        if finish.status == FinishStatus::Cancelled && finish.started_at.is_none() {
            continue;
        }
        let usage = finish.usage.unwrap_or_default();
        let place = Place {
            owner: run.owner,
            artifact: run.artifact,
            key: run.key,
            day: Day::of(run.created_at),
        };
        let sum = added.entry(place).or_default();
        sum.runs += 1;
        sum.succeeded += u64::from(finish.status == FinishStatus::Succeeded);
        sum.charged += finish.charged;
        sum.cpu_us += usage.cpu_us;
        sum.wall_us += usage.wall_us;
    }
    add(connection, added)
}

/// Adds a run that was lost or has expired, by its row. What it used is not known.
pub(crate) fn count_unmeasured(transaction: &mut Connection, row: &Row) -> Result<(), StoreError> {
    let place = Place {
        owner: Owner::of(row)?,
        artifact: row.get("artifact_id")?,
        key: row.get("key_id")?,
        day: Day::of(row.get("created_at")?),
    };
    let added = Used {
        runs: 1,
        ..Used::default()
    };
    add(transaction, [(place, added)])
}

/// The row that a run is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    owner: Owner,
    artifact: ArtifactId,
    key: KeyId,
    day: Day,
}

fn add(
    connection: &mut Connection,
    added: impl IntoIterator<Item = (Place, Used)>,
) -> Result<(), StoreError> {
    let mut spent: HashMap<(OrgId, ProjectId, Day, KeyId), u64> = HashMap::new();
    let added = added.into_iter().inspect(|(place, used)| {
        if used.charged > 0 {
            let Owner { org, project } = place.owner;
            let sum: &mut u64 = spent
                .entry((org, project, place.day, place.key))
                .or_default();
            *sum = sum.saturating_add(used.charged);
        }
    });
    let used = added.map(|(place, used)| {
        values![
            place.owner.org,
            place.owner.project,
            place.day.begins_at(),
            place.artifact,
            place.key,
            signed(used.runs),
            signed(used.succeeded),
            signed(used.charged),
            signed(used.cpu_us),
            signed(used.wall_us),
        ]
    });
    connection.execute_each(statements::ADD_USAGE, used)?;
    let spent = spent
        .into_iter()
        .map(|((org, project, day, key), charged)| {
            values![org, project, day.begins_at(), key, signed(charged)]
        });
    connection.execute_each(statements::ADD_SPENT, spent)?;
    Ok(())
}

fn used_in(row: &Row) -> Result<Used, SqlError> {
    let number = |column: &str| -> Result<u64, SqlError> {
        let number: i64 = row.get(column)?;
        Ok(unsigned(number))
    };
    Ok(Used {
        runs: number("runs")?,
        succeeded: number("succeeded")?,
        charged: number("charged")?,
        cpu_us: number("cpu_us")?,
        wall_us: number("wall_us")?,
    })
}
