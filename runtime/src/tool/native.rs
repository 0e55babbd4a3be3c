//! The one place where native code is taken from a file.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// A file that begins with code of this program's own compiler. A path by its descriptor leads to the same file, whatever
/// has its name by now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NativeCode<'f>(&'f File);

impl<'f> NativeCode<'f> {
    /// # Safety
    ///
    /// This program's compiler wrote the file, which the caller knows because it has just been written or because its
    /// keyed hash was checked. Nobody writes to the file any more.
    pub(crate) unsafe fn trusted(file: &'f File) -> Self {
        Self(file)
    }

    /// Loads a component. The engine refuses code of other engines.
    pub(crate) fn component(self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the code is trusted.
        unsafe { Component::deserialize_file(engine, self.path()) }.or_else(|error| {
            let bytes = self.whole().ok_or(error)?;
            // SAFETY: the code is trusted.
            unsafe { Component::deserialize(engine, bytes) }
        })
    }

    /// Loads a module. The engine refuses code of other engines.
    pub(crate) fn module(self, engine: &Engine) -> wasmtime::Result<Module> {
        // SAFETY: the code is trusted.
        unsafe { Module::deserialize_file(engine, self.path()) }.or_else(|error| {
            let bytes = self.whole().ok_or(error)?;
            // SAFETY: the code is trusted.
            unsafe { Module::deserialize(engine, bytes) }
        })
    }

    fn path(self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// The file's bytes, for a file system mounted `noexec`, whose files cannot be mapped as code.
    fn whole(self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.0.metadata().ok()?.len()).ok()?;
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        Some(bytes)
    }
}
