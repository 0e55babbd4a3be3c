//! Drops the privileges that serving does not need, to limit what a bug in the server or a library can reach. This happens
//! while the process has one thread, because later threads inherit it.

mod calls;
mod environment;
mod files;

pub(crate) use environment::forget_secrets;

use crate::config::Config;
use anyhow::Context;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use std::fmt;

/// Which protections are active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hardening {
    /// The program was started by root.
    pub(crate) is_root: bool,
    confined: Option<Confined>,
}

/// Protections that the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Confined {
    files: files::Enforced,
}

/// Drops the privileges that serving does not need.
pub(crate) fn harden(config: &Config, is_demo: bool) -> anyhow::Result<Hardening> {
    rustix::thread::set_no_new_privs(true).context("cannot give up new privileges")?;
    // No other program of the same user can read its memory, and no dump of it lies on a disk.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot keep its memory to itself")?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none).context("cannot turn off core dumps")?;
    let confined = match config.hardening {
        true => Some(Confined {
            files: files::keep_to(config, is_demo)
                .context("cannot confine itself to its folders")?,
        }),
        false => None,
    };
    if config.hardening {
        calls::give_up().context("cannot give up calls of the kernel")?;
    }
    Ok(Hardening {
        is_root: rustix::process::geteuid().is_root(),
        confined,
    })
}

impl fmt::Display for Hardening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no new privileges, no core dumps, memory of its own")?;
        match &self.confined {
            Some(Confined { files }) => {
                write!(f, ", files and ports: {files}, system calls: filtered")
            }
            None => {
                f.write_str(", files, ports and system calls: not confined (`hardening = false`)")
            }
        }
    }
}
