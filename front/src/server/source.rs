//! Backtraces with files and lines, when somebody who may see them asks.

use super::state::Server;
use crate::problem::Problem;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_runtime::{Frame, source};
use tollgate_store::RunRecord;

/// How long a tool's debug sections may be read: they are the seller's input, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds file and line to a record's backtrace, as far as the tool carries them.
pub(crate) async fn resolve(server: &Server, record: &mut RunRecord) -> Result<(), Problem> {
    let Some(Value::Array(recorded)) = record
        .failure
        .as_mut()
        .and_then(|it| it.get_mut("backtrace"))
    else {
        return Ok(());
    };
    let mut frames: Vec<_> = recorded.iter().map(frame).collect();
    let wasm = server.store.tool(&record.run.digest).await?;
    let resolving = tokio::task::spawn_blocking(move || {
        source::resolve(&wasm, &mut frames);
        frames
    });
    if let Ok(Ok(frames)) = tokio::time::timeout(PATIENCE, resolving).await {
        *recorded = frames.iter().map(|frame| json!(frame)).collect();
    }
    Ok(())
}

fn frame(recorded: &Value) -> Frame {
    Frame {
        offset: recorded["offset"].as_u64().unwrap_or(0),
        function: recorded["function"].as_str().map(str::to_owned),
        file: None,
        line: None,
    }
}
