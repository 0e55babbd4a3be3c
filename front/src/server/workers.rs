//! Notices a tokio worker that has not come back from a task. All requests of a worker wait for such a task, and once
//! every worker is held, nothing is answered any more and no signal is heard.

use tokio::runtime::RuntimeMetrics;

/// What was seen of each worker.
pub(super) struct Workers {
    metrics: RuntimeMetrics,
    seen: Vec<Seen>,
}

/// A worker's counters, and how often in a row they were the same while the worker was active.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    parks_and_unparks: u64,
    busy_nanos: u128,
    looks: u32,
}

impl Workers {
    pub(super) fn new(metrics: RuntimeMetrics) -> Self {
        let seen = vec![Seen::default(); metrics.num_workers()];
        Self { metrics, seen }
    }

    /// Looks at every worker. Returns how many looks ago the worker that is held for longest last turned.
    ///
    /// Looks are counted, and not seconds: a process that was stopped for a while has no worker that is held.
    pub(super) fn look(&mut self) -> u32 {
        for (worker, seen) in self.seen.iter_mut().enumerate() {
            let parks_and_unparks = self.metrics.worker_park_unpark_count(worker);
            let busy_nanos = self.metrics.worker_total_busy_duration(worker).as_nanos();
            let is_parked = parks_and_unparks % 2 == 1;
            let has_turned =
                (parks_and_unparks, busy_nanos) != (seen.parks_and_unparks, seen.busy_nanos);
            let looks = match is_parked || has_turned {
                true => 0,
                false => seen.looks + 1,
            };
            *seen = Seen {
                parks_and_unparks,
                busy_nanos,
                looks,
            };
        }
        self.seen.iter().map(|it| it.looks).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    const LOOK: Duration = Duration::from_millis(5);

    /// Looks until `is_meant` of what is seen.
    fn sees(workers: &mut Workers, is_meant: impl Fn(u32) -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if is_meant(workers.look()) {
                return true;
            }
            sleep(LOOK);
        }
        false
    }

    #[test]
    fn a_worker_that_does_not_come_back_is_seen_until_it_does() {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut workers = Workers::new(tokio.metrics());
        assert!(sees(&mut workers, |looks| looks == 0), "idle workers");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holding = tokio.spawn(async move { held.recv().is_err() });
        // Another one, busy and well.
        let busy = tokio.spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        assert!(sees(&mut workers, |looks| looks >= 20), "a held worker");
        drop(release);
        assert!(tokio.block_on(holding).expect("no panic"));
        assert!(
            sees(&mut workers, |looks| looks == 0),
            "a busy worker turns"
        );
        busy.abort();
    }
}
