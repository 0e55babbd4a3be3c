//! Backtraces with files and lines, when somebody who may see them asks.

use crate::problem::Problem;
use crate::server::edge::turns;
use crate::server::state::Server;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tollgate_runtime::{Frame, source};
use tollgate_store::{Digest, OrgId, RunRecord};

/// How long tools' debug sections may be read for an answer: they are the seller's input, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds file and line to records' backtraces, as far as the tools carry them and there is time.
pub(crate) async fn resolve(
    server: &Server,
    org: OrgId,
    records: &mut [RunRecord],
) -> Result<(), Problem> {
    let give_up_at = Instant::now() + PATIENCE;
    let mut by_tool: HashMap<Digest, Vec<&mut Vec<Value>>> = HashMap::new();
    for record in records {
        let backtrace = record
            .failure
            .as_mut()
            .and_then(|it| it.get_mut("backtrace"));
        if let Some(Value::Array(backtrace)) = backtrace {
            by_tool
                .entry(record.run.digest)
                .or_default()
                .push(backtrace);
        }
    }
    for (digest, backtraces) in by_tool {
        let frames = backtraces.iter().flat_map(|it| it.iter().map(frame));
        let resolving = resolved(server, org, digest, frames.collect());
        let Ok(resolved) = timeout_at(give_up_at, resolving).await else {
            return Ok(());
        };
        let mut frames = resolved?.into_iter();
        for recorded in backtraces.into_iter().flatten() {
            if let Some(frame) = frames.next() {
                *recorded = json!(frame);
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

fn frame(recorded: &Value) -> Frame {
    Frame {
        offset: recorded["offset"].as_u64().unwrap_or(0),
        function: recorded["function"].as_str().map(str::to_owned),
        file: None,
        line: None,
    }
}
