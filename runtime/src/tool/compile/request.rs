//! What a compile child is told: a length, this as JSON, then the tool's bytes.

use crate::tool::checks::{Kind, Rules};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::time::Duration;

/// The limits of one child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Bytes of address space. 2 GiB: an 18 MB Python tool takes less than half of it.
    pub address_space_bytes: u64,
    /// Processor time, in whole seconds. 60 s: the same tool takes some ten.
    pub cpu: Duration,
    /// Processor time of the checks, in whole seconds. 10 s: that tool takes less than one.
    pub checks_cpu: Duration,
    /// From start to end, after which the child is killed. 120 s: it uses less than its processor time or hangs. What
    /// it waits for a busy machine is not counted, up to nine times as much.
    pub time: Duration,
    /// Bytes of native code. 256 MiB: it is about twice the tool, which has at most 20 MiB.
    pub code_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            address_space_bytes: 2 << 30,
            cpu: Duration::from_secs(60),
            checks_cpu: Duration::from_secs(10),
            time: Duration::from_secs(120),
            code_bytes: 256 << 20,
        }
    }
}

/// The most bytes of a verdict, which the host reads: types have at most some MiB of names.
pub(super) const VERDICT_BYTES_MAX: u64 = 32 << 20;

/// The task of a child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Runs the checks that protect the host. The answer is a [`Verdict`](crate::tool::checks::Verdict).
    Judge(Rules),
    /// Compiles it. The answer is its native code.
    Compile(Kind),
}

/// The order of one child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) task: Task,
    pub(super) wasm_bytes: u64,
    pub(super) limits: CompileLimits,
    /// Whose code it must be: [`engine_identity`](crate::tool::artifacts::engine_identity).
    pub(super) engine: [u8; 32],
    /// Who asks. A child whose parent is another by then is an orphan.
    pub(super) parent: i32,
}

impl Request {
    /// The processor time that it may take.
    pub(super) fn cpu(&self) -> Duration {
        match self.task {
            Task::Judge(_) => self.limits.checks_cpu,
            Task::Compile(_) => self.limits.cpu,
        }
    }

    /// The most bytes of its answer.
    pub(super) fn answer_bytes(&self) -> u64 {
        match self.task {
            Task::Judge(_) => self.limits.code_bytes.min(VERDICT_BYTES_MAX),
            Task::Compile(_) => self.limits.code_bytes,
        }
    }
}

/// The most bytes of a request.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

impl Request {
    pub(super) fn write(&self, mut to: impl Write) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        to.write_all(&(text.len() as u64).to_le_bytes())?;
        to.write_all(&text)
    }

    pub(super) fn read(mut from: impl Read) -> io::Result<Self> {
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = Vec::new();
        from.take(length).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}
