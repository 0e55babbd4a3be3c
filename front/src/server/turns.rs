//! Work that takes a core for long, done on threads where nobody waits: an org does one thing of a kind at a time, and
//! all orgs together leave a core for what is short.

use crate::problem::{self, Problem};
use moka::sync::Cache;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tollgate_store::OrgId;

/// Orgs whose turns are known.
const ORGS: u64 = 65_536;
/// Bytes of JSON that are worked on where they are: a sixty-fourth of the largest input there is by default.
const SHORT_BYTES: usize = 16 * 1024;

/// What is done in turns. What comes later in a request has turns of its own: it holds more, and must not wait for
/// others that have not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Looking for the release that is within a subscriber's terms.
    LookBack,
    /// Reading a run's body.
    Read,
    /// Making a tool's values of an input.
    Prepare,
}

/// See the module.
pub(crate) struct Turns {
    of_org: Cache<(OrgId, Kind), Arc<Mutex<()>>>,
    all: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            of_org: Cache::new(ORGS),
            all: Arc::new(Semaphore::new((cores - 1).max(1))),
        }
    }
}

impl Turns {
    /// The org's turn, until it is dropped.
    pub(crate) async fn of(&self, org: OrgId, kind: Kind) -> OwnedMutexGuard<()> {
        let turn = self.of_org.get_with((org, kind), Arc::default);
        turn.lock_owned().await
    }

    /// Does what takes a time that grows with so many bytes of JSON: here where they are few, else in the org's turn.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        turn: (OrgId, Kind),
        json_bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        match json_bytes {
            ..=SHORT_BYTES => Ok(work()),
            _ => Box::pin(self.work_in(turn, work)).await,
        }
    }

    async fn work_in<T: Send + 'static>(
        &self,
        (org, kind): (OrgId, Kind),
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let own = self.of(org, kind).await;
        let internal = |_| Problem::of(problem::Kind::Internal);
        let one = Arc::clone(&self.all).acquire_owned().await;
        let one = one.map_err(|_| Problem::of(problem::Kind::Internal))?;
        // Whoever asked may leave; the turn lasts as long as the work.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((own, one));
            done
        });
        working.await.map_err(internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn an_org_does_one_thing_at_a_time_and_another_waits_for_one_of_it() {
        let turns = Arc::new(Turns::default());
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let done = Arc::new(AtomicUsize::new(0));
        let crowd: Vec<_> = (0..50)
            .map(|_| {
                let (turns, at_once) = (Arc::clone(&turns), Arc::clone(&at_once));
                let (most, done) = (Arc::clone(&most), Arc::clone(&done));
                tokio::spawn(async move {
                    let work = move || {
                        most.fetch_max(
                            at_once.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        std::thread::sleep(Duration::from_millis(5));
                        at_once.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    };
                    turns.work((noisy, Kind::Read), SHORT_BYTES + 1, work).await
                })
            })
            .collect();
        while at_once.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = turns.work((quiet, Kind::Read), usize::MAX, {
            let done = Arc::clone(&done);
            move || done.load(Ordering::SeqCst)
        });
        let before = before.await.expect("done");
        assert!(before < 25, "{before} of the crowd's came first");
        assert!(
            turns
                .work((noisy, Kind::Read), 1, || true)
                .await
                .expect("done"),
            "short"
        );
        for one in crowd {
            one.await.expect("no panic").expect("done");
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
        let panics = turns.work((noisy, Kind::Read), usize::MAX, || panic!("on purpose"));
        assert!(panics.await.is_err());
        assert!(
            turns
                .work((noisy, Kind::Read), usize::MAX, || true)
                .await
                .expect("done")
        );
    }
}
