//! What the server logs: to standard error, once, with fields.

use crate::config::{Log, LogFormat, log_level};
use anyhow::{Context, anyhow};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// Sets the process's log up, colour on a terminal only. Panics are logged as everything else, within the request
/// they happened in.
pub(super) fn install(log: &Log) -> anyhow::Result<()> {
    // A filter that knows spans would look for each of them under a lock.
    let lines = log_level::lines(&log.level).context("log.level")?;
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match log.format {
        LogFormat::Text => registry().with(layer).with(lines).try_init(),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_span_list(false);
            registry().with(layer).with(lines).try_init()
        }
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
