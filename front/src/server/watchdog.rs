//! Whether deadlines are kept. A server whose clock has stopped looks alive and lets guests spin for ever: it says
//! that it is not ready, and then ends, so that whoever supervises it starts another.

use super::state::{Server, Shared};
use crate::exit::End;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A machine that is short of memory or processors lets a clock stand still for a moment.
const UNREADY_AFTER: Duration = Duration::from_secs(2);
/// By then no moment is meant.
const EXIT_AFTER: Duration = Duration::from_secs(10);

/// What is to be made of a clock that has stood still for so long.
#[derive(Debug, PartialEq, Eq)]
enum Health {
    Good,
    Unready,
    Dead,
}

impl Health {
    fn of(stalled_for: Duration) -> Self {
        if stalled_for >= EXIT_AFTER {
            Health::Dead
        } else if stalled_for >= UNREADY_AFTER {
            Health::Unready
        } else {
            Health::Good
        }
    }
}

/// Watches until the server is gone, from a thread of its own: tokio's may be what stands still.
pub(super) fn watch(server: &Shared) -> std::io::Result<()> {
    let server = Arc::downgrade(server);
    let watching = move || {
        while let Some(server) = Weak::upgrade(&server) {
            look(&server);
            drop(server);
            thread::sleep(LOOK_EVERY);
        }
    };
    thread::Builder::new()
        .name("tollgate-watch".to_owned())
        .spawn(watching)?;
    Ok(())
}

fn look(server: &Server) {
    let stalled_for = server.runtime.stalled_for();
    let health = Health::of(stalled_for);
    let was_stalled = server.set_stalled(health != Health::Good);
    match health {
        Health::Good if was_stalled => tracing::warn!("the clock of deadlines goes on"),
        Health::Unready if !was_stalled => {
            tracing::error!(?stalled_for, "the clock of deadlines stands still");
        }
        Health::Good | Health::Unready => {}
        Health::Dead => {
            tracing::error!(
                ?stalled_for,
                "the clock of deadlines stands still: the server ends"
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
        let cases = [
            (0, Health::Good),
            (1999, Health::Good),
            (2000, Health::Unready),
            (9999, Health::Unready),
            (10_000, Health::Dead),
        ];
        for (milliseconds, expected) in cases {
            let health = Health::of(Duration::from_millis(milliseconds));
            assert_eq!(health, expected, "{milliseconds} ms");
        }
    }
}
