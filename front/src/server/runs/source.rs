//! Backtraces with files and lines, when somebody who may see them asks.

use crate::problem::Problem;
use crate::server::edge::turns;
use crate::server::state::Server;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tollgate_runtime::{Frame, source};
use tollgate_store::{Digest, OrgId, RunRecord};

/// How long tools' debug sections may be read for an answer: they are the seller's input, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// A record's backtrace, with its calls parsed.
type Backtrace<'r> = (&'r mut Box<RawValue>, Vec<Frame>);

/// Adds file and line to records' backtraces, as far as the tools carry them and there is time.
pub(crate) async fn resolve(
    server: &Server,
    org: OrgId,
    records: &mut [RunRecord],
) -> Result<(), Problem> {
    let give_up_at = Instant::now() + PATIENCE;
    let mut by_tool: HashMap<Digest, Vec<Backtrace<'_>>> = HashMap::new();
    for record in records {
        let backtrace = record.failure.as_mut().and_then(|it| it.backtrace.as_mut());
        let Some(backtrace) = backtrace else { continue };
        let Ok(frames) = serde_json::from_str(backtrace.get()) else {
            tracing::error!(run_id = %record.run.id, "a record's backtrace cannot be read");
            continue;
        };
        let of_tool = by_tool.entry(record.run.digest).or_default();
        of_tool.push((backtrace, frames));
    }
    for (digest, backtraces) in by_tool {
        let frames = backtraces.iter().flat_map(|(_, frames)| frames.clone());
        let resolving = resolved(server, org, digest, frames.collect());
        let Ok(resolved) = timeout_at(give_up_at, resolving).await else {
            return Ok(());
        };
        let mut resolved = resolved?.into_iter();
        for (backtrace, frames) in backtraces {
            let frames: Vec<_> = resolved.by_ref().take(frames.len()).collect();
            if let Ok(frames) = to_raw_value(&frames) {
                *backtrace = frames;
            }
        }
    }
    Ok(())
}

/// Resolves the frames of one tool. Frames that cannot be resolved come back unchanged. An org reads one tool at a time, so that
/// one place is left for other orgs.
async fn resolved(
    server: &Server,
    org: OrgId,
    tool: Digest,
    mut frames: Vec<Frame>,
) -> Result<Vec<Frame>, Problem> {
    let turn = server.turns.of(org, turns::Kind::Source).await;
    let place = Arc::clone(&server.sources).acquire_owned().await;
    let wasm = match server.store.tool(&tool).await {
        Ok(wasm) => wasm,
        Err(error) if error.is_missing() => return Ok(frames),
        Err(error) => return Err(error.into()),
    };
    let resolving = tokio::task::spawn_blocking(move || {
        source::resolve(&wasm, &mut frames);
        drop((place, turn));
        frames
    });
    Ok(resolving.await.unwrap_or_default())
}
