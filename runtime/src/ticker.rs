//! The clock that interrupts spinning guests: one tick a millisecond while anything runs, silent otherwise.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use wasmtime::Engine;

/// How long a guest runs before it must let another have a turn.
const TICK: Duration = Duration::from_millis(1);

/// Ticks an engine's epoch from a thread of its own.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    is_closed: bool,
}

impl Ticker {
    pub(crate) fn new(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (ticking, engine) = (Arc::clone(&shared), engine.clone());
        thread::Builder::new()
            .name("tollgate-tick".to_owned())
            .spawn(move || {
                while ticking.wait_until_running() {
                    thread::sleep(TICK);
                    engine.increment_epoch();
                }
            })?;
        Ok(Self { shared })
    }

    /// How many runs need the tick.
    pub(crate) fn running(&self) -> usize {
        self.shared.lock().running
    }

    /// Ticks at least as long as the guard lives.
    pub(crate) fn keep_ticking(&self) -> Ticking {
        self.shared.lock().running += 1;
        self.shared.changed.notify_one();
        Ticking {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
    }
}

/// A run that needs the tick.
#[derive(Debug)]
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.lock().running -= 1;
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when there will be nothing to tick for any more.
    fn wait_until_running(&self) -> bool {
        let mut state = self.lock();
        while state.running == 0 && !state.is_closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.is_closed
    }
}
