//! A copy of a data folder, taken while a server may be at it: the database as it was at one moment, then every tool
//! that it names. Tools' bytes are written before they are named and never changed, so that they are all there but for
//! those whose drafts are discarded while the copy is made.

use crate::Store;
use crate::database::{OpenError, assert_version};
use crate::digest::Digest;
use crate::error::StoreError;
use crate::folder::files::Files;
use crate::folder::{DATABASE, Folder, FolderError, TOOLS, keys_in};
use crate::sql::statements;
use crate::sql::{self, SqlError, sqlite};
use crate::tenancy::vault::{CHECK_NAME, Vault};
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// How the database is named until everything it needs is beside it.
const UNFINISHED: &str = "tollgate.db.unfinished";

/// A finished copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Tools.
    pub tools: usize,
    /// Bytes of the database and the tools.
    pub bytes: u64,
    /// True if the key that opens the secrets is in the copy. It is not if the key is kept elsewhere.
    pub has_key: bool,
}

/// A step of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStep {
    /// The database.
    Database,
    /// A tool, of so many.
    Tool(usize, usize),
}

/// There is no copy, and nothing was left of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("{} holds no data", .0.display())]
    Empty(PathBuf),
    /// Something is there already.
    #[error("{} is there and not an empty folder: name one that is not there yet", .0.display())]
    Taken(PathBuf),
    /// A file or folder of the copy.
    #[error("{}: {error}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A key, or the copy's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// This program's SQLite.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read, or its copy not written.
    #[error("the database could not be copied: {0}")]
    Database(#[from] SqlError),
    /// The database is not what it was.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A tool that the database names.
    #[error("the tool {digest} could not be copied: {error}")]
    Tool {
        /// Which.
        digest: Digest,
        /// Why.
        error: StoreError,
    },
}

impl Store {
    /// Copies the data folder `from`, which a server may be using, into the folder `to`, which must not be there or be
    /// empty. With the folder's own master key, where that is asked for and it has one.
    pub async fn back_up(
        from: &Path,
        to: &Path,
        with_key: bool,
        step: &(dyn Fn(BackupStep) + Send + Sync),
    ) -> Result<BackedUp, BackupError> {
        if !from.join(DATABASE).is_file() {
            return Err(BackupError::Empty(from.to_owned()));
        }
        assert_version()?;
        let copy = Copy::begin(to)?;
        step(BackupStep::Database);
        let database = to.join(UNFINISHED);
        let source = from.join(DATABASE);
        let (digests, check) = blocking(move || {
            copy_database(&source, &database)?;
            look(&database)
        })
        .await?;
        let database = to.join(UNFINISHED);
        let mut bytes = size(&database)?;
        let mut tools = 0;
        if !digests.is_empty() {
            let (copied, size) = copy_tools(from, to, &digests, step).await?;
            (tools, bytes) = (copied, bytes + size);
        }
        let has_key = with_key && copy_key(from, &copy.folder, check.as_deref())?;
        copy.finish()?;
        Ok(BackedUp {
            tools,
            bytes,
            has_key,
        })
    }
}

/// All that was committed before now, without what was deleted.
fn copy_database(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut database = sqlite::open_read_only(from)?;
    sql::query(statements::VACUUM_INTO)
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut database)?;
    let private = Permissions::from_mode(0o600);
    std::fs::set_permissions(to, private)
        .and_then(|()| File::open(to)?.sync_all())
        .map_err(unwritable(to))
}

/// The tools that the copy names, and what tells its master key.
fn look(database: &Path) -> Result<(Vec<Digest>, Option<Vec<u8>>), BackupError> {
    let mut database = sqlite::open_read_only(database)?;
    let found: String = sql::query(statements::QUICK_CHECK).scalar(&mut database)?;
    if found != "ok" {
        return Err(BackupError::Damaged(found));
    }
    let digests = sql::query(statements::DIGESTS).scalars(&mut database)?;
    let check = sql::query(statements::META).bind(CHECK_NAME);
    Ok((digests, check.optional_scalar(&mut database)?))
}

/// Does work on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SqlError::unreadable(error).into()))
}

/// Copies tools, each compared with its digest. Says how many, and how many bytes they have.
async fn copy_tools(
    from: &Path,
    to: &Path,
    digests: &[Digest],
    step: &(dyn Fn(BackupStep) + Send + Sync),
) -> Result<(usize, u64), BackupError> {
    let database = from.join(DATABASE);
    let files = |folder: &Path| Files::open(&folder.join(TOOLS)).map_err(OpenError::from);
    let (from, to) = (files(from)?, files(to)?);
    let (mut tools, mut bytes) = (0, 0);
    for (index, digest) in digests.iter().enumerate() {
        step(BackupStep::Tool(index + 1, digests.len()));
        let failed = |error| BackupError::Tool {
            digest: *digest,
            error,
        };
        let tool = match from.get(digest).await {
            Ok(tool) => tool,
            Err(error) if error.is_missing() && !is_named(&database, digest).await? => continue,
            Err(error) => return Err(failed(error)),
        };
        tools += 1;
        bytes += tool.len() as u64;
        to.put(tool).await.map_err(failed)?;
    }
    Ok((tools, bytes))
}

/// True if the database still names a tool. Its draft may have been discarded since the copy was made.
async fn is_named(database: &Path, tool: &Digest) -> Result<bool, BackupError> {
    let (file, tool) = (database.to_owned(), *tool);
    blocking(move || {
        let mut database = sqlite::open_read_only(&file)?;
        let digests: Vec<Digest> = sql::query(statements::DIGESTS).scalars(&mut database)?;
        Ok(digests.contains(&tool))
    })
    .await
}

/// Copies the folder's own key that opens the copy. A rotation that was broken off leaves two, and `false` says that
/// the one in use is kept elsewhere.
fn copy_key(from: &Path, to: &Folder, check: Option<&[u8]>) -> Result<bool, FolderError> {
    let keys = keys_in(from)?;
    let fits = |check: &[u8]| keys.iter().find(|key| Vault::new(key).opens_check(check));
    let Some(key) = check.and_then(fits) else {
        return Ok(false);
    };
    to.keep_next_key(key)?;
    to.take_next_key()?;
    Ok(true)
}

/// A copy that is being made. What there is of it goes where it is not finished.
struct Copy {
    /// Locked: no server is started on a part.
    folder: Folder,
    leftover: Leftover,
}

/// Removes what was made, unless it is told not to.
struct Leftover {
    path: PathBuf,
    was_there: bool,
    is_finished: bool,
}

impl Copy {
    fn begin(to: &Path) -> Result<Self, BackupError> {
        let was_there = match DirBuilder::new().mode(0o700).create(to) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries =
                    std::fs::read_dir(to).map_err(|_| BackupError::Taken(to.to_owned()))?;
                if entries.next().is_some() {
                    return Err(BackupError::Taken(to.to_owned()));
                }
                true
            }
            Err(error) => return Err(unwritable(to)(error)),
        };
        let leftover = Leftover {
            path: to.to_owned(),
            was_there,
            is_finished: false,
        };
        if was_there {
            let private = Permissions::from_mode(0o700);
            std::fs::set_permissions(to, private).map_err(unwritable(to))?;
        }
        Ok(Self {
            folder: Folder::open(to)?,
            leftover,
        })
    }

    /// Gives the database its name, now that what it names is there.
    fn finish(mut self) -> Result<(), BackupError> {
        let path = &self.leftover.path;
        std::fs::rename(path.join(UNFINISHED), path.join(DATABASE))
            .and_then(|()| File::open(path)?.sync_all())
            .map_err(unwritable(path))?;
        self.leftover.is_finished = true;
        Ok(())
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if !self.was_there {
            let _ = std::fs::remove_dir_all(&self.path);
            return;
        }
        for entry in std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}

fn size(path: &Path) -> Result<u64, BackupError> {
    let metadata = std::fs::metadata(path).map_err(unwritable(path))?;
    Ok(metadata.len())
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Unwritable { path, error }
}
