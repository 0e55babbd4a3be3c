//! The program `tollgate`: its command line and its server.

mod about;
mod certificates;
mod commands;
mod compiled;
mod config;
mod exit;
mod failure_help;
mod filled_in;
mod options;
mod outline;
mod problem;
mod report;
mod server;
mod terminal;
mod terms;

use clap::Parser;
use mimalloc::MiMalloc;
use options::{Command, Options};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What one thread of the server allocates another frees, for which the C library's threads take each other's locks: a
/// paid run costs a fifth less CPU with this one (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long what was cancelled may take to go.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a server's thread for blocking work waits for more: idle ones soon give their memory back.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // A usage error exits 2 and help 0, which is what clap does by itself.
    let options = Options::parse();
    if let Command::CompileTool = options.command {
        // Before there are any threads: they would not have its limits.
        return tollgate_runtime::compile_child();
    }
    let tokio = match tokio(&options.command) {
        Ok(tokio) => tokio,
        Err(error) => return exit::report(&anyhow::Error::new(error).context("cannot start")),
    };
    let ended = tokio.block_on(dispatch(options.command));
    // A compilation under way is not waited for.
    tokio.shutdown_timeout(PATIENCE);
    match ended {
        Ok(end) => end.code().into(),
        Err(error) => exit::report(&error),
    }
}

/// One worker drives one tool; the server has a worker a core.
fn tokio(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    match command {
        Command::Serve(_) => {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            builder.worker_threads(cores).thread_keep_alive(KEEP_ALIVE)
        }
        _ => builder.worker_threads(1),
    };
    builder.enable_all().build()
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
        // Ended before there was a runtime to come here.
        Command::CompileTool => Ok(exit::End::OurFault),
        // The server hears of Ctrl-C itself, and lets the runs under way end.
        Command::Serve(options) => commands::serve::serve(options).await,
    }
}

async fn or_interrupted(
    work: impl Future<Output = anyhow::Result<exit::End>>,
) -> anyhow::Result<exit::End> {
    exit::interruptible(work)
        .await?
        .unwrap_or(Ok(exit::End::Interrupted))
}
