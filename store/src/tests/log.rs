//! The write-ahead log stays short beside readers that overlap.

use super::*;
use crate::connections::log::BYTES_MAX;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How long each reader stays in the log.
const READING: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_started_over_while_readers_overlap() {
    let Opened { store, folder } = open().await;
    let database = folder.path().join("tollgate.db");
    let log = || std::fs::metadata(folder.path().join("tollgate.db-wal")).map_or(0, |it| it.len());
    let is_over = Arc::new(AtomicBool::new(false));
    // Two of them, so that one is always in the log.
    let readers: Vec<_> = (0..2)
        .map(|number| {
            let (database, is_over) = (database.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                tokio::time::sleep(READING * number / 2).await;
                let mut reader = sqlite::open_read_only(&database).expect("a connection");
                while !is_over.load(Ordering::Relaxed) {
                    begin(&mut reader);
                    tokio::time::sleep(READING).await;
                    reader.batch("ROLLBACK").expect("ended");
                }
            })
        })
        .collect();
    let is_started_over = is_started_over(&store, log).await;
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("no panic");
    }
    is_started_over.expect("started over");
}

/// Lists that each take longer than the writer waits for readers.
#[tokio::test(flavor = "multi_thread")]
async fn long_lists_that_overlap_make_way_for_the_writer() {
    const LISTING: Duration = Duration::from_millis(600);
    let Opened { store, folder } = open().await;
    let store = Arc::new(store);
    let log = || std::fs::metadata(folder.path().join("tollgate.db-wal")).map_or(0, |it| it.len());
    let is_over = Arc::new(AtomicBool::new(false));
    let lists: Vec<_> = (0..3)
        .map(|number| {
            let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
            tokio::spawn(async move {
                tokio::time::sleep(LISTING * number / 3).await;
                let (org, mut read) = (OrgId::new(), 0);
                while !is_over.load(Ordering::Relaxed) {
                    let mut reader = store.list_readers.acquire(org).await.expect("a reader");
                    let connection = reader.connection();
                    begin(connection);
                    tokio::time::sleep(LISTING).await;
                    connection.batch("ROLLBACK").expect("ended");
                    read += 1;
                }
                read
            })
        })
        .collect();
    let is_started_over = is_started_over(&store, log).await;
    is_over.store(true, Ordering::Relaxed);
    for list in lists {
        assert!(list.await.expect("no panic") > 0, "each org had its list");
    }
    is_started_over.expect("started over");
}

/// Begins a transaction that reads.
fn begin(reader: &mut sql::Connection) {
    reader.batch("BEGIN").expect("begun");
    let count = sql::query(sqlite_only("SELECT COUNT(*) FROM meta"));
    count.scalar::<i64>(reader).expect("read");
}

/// Writes until the log has been long and is short again.
async fn is_started_over(store: &Store, log: impl Fn() -> u64) -> Result<(), String> {
    let write = "INSERT INTO meta (name, value) VALUES ('large', randomblob(1048576))
        ON CONFLICT (name) DO UPDATE SET value = randomblob(1048576)";
    let (begun_at, mut longest, mut writes) = (Instant::now(), 0, 0);
    while begun_at.elapsed() < Duration::from_secs(60) {
        execute(store, write).await.expect("written");
        writes += 1;
        longest = longest.max(log());
        if longest > BYTES_MAX && log() < BYTES_MAX / 2 {
            return Ok(());
        }
    }
    Err(format!("{longest} bytes after {writes} writes of 1 MiB"))
}
