//! Another master key: every org gets another data key under it, and every secret is sealed anew, the key of tokens too. All of it or nothing.

use crate::Store;
use crate::database::{OpenError, Settings, assert_version, options};
use crate::error::StoreError;
use crate::folder::{Folder, FolderError, database_in};
use crate::id::OrgId;
use crate::migrations::migrate;
use crate::resealing::{data_keys, may_be_old, seal_old, seal_under};
use crate::statements;
use crate::vault::{CHECK_NAME, MasterKey, TOKEN_KEY_NAME, Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Row};
use std::path::PathBuf;

/// What was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Orgs, each with another data key.
    pub orgs: u64,
    /// Secrets.
    pub secrets: u64,
    /// Where the new key is kept; nowhere here if it was given.
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
        if !database_in(&settings.folder).exists() {
            return Err(RotateError::Empty(settings.folder));
        }
        let folder = Folder::open(&settings.folder).map_err(OpenError::from)?;
        let is_own = settings.master_key.is_none();
        if !is_own && next.is_none() {
            return Err(RotateError::NextNotGiven);
        }
        assert_version()?;
        let mut database = open(&folder).await?;
        let old = old_key(&folder, settings.master_key, &mut database).await?;
        let given = next.is_some();
        let next = match next {
            Some(next) => MasterKey::parse(next.expose_secret())
                .ok_or_else(|| FolderError::KeyMalformed("the next key".to_owned()))
                .map_err(OpenError::from)?,
            None => MasterKey::new(),
        };
        // Before anything needs it: whichever key fits is found at the next start.
        if !given {
            folder.keep_next_key(&next).map_err(OpenError::from)?;
        }
        let (orgs, secrets) = seal_anew(&mut database, &old, &Vault::new(&next)).await?;
        let (key, removed) = if given {
            (None, folder.drop_key())
        } else {
            folder.take_next_key().map_err(OpenError::from)?;
            (Some(folder.key_path()), None)
        };
        forget_what_was(database).await?;
        Ok(Rotated {
            orgs,
            secrets,
            key,
            removed,
        })
    }
}

async fn open(folder: &Folder) -> Result<SqliteConnection, OpenError> {
    let options = options(folder);
    migrate(&options).await?;
    Ok(options.connect().await?)
}

/// The key in use. A rotation that was broken off may have left the next one not yet in its place.
async fn old_key(
    folder: &Folder,
    given: Option<SecretString>,
    database: &mut SqliteConnection,
) -> Result<Vault, RotateError> {
    let check: Vec<u8> = sqlx::query_scalar(statements::META)
        .bind(CHECK_NAME)
        .fetch_one(database)
        .await
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

async fn seal_anew(
    database: &mut SqliteConnection,
    old: &Vault,
    new: &Vault,
) -> Result<(u64, u64), StoreError> {
    let mut transaction = database.begin().await?;
    if may_be_old(&mut *transaction).await? {
        let keys = data_keys(&mut *transaction, old).await?;
        seal_old(&mut transaction, &keys).await?;
    }
    let orgs = sqlx::query(statements::DATA_KEYS)
        .fetch_all(&mut *transaction)
        .await?;
    let mut secrets = 0;
    for row in &orgs {
        let org: OrgId = row.try_get("org_id")?;
        let old_key = old.data_key(org, row.try_get("data_key")?)?;
        let wrapped = new.new_data_key(org);
        let new_key = new.data_key(org, &wrapped)?;
        sqlx::query(statements::REPLACE_DATA_KEY)
            .bind(org)
            .bind(wrapped)
            .execute(&mut *transaction)
            .await?;
        secrets += seal_under(&mut transaction, org, &old_key, &new_key).await?;
    }
    seal_token_key(&mut transaction, old, new).await?;
    sqlx::query(statements::REPLACE_META)
        .bind(CHECK_NAME)
        .bind(new.sealed_check())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((orgs.len() as u64, secrets))
}

/// The key of tokens stays what it is: sessions outlive the rotation. There is none before the first start that has
/// sessions.
async fn seal_token_key(
    transaction: &mut SqliteConnection,
    old: &Vault,
    new: &Vault,
) -> Result<(), StoreError> {
    let sealed: Option<Vec<u8>> = sqlx::query_scalar(statements::META)
        .bind(TOKEN_KEY_NAME)
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(sealed) = sealed {
        sqlx::query(statements::REPLACE_META)
            .bind(TOKEN_KEY_NAME)
            .bind(new.sealed_token_key(&old.token_key(&sealed)?))
            .execute(transaction)
            .await?;
    }
    Ok(())
}

/// What the old key opens is still in free pages and in the log until both are written over.
async fn forget_what_was(mut database: SqliteConnection) -> Result<(), StoreError> {
    for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        sqlx::query(statement).execute(&mut database).await?;
    }
    database.close().await?;
    Ok(())
}
