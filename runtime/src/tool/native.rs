//! The one place where native code is taken from a file.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// A component's code: what a compiler of ours wrote, in a file that starts with it and is never written to again.
pub(crate) fn component(engine: &Engine, code: &File) -> wasmtime::Result<Component> {
    // SAFETY: the caller has the file from a compiler of ours, just now or under its keyed hash; the engine refuses
    // code of other engines. By this path it is the file that was looked at, whatever has its name by now.
    unsafe { Component::deserialize_file(engine, path(code)) }.or_else(|error| {
        let bytes = whole(code).ok_or(error)?;
        // SAFETY: as above.
        unsafe { Component::deserialize(engine, bytes) }
    })
}

/// A module's code, likewise.
pub(crate) fn module(engine: &Engine, code: &File) -> wasmtime::Result<Module> {
    // SAFETY: as for a component.
    unsafe { Module::deserialize_file(engine, path(code)) }.or_else(|error| {
        let bytes = whole(code).ok_or(error)?;
        // SAFETY: as for a component.
        unsafe { Module::deserialize(engine, bytes) }
    })
}

fn path(code: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", code.as_raw_fd()))
}

/// The file's bytes, for where it cannot be mapped as code: a file system mounted `noexec`.
fn whole(code: &File) -> Option<Vec<u8>> {
    let length = usize::try_from(code.metadata().ok()?.len()).ok()?;
    let mut bytes = vec![0; length];
    code.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}
