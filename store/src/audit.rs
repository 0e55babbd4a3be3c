//! Everything about money, added up again from payments and entries, beside whatever server is running on the folder.

use crate::Store;
use crate::database::{OpenError, assert_version};
use crate::folder::database_in;
use crate::id::{OrgId, RunId};
use crate::statements;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row};
use std::path::Path;

/// What was added up, and where it does not fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Wallets looked at.
    pub wallets: u64,
    /// Entries added up.
    pub entries: u64,
    /// Each in a sentence.
    pub differences: Vec<String>,
}

impl Store {
    /// Adds up what is in a folder, at one moment. Nothing is locked or written.
    pub async fn audit(folder: &Path) -> Result<Audit, OpenError> {
        assert_version()?;
        let mut connection = SqliteConnectOptions::new()
            .filename(database_in(folder))
            .read_only(true)
            .connect()
            .await?;
        // One reading of all: a server may be writing.
        let mut transaction = connection.begin().await?;
        if !sqlx::query_scalar(statements::HAS_PAYMENTS_SQLITE)
            .fetch_one(&mut *transaction)
            .await?
        {
            // The database is of a version that had entries only.
            sqlx::query(statements::NO_PAYMENTS_SQLITE)
                .execute(&mut *transaction)
                .await?;
        }
        let mut audit = Audit::default();
        let counts = sqlx::query(statements::AUDIT_COUNTS)
            .fetch_one(&mut *transaction)
            .await?;
        let count = |column: &str| -> Result<u64, sqlx::Error> {
            Ok(counts.try_get::<i64, _>(column)?.cast_unsigned())
        };
        (audit.wallets, audit.entries) = (count("wallets")?, count("entries")?);
        let checks: [(&'static str, Told); 4] = [
            (statements::AUDIT_POSTINGS, posting),
            (statements::AUDIT_WALLETS_SQLITE, wallet),
            (statements::AUDIT_CHARGES, charge),
            (statements::AUDIT_PAID_RUNS, charged_for),
        ];
        for (statement, told) in checks {
            let rows = sqlx::query(statement).fetch_all(&mut *transaction).await?;
            for row in &rows {
                audit.differences.push(told(row)?);
            }
        }
        transaction.rollback().await?;
        connection.close().await?;
        Ok(audit)
    }
}

type Told = fn(&SqliteRow) -> Result<String, sqlx::Error>;

fn posting(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let id: Vec<u8> = row.try_get("posting_id")?;
    let (id, sum): (_, i64) = (data_encoding::HEXLOWER.encode(&id), row.try_get("sum")?);
    Ok(format!(
        "the entries of posting {id} sum to {sum}, not to zero"
    ))
}

fn wallet(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let (org, posted, sum): (OrgId, i64, i64) = (
        row.try_get("org_id")?,
        row.try_get("posted")?,
        row.try_get("sum")?,
    );
    Ok(format!(
        "{org} has {posted} tokens, and its entries sum to {sum}"
    ))
}

fn charge(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let (run, charged, tokens): (RunId, i64, i64) = (
        row.try_get("run_id")?,
        row.try_get("charged")?,
        row.try_get("tokens")?,
    );
    Ok(format!(
        "{run} says that {charged} tokens were charged, and its entries {tokens}"
    ))
}

fn charged_for(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let (run, status): (RunId, String) = (row.try_get("run_id")?, row.try_get("status")?);
    Ok(format!("{run} was charged for, and is {status}"))
}
