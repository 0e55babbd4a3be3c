//! The server's configuration: one struct, read from a file, then the environment, then the flags; the later wins.

mod bounds;
mod egress;
pub(crate) mod log_level;
mod quota;
mod rate;
mod read;
mod secret;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tollgate_runtime::{Limits, ProcessLimits};
use tollgate_store::KeyText;

pub(crate) use quota::QuotaSection;
pub(crate) use rate::RateSection;
pub(crate) use read::{Flags, NEXT_KEY};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What the server is told. Times are in milliseconds (`_ms`) or seconds (`_s`), sizes in bytes (`_bytes`).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the API listens. Default `127.0.0.1:8080`.
    pub(crate) listen: SocketAddr,
    /// Where `/metrics` is served, without a key. Default: nowhere.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The folder of everything that is kept; made where it is missing. Default `./tollgate-data`.
    pub(crate) data: PathBuf,
    /// The operator's key, used on the first start with an empty data folder. Default: one is made and printed once.
    #[serde(with = "secret")]
    pub(crate) operator_key: Option<SecretString>,
    /// 64 hexadecimal digits: what credentials are encrypted with. Default: a file of the data folder, made there on
    /// the first start.
    #[serde(with = "secret")]
    pub(crate) master_key: Option<SecretString>,
    /// Connections open at once; one more is answered 503 and closed. Default 16,384, less where the process may
    /// open fewer files.
    pub(crate) connections: usize,
    /// Connections of one address, or of one /64 of IPv6. Default: half of `connections`. Behind a proxy, whose address is
    /// everybody's, the proxy bounds its clients: set it to as many as `connections`.
    pub(crate) connections_per_address: Option<usize>,
    /// From a connection's start, or its last answer, to the end of the next request's headers. Default 10,000 ms.
    pub(crate) header_timeout_ms: u64,
    /// From the end of the headers to the end of the body, on top of one second for every 64 KiB that arrived. No
    /// answer stands unread for longer either. Default 30,000 ms.
    pub(crate) body_timeout_ms: u64,
    /// How long requests under way are waited for when the server is told to stop. Default 32,000 ms: a run's 30 s
    /// and its settlement.
    pub(crate) drain_ms: u64,
    /// Bytes of request bodies held at once. Default 536,870,912 (512 MiB).
    pub(crate) body_bytes: u64,
    /// Async runs under way at once; others are queued. Default 64.
    pub(crate) async_runs: usize,
    /// What the platform keeps of sellers' earnings, in ten-thousandths, rounded down: 250 is 2.5 %. Default 0.
    pub(crate) fee_basis_points: u32,
    /// Drafts validated at once. Default 2.
    pub(crate) validations: usize,
    /// Bytes of native code of tools that stay loaded; no more than 2,048 tools do. Default 1,073,741,824 (1 GiB):
    /// it is mapped from files, and taken back by the system where memory is short.
    pub(crate) tool_cache_bytes: u64,
    /// Bytes of compiled tools kept in the data folder, so that no start compiles them again. Default 10,737,418,240
    /// (10 GiB).
    pub(crate) compiled_bytes: u64,
    /// Whether the server keeps itself to its folders and ports (Landlock, where the kernel has it) and refuses itself
    /// system calls that attacks begin with. Default true.
    pub(crate) hardening: bool,
    /// What one run may use.
    pub(crate) limits: RunSection,
    /// What all runs together may use.
    pub(crate) process: ProcessSection,
    /// How much may be asked of the server.
    pub(crate) rate: RateSection,
    /// What an org may keep.
    pub(crate) quota: QuotaSection,
    /// How tools reach other machines.
    pub(crate) egress: egress::EgressSection,
    /// How long records are kept.
    pub(crate) retention: Retention,
    /// What is logged, to standard error.
    pub(crate) log: Log,
}

/// What one run may use. A manifest only lowers it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RunSection {
    /// From the guest's start to its end. Default and maximum 30,000 ms.
    pub(crate) timeout_ms: u64,
    /// Bytes over all linear memories. Default 134,217,728 (128 MiB).
    pub(crate) memory_bytes: u64,
    /// Bytes of input. Default 1,048,576 (1 MiB), at most 8 MiB.
    pub(crate) input_bytes: u64,
    /// Bytes of output. Default 1,048,576 (1 MiB), at most 8 MiB.
    pub(crate) output_bytes: u64,
    /// Bytes written to `/scratch` in total; 0 grants no files. Default 67,108,864 (64 MiB).
    pub(crate) scratch_bytes: u64,
    /// Outgoing requests. Default 64.
    pub(crate) egress_requests: u64,
    /// Bytes of their bodies, each way. Default 10,485,760 (10 MiB).
    pub(crate) egress_bytes: u64,
}

/// What all runs together may use.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProcessSection {
    /// Bytes of guests' linear memories. Default: half of the machine's memory.
    pub(crate) guest_memory_bytes: Option<u64>,
    /// Bytes of inputs, outputs and values held for guests. Default: a tenth of the machine's memory.
    pub(crate) host_buffer_bytes: Option<u64>,
    /// Bytes in all `/scratch` folders. Default 10,737,418,240 (10 GiB).
    pub(crate) scratch_bytes: Option<u64>,
    /// Runs under way at once. Default 1,000.
    pub(crate) runs: u32,
    /// Runs that wait for a place; an org has at most half. More are refused at once. Default 1,024.
    pub(crate) queue: usize,
    /// How long a run waits for its part of an empty budget before it is refused. Default 5,000 ms.
    pub(crate) wait_ms: u64,
}

/// How long what is recorded is kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Outputs of async and idempotent runs. Default 86,400 s (24 h).
    pub(crate) output_s: u64,
    /// Logs and spans. Default 604,800 s (7 days).
    pub(crate) logs_s: u64,
    /// Records of runs, and subscriptions and sessions that have ended. Default 7,776,000 s (90 days).
    pub(crate) runs_s: u64,
    /// Idempotency keys with their answers. Default 86,400 s (24 h).
    pub(crate) idempotency_s: u64,
    /// A run that waits in the queue; then it ends `expired`. Default 3,600 s (1 h).
    pub(crate) queued_s: u64,
}

/// What is logged.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` for people, `json` for one object a line. Default `text`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`, or such by module: `info,tollgate=debug`. Default `info`.
    pub(crate) level: String,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The limits of one run.
    pub(crate) fn limits(&self) -> Limits {
        let limits = &self.limits;
        Limits {
            timeout: Duration::from_millis(limits.timeout_ms),
            memory_bytes: limits.memory_bytes,
            input_bytes: limits.input_bytes,
            output_bytes: limits.output_bytes,
            scratch_bytes: limits.scratch_bytes,
            egress_requests: limits.egress_requests,
            egress_bytes: limits.egress_bytes,
            ..Limits::default()
        }
    }

    /// The budgets of the process, with this machine's part where none is configured.
    pub(crate) fn process(&self) -> ProcessLimits {
        let process = &self.process;
        let machine = ProcessLimits::default();
        ProcessLimits {
            guest_memory_bytes: process
                .guest_memory_bytes
                .unwrap_or(machine.guest_memory_bytes),
            host_buffer_bytes: process
                .host_buffer_bytes
                .unwrap_or(machine.host_buffer_bytes),
            scratch_bytes: process.scratch_bytes.unwrap_or(machine.scratch_bytes),
            runs: process.runs,
            queue: process.queue,
            wait: Duration::from_millis(process.wait_ms),
        }
    }

    /// Connections of one address, with the default where none is configured.
    pub(crate) fn connections_per_address(&self) -> usize {
        let half = self.connections.div_ceil(2);
        self.connections_per_address.unwrap_or(half)
    }

    /// Runs of an org under way at once, with the default where none is configured; 0 is no limit.
    pub(crate) fn org_runs(&self) -> u32 {
        let half = self.process.runs.div_ceil(2);
        self.rate.org_runs.unwrap_or(half)
    }

    /// How long the store keeps things.
    pub(crate) fn retention(&self) -> tollgate_store::Retention {
        let retention = &self.retention;
        tollgate_store::Retention {
            outputs: Duration::from_secs(retention.output_s),
            logs: Duration::from_secs(retention.logs_s),
            runs: Duration::from_secs(retention.runs_s),
            answers: Duration::from_secs(retention.idempotency_s),
            queued: Duration::from_secs(retention.queued_s),
        }
    }

    /// The key that the operator chose.
    pub(crate) fn operator_key(&self) -> anyhow::Result<Option<KeyText>> {
        let Some(chosen) = &self.operator_key else {
            return Ok(None);
        };
        let key = KeyText::parse(chosen.expose_secret());
        let key = key.context(
            "operator_key: a key is `tg_` and 29 to 125 letters and digits, or one made here whole",
        );
        key.map(Some)
    }

    /// The configuration that holds, as a file would say it, secrets as `***`.
    pub(crate) fn printed(&self) -> String {
        let process = self.process();
        let effective = Self {
            connections_per_address: Some(self.connections_per_address()),
            process: ProcessSection {
                guest_memory_bytes: Some(process.guest_memory_bytes),
                host_buffer_bytes: Some(process.host_buffer_bytes),
                scratch_bytes: Some(process.scratch_bytes),
                ..self.process.clone()
            },
            rate: RateSection {
                org_runs: Some(self.org_runs()),
                ..self.rate.clone()
            },
            ..self.clone()
        };
        // Every number was bounded when it was read: TOML has a place for each.
        toml::to_string(&effective).unwrap_or_else(|error| format!("# {error}\n"))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: None,
            data: PathBuf::from("./tollgate-data"),
            operator_key: None,
            master_key: None,
            connections: 16_384,
            connections_per_address: None,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            drain_ms: 32_000,
            body_bytes: 512 * MIB,
            async_runs: 64,
            fee_basis_points: 0,
            validations: 2,
            tool_cache_bytes: 1024 * MIB,
            compiled_bytes: 10 * 1024 * MIB,
            hardening: true,
            limits: RunSection::default(),
            process: ProcessSection::default(),
            rate: RateSection::default(),
            quota: QuotaSection::default(),
            egress: egress::EgressSection::default(),
            retention: Retention::default(),
            log: Log::default(),
        }
    }
}

impl Default for RunSection {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            memory_bytes: 128 * MIB,
            input_bytes: MIB,
            output_bytes: MIB,
            scratch_bytes: 64 * MIB,
            egress_requests: 64,
            egress_bytes: 10 * MIB,
        }
    }
}

impl Default for ProcessSection {
    fn default() -> Self {
        Self {
            guest_memory_bytes: None,
            host_buffer_bytes: None,
            scratch_bytes: None,
            runs: 1000,
            queue: 1024,
            wait_ms: 5000,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            output_s: DAY,
            logs_s: 7 * DAY,
            runs_s: 90 * DAY,
            idempotency_s: DAY,
            queued_s: 60 * 60,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
