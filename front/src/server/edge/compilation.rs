//! What compiling and loading came to, in the log and the metrics.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tollgate_runtime::{Observed, Observer};

/// Says and counts everything observed.
pub(crate) fn observer() -> Observer {
    Observer::new(|observed| match observed {
        Observed::Compiled {
            digest,
            took,
            failure,
        } => {
            let end = failure.unwrap_or("compiled");
            counter!("tollgate_compilations_total", "end" => end).increment(1);
            histogram!("tollgate_compilation_seconds").record(took.as_secs_f64());
            let took_ms = took.as_millis();
            match failure {
                Some("check_failed") => {
                    tracing::error!(%digest, took_ms, "the compiler could not do its work");
                }
                _ => tracing::info!(%digest, took_ms, end, "a tool was compiled"),
            }
        }
        Observed::Loaded { digest, took } => {
            counter!("tollgate_artifacts_loaded_total").increment(1);
            let took_us = took.as_micros();
            tracing::debug!(%digest, took_us, "a compiled tool was loaded");
        }
        Observed::Refused { path, reason } => {
            counter!("tollgate_artifacts_refused_total").increment(1);
            let path = path.display();
            tracing::warn!(%path, %reason, "a compiled tool's file is not what was kept; it is compiled again");
        }
        Observed::NotKept { digest, error } => {
            counter!("tollgate_artifacts_not_kept_total").increment(1);
            tracing::warn!(%digest, error, "a compiled tool could not be kept; the next start compiles it again");
        }
    })
}

/// What the numbers mean.
pub(crate) fn describe() {
    describe_counter!(
        "tollgate_compilations_total",
        "Compilations that ended, by end: compiled, or the violation's code"
    );
    describe_histogram!(
        "tollgate_compilation_seconds",
        Unit::Seconds,
        "From the order of a compilation to its end, waiting for its turn included"
    );
    describe_counter!(
        "tollgate_artifacts_loaded_total",
        "Compiled tools loaded from their files"
    );
    describe_counter!(
        "tollgate_artifacts_refused_total",
        "Files of compiled tools that were not what was kept"
    );
    describe_counter!(
        "tollgate_artifacts_not_kept_total",
        "Compiled tools that could not be kept"
    );
}
