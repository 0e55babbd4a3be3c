//! The compile child: limits first, then the tool's bytes, then a verdict, code or a reason, then its end.

use super::end::ChildEnd;
use super::request::{CompileLimits, Request, Task};
use super::{confine, native_code};
use crate::engine::compiling_engine;
use crate::tool::artifacts::engine_identity;
use crate::tool::checks::{Kind, Rules, Verdict, admit};
use rustix::process::Signal;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::process::{self, ExitCode};
use wasmtime::Engine;

/// What a compiler that still had memory could have: more than it, or its allocator, asks for at once.
const SOME_BYTES: usize = 64 << 20;
/// The most bytes of the engine's words.
const SAID_BYTES_MAX: usize = 4096;

/// Judges or compiles one tool: its order and bytes from standard input, the verdict or native code to standard
/// output. To be called by the program of a [`CompileChild`](super::CompileChild) before it does anything else, such as
/// starting threads; its result is the program's own.
pub fn compile_child() -> ExitCode {
    let (end, said) = match work() {
        Ok(()) => (ChildEnd::Done, String::new()),
        Err(ended) => ended,
    };
    let said = &said[..said.floor_char_boundary(SAID_BYTES_MAX)];
    // A parent that does not listen has its exit code.
    let _ = io::stderr().write_all(said.as_bytes());
    ExitCode::from(end as u8)
}

/// Confines this process as a compile child is while it looks at a tool: for programs that try what is left to it.
#[doc(hidden)]
pub fn confine_as_compile_child() -> io::Result<()> {
    confine::close_inherited();
    let limits = CompileLimits::default();
    confine::limit(&limits, limits.cpu, limits.code_bytes)?;
    confine::become_unprivileged();
    confine::give_up()
}

type Ended = (ChildEnd, String);

fn work() -> Result<(), Ended> {
    confine::close_inherited();
    let request = Request::read(io::stdin()).map_err(unable("the order was not read"))?;
    confine::limit(&request.limits, request.cpu(), request.answer_bytes())
        .map_err(unable("its limits were not set"))?;
    confine::become_unprivileged();
    end_with(request.parent).map_err(unable("it is an orphan"))?;
    let wasm = wasm(request.wasm_bytes).map_err(unable("the tool was not read"))?;
    let engine = compiling_engine().map_err(unable("the engine did not start"))?;
    if engine_identity(&engine) != request.engine {
        let said = "its engine is another; the program was replaced while it ran";
        return Err((ChildEnd::Unable, said.to_owned()));
    }
    end_where_memory_is_over();
    // From here on the tool's bytes are looked at.
    confine::give_up().map_err(unable("it could not be confined"))?;
    let working = || match request.task {
        Task::Judge(rules) => judge(&rules, &wasm),
        Task::Compile(kind) => compile(&engine, kind, &wasm),
    };
    let answer = catch_unwind(AssertUnwindSafe(working))
        .map_err(|_| (ChildEnd::Panicked, String::new()))??;
    let mut output = io::stdout().lock();
    output
        .write_all(&answer)
        .and_then(|()| output.flush())
        .map_err(unable("the answer was not written"))
}

fn judge(rules: &Rules, wasm: &[u8]) -> Result<Vec<u8>, Ended> {
    let verdict = Verdict::of(&admit(wasm, rules));
    serde_json::to_vec(&verdict).map_err(unable("the verdict was not written"))
}

fn compile(engine: &Engine, kind: Kind, wasm: &[u8]) -> Result<Vec<u8>, Ended> {
    // The compiler would start its threads later and panic if it cannot, which would be reported as the tool's fault. Threads
    // inherit the confinement of this one.
    rayon::ThreadPoolBuilder::new()
        .build_global()
        .map_err(unable("its threads did not start"))?;
    native_code(engine, kind, wasm).map_err(|error| match is_out_of_memory(&error) {
        true => (ChildEnd::OutOfMemory, String::new()),
        false => (ChildEnd::Refused, format!("{error:#}")),
    })
}

fn unable<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Ended {
    move |error| (ChildEnd::Unable, format!("{what}: {error}"))
}

/// Sees to it that this process ends when its parent does.
fn end_with(parent: i32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    match rustix::process::getppid() {
        Some(it) if it.as_raw_pid() == parent => Ok(()),
        _ => Err(io::Error::other("its parent has ended")),
    }
}

/// The compiler's parts that cannot hand on that there is no memory panic instead: that is told from a fault of theirs
/// by whether there is some, asked before anything is given back.
fn end_where_memory_is_over() {
    let as_before = panic::take_hook();
    panic::set_hook(Box::new(move |fault| {
        if Vec::<u8>::new().try_reserve_exact(SOME_BYTES).is_err() {
            process::exit(ChildEnd::OutOfMemory as i32);
        }
        as_before(fault);
    }));
}

fn wasm(bytes: u64) -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    io::stdin().lock().take(bytes).read_to_end(&mut wasm)?;
    match wasm.len() as u64 == bytes {
        true => Ok(wasm),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let is_so = |error: &io::Error| error.kind() == io::ErrorKind::OutOfMemory;
    error.is::<wasmtime::OutOfMemory>() || error.downcast_ref::<io::Error>().is_some_and(is_so)
}
