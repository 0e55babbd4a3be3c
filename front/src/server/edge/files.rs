//! How many files the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One file in so many is left for what is no connection: the store, scratch folders, outgoing requests.
const SHARE_LEFT: u64 = 4;

/// Raises the process's limit of open files as far as it may, and gives the connections there is room for.
pub(crate) fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    // No limit is no bound.
    let connections = fit(wanted, limit.unwrap_or(u64::MAX));
    if connections < wanted {
        tracing::warn!(
            wanted,
            connections,
            files = limit,
            "fewer connections: the process may open too few files (ulimit -n)"
        );
    }
    connections
}

fn fit(wanted: usize, files: u64) -> usize {
    let room = files - files / SHARE_LEFT;
    wanted
        .min(usize::try_from(room).unwrap_or(usize::MAX))
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(fit(16_384, 1024), 768);
        assert_eq!(fit(16_384, 1_048_576), 16_384);
        assert_eq!(fit(16_384, u64::MAX), 16_384);
        assert_eq!(fit(16_384, 0), 1);
    }
}
