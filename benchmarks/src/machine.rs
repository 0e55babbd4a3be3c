//! What the machine says of us and of itself.

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// CPU time of all threads of this process, user and system.
pub(crate) fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// CPU time of all threads of another process, user and system, in steps of the kernel's clock (10 ms).
pub(crate) fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in brackets, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || ticks.next().context("user and system time");
    let both = next()?? + next()??;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(both as f64 / per_second as f64))
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(now.tv_sec.cast_unsigned(), nanos)
}

/// Bytes of memory this process has resident.
pub(crate) fn resident_bytes() -> anyhow::Result<u64> {
    resident_bytes_of(std::process::id())
}

/// The same of another.
pub(crate) fn resident_bytes_of(process: u32) -> anyhow::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = rss.and_then(|rest| {
        rest.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    Ok(kibibytes.ok_or_else(|| anyhow::anyhow!("/proc/self/smaps_rollup says no Rss"))? * 1024)
}

/// The processor's name, as Linux gives it.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name"));
    name.and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim())
        .to_owned()
}

/// How many threads wanted a core in the last minute: more than a few hundredths before a run means company.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Wall time and this process's CPU time of some work.
pub(crate) struct Took {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Took {
    pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (started, cpu_before) = (Instant::now(), process_cpu());
        let value = work();
        let took = Self {
            wall: started.elapsed(),
            cpu: process_cpu().saturating_sub(cpu_before),
        };
        (value, took)
    }
}
