//! Adds up all payments again and compares the sums with wallets and runs. A server may run on the folder meanwhile.

use crate::Store;
use crate::database::{OpenError, assert_version};
use crate::folder::database_in;
use crate::id::{OrgId, RunId};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError, Statement, sqlite};
use std::path::Path;
use tokio::task::spawn_blocking;

/// The sums, and the differences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Wallets looked at.
    pub wallets: u64,
    /// Statement lines added up.
    pub entries: u64,
    /// Each in a sentence.
    pub differences: Vec<String>,
}

impl Store {
    /// Adds up the payments of a folder's database at one moment. Locks and writes nothing.
    pub async fn audit(folder: &Path) -> Result<Audit, OpenError> {
        assert_version()?;
        let file = database_in(folder);
        let auditing = spawn_blocking(move || {
            let mut connection = sqlite::open_read_only(&file)?;
            // One transaction: a server may be writing.
            connection.batch("BEGIN")?;
            audit(&mut connection)
        });
        let audited = auditing.await.map_err(SqlError::unreadable)?;
        Ok(audited?)
    }
}

pub(crate) fn audit(connection: &mut Connection) -> Result<Audit, SqlError> {
    let counts = sql::query(statements::AUDIT_COUNTS).one(connection)?;
    let mut differences = Vec::new();
    let checks: [(Statement, Difference); 3] = [
        (statements::AUDIT_WALLETS, wallet),
        (statements::AUDIT_CHARGES, charge),
        (statements::AUDIT_PAID_RUNS, charged_for),
    ];
    for (statement, difference) in checks {
        for row in &sql::query(statement).all(connection)? {
            differences.push(difference(row)?);
        }
    }
    Ok(Audit {
        wallets: counts.get::<i64>("wallets")?.cast_unsigned(),
        entries: counts.get::<i64>("entries")?.cast_unsigned(),
        differences,
    })
}

/// Says in a sentence what a row of a check shows.
type Difference = fn(&Row) -> Result<String, SqlError>;

fn wallet(row: &Row) -> Result<String, SqlError> {
    let (org, posted, sum): (OrgId, i64, i64) =
        (row.get("org_id")?, row.get("posted")?, row.get("sum")?);
    Ok(format!(
        "{org} has {posted} tokens, and its entries sum to {sum}"
    ))
}

fn charge(row: &Row) -> Result<String, SqlError> {
    let (run, charged, tokens): (RunId, i64, i64) =
        (row.get("run_id")?, row.get("charged")?, row.get("tokens")?);
    Ok(format!(
        "{run} says that {charged} tokens were charged, and its entries {tokens}"
    ))
}

fn charged_for(row: &Row) -> Result<String, SqlError> {
    let (run, status): (RunId, String) = (row.get("run_id")?, row.get("status")?);
    Ok(format!("{run} was charged for, and is {status}"))
}
