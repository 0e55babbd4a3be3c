//! Starts a child, feeds it, waits for it, and tells how it ended.

use super::end::failure;
use super::request::{Request, Task};
use super::watchdog::Watchdog;
use super::{CompileChild, CompileFailure, Order, native_code};
use crate::tool::artifacts::engine_identity;
use rustix::process::getpid;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use wasmtime::Engine;

/// Stack of each thread of a child: functions nest as deep as their writer likes.
const STACK_BYTES: usize = 16 << 20;
/// Threads of a child. Each has its stack and its arena, out of the child's address space.
const THREADS_MAX: usize = 4;
/// The most bytes of a child's words that are read.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// Compiles within this process. A compiler that panics has crashed.
pub(super) fn in_process(engine: &Engine, order: &Order) -> Result<File, CompileFailure> {
    let compiling = || native_code(engine, order.kind, &order.wasm);
    let code = catch_unwind(AssertUnwindSafe(compiling))
        .map_err(|_| CompileFailure::Crashed)?
        .map_err(|error| CompileFailure::Refused(format!("{error:#}")))?;
    let mut file = output().map_err(could_not)?;
    file.write_all(&code).map_err(could_not)?;
    Ok(file)
}

/// A child's answer, in an unnamed file.
pub(super) fn in_child(
    by: &CompileChild,
    engine: &Engine,
    task: Task,
    wasm: &[u8],
) -> Result<File, CompileFailure> {
    let file = output().map_err(could_not)?;
    let mut child = start(by, &file).map_err(could_not)?;
    let watchdog = match Watchdog::over(&child, by.limits.time) {
        Ok(watchdog) => watchdog,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(could_not(error));
        }
    };
    let request = Request {
        task,
        wasm_bytes: wasm.len() as u64,
        limits: by.limits.clone(),
        engine: engine_identity(engine),
        parent: getpid().as_raw_pid(),
    };
    let ended = converse(&mut child, &request, wasm);
    let is_overdue = watchdog.end();
    let (status, said) = ended.map_err(could_not)?;
    if let Some(failure) = failure(status, is_overdue, &said, &by.limits) {
        return Err(failure);
    }
    match file.metadata().map_err(could_not)?.len() {
        0 => Err(CompileFailure::CouldNotRun(
            "it ended well, without any answer".to_owned(),
        )),
        _ => Ok(file),
    }
}

fn could_not(error: io::Error) -> CompileFailure {
    CompileFailure::CouldNotRun(error.to_string())
}

/// A file without a name, in memory: it is there where no folder is, and goes with its last user.
fn output() -> io::Result<File> {
    let file = rustix::fs::memfd_create("tollgate-answer", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(file))
}

/// A child has an empty environment but for what sizes it, no folder of anybody's, and is not reached by a Ctrl-C
/// that is meant for us.
fn start(by: &CompileChild, output: &File) -> io::Result<Child> {
    let cores = std::thread::available_parallelism().map_or(1, |it| it.get());
    let threads = cores.min(THREADS_MAX).to_string();
    Command::new(&by.program)
        .args(&by.arguments)
        .env_clear()
        .env("RUST_MIN_STACK", STACK_BYTES.to_string())
        .env("RAYON_NUM_THREADS", &threads)
        .env("MALLOC_ARENA_MAX", &threads)
        // The program's allocator would reserve more at its start than a child may have, and give back what is asked
        // for again a moment later. Huge pages are cleared whole where a part is used: a second for a large tool.
        .env("MIMALLOC_ARENA_RESERVE", "32MiB")
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .env("MIMALLOC_ALLOW_THP", "0")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(OwnedFd::from(output.try_clone()?)))
        .stderr(Stdio::piped())
        .spawn()
}

fn converse(child: &mut Child, request: &Request, wasm: &[u8]) -> io::Result<(ExitStatus, String)> {
    if let Some(mut input) = child.stdin.take() {
        // A child that ends before it has read everything says more by its end than by this error.
        let _ = request
            .write(&mut input)
            .and_then(|()| input.write_all(wasm));
    }
    let mut said = Vec::new();
    if let Some(words) = child.stderr.take() {
        let _ = words.take(SAID_BYTES_MAX).read_to_end(&mut said);
    }
    let status = child.wait()?;
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}
