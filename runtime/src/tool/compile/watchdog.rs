//! Kills a child whose time is over, and does not count what it waited for a busy machine.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whatever it waited for, a child has so many times its time: others want its place.
const TIMES_MAX: u32 = 10;

/// A thread that watches one child.
pub(super) struct Watchdog {
    ended: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    pub(super) fn over(child: &Child, time: Duration) -> io::Result<Self> {
        let started = Instant::now();
        let id = Pid::from_child(child);
        let child = pidfd_open(id, PidfdFlags::empty())?;
        let (ended, end) = channel();
        let thread = std::thread::Builder::new()
            .name("tollgate-watchdog".to_owned())
            .spawn(move || {
                let is_overdue = is_overdue(&end, id, started, time);
                if is_overdue {
                    // One that has ended meanwhile needs no killing.
                    let _ = pidfd_send_signal(child, Signal::KILL);
                }
                is_overdue
            })?;
        Ok(Self { ended, thread })
    }

    /// Whether the time was over before the child's end.
    pub(super) fn end(self) -> bool {
        drop(self.ended);
        self.thread.join().unwrap_or(false)
    }
}

/// Waits for the child's end, or the end of its time.
fn is_overdue(end: &Receiver<()>, child: Pid, started: Instant, time: Duration) -> bool {
    let mut allowed = time;
    loop {
        let left = allowed.saturating_sub(started.elapsed());
        if end.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
            return false;
        }
        // It has the lowest priority: on a busy machine an honest tool waits for minutes.
        let extended = (time + waited(child)).min(time * TIMES_MAX);
        if extended <= allowed {
            return true;
        }
        allowed = extended;
    }
}

/// The longest that one of its threads was able to run and did not, as the kernel counts.
fn waited(child: Pid) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.as_raw_pid()));
    let waits = tasks.into_iter().flatten().filter_map(|task| {
        // Nanoseconds that it ran, nanoseconds that it waited, and how often.
        let counted = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        counted.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waits.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).spawn().expect("a shell")
    }

    #[test]
    fn a_child_is_killed_when_its_time_is_over() {
        let mut ends = shell("exit 0");
        let watchdog = Watchdog::over(&ends, Duration::from_secs(60)).expect("a thread");
        assert!(ends.wait().expect("it ends").success());
        assert!(!watchdog.end());
        let mut sleeps = shell("exec sleep 60");
        let started = Instant::now();
        let watchdog = Watchdog::over(&sleeps, Duration::from_millis(100)).expect("a thread");
        assert!(!sleeps.wait().expect("it ends").success());
        assert!(watchdog.end());
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_it_waits_for_others_is_not_its_time() {
        let time = Duration::from_millis(200);
        let cores = std::thread::available_parallelism().map_or(1, |it| it.get());
        let started = Instant::now();
        let spinning: Vec<_> = (0..4 * cores)
            .map(|_| {
                let child = shell("while :; do :; done");
                let watchdog = Watchdog::over(&child, time).expect("a thread");
                (child, watchdog)
            })
            .collect();
        for (mut child, watchdog) in spinning {
            child.wait().expect("it ends");
            assert!(watchdog.end());
        }
        let took = started.elapsed();
        assert!(took > 2 * time, "four share a core, all ended in {took:?}");
    }
}
