//! What projects' runs used, added up by day, artifact and key in the transaction that ends each: however many runs
//! there were, and however long their records are kept, it is as many rows.

use crate::Store;
use crate::day::Day;
use crate::directly::{directly, each};
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId, ProjectId};
use crate::number::{signed, unsigned};
use crate::page::{Page, one_more};
use crate::run::{Finish, NewRun};
use crate::run_status::FinishStatus;
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;
use rusqlite::Connection;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Encode, Row, Type};
use std::collections::HashMap;

/// What some runs used together.
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

/// What the runs of a day, of an artifact or with a key used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage<P> {
    /// The day, artifact or key.
    pub of: P,
    /// What they used.
    pub used: Used,
}

impl Store {
    /// What a project's runs used each day, newest first. A run is of the day it was asked for, as it is for budgets.
    pub async fn usage_by_day(
        &self,
        owner: (OrgId, ProjectId),
        before: Option<Day>,
        limit: usize,
    ) -> Result<Page<Usage<Day>, Day>, StoreError> {
        let before = before.map_or_else(Time::last, Day::begins_at);
        let day = |row: &SqliteRow| row.try_get("day").map(Day::of);
        self.usage(statements::USAGE_BY_DAY, owner, before, limit, day)
            .await
    }

    /// What a project's runs used of each artifact, the newest artifact first.
    pub async fn usage_by_artifact(
        &self,
        owner: (OrgId, ProjectId),
        before: Option<ArtifactId>,
        limit: usize,
    ) -> Result<Page<Usage<ArtifactId>, ArtifactId>, StoreError> {
        let before = before.unwrap_or_else(ArtifactId::last);
        let artifact = |row: &SqliteRow| row.try_get("artifact_id");
        self.usage(
            statements::USAGE_BY_ARTIFACT,
            owner,
            before,
            limit,
            artifact,
        )
        .await
    }

    /// What a project's runs used with each key, the newest key first.
    pub async fn usage_by_key(
        &self,
        owner: (OrgId, ProjectId),
        before: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<Usage<KeyId>, KeyId>, StoreError> {
        let before = before.unwrap_or_else(KeyId::last);
        let key = |row: &SqliteRow| row.try_get("key_id");
        self.usage(statements::USAGE_BY_KEY, owner, before, limit, key)
            .await
    }

    async fn usage<P: Copy>(
        &self,
        statement: &'static str,
        (org, project): (OrgId, ProjectId),
        before: impl Encode<'_, Sqlite> + Type<Sqlite>,
        limit: usize,
        of: impl Fn(&SqliteRow) -> Result<P, sqlx::Error>,
    ) -> Result<Page<Usage<P>, P>, StoreError> {
        let rows = sqlx::query(statement)
            .bind(org)
            .bind(project)
            .bind(before)
            .bind(one_more(limit))
            .fetch_all(self.list_readers.acquire(org).await?.connection()?)
            .await?;
        let usage = |row: &SqliteRow| {
            let (of, used) = (of(row)?, used_in(row)?);
            Ok(Usage { of, used })
        };
        let usages = rows.iter().map(usage).collect::<Result<_, sqlx::Error>>()?;
        Ok(Page::cut(usages, limit, |usage: &Usage<P>| usage.of))
    }
}

/// Adds runs that have ended. One that was cancelled before its guest started used nothing, and is not counted.
pub(crate) fn count<'r>(
    connection: &Connection,
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
pub(crate) async fn count_unmeasured(
    transaction: &mut Transaction,
    row: &SqliteRow,
) -> Result<(), StoreError> {
    let place = Place {
        owner: (row.try_get("org_id")?, row.try_get("project_id")?),
        artifact: row.try_get("artifact_id")?,
        key: row.try_get("key_id")?,
        day: Day::of(row.try_get("created_at")?),
    };
    let added = Used {
        runs: 1,
        ..Used::default()
    };
    directly(transaction, |it| add(it, [(place, added)])).await
}

/// Where a run is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    owner: (OrgId, ProjectId),
    artifact: ArtifactId,
    key: KeyId,
    day: Day,
}

fn add(
    connection: &Connection,
    added: impl IntoIterator<Item = (Place, Used)>,
) -> Result<(), StoreError> {
    let mut spent: HashMap<(OrgId, ProjectId, Day, KeyId), u64> = HashMap::new();
    let added = added.into_iter().inspect(|(place, used)| {
        if used.charged > 0 {
            let (org, project) = place.owner;
            let sum: &mut u64 = spent
                .entry((org, project, place.day, place.key))
                .or_default();
            *sum = sum.saturating_add(used.charged);
        }
    });
    each(connection, statements::ADD_USAGE, added, |it, row| {
        let (place, used) = row;
        it.bind(place.owner.0)?
            .bind(place.owner.1)?
            .bind(place.day.begins_at())?
            .bind(place.artifact)?
            .bind(place.key)?
            .bind(signed(used.runs))?
            .bind(signed(used.succeeded))?
            .bind(signed(used.charged))?
            .bind(signed(used.cpu_us))?
            .bind(signed(used.wall_us))
    })?;
    each(connection, statements::ADD_SPENT, spent, |it, row| {
        let ((org, project, day, key), charged) = row;
        it.bind(org)?
            .bind(project)?
            .bind(day.begins_at())?
            .bind(key)?
            .bind(signed(charged))
    })?;
    Ok(())
}

fn used_in(row: &SqliteRow) -> Result<Used, sqlx::Error> {
    let number = |column: &str| -> Result<u64, sqlx::Error> {
        let number: i64 = row.try_get(column)?;
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
