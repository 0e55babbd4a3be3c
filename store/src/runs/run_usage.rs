//! The usage of a run.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The kept text of most runs is shorter.
const KEPT_BYTES: usize = 160;

/// The usage of a run, with times in microseconds. Its JSON is shown to callers and kept in the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunUsage {
    /// Waiting for a place.
    pub queue_us: u64,
    /// Loading the tool and making the guest's surroundings.
    pub load_us: u64,
    /// From the guest's start to its end; `cpu_us`, `host_us` and `ready_us` are its parts.
    pub wall_us: u64,
    /// How much of that it took until there was an instance to call. Told by spans only.
    #[serde(skip_serializing)]
    pub instantiate_us: u64,
    /// Thread CPU in the guest.
    pub cpu_us: u64,
    /// Suspended in host calls.
    pub host_us: u64,
    /// Able to run, waiting for a turn.
    pub ready_us: u64,
    /// Most bytes of linear memory at once.
    pub memory_peak_bytes: u64,
    /// Outgoing requests.
    pub egress_requests: u64,
    /// Bytes received.
    pub egress_bytes_in: u64,
    /// Bytes sent.
    pub egress_bytes_out: u64,
    /// Bytes written to logs, cut ones included.
    pub log_bytes: u64,
    /// Bytes written to `/scratch`.
    pub scratch_bytes: u64,
}

impl RunUsage {
    /// The JSON text that is kept: what is not nought, as what is missing is read.
    pub(crate) fn kept(&self) -> String {
        let Self {
            queue_us,
            load_us,
            wall_us,
            instantiate_us,
            cpu_us,
            host_us,
            ready_us,
            memory_peak_bytes,
            egress_requests,
            egress_bytes_in,
            egress_bytes_out,
            log_bytes,
            scratch_bytes,
        } = *self;
        let named = [
            ("queue_us", queue_us),
            ("load_us", load_us),
            ("wall_us", wall_us),
            ("instantiate_us", instantiate_us),
            ("cpu_us", cpu_us),
            ("host_us", host_us),
            ("ready_us", ready_us),
            ("memory_peak_bytes", memory_peak_bytes),
            ("egress_requests", egress_requests),
            ("egress_bytes_in", egress_bytes_in),
            ("egress_bytes_out", egress_bytes_out),
            ("log_bytes", log_bytes),
            ("scratch_bytes", scratch_bytes),
        ];
        let mut text = String::with_capacity(KEPT_BYTES);
        for (name, used) in named.into_iter().filter(|(_, used)| *used > 0) {
            text.push(if text.is_empty() { '{' } else { ',' });
            // A text takes everything, and no name has anything to escape.
            let _ = write!(text, "\"{name}\":{used}");
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kept: &str) -> Option<RunUsage> {
        serde_json::from_str(kept).ok()
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let all = RunUsage {
            queue_us: 1,
            load_us: 2,
            wall_us: 3,
            instantiate_us: 4,
            cpu_us: 5,
            host_us: 6,
            ready_us: 7,
            memory_peak_bytes: 8,
            egress_requests: 9,
            egress_bytes_in: 10,
            egress_bytes_out: 11,
            log_bytes: 12,
            scratch_bytes: u64::MAX,
        };
        assert_eq!(read(&all.kept()), Some(all));
        let few = RunUsage {
            wall_us: 7,
            instantiate_us: 3,
            ..RunUsage::default()
        };
        assert_eq!(few.kept(), r#"{"wall_us":7,"instantiate_us":3}"#);
        assert_eq!(read(&few.kept()), Some(few));
        let none = RunUsage::default();
        assert_eq!((none.kept(), read("{}")), ("{}".to_owned(), Some(none)));
        let earlier = read(r#"{"wall_us":7,"cpu_us":0,"gone_us":1}"#).expect("fields come and go");
        assert_eq!((earlier.wall_us, earlier.cpu_us), (7, 0));
    }

    #[test]
    fn what_is_shown_has_all_but_what_spans_tell() {
        let shown = serde_json::to_value(RunUsage::default()).expect("JSON");
        assert_eq!(shown["wall_us"], 0);
        assert!(shown.get("instantiate_us").is_none());
    }
}
