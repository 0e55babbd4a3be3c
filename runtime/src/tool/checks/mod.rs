//! The checks that protect the host, in their order, one file each. [`admit`] runs them; the gate runs the same
//! list and adds what protects buyers and sellers.

mod describe;
mod exports;
mod facts;
mod features;
mod format;
mod imports;
mod kind;
mod limits;
mod manifest;
mod nesting;
mod size;

use crate::limits::{Limits, StaticLimits};
use crate::tool::interface::Interface;
use crate::tool::manifest::Manifest;
use crate::tool::survey::{Counts, Survey};
use crate::violation::Violation;
pub(crate) use facts::{Facts, Verdict, read};
pub use kind::Kind;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// The codes of all violations and notes of the checks.
pub const CODES: &[&str] = &[
    "component_passed",
    "entries_too_many",
    "export_collision",
    "feature_unsupported",
    "file_empty",
    "file_too_large",
    "format_malformed",
    "format_unknown",
    "function_unknown",
    "functions_too_many",
    imports::NOTE_CODE,
    "import_unknown",
    "instances_too_many",
    "kind_unknown",
    "manifest_duplicate",
    "manifest_invalid",
    "memories_too_many",
    "memory_too_large",
    "name_too_long",
    "nested_too_many",
    "schema_invalid",
    "table_too_large",
    "tables_too_many",
    "type_unsupported",
    "types_too_many",
];

/// What the checks judge by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rules {
    /// The limits of a run: no tool may start above them.
    pub limits: Limits,
    /// What a tool may declare.
    pub fixed: StaticLimits,
    /// Interfaces beyond WASI that this host offers, as `package:name/interface@version`.
    pub host_interfaces: Vec<String>,
}

impl Rules {
    /// Hashes what a tool is admitted by. The other limits are a run's, and hold whatever was admitted.
    pub(crate) fn hash_judged(&self, hasher: &mut impl Hasher) {
        let Self {
            limits,
            fixed,
            host_interfaces,
        } = self;
        limits.memory_bytes.hash(hasher);
        fixed.hash(hasher);
        host_interfaces.hash(hasher);
    }
}

/// A file that passed every check, as far as it can be judged without compiling it.
#[derive(Debug, Clone)]
pub struct Admissible {
    /// Typed component or command.
    pub kind: Kind,
    /// Its functions with their types.
    pub interface: Interface,
    /// What it says of itself, where the file carries a manifest.
    pub manifest: Option<Manifest>,
    /// Whether it can see files, and so needs a `/scratch`.
    pub uses_files: bool,
    /// The instances, memories and tables of one run.
    pub counts: Counts,
    /// Bytes that the engine keeps for the names in the file, about.
    pub name_bytes: u64,
    /// What the gate admits but a reader should know.
    pub notes: Vec<Violation>,
}

impl Admissible {
    /// Bytes that what the seller wrote takes in memory, about, beside its code. Its text can stand for seventy times its
    /// length.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let manifest = self.manifest.as_ref().map_or(0, Manifest::memory_bytes);
        manifest + self.interface.memory_bytes() + self.name_bytes
    }
}

/// Checks a file's size. Call it before the file is given to a child.
pub(crate) fn sized(bytes: &[u8]) -> Result<(), Vec<Violation>> {
    size::check(bytes)
}

/// Reads a file's structure, which is what can be said of an upload while its sender waits: it is WebAssembly of a
/// size that is taken, or why not.
pub fn readable(bytes: &[u8]) -> Result<Survey<'_>, Vec<Violation>> {
    size::check(bytes)?;
    format::check(bytes)
}

/// Judges a file, with every violation at once. Where the bytes cannot be read as WebAssembly at all there is
/// nothing else to judge and only that is reported.
pub fn admit(bytes: &[u8], rules: &Rules) -> Result<Admissible, Vec<Violation>> {
    let survey = readable(bytes)?;
    let mut violations = nesting::check(&survey, &rules.fixed);
    violations.extend(limits::check(&survey, rules));
    // What is too much of something is not validated: that is where its cost would be.
    let types = match violations.is_empty() {
        true => keep(&mut violations, features::check(&survey)),
        false => None,
    };
    let kind = keep(&mut violations, kind::check(&survey));
    violations.extend(imports::check(&survey, types.as_ref(), rules));
    let manifest = keep(&mut violations, manifest::check(&survey));
    let interface = match (&types, kind, &manifest) {
        (Some(types), Some(kind), Some(manifest)) => keep(
            &mut violations,
            exports::check(&survey, types, kind, manifest),
        ),
        _ => None,
    };
    match (kind, interface, manifest) {
        (Some(kind), Some(interface), Some(manifest)) if violations.is_empty() => {
            let (counts, notes, uses_files) = (
                survey.counts,
                imports::notes(&survey, manifest.as_ref()),
                imports::uses_files(&survey) || interface.has_files(),
            );
            Ok(Admissible {
                kind,
                interface,
                manifest,
                uses_files,
                counts,
                name_bytes: survey.name_bytes,
                notes,
            })
        }
        _ => Err(violations),
    }
}

fn keep<T>(violations: &mut Vec<Violation>, result: Result<T, Vec<Violation>>) -> Option<T> {
    result.map_err(|found| violations.extend(found)).ok()
}
