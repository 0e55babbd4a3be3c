//! Another master key: every org gets another data key under it, and every secret is sealed anew, the key of tokens too. All of it or nothing.

use crate::Store;
use crate::database::{OpenError, Settings, assert_version};
use crate::error::StoreError;
use crate::error::VaultError;
use crate::folder::{Folder, FolderError, database_in};
use crate::id::OrgId;
use crate::owner::Owner;
use crate::sql::statements;
use crate::sql::{self, Connection, sqlite};
use crate::tenancy::environment::{EntryScope, artifact_in, purpose_in};
use crate::tenancy::vault::{CHECK_NAME, DataKey, MasterKey, TOKEN_KEY_NAME, Vault};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use tokio::task::spawn_blocking;

/// The result of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Orgs, each with another data key.
    pub orgs: u64,
    /// Secrets.
    pub secrets: u64,
    /// The path of the new key. `None` if it was given.
    pub key: Option<PathBuf>,
    /// A file with the old key that was removed, because the new one was given.
    pub removed: Option<PathBuf>,
}

/// The key was not rotated. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The folder or its database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key in use is kept elsewhere, and so must the next one be.
    #[error(
        "the master key in use is given from outside the data folder: the next one must be, too"
    )]
    NextNotGiven,
    /// There is nothing to rotate.
    #[error("{} holds no data", .0.display())]
    Empty(PathBuf),
    /// Something could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Rotates the master key of a folder that no server uses. The next one is `next`: 64 hexadecimal digits; without
    /// it, one is made and kept in the folder in place of the one in use.
    pub async fn rotate_master_key(
        settings: Settings,
        next: Option<SecretString>,
    ) -> Result<Rotated, RotateError> {
        let rotating = spawn_blocking(move || rotate(settings, next));
        let failed = |error| RotateError::Store(StoreError::Failed(Box::new(error)));
        rotating.await.map_err(failed)?
    }
}

fn rotate(settings: Settings, next: Option<SecretString>) -> Result<Rotated, RotateError> {
    if !database_in(&settings.folder).exists() {
        return Err(RotateError::Empty(settings.folder));
    }
    let folder = Folder::open(&settings.folder).map_err(OpenError::from)?;
    let is_own = settings.master_key.is_none();
    if !is_own && next.is_none() {
        return Err(RotateError::NextNotGiven);
    }
    assert_version()?;
    let mut database = open(&folder)?;
    let old = old_key(&folder, settings.master_key, &mut database)?;
    let given = next.is_some();
    let next = match next {
        Some(next) => MasterKey::parse(next.expose_secret())
            .ok_or_else(|| FolderError::KeyMalformed("the next key".to_owned()))
            .map_err(OpenError::from)?,
        None => MasterKey::new(),
    };
    // The next key is kept before anything needs it. The next start finds the one that fits.
    if !given {
        folder.keep_next_key(&next).map_err(OpenError::from)?;
    }
    let (orgs, secrets) = seal_anew(&mut database, &old, &Vault::new(&next))?;
    let (key, removed) = if given {
        (None, folder.drop_key())
    } else {
        folder.take_next_key().map_err(OpenError::from)?;
        (Some(folder.key_path()), None)
    };
    overwrite_free_pages(&mut database)?;
    Ok(Rotated {
        orgs,
        secrets,
        key,
        removed,
    })
}

fn open(folder: &Folder) -> Result<Connection, OpenError> {
    sqlite::migrate(&folder.database())?;
    Ok(sqlite::open(&folder.database())?)
}

/// The key in use. A rotation that was broken off may have left the next one not yet in its place.
fn old_key(
    folder: &Folder,
    given: Option<SecretString>,
    database: &mut Connection,
) -> Result<Vault, RotateError> {
    let check: Vec<u8> = sql::query(statements::META)
        .bind(CHECK_NAME)
        .scalar(database)
        .map_err(OpenError::from)?;
    let keys = match given {
        Some(given) => [Some(folder.master_key(Some(given))), None],
        None => [folder.own_key().transpose(), folder.next_key().transpose()],
    };
    let keys = keys.into_iter().flatten().collect::<Result<Vec<_>, _>>();
    let mut vaults = keys
        .map_err(OpenError::from)?
        .into_iter()
        .map(|key| Vault::new(&key));
    let fitting = vaults.find(|vault| vault.opens_check(&check));
    Ok(fitting
        .ok_or(VaultError::WrongMasterKey)
        .map_err(OpenError::from)?)
}

fn seal_anew(
    database: &mut Connection,
    old: &Vault,
    new: &Vault,
) -> Result<(u64, u64), StoreError> {
    // A transaction that is not committed is undone when the connection is closed.
    database.batch("BEGIN IMMEDIATE")?;
    let orgs = sql::query(statements::DATA_KEYS).all(database)?;
    let mut secrets = 0;
    for row in &orgs {
        let org: OrgId = row.get("org_id")?;
        let old_key = old.data_key(org, row.get("data_key")?)?;
        let wrapped = new.new_data_key(org);
        let new_key = new.data_key(org, &wrapped)?;
        sql::query(statements::REPLACE_DATA_KEY)
            .bind(org)
            .bind(wrapped)
            .execute(database)?;
        secrets += seal_under(database, org, &old_key, &new_key)?;
    }
    seal_token_key(database, old, new)?;
    sql::query(statements::REPLACE_META)
        .bind(CHECK_NAME)
        .bind(new.sealed_check())
        .execute(database)?;
    database.batch("COMMIT")?;
    Ok((orgs.len() as u64, secrets))
}

/// The key of tokens stays what it is: sessions outlive the rotation. There is none before the first start that has
/// sessions.
fn seal_token_key(
    transaction: &mut Connection,
    old: &Vault,
    new: &Vault,
) -> Result<(), StoreError> {
    let sealed: Option<Vec<u8>> = sql::query(statements::META)
        .bind(TOKEN_KEY_NAME)
        .optional_scalar(transaction)?;
    if let Some(sealed) = sealed {
        sql::query(statements::REPLACE_META)
            .bind(TOKEN_KEY_NAME)
            .bind(new.sealed_token_key(&old.token_key(&sealed)?))
            .execute(transaction)?;
    }
    Ok(())
}

/// Seals an org's secrets under another key. Returns their number.
fn seal_under(
    transaction: &mut Connection,
    org: OrgId,
    old: &DataKey,
    new: &DataKey,
) -> Result<u64, StoreError> {
    let rows = sql::query(statements::SEALED).bind(org).all(transaction)?;
    for row in &rows {
        let name: String = row.get("name")?;
        let (project, artifact) = (row.get("project_id")?, row.get("artifact_id")?);
        let scope = EntryScope {
            owner: Owner { org, project },
            artifact: artifact_in(artifact),
        };
        let purpose = purpose_in(row, scope, &name)?;
        let secret = old.open(row.get("sealed")?, &purpose)?;
        sql::query(statements::REPLACE_SEALED)
            .bind(org)
            .bind(project)
            .bind(artifact)
            .bind(name)
            .bind(new.seal(&secret, &purpose))
            .execute(transaction)?;
    }
    Ok(rows.len() as u64)
}

/// Overwrites free pages and the log, which still hold the secrets as the old key sealed them.
fn overwrite_free_pages(database: &mut Connection) -> Result<(), StoreError> {
    database.batch("VACUUM")?;
    sqlite::restart_log(database, sqlite::BUSY_TIMEOUT)?;
    Ok(())
}
