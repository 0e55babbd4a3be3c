//! The program `tollgate`. So far its command line; the HTTP front comes with the server.

mod commands;
mod exit;
mod options;
mod problem;
mod terminal;

use clap::Parser;
use options::{Command, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A usage error exits 2 and help 0, which is what clap does by itself.
    let options = Options::parse();
    let tokio = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(tokio) => tokio,
        Err(error) => return exit::report(&anyhow::Error::new(error).context("cannot start")),
    };
    let ended = tokio.block_on(async {
        tokio::select! {
            biased;
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| exit::End::Interrupted).map_err(Into::into),
            ended = dispatch(options.command) => ended,
        }
    });
    match ended {
        Ok(end) => end.code().into(),
        Err(error) => exit::report(&error),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<exit::End> {
    match command {
        Command::Run(options) => commands::run::run(options).await,
        Command::Validate(options) => commands::validate::validate(options).await,
        Command::Inspect(options) => commands::inspect::inspect(options).await,
        Command::Pack(options) => commands::pack::pack(options).await,
    }
}
