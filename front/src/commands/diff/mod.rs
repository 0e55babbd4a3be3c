//! `tollgate diff`: what another release changes for those who use a tool, and what of it they have to agree to.

mod changes;
mod show;
#[cfg(test)]
mod tests;

use super::{inspect, read, runtime};
use crate::exit::End;
use crate::options::DiffOptions;
use crate::terminal;
use changes::changes;
use serde_json::{Value, json};
use show::show;
use std::collections::BTreeSet;
use std::path::Path;
use tollgate_runtime::{NetworkConfig, Rejected, checks};

pub(crate) async fn diff(options: DiffOptions) -> anyhow::Result<End> {
    let (Some(old), Some(new)) = (
        described(&options.old, options.json).await?,
        described(&options.new, options.json).await?,
    ) else {
        return Ok(End::ToolFailed);
    };
    let changes = changes(&old, &new)?;
    if options.json {
        terminal::result(json!({"changes": changes}));
    } else {
        show(&old, &new, &changes);
    }
    Ok(End::Good)
}

/// Describes a tool as `inspect` does, with its imports. `None` if the tool is rejected; the reasons are printed.
async fn described(tool: &Path, as_json: bool) -> anyhow::Result<Option<Value>> {
    let rejected = |violations: &[_]| {
        inspect::rejected(violations, tool, as_json);
        Ok(None)
    };
    let wasm = match read(tool)? {
        Ok(wasm) => wasm,
        Err(violation) => return rejected(&[violation]),
    };
    let runtime = runtime(NetworkConfig::default())?;
    let admissible = match runtime.admit(&wasm).await {
        Ok(admissible) => admissible,
        Err(Rejected { violations }) => return rejected(&violations),
    };
    let imports: BTreeSet<_> = match checks::readable(&wasm) {
        Ok(survey) => {
            let imports = survey.imports.into_iter();
            imports
                .filter(|it| it.kind != "type")
                .map(|it| it.module)
                .collect()
        }
        Err(violations) => return rejected(&violations),
    };
    let mut described = inspect::describe(&admissible, &wasm, &runtime.rules().limits);
    described["imports"] = json!(imports);
    Ok(Some(described))
}
