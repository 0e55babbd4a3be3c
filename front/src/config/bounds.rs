//! What each value may be.

use super::{Config, KIB, MIB, log_level};
use anyhow::{bail, ensure};
use secrecy::ExposeSecret;
use std::fmt::Display;

/// The longest time that is kept or waited for, in seconds: ten years.
const SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;
/// An hour, in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;
/// No server answers more in a second.
const REQUESTS_MAX: u32 = 1_000_000;
/// No org makes more.
const ROWS_MAX: u64 = 1_000_000_000;
/// No machine has more.
const BYTES_MAX: u64 = 1 << 50;

impl Config {
    /// Refuses the first value that is out of its bounds, by its key.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.check_edge()?;
        self.check_limits()?;
        self.check_rate()?;
        self.check_quota()?;
        self.check_retention()?;
        self.egress.network()?;
        self.check_text()
    }

    fn check_edge(&self) -> anyhow::Result<()> {
        within("connections", self.connections, 1, 1_000_000)?;
        let of_address = self.connections_per_address();
        within("connections_per_address", of_address, 1, 1_000_000)?;
        within("header_timeout_ms", self.header_timeout_ms, 1, HOUR_MS)?;
        within("body_timeout_ms", self.body_timeout_ms, 1, HOUR_MS)?;
        within("drain_ms", self.drain_ms, 0, HOUR_MS)?;
        within("body_bytes", self.body_bytes, 32 * 1024 * 1024, 1 << 40)?;
        within("async_runs", self.async_runs, 1, 100_000)?;
        within("fee_basis_points", self.fee_basis_points, 0, 10_000)?;
        within("validations", self.validations, 1, 1000)?;
        within("tool_cache_bytes", self.tool_cache_bytes, 0, BYTES_MAX)?;
        within("compiled_bytes", self.compiled_bytes, 0, BYTES_MAX)?;
        ensure!(
            self.admin_listen != Some(self.listen) || self.listen.port() == 0,
            "admin_listen: {} is where the API listens",
            self.listen
        );
        Ok(())
    }

    fn check_limits(&self) -> anyhow::Result<()> {
        let limits = &self.limits;
        within("limits.timeout_ms", limits.timeout_ms, 1, 30_000)?;
        // A page is the least a memory can have; 4 GiB is the most of a 32-bit one.
        let memory_max = 4096 * MIB;
        within(
            "limits.memory_bytes",
            limits.memory_bytes,
            64 * KIB,
            memory_max,
        )?;
        within("limits.input_bytes", limits.input_bytes, 1, 8 * MIB)?;
        within("limits.output_bytes", limits.output_bytes, 1, 8 * MIB)?;
        within("limits.scratch_bytes", limits.scratch_bytes, 0, BYTES_MAX)?;
        within("limits.egress_requests", limits.egress_requests, 0, 1000)?;
        within("limits.egress_bytes", limits.egress_bytes, 0, BYTES_MAX)?;
        let process = self.process();
        let memory = process.guest_memory_bytes;
        within("process.guest_memory_bytes", memory, 64 * KIB, BYTES_MAX)?;
        let buffers = process.host_buffer_bytes;
        within("process.host_buffer_bytes", buffers, 64 * KIB, BYTES_MAX)?;
        within("process.scratch_bytes", process.scratch_bytes, 0, BYTES_MAX)?;
        within("process.runs", process.runs, 1, 100_000)?;
        within("process.queue", process.queue, 0, 100_000)?;
        within("process.wait_ms", self.process.wait_ms, 0, HOUR_MS)
    }

    fn check_rate(&self) -> anyhow::Result<()> {
        let rate = &self.rate;
        for (key, requests) in [
            ("rate.key_per_s", rate.key_per_s),
            ("rate.org_per_s", rate.org_per_s),
            ("rate.failed_per_minute", rate.failed_per_minute),
        ] {
            within(key, requests, 0, REQUESTS_MAX)?;
        }
        within("rate.key_burst", rate.key_burst, 1, REQUESTS_MAX)?;
        within("rate.org_burst", rate.org_burst, 1, REQUESTS_MAX)?;
        within("rate.org_runs", self.org_runs(), 0, 100_000)
    }

    fn check_quota(&self) -> anyhow::Result<()> {
        let quota = &self.quota;
        for (key, rows) in [
            ("quota.org_artifacts", quota.org_artifacts),
            ("quota.org_projects", quota.org_projects),
            ("quota.org_keys", quota.org_keys),
            ("quota.org_sessions", quota.org_sessions),
            ("quota.org_subscriptions", quota.org_subscriptions),
            ("quota.org_budgets", quota.org_budgets),
            ("quota.org_entries", quota.org_entries),
            ("quota.artifact_releases", quota.artifact_releases),
        ] {
            within(key, rows, 0, ROWS_MAX)?;
        }
        for (key, bytes) in [
            ("quota.org_stored_bytes", quota.org_stored_bytes),
            ("quota.org_kept_bytes", quota.org_kept_bytes),
        ] {
            within(key, bytes, 0, BYTES_MAX)?;
        }
        Ok(())
    }

    fn check_retention(&self) -> anyhow::Result<()> {
        let retention = &self.retention;
        for (key, seconds) in [
            ("retention.output_s", retention.output_s),
            ("retention.logs_s", retention.logs_s),
            ("retention.runs_s", retention.runs_s),
            ("retention.idempotency_s", retention.idempotency_s),
            ("retention.queued_s", retention.queued_s),
        ] {
            within(key, seconds, 1, SECONDS_MAX)?;
        }
        Ok(())
    }

    fn check_text(&self) -> anyhow::Result<()> {
        if self.data.as_os_str().is_empty() {
            bail!("data: a folder is needed");
        }
        // What is said of a secret does not repeat it.
        if let Some(key) = &self.operator_key {
            let key = key.expose_secret();
            ensure!(
                key.starts_with("tg_") && key.bytes().all(|it| it.is_ascii_graphic()),
                "operator_key: a key is `tg_` and visible ASCII characters"
            );
        }
        if let Some(key) = &self.master_key {
            let key = key.expose_secret();
            ensure!(
                key.len() == 64 && key.bytes().all(|it| it.is_ascii_hexdigit()),
                "master_key: 64 hexadecimal digits are needed"
            );
        }
        if log_level::lines(&self.log.level).is_none() {
            bail!(
                "log.level: {:?} is neither a level (error, warn, info, debug, trace, off) nor several such as `info,tollgate=debug`",
                self.log.level
            );
        }
        Ok(())
    }
}

fn within<T: PartialOrd + Display>(key: &str, value: T, least: T, most: T) -> anyhow::Result<()> {
    ensure!(
        least <= value && value <= most,
        "{key}: {value} is not from {least} to {most}"
    );
    Ok(())
}
