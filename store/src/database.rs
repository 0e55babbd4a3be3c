//! Opening: the folder is locked, SQLite's version is asserted, migrations are run, the master key is checked.

use crate::connections::breaker::Breaker;
use crate::connections::log::LogShares;
use crate::connections::readers::{ListReaders, OrgTurns, Readers};
use crate::connections::writer::Writer;
use crate::error::StoreError;
use crate::error::VaultError;
use crate::folder::files::Files;
use crate::folder::{Folder, FolderError};
use crate::id::OrgId;
use crate::money::payment::Fees;
use crate::money::wallet::Wallets;
use crate::remembered::Remembered;
use crate::runs::settlement::Settling;
use crate::sql::statements;
use crate::sql::{self, MigrateError, SqlError, sqlite};
use crate::tenancy::caps::Caps;
use crate::tenancy::token::Tokens;
use crate::tenancy::vault::Vault;
use crate::time::Time;
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::Arc;
use tollgate_fair::{Most, Shares};

/// Older versions can corrupt a write-ahead log.
const SQLITE_VERSION_MIN: &str = "3.51.3";
/// Name of the `meta` row that a health check writes.
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
    pub(crate) readers: Readers,
    pub(crate) list_readers: ListReaders,
    /// The turns of sums in the writer: each org has one at a time.
    pub(crate) learning: OrgTurns,
    pub(crate) writer: Writer<Settling>,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) files: Arc<Files>,
    pub(crate) vault: Vault,
    pub(crate) tokens: Tokens,
    pub(crate) wallets: Arc<Wallets>,
    /// The queued runs by org, counted in memory. The counts follow each commit. Counting rows would take longer the longer
    /// the queue is, and racing requests would pass a limit together.
    pub(crate) queue: Shares<OrgId>,
    /// An org's turn to make rows that have a cap.
    pub(crate) making: OrgTurns,
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
    /// The database's schema.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// The database.
    #[error("the database could not be opened: {0}")]
    Database(#[from] SqlError),
    /// The master key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The data could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder for tools' files.
    #[error("the folder for tools could not be opened: {0}")]
    Files(#[from] object_store::Error),
}

impl Store {
    /// Opens what is in the folder, or begins it.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let folder = Folder::open(&settings.folder)?;
        assert_version()?;
        let file = folder.database();
        sqlite::migrate(&file)?;
        let breaker = Arc::<Breaker>::default();
        let shares = Arc::<LogShares>::default();
        let writer = Writer::start(&file, Arc::clone(&breaker), Arc::clone(&shares))?;
        let readers = Readers::open(&file)?;
        let list_readers = ListReaders::open(&file, shares)?;
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
        let tokens = Tokens::open(&vault, &readers, &writer).await?;
        let files = Arc::new(Files::open(&folder.tools())?);
        let (posted, held, queued) = readers
            .read(|connection| {
                let posted = sql::query(statements::POSTED).pairs(connection)?;
                let held = sql::query(statements::HELD).pairs(connection)?;
                let queued = sql::query(statements::QUEUED_BY_ORG).pairs(connection)?;
                Ok::<_, SqlError>((posted, held, queued))
            })
            .await?;
        Ok(Self {
            readers,
            list_readers,
            learning: OrgTurns::default(),
            making: OrgTurns::default(),
            writer,
            breaker,
            files,
            vault,
            tokens,
            wallets: Arc::new(Wallets::new(posted, held)),
            queue: counted(queued),
            remembered: Arc::default(),
            fee_basis_points: settings.fee_basis_points,
            caps: settings.caps,
            _folder: folder,
        })
    }

    /// The org that gets the fees, and the platform's share of sellers' earnings.
    pub(crate) fn fees(&self) -> Option<Fees> {
        let platform = self.wallets.platform();
        platform.map(|platform| Fees {
            platform,
            basis_points: self.fee_basis_points,
        })
    }

    /// Checks that the database and the folder of tools take a write and return it.
    pub async fn check(&self) -> Result<(), crate::StoreError> {
        let written = Time::now();
        let writing = self.writer.write(move |transaction| {
            sql::query(statements::REPLACE_META)
                .bind(CHECKED_AT)
                .bind(written.to_string().into_bytes())
                .execute(transaction)?;
            Ok(())
        });
        writing.await?;
        self.readers
            .one(sql::query(statements::META).bind(CHECKED_AT))
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

/// Counts the queued runs that a database begins with.
fn counted(by_org: Vec<(OrgId, i64)>) -> Shares<OrgId> {
    let queue = Shares::new(Most::halves(u64::MAX));
    for (org, runs) in by_org {
        queue.add(org, runs.cast_unsigned()).keep();
    }
    queue
}

/// Fails if the linked SQLite is too old.
pub(crate) fn assert_version() -> Result<(), OpenError> {
    let linked = sqlite::version();
    let parts = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    };
    if parts(linked) < parts(SQLITE_VERSION_MIN) {
        return Err(OpenError::SqliteTooOld(linked.to_owned()));
    }
    Ok(())
}
