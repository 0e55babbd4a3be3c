//! The host's side of one run: what was granted, and the state behind the doors.

use crate::clock::{MonotonicClock, WallClock};
use crate::egress::{Egress, EgressGrant, EgressUsage, FIELDS_BYTES_MAX};
use crate::logs::{LogStream, Logs};
use crate::random;
use crate::scratch::Scratch;
use crate::stdio::{Input, Output, Sink};
use bytes::Bytes;
use std::path::Path;
use std::time::Instant;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What one run is granted. Everything else is refused.
pub struct Grants {
    /// Arguments after the program's name.
    pub arguments: Vec<String>,
    /// Environment variables; secrets only as placeholders.
    pub environment: Vec<(String, String)>,
    /// Standard input.
    pub input: Bytes,
    /// Where standard output is kept; `None` sends it to the log.
    pub output: Option<Output>,
    /// Where standard error goes.
    pub logs: Logs,
    /// The folder `/scratch`; `None` grants no files at all.
    pub scratch: Option<Scratch>,
    /// Where requests may go; `None` refuses them all.
    pub egress: Option<EgressGrant>,
    /// The most handles of host resources (streams, files, pollables, requests) open at once.
    pub handles_max: usize,
}

/// The host's state for one run.
pub struct Host {
    /// Dropped before the guest's bodies, which are in the first table.
    pub(crate) egress: Egress,
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) scratch: Option<Scratch>,
    pub(crate) directory_streams: usize,
}

impl Host {
    /// Opens the doors that `grants` names.
    pub fn new(grants: Grants) -> Self {
        let mut builder = WasiCtxBuilder::new();
        let stdout = match grants.output {
            Some(output) => Sink::Output(output),
            None => Sink::Log(grants.logs.clone(), LogStream::Stdout),
        };
        builder
            .arg("tool")
            .args(&grants.arguments)
            .envs(&grants.environment)
            .stdin(Input::new(grants.input))
            .stdout(stdout)
            .stderr(Sink::Log(grants.logs, LogStream::Stderr))
            .wall_clock(WallClock)
            .monotonic_clock(MonotonicClock::new())
            .secure_random(random::generator())
            .max_random_size(random::BYTES_PER_CALL_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        if grants.scratch.is_some() {
            builder.initial_cwd("/scratch");
        }
        let mut wasi = builder.build_p1();
        wasi.ctx().table.set_max_capacity(grants.handles_max);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        Self {
            wasi,
            http,
            egress: Egress::new(grants.egress),
            scratch: grants.scratch,
            directory_streams: 0,
        }
    }

    /// Makes the folder `/scratch` and shows it to the guest, if it was granted: where it is on the host. A component
    /// that asks for its folders opens it by itself.
    pub fn open_scratch(&mut self) -> std::io::Result<Option<&Path>> {
        let Some(scratch) = &mut self.scratch else {
            return Ok(None);
        };
        if scratch.path().is_none() {
            let mut folders = WasiCtxBuilder::new();
            // Programs name files absolutely or from where they stand: both are the same folder.
            for name in ["/scratch", "."] {
                folders
                    .preopened_dir(scratch.make()?, name, FsPerms::ReadWrite)
                    .map_err(std::io::Error::other)?;
            }
            std::mem::swap(
                self.wasi.ctx().ctx.filesystem(),
                folders.build().filesystem(),
            );
        }
        Ok(scratch.path())
    }

    /// No outgoing request lasts beyond the run's deadline.
    pub fn end_at(&mut self, deadline: Instant) {
        self.egress.end_at(deadline);
    }

    /// What the guest has used of the network.
    pub fn egress_usage(&self) -> EgressUsage {
        self.egress.usage()
    }

    /// Where `/scratch` is on the host, if it was opened.
    pub fn scratch_path(&self) -> Option<&Path> {
        self.scratch.as_ref().and_then(Scratch::path)
    }

    /// Bytes the guest wrote to `/scratch`.
    pub fn scratch_bytes_written(&self) -> u64 {
        self.scratch
            .as_ref()
            .map_or(0, |scratch| scratch.quota().bytes_written())
    }
}

/// What a store holds: the host's side and whatever the runtime keeps beside it.
pub struct Guest<R> {
    /// The state behind the doors.
    pub host: Host,
    /// The runtime's own.
    pub run: R,
}

impl<R: Send> WasiView for Guest<R> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host.wasi.ctx()
    }
}

impl<R: Send> WasiHttpView for Guest<R> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Host {
            wasi, http, egress, ..
        } = &mut self.host;
        WasiHttpCtxView {
            hooks: egress,
            table: wasi.ctx().table,
            ctx: http,
        }
    }
}
