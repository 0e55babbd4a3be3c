//! The program `tollgate`: its command line, and the HTTP front of its server.

mod commands;
mod config;
mod exit;
mod options;
mod problem;
mod server;
mod terminal;

use clap::Parser;
use options::{Command, Options};
use std::process::ExitCode;
use std::time::Duration;

/// How long what was cancelled may take to go.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the server's blocking threads are kept for the next call: each holds memory of its own.
const BLOCKING_THREAD_KEPT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // A usage error exits 2 and help 0, which is what clap does by itself.
    let options = Options::parse();
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

/// The server answers on every core; other commands do one thing at a time.
fn tokio(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    match command {
        Command::Serve(_) => builder.thread_keep_alive(BLOCKING_THREAD_KEPT),
        Command::Run(_) | Command::Validate(_) | Command::Inspect(_) | Command::Pack(_) => {
            builder.worker_threads(1)
        }
    };
    builder.enable_all().build()
}

async fn dispatch(command: Command) -> anyhow::Result<exit::End> {
    match command {
        Command::Run(options) => commands::run::run(options).await,
        Command::Validate(options) => or_interrupted(commands::validate::validate(options)).await,
        Command::Inspect(options) => or_interrupted(commands::inspect::inspect(options)).await,
        Command::Serve(options) => commands::serve::serve(options).await,
        Command::Pack(options) => or_interrupted(commands::pack::pack(options)).await,
    }
}

async fn or_interrupted(
    work: impl Future<Output = anyhow::Result<exit::End>>,
) -> anyhow::Result<exit::End> {
    exit::interruptible(work)
        .await?
        .unwrap_or(Ok(exit::End::Interrupted))
}
