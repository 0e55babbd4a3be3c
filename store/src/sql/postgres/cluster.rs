//! A Postgres server of a test's own.

use postgres::{Client, Config, NoTls};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};
use tempfile::TempDir;

/// Postgres refuses to run as root. This is Debian's user `nobody`.
const NOBODY: u32 = 65534;
const PATIENCE: Duration = Duration::from_secs(30);
/// Folders with the programs of an installed Postgres, such as Debian's.
const INSTALLED: &str = "/usr/lib/postgresql";

/// A server with a data folder and a socket of its own. Dropping it stops the server.
pub(crate) struct Cluster {
    folder: TempDir,
    server: Child,
}

impl Cluster {
    /// `None` on a machine without Postgres.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().expect("a folder");
        chown(folder.path(), owner(), owner()).expect("its owner");
        let data = folder.path().join("data");
        let made = as_owner(&programs.join("initdb"))
            .args(["--auth=trust", "--username=tollgate", "--encoding=UTF8"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb starts").success());
        let server = as_owner(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn();
        Some(Self {
            folder,
            server: server.expect("postgres starts"),
        })
    }

    /// A client of a new database.
    pub(crate) fn client(&self, database: &str) -> Client {
        let began_at = Instant::now();
        let mut admin = loop {
            match self.config("postgres").connect(NoTls) {
                Ok(admin) => break admin,
                Err(error) => assert!(began_at.elapsed() < PATIENCE, "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        let create = format!("CREATE DATABASE {database}");
        admin.batch_execute(&create).expect("a new database");
        let client = self.config(database).connect(NoTls);
        client.expect("connected")
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path());
        config.user("tollgate").dbname(database);
        config
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An interrupt makes it end its processes and remove its shared memory.
        let id = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.server.wait();
    }
}

/// The newest installed version's folder.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(INSTALLED).ok()?.flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    programs.filter(|it| it.join("initdb").is_file()).max()
}

fn as_owner(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = owner() {
        command.uid(user).gid(user);
    }
    command.current_dir("/");
    command
}

/// The user that Postgres runs as: not this one if it is root.
fn owner() -> Option<u32> {
    let metadata = fs::metadata("/proc/self").expect("a process");
    let user = std::os::unix::fs::MetadataExt::uid(&metadata);
    (user == 0).then_some(NOBODY)
}
