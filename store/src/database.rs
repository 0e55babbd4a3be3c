//! Opening: the folder is locked, SQLite's version is asserted, migrations are run, the master key is checked.

use crate::breaker::Breaker;
use crate::caps::Caps;
use crate::error::StoreError;
use crate::files::Files;
use crate::folder::{Folder, FolderError};
use crate::log::Shares;
use crate::migrations::migrate;
use crate::payment::Fees;
use crate::readers::{ListReaders, OrgTurns};
use crate::remembered::Remembered;
use crate::resealing::{data_keys, may_be_old, seal_old};
use crate::statements;
use crate::time::Time;
use crate::token::Tokens;
use crate::vault::{Vault, VaultError};
use crate::wallet::Wallets;
use crate::writer::Writer;
use secrecy::SecretString;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Older versions can corrupt a write-ahead log.
const SQLITE_VERSION_MIN: &str = "3.51.3";
/// Connections that read.
const READERS: u32 = 4;
/// Connections that read lists, which may take long: what every request needs does not wait for them.
pub(crate) const LIST_READERS: u32 = 2;
/// How long a statement waits for a lock that somebody else holds, such as a backup's.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What of `meta` is written to see whether anything can be.
const CHECKED_AT: &str = "checked_at";

/// How a store is opened.
#[derive(Debug)]
pub struct Settings {
    /// The folder, which is made where it is not there.
    pub folder: PathBuf,
    /// 64 hexadecimal digits; without it, the file `master.key` in the folder, made on the first start.
    pub master_key: Option<SecretString>,
    /// Ten-thousandths of what sellers earn that are the platform's.
    pub fee_basis_points: u32,
    /// How much an org may have of each kind.
    pub caps: Caps,
}

/// Durable state. Everything about it goes through its methods, one file each kind.
#[derive(Debug)]
pub struct Store {
    pub(crate) readers: SqlitePool,
    pub(crate) list_readers: ListReaders,
    /// The turns of sums in the writer: each org has one at a time.
    pub(crate) learning: OrgTurns,
    pub(crate) writer: Writer,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) files: Arc<Files>,
    pub(crate) vault: Vault,
    pub(crate) tokens: Tokens,
    pub(crate) wallets: Arc<Wallets>,
    pub(crate) remembered: Arc<Remembered>,
    fee_basis_points: u32,
    pub(crate) caps: Caps,
    /// Held until the store is gone.
    _folder: Folder,
}

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The program was built with the wrong SQLite.
    #[error(
        "SQLite {0} is linked; {SQLITE_VERSION_MIN} or newer is needed, older ones can corrupt a database"
    )]
    SqliteTooOld(String),
    /// The database was written by a newer version of this program.
    #[error(
        "the database was written by a newer version (its migration {0} is not known here): upgrade this program"
    )]
    FromTheFuture(i64),
    /// A migration that was run is not the one known here, or was left half done.
    #[error("the database's migrations do not fit this program: {0}")]
    Migrations(sqlx::migrate::MigrateError),
    /// The database.
    #[error("the database could not be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// The master key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The secrets could not be sealed as this version seals them.
    #[error("the secrets of an older version could not be sealed anew: {0}")]
    Secrets(#[from] StoreError),
    /// The folder for tools' files.
    #[error("the folder for tools could not be opened: {0}")]
    Files(#[from] object_store::Error),
}

impl Store {
    /// Opens what is in the folder, or begins it.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let folder = Folder::open(&settings.folder)?;
        assert_version()?;
        let database = options(&folder).create_if_missing(true);
        migrate(&database).await?;
        let breaker = Arc::<Breaker>::default();
        let shares = Arc::<Shares>::default();
        let writer = Writer::start(database.clone(), Arc::clone(&breaker), Arc::clone(&shares));
        let writer = writer.await?;
        let read_only = database.read_only(true).create_if_missing(false);
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections);
        let readers = pool(READERS).connect_with(read_only.clone()).await?;
        // Rows that are read before they are asked for: those of lists may be large.
        let list_readers = read_only.row_buffer_size(1);
        let list_readers = pool(LIST_READERS).connect_with(list_readers).await?;
        let list_readers = ListReaders::new(list_readers, shares);
        let is_own = settings.master_key.is_none();
        let master = folder.master_key(settings.master_key)?;
        let vault = match Vault::open(&master, &readers, &writer).await {
            Err(VaultError::WrongMasterKey) if is_own => {
                let next = folder.next_key()?.ok_or(VaultError::WrongMasterKey)?;
                let vault = Vault::open(&next, &readers, &writer).await?;
                folder.take_next_key()?;
                vault
            }
            opened => {
                let vault = opened?;
                folder.drop_next_key();
                vault
            }
        };
        if may_be_old(&readers).await? {
            let keys = data_keys(&readers, &vault).await?;
            let sealing = writer.write(move |transaction| {
                Box::pin(async move { seal_old(transaction, &keys).await })
            });
            sealing.await?;
        }
        let tokens = Tokens::open(&vault, &readers, &writer).await?;
        let files = Arc::new(Files::open(&folder.tools())?);
        let posted = sqlx::query_as(statements::POSTED).fetch_all(&readers);
        let posted = posted.await?;
        let held = sqlx::query_as(statements::HELD).fetch_all(&readers).await?;
        Ok(Self {
            readers,
            list_readers,
            learning: OrgTurns::default(),
            writer,
            breaker,
            files,
            vault,
            tokens,
            wallets: Arc::new(Wallets::new(posted, held)),
            remembered: Arc::default(),
            fee_basis_points: settings.fee_basis_points,
            caps: settings.caps,
            _folder: folder,
        })
    }

    /// Whose are the fees, and how much of what sellers earn.
    pub(crate) fn fees(&self) -> Option<Fees> {
        let platform = self.wallets.platform();
        platform.map(|platform| Fees {
            platform,
            basis_points: self.fee_basis_points,
        })
    }

    /// Whether the database and the folder of tools take what is written, and give it back.
    pub async fn check(&self) -> Result<(), crate::StoreError> {
        let written = Time::now();
        let writing = self.writer.write(move |transaction| {
            Box::pin(async move {
                sqlx::query(statements::REPLACE_META)
                    .bind(CHECKED_AT)
                    .bind(written.to_string().into_bytes())
                    .execute(transaction)
                    .await?;
                Ok(())
            })
        });
        writing.await?;
        sqlx::query(statements::META)
            .bind(CHECKED_AT)
            .fetch_one(&self.readers)
            .await?;
        self.files.check().await
    }

    /// Ends what is queued and closes the database.
    pub async fn close(self) {
        self.readers.close().await;
        self.list_readers.close().await;
        self.writer.close().await;
    }
}

/// How the database is opened, by whoever has the folder.
pub(crate) fn options(folder: &Folder) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.database())
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        // No files elsewhere: the server has given up every folder but its own.
        .pragma("temp_store", "memory")
}

pub(crate) fn assert_version() -> Result<(), OpenError> {
    // SAFETY: the function takes nothing, and its result is a static string.
    let linked = unsafe { std::ffi::CStr::from_ptr(libsqlite3_sys::sqlite3_libversion()) };
    let linked = linked.to_string_lossy();
    let parts = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    };
    if parts(&linked) < parts(SQLITE_VERSION_MIN) {
        return Err(OpenError::SqliteTooOld(linked.into_owned()));
    }
    Ok(())
}
