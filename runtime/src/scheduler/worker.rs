//! What the threads of the two tiers do.

use super::meter::nanos;
use super::metered::thread_cpu;
use super::tier::Work;
use super::{Core, Turn, callers};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The lowest that is not idle. Measured beside 100 spinning runs (docs/tuning.md): fresh runs are not later than with
/// the idle policy, which starves the long tier longer wherever others are busy; from 10 on they are.
const LONG_NICENESS: i32 = 19;
/// How long a thread of the long tier stands back where the fresh tier works for it.
const STAND_BACK: Duration = Duration::from_millis(5);

/// Runs what is fresh, or has to be ended, until the tier is closed; and what takes long while the long tier is owed
/// time.
pub(super) fn work_fresh(core: &Core, tokio: &tokio::runtime::Handle) {
    let _context = tokio.enter();
    callers::hold();
    let mut cpu_before = thread_cpu();
    while let Some(work) = next_fresh(core) {
        if let Work::Turn(turn) = work {
            let owner = Arc::clone(&turn.metadata().owner);
            take_turn(core, turn);
            let cpu = thread_cpu();
            let took = cpu.saturating_sub(cpu_before);
            core.debts.count(&owner, took, Instant::now());
            cpu_before = cpu;
        }
        if core.share.is_owed()
            && let Some(turn) = core.long.try_next()
        {
            callers::tell();
            take_long_turn(core, turn);
            cpu_before = thread_cpu();
        }
        callers::tell_if_due();
    }
}

fn next_fresh(core: &Core) -> Option<Work> {
    if let Some(turn) = core.fresh.try_next() {
        return Some(Work::Turn(turn));
    }
    callers::tell();
    // Whoever else wants this core has it first: what is handed over meanwhile wakes nobody.
    thread::yield_now();
    core.fresh.next()
}

/// Runs what takes long, where nothing else wants to run, until the tier is closed. While the tier is owed time this
/// thread hardly runs, and a run it holds would hardly go on: the fresh tier has it then.
pub(super) fn work_long(core: &Core, tokio: &tokio::runtime::Handle) {
    let _context = tokio.enter();
    // A kernel that refuses leaves the thread as it is: runs are then later beside long ones, and nothing else.
    let _ = rustix::process::setpriority_process(None, LONG_NICENESS);
    while let Some(work) = core.long.next() {
        if let Work::Turn(turn) = work {
            take_long_turn(core, turn);
        }
        while core.share.stands_back() && !core.long.is_closed() {
            thread::sleep(STAND_BACK);
        }
    }
}

fn take_long_turn(core: &Core, turn: Turn) {
    let meter = Arc::clone(turn.metadata());
    let cpu_before = meter.cpu();
    core.share.begin();
    take_turn(core, turn);
    core.share.end(nanos(meter.cpu() - cpu_before));
}

fn take_turn(core: &Core, turn: Turn) {
    core.clock.begin();
    // A panic while a cancelled run is dropped must not take the thread with it.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| turn.run()));
    core.clock.end();
}
