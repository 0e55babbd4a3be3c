//! What the threads of the two tiers do.

use super::{Core, Turn};
use crate::meter::{nanos, thread_cpu};
use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::Duration;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// How long a thread of the fresh tier stands back where the long tier is owed time.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs what is fresh, or has to be ended, until the tier is closed.
pub(super) fn work_fresh(core: &Core, tokio: &tokio::runtime::Handle) {
    let _context = tokio.enter();
    while let Some(turn) = core.fresh.next() {
        take_turn(core, turn);
        // One turn at least between two pauses.
        if core.share.is_owed() {
            thread::sleep(PAUSE);
        }
    }
}

/// Runs what takes long, where nothing else wants to run, until the tier is closed.
pub(super) fn work_long(core: &Core, tokio: &tokio::runtime::Handle) {
    let _context = tokio.enter();
    stand_back();
    let mut cpu_before = nanos(thread_cpu());
    while let Some(turn) = core.long.next() {
        core.share.begin();
        take_turn(core, turn);
        let cpu = nanos(thread_cpu());
        core.share.end(cpu - cpu_before);
        cpu_before = cpu;
    }
}

fn take_turn(core: &Core, turn: Turn) {
    core.clock.begin();
    // A panic while a cancelled run is dropped must not take the thread with it.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| turn.run()));
    core.clock.end();
}

/// Gives this thread the processor only while no other wants it. A kernel that does not know how leaves it as it is:
/// runs are then slower to be answered beside long ones, and nothing else.
fn stand_back() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}
