//! What the server logs: to standard error, once, with fields.

use crate::config::{Log, LogFormat};
use anyhow::{Context, anyhow};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets the process's log up, colour on a terminal only. Panics are logged as everything else, within the request
/// they happened in.
pub(super) fn install(log: &Log) -> anyhow::Result<()> {
    // It decides by what the program's lines say alone: what decides by spans' fields looks for each span under a lock.
    let filter: Targets = log.level.parse().context("log.level")?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match log.format {
        LogFormat::Text => subscriber.finish().with(filter).try_init(),
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .with(filter)
            .try_init(),
    };
    installed.map_err(|error| anyhow!("cannot set the log up: {error}"))?;
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let said = panic.payload_as_str().unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = matches!(backtrace.status(), BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        place,
        said,
        backtrace = backtrace.map(|it| it.to_string()),
        "panicked"
    );
}
