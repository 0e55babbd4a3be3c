//! Seals secrets again: under another key, or, for secrets of older versions, together with the hosts they may go to.

use crate::environment::{EntryScope, artifact_in, purpose_in, purpose_of_old};
use crate::error::StoreError;
use crate::id::OrgId;
use crate::statements;
use crate::vault::{DataKey, Vault};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, SqliteExecutor};

/// Name of the `meta` row that says that no secret is sealed in the older way.
const NONE_IS_OLD: &str = "secrets_with_hosts";

/// Computes the bytes that were authenticated with a row's secret.
type Purpose = fn(&SqliteRow, EntryScope, &str) -> Result<Vec<u8>, sqlx::Error>;

/// True until this database was searched for secrets that an older version sealed.
pub(crate) async fn may_be_old(connection: impl SqliteExecutor<'_>) -> Result<bool, sqlx::Error> {
    let noted: Option<Vec<u8>> = sqlx::query_scalar(statements::META)
        .bind(NONE_IS_OLD)
        .fetch_optional(connection)
        .await?;
    Ok(noted.is_none())
}

/// The data keys of all orgs.
pub(crate) async fn data_keys(
    connection: impl SqliteExecutor<'_>,
    vault: &Vault,
) -> Result<Vec<(OrgId, DataKey)>, StoreError> {
    let rows = sqlx::query(statements::DATA_KEYS)
        .fetch_all(connection)
        .await?;
    let key = |row: &SqliteRow| {
        let org = row.try_get("org_id")?;
        Ok((org, vault.data_key(org, row.try_get("data_key")?)?))
    };
    rows.iter().map(key).collect()
}

/// Seals all secrets with where they may go. One that does not open stays as it is: a run that needs it fails, others do not.
pub(crate) async fn seal_old(
    transaction: &mut SqliteConnection,
    keys: &[(OrgId, DataKey)],
) -> Result<(), StoreError> {
    for (org, key) in keys {
        let old = |_: &SqliteRow, scope: EntryScope, name: &str| Ok(purpose_of_old(scope, name));
        seal(transaction, *org, (key, old), key, true).await?;
    }
    sqlx::query(statements::REPLACE_META)
        .bind(NONE_IS_OLD)
        .bind(vec![1_u8])
        .execute(transaction)
        .await?;
    Ok(())
}

/// Seals an org's secrets under another key. How many there are.
pub(crate) async fn seal_under(
    transaction: &mut SqliteConnection,
    org: OrgId,
    old: &DataKey,
    new: &DataKey,
) -> Result<u64, StoreError> {
    seal(transaction, org, (old, purpose_in), new, false).await
}

async fn seal(
    transaction: &mut SqliteConnection,
    org: OrgId,
    (old, purpose_before): (&DataKey, Purpose),
    new: &DataKey,
    keeps_unopenable: bool,
) -> Result<u64, StoreError> {
    let rows = sqlx::query(statements::SEALED)
        .bind(org)
        .fetch_all(&mut *transaction)
        .await?;
    for row in &rows {
        let name: String = row.try_get("name")?;
        let (project, artifact) = (row.try_get("project_id")?, row.try_get("artifact_id")?);
        let scope = EntryScope {
            project: (org, project),
            artifact: artifact_in(artifact),
        };
        let before = purpose_before(row, scope, &name)?;
        let secret = match old.open(row.try_get("sealed")?, &before) {
            Ok(secret) => secret,
            Err(error) if keeps_unopenable => {
                tracing::warn!(%org, name, %error, "a secret of before is not sealed anew");
                continue;
            }
            Err(error) => return Err(error),
        };
        let purpose = purpose_in(row, scope, &name)?;
        sqlx::query(statements::REPLACE_SEALED)
            .bind(org)
            .bind(project)
            .bind(artifact)
            .bind(name)
            .bind(new.seal(&secret, &purpose))
            .execute(&mut *transaction)
            .await?;
    }
    Ok(rows.len() as u64)
}
