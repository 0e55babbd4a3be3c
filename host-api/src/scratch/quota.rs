//! What a run may still write: pure counting, no files.

use crate::budget::Lease;
use std::sync::{Mutex, PoisonError};

/// A run's allowance of files. Counts only up: deleting gives nothing back.
#[derive(Debug)]
pub struct Quota {
    bytes_max: u64,
    entries_max: u64,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    entries: u64,
    lease: Lease,
}

/// Why a write or creation was refused. The guest sees it as an errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The run's own quota is used up.
    Quota,
    /// A file would become larger than the whole quota.
    FileTooLarge,
    /// The process has no more room for scratch.
    NoSpace,
}

impl Quota {
    /// At most `bytes_max` written, out of `lease`'s budget, and `entries_max` files and folders created.
    pub fn new(bytes_max: u64, entries_max: u64, lease: Lease) -> Self {
        Self {
            bytes_max,
            entries_max,
            used: Mutex::new(Used { entries: 0, lease }),
        }
    }

    /// Bytes written so far.
    pub fn bytes_written(&self) -> u64 {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lease
            .bytes()
    }

    /// Whether nothing was written or created.
    pub(crate) fn is_untouched(&self) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.entries == 0 && used.lease.bytes() == 0
    }

    /// Counts `bytes` about to be written at `offset`. Holes count for nothing by themselves, but no write
    /// lands past the quota, so that reading one back stays cheap.
    pub fn write(&self, offset: u64, bytes: u64) -> Result<(), Refusal> {
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > self.bytes_max)
        {
            return Err(if bytes > self.bytes_max {
                Refusal::Quota
            } else {
                Refusal::FileTooLarge
            });
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.lease.bytes() + bytes > self.bytes_max {
            return Err(Refusal::Quota);
        }
        used.lease.try_grow(bytes).map_err(|_| Refusal::NoSpace)
    }

    /// Counts a change of a file's size: growth counts as written.
    pub(crate) fn resize(&self, from: u64, to: u64) -> Result<(), Refusal> {
        if to > self.bytes_max {
            return Err(Refusal::FileTooLarge);
        }
        self.write(0, to.saturating_sub(from))
    }

    /// Counts one file or folder about to be created.
    pub fn create(&self) -> Result<(), Refusal> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.entries >= self.entries_max {
            return Err(Refusal::Quota);
        }
        used.entries += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn quota() -> Quota {
        Quota::new(
            100,
            2,
            Budget::new("scratch", 1 << 20).lease(&std::sync::Arc::from("")),
        )
    }

    #[test]
    fn both_sides_of_every_bound() {
        let bytes = quota();
        assert_eq!(bytes.write(0, 100), Ok(()));
        assert_eq!(bytes.write(0, 1), Err(Refusal::Quota));
        assert_eq!(bytes.bytes_written(), 100);

        assert_eq!(quota().write(99, 1), Ok(()));
        assert_eq!(quota().write(100, 1), Err(Refusal::FileTooLarge));
        assert_eq!(quota().write(u64::MAX, 1), Err(Refusal::FileTooLarge));
        assert_eq!(quota().resize(0, 100), Ok(()));
        assert_eq!(quota().resize(0, 101), Err(Refusal::FileTooLarge));
        assert_eq!(quota().resize(1 << 40, 0), Ok(()), "shrinking is free");

        let entries = quota();
        assert_eq!([entries.create(), entries.create()], [Ok(()), Ok(())]);
        assert_eq!(entries.create(), Err(Refusal::Quota));
    }

    #[test]
    fn the_process_budget_refuses_too() {
        let quota = Quota::new(
            1 << 30,
            1,
            Budget::new("scratch", 4096).lease(&std::sync::Arc::from("")),
        );
        assert_eq!(quota.write(0, 4096), Ok(()));
        assert_eq!(quota.write(0, 1), Err(Refusal::NoSpace));
    }
}
