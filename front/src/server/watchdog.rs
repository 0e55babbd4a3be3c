//! Notices that the server only looks alive: the clock of deadlines stands still, so that guests spin for ever, or a
//! tokio worker does not come back from its task, so that requests wait for ever. The server says that it is not ready,
//! and then ends, so that a supervisor starts another.

use super::workers::Workers;
use crate::exit::End;
use crate::server::state::{Server, Shared};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A machine that is short of memory or processors lets a clock stand still for a moment.
const CLOCK: Patience = Patience {
    unready_after: Duration::from_secs(2),
    exit_after: Duration::from_secs(10),
};
/// Nothing on a worker takes longer than milliseconds, but the kernel may stop a worker that touches a slow disk.
const WORKER: Patience = Patience {
    unready_after: Duration::from_secs(5),
    exit_after: Duration::from_secs(20),
};

/// How long something may stand still.
struct Patience {
    unready_after: Duration,
    exit_after: Duration,
}

/// What is to be done about something that has stood still for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Good,
    Unready,
    Dead,
}

impl Patience {
    fn health(&self, stalled_for: Duration) -> Health {
        if stalled_for >= self.exit_after {
            Health::Dead
        } else if stalled_for >= self.unready_after {
            Health::Unready
        } else {
            Health::Good
        }
    }
}

/// Watches until the server is gone, from a thread of its own: tokio's may be what stands still. It is called on the
/// server's tokio.
pub(super) fn watch(server: &Shared) -> std::io::Result<()> {
    let server = Arc::downgrade(server);
    let mut workers = Workers::new(tokio::runtime::Handle::current().metrics());
    let watching = move || {
        while let Some(server) = Weak::upgrade(&server) {
            look(&server, &mut workers);
            drop(server);
            thread::sleep(LOOK_EVERY);
        }
    };
    thread::Builder::new()
        .name("tollgate-watch".to_owned())
        .spawn(watching)?;
    Ok(())
}

fn look(server: &Server, workers: &mut Workers) {
    let clock = server.runtime.stalled_for();
    let worker = LOOK_EVERY * workers.look();
    let health = CLOCK.health(clock).max(WORKER.health(worker));
    let was_stalled = server.set_stalled(health != Health::Good);
    match health {
        Health::Good if was_stalled => {
            tracing::warn!("the clock of deadlines and the workers turn again");
        }
        Health::Unready if !was_stalled => {
            tracing::error!(?clock, ?worker, "a clock or worker stands still");
        }
        Health::Good | Health::Unready => {}
        Health::Dead => {
            tracing::error!(
                ?clock,
                ?worker,
                "a clock or worker stands still: the server ends"
            );
            std::process::exit(End::OurFault.code().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_forgiven_seconds_are_not() {
        for (patience, milliseconds, expected) in [
            (CLOCK, 0, Health::Good),
            (CLOCK, 1999, Health::Good),
            (CLOCK, 2000, Health::Unready),
            (CLOCK, 9999, Health::Unready),
            (CLOCK, 10_000, Health::Dead),
            (WORKER, 4999, Health::Good),
            (WORKER, 5000, Health::Unready),
            (WORKER, 20_000, Health::Dead),
        ] {
            let health = patience.health(Duration::from_millis(milliseconds));
            assert_eq!(health, expected, "{milliseconds} ms");
        }
    }
}
