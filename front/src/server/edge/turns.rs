//! Work that takes a core for long. It is done on threads where nobody waits, in turns: an org does one thing of a kind
//! at a time, and has at most half of the places.

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
/// Places at least. With one, a single job would keep every other org waiting.
const PLACES_MIN: usize = 2;

/// Kinds of work. Work that comes later in a request has turns of its own: it holds more, and must not wait for
/// requests that have not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Looking for the release that is within a subscriber's terms.
    LookBack,
    /// Giving a long answer.
    Show,
    /// Reading the debug sections of a tool.
    Source,
    /// Reading a body.
    Read,
    /// Judging an input and making a tool's values of it.
    Prepare,
}

/// How long a piece of work takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Well under a millisecond: it is done on the thread that asks.
    Short,
    /// Anything longer.
    Long,
}

impl Length {
    /// Of work whose time grows with so many bytes of JSON.
    pub(crate) fn of_json(bytes: usize) -> Self {
        match bytes {
            ..=SHORT_BYTES => Length::Short,
            _ => Length::Long,
        }
    }
}

/// See the module.
pub(crate) struct Turns {
    of_kind: Cache<(OrgId, Kind), Arc<Mutex<()>>>,
    of_org: Cache<OrgId, Arc<Semaphore>>,
    /// Places of one org.
    share: usize,
    all: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let places = (cores - 1).max(PLACES_MIN);
        Self {
            of_kind: Cache::new(ORGS),
            of_org: Cache::new(ORGS),
            share: places / 2,
            all: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Turns {
    /// The org's turn. Dropping it ends it.
    pub(crate) async fn of(&self, org: OrgId, kind: Kind) -> OwnedMutexGuard<()> {
        let turn = self.of_kind.get_with((org, kind), Arc::default);
        turn.lock_owned().await
    }

    /// Does short work here, and long work in the org's turn.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        turn: (OrgId, Kind),
        length: Length,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        match length {
            Length::Short => Ok(work()),
            Length::Long => Box::pin(self.work_in(turn, work)).await,
        }
    }

    async fn work_in<T: Send + 'static>(
        &self,
        (org, kind): (OrgId, Kind),
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let internal = || Problem::of(problem::Kind::Internal);
        let turn = self.of(org, kind).await;
        let share = || Arc::new(Semaphore::new(self.share));
        let own = self.of_org.get_with(org, share).acquire_owned().await;
        let own = own.map_err(|_| internal())?;
        let place = Arc::clone(&self.all).acquire_owned().await;
        let place = place.map_err(|_| internal())?;
        // The caller may leave; the turn lasts as long as the work.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, own, place));
            done
        });
        working.await.map_err(|_| internal())
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
                    turns.work((noisy, Kind::Read), Length::Long, work).await
                })
            })
            .collect();
        while at_once.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = turns.work((quiet, Kind::Read), Length::Long, {
            let done = Arc::clone(&done);
            move || done.load(Ordering::SeqCst)
        });
        let before = before.await.expect("done");
        assert!(before < 25, "{before} of the crowd's came first");
        assert!(
            turns
                .work((noisy, Kind::Read), Length::Short, || true)
                .await
                .expect("done"),
            "short"
        );
        for one in crowd {
            one.await.expect("no panic").expect("done");
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
        let panics = turns.work((noisy, Kind::Read), Length::Long, || panic!("on purpose"));
        assert!(panics.await.is_err());
        assert!(
            turns
                .work((noisy, Kind::Read), Length::Long, || true)
                .await
                .expect("done")
        );
    }

    #[tokio::test]
    async fn an_org_whose_work_does_not_end_leaves_a_place_for_the_others() {
        let turns = Arc::new(Turns::default());
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let (ending, ends) = std::sync::mpsc::channel::<()>();
        let ends = Arc::new(std::sync::Mutex::new(ends));
        let endless: Vec<_> = [Kind::LookBack, Kind::Read, Kind::Prepare]
            .into_iter()
            .map(|kind| {
                let (turns, ends) = (Arc::clone(&turns), Arc::clone(&ends));
                tokio::spawn(async move {
                    // It ends when the sender is dropped.
                    let work = move || ends.lock().is_ok_and(|it| it.recv().is_err());
                    turns.work((noisy, kind), Length::Long, work).await
                })
            })
            .collect();
        while turns.all.available_permits() != turns.all_places() - turns.share {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let other = turns.work((quiet, Kind::Prepare), Length::Long, || true);
        assert!(other.await.expect("done"));
        drop(ending);
        for one in endless {
            assert!(one.await.expect("no panic").expect("done"));
        }
    }

    impl Turns {
        fn all_places(&self) -> usize {
            let cores = available_parallelism().map_or(1, NonZeroUsize::get);
            (cores - 1).max(PLACES_MIN)
        }
    }
}
