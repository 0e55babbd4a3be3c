//! What a run used.

use serde::{Deserialize, Serialize};

/// What a run used. Times in microseconds. As JSON it is what its caller is shown; it is read as it is kept, with
/// `instantiate_us`.
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

/// All of it.
#[derive(Serialize)]
struct Kept<'u> {
    #[serde(flatten)]
    shown: &'u RunUsage,
    instantiate_us: u64,
}

impl RunUsage {
    /// The JSON text that is kept.
    pub(crate) fn kept(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Kept {
            shown: self,
            instantiate_us: self.instantiate_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_what_is_shown_is_a_part_of_it() {
        let usage = RunUsage {
            wall_us: 7,
            instantiate_us: 3,
            ..RunUsage::default()
        };
        let kept = usage.kept().expect("JSON");
        assert_eq!(serde_json::from_str::<RunUsage>(&kept).ok(), Some(usage));
        let shown = serde_json::to_value(usage).expect("JSON");
        assert_eq!(shown["wall_us"], 7);
        assert!(shown.get("instantiate_us").is_none() && kept.contains("\"instantiate_us\":3"));
        let earlier = r#"{"wall_us":7,"gone_us":1}"#;
        let earlier: RunUsage = serde_json::from_str(earlier).expect("fields come and go");
        assert_eq!((earlier.wall_us, earlier.cpu_us), (7, 0));
    }
}
