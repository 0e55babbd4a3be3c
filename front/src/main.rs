//! The program `tollgate`: its command line and its server.

mod about;
mod certificates;
mod commands;
mod compiled;
mod config;
mod exit;
mod failure_help;
mod filled_in;
mod hardening;
mod options;
mod outline;
mod problem;
mod report;
mod server;
mod terminal;
mod terms;

use anyhow::Context;
use clap::Parser;
use mimalloc::MiMalloc;
use options::{Command, Options, ServeOptions};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;

/// What one thread of the server allocates another frees, for which the C library's threads take each other's locks: a
/// paid run costs a fifth less CPU with this one (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long what was cancelled may take to go.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a thread for blocking work waits for more: idle ones soon give their memory back.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // A usage error exits 2 and help 0, which is what clap does by itself.
    let options = Options::parse();
    if let Command::CompileTool = options.command {
        // Before there are any threads: they would not have its limits.
        return tollgate_runtime::compile_child();
    }
    let ended = match options.command {
        Command::Serve(options) => serve(options),
        command => block_on(1, dispatch(command)),
    };
    match ended {
        Ok(end) => end.code().into(),
        Err(error) => exit::report(&error),
    }
}

/// What is given up is given up before there are threads.
fn serve(options: ServeOptions) -> anyhow::Result<exit::End> {
    let Some(prepared) = server::prepared::prepare(options)? else {
        return Ok(exit::End::Good);
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    block_on(cores, server::serve(prepared))
}

/// One worker drives one tool; the server has a worker a core.
fn block_on(
    workers: usize,
    work: impl Future<Output = anyhow::Result<exit::End>>,
) -> anyhow::Result<exit::End> {
    let tokio = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_keep_alive(KEEP_ALIVE)
        .enable_all()
        .build()
        .context("cannot start")?;
    let ended = tokio.block_on(work);
    // A compilation under way is not waited for.
    tokio.shutdown_timeout(PATIENCE);
    ended
}

async fn dispatch(command: Command) -> anyhow::Result<exit::End> {
    match command {
        Command::Run(options) => commands::run::run(options).await,
        Command::Validate(options) => or_interrupted(commands::validate::validate(options)).await,
        Command::Inspect(options) => or_interrupted(commands::inspect::inspect(options)).await,
        Command::New(options) => commands::new::new(&options),
        Command::Diff(options) => or_interrupted(commands::diff::diff(options)).await,
        Command::Completions(options) => Ok(commands::completions::completions(&options)),
        Command::Pack(options) => or_interrupted(commands::pack::pack(options)).await,
        Command::Publish(options) => or_interrupted(commands::publish::publish(options)).await,
        Command::Backup(options) => or_interrupted(commands::backup::backup(options)).await,
        // Broken off in the middle it would leave everything as it was, and the next key beside.
        Command::Audit(options) => commands::audit::audit(options).await,
        Command::RotateMasterKey(options) => commands::rotate::rotate(options).await,
        // They have ended, or begun, before there was a runtime to come here.
        Command::CompileTool | Command::Serve(_) => Ok(exit::End::OurFault),
    }
}

async fn or_interrupted(
    work: impl Future<Output = anyhow::Result<exit::End>>,
) -> anyhow::Result<exit::End> {
    exit::interruptible(work)
        .await?
        .unwrap_or(Ok(exit::End::Interrupted))
}
