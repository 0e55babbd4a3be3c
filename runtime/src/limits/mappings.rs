//! Memory mappings: a process may have only so many (`vm.max_map_count`, 65,530 by default). One that reaches the
//! number fails wherever it happens to be, so it is looked at when the runtime starts.

use crate::limits::{LOADED_MAX, ProcessLimits};

/// The file that says how many a process may have.
const ALLOWED: &str = "/proc/sys/vm/max_map_count";
/// A run's stack with its guard pages, memory and tables. Measured: 2 from the start and 2 to 4 more under way; tools of
/// several memories take more.
const A_RUN: u64 = 10;
/// A loaded tool's code and data. Measured: 3.2.
const A_TOOL: u64 = 4;
/// Threads, the allocator, libraries, a database.
const OTHERS: u64 = 4096;

/// The machine does not allow as many mappings as the limits may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "vm.max_map_count is {allowed}, and {runs} runs at once beside {tools} loaded tools may need {needed} memory mappings: \
     allow them (`sysctl -w vm.max_map_count={needed}`), or lower the number of runs (`process.runs`)"
)]
pub struct TooFewMappings {
    /// What a process may have.
    pub allowed: u64,
    /// What it may need.
    pub needed: u64,
    /// Runs under way at once.
    pub runs: u32,
    /// Tools that stay loaded.
    pub tools: u64,
}

/// Whether there may be as many as are needed. Where the machine does not say how many there may be, there may.
pub(crate) fn check(process: &ProcessLimits) -> Result<(), TooFewMappings> {
    let allowed = std::fs::read_to_string(ALLOWED).ok();
    let allowed = allowed.and_then(|text| text.trim().parse().ok());
    judge(allowed.unwrap_or(u64::MAX), process.runs)
}

fn judge(allowed: u64, runs: u32) -> Result<(), TooFewMappings> {
    let tools = LOADED_MAX;
    let needed = u64::from(runs) * A_RUN + tools * A_TOOL + OTHERS;
    match needed <= allowed {
        true => Ok(()),
        false => Err(TooFewMappings {
            allowed,
            needed,
            runs,
            tools,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_a_machine_s_default_and_more_is_refused_in_words() {
        let runs = ProcessLimits::default().runs;
        assert_eq!(judge(65_530, runs), Ok(()));
        let refused = judge(65_530, 10 * runs).expect_err("ten times as many");
        let message = refused.to_string();
        assert!(
            message.contains("`sysctl -w vm.max_map_count=153248`"),
            "{message}"
        );
        assert_eq!(judge(153_248, 10 * runs), Ok(()));
    }
}
