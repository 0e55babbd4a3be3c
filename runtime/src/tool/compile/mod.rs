//! From a tool's bytes to a verdict and to native code: in this process, or in a child that has limits of its own.
//!
//! What a file costs to judge or to compile cannot be told by looking at it: 136 KiB can take half a minute, a component of
//! 1.2 KiB more than 2 GiB, while honest interpreters have tens of thousands of functions. A child takes the cost
//! with it.

mod child;
mod confine;
mod end;
mod host;
mod request;
mod verdict;
mod watchdog;

pub use child::{compile_child, confine_as_compile_child};
pub(crate) use end::CompileFailure;
pub use request::CompileLimits;
use request::Task;

use crate::tool::checks::{Admissible, Kind, Rules, admit};
use crate::violation::Violation;
use bytes::Bytes;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use wasmtime::Engine;

/// The place where tools are judged and compiled.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process, which has to bear what it costs.
    #[default]
    InProcess,
    /// In child processes with limits, one to judge a tool and one to compile it.
    Child(CompileChild),
}

/// A program that calls [`compile_child`] first of all, and nothing else.
#[derive(Debug, Clone)]
pub struct CompileChild {
    /// The program; usually the embedder's own.
    pub program: PathBuf,
    /// What makes it call [`compile_child`].
    pub arguments: Vec<OsString>,
    /// The limits of one child.
    pub limits: CompileLimits,
}

/// One compilation.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) wasm: Bytes,
}

impl Compiler {
    /// Judges a file by the checks that protect the host. Call it on a thread that stays alive.
    pub(crate) fn judge(
        &self,
        engine: &Engine,
        rules: &Rules,
        wasm: &[u8],
    ) -> Result<Admissible, Vec<Violation>> {
        match self {
            Compiler::InProcess => admit(wasm, rules),
            Compiler::Child(child) => verdict::of_child(child, engine, rules, wasm),
        }
    }

    /// Compiles a tool to native code, in an unnamed file. Call it on a thread that stays alive: a child ends with the
    /// thread that started it.
    pub(crate) fn compile(&self, engine: &Engine, order: &Order) -> Result<File, CompileFailure> {
        match self {
            Compiler::InProcess => host::in_process(engine, order),
            Compiler::Child(child) => {
                host::in_child(child, engine, Task::Compile(order.kind), &order.wasm)
            }
        }
    }
}

/// The engine's word for it decides how a file is compiled.
fn native_code(engine: &Engine, kind: Kind, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    match kind {
        Kind::Typed | Kind::Command => engine.precompile_component(wasm),
        Kind::Preview1Command => engine.precompile_module(wasm),
    }
}
