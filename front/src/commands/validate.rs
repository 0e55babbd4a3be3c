//! `tollgate validate`

use super::{read, runtime, with_progress};
use crate::exit::End;
use crate::options::JudgeOptions;
use crate::terminal;
use tollgate_runtime::NetworkConfig;
use tollgate_runtime::Tool;
use tollgate_runtime::checks::Kind;
use tollgate_validator::Verdict;

pub(crate) async fn validate(options: JudgeOptions) -> anyhow::Result<End> {
    let verdict = match read(&options.tool)? {
        Ok(wasm) => {
            let runtime = runtime(NetworkConfig::default())?;
            let judging = tollgate_validator::validate(&runtime, &wasm);
            with_progress(judging, &wasm, &options.tool).await
        }
        Err(violation) => Verdict {
            tool: None,
            violations: vec![violation],
            notes: Vec::new(),
        },
    };
    if options.json {
        terminal::result(serde_json::to_value(verdict.report())?);
    } else {
        show(&verdict, &options);
    }
    Ok(if verdict.is_admitted() {
        End::Good
    } else {
        End::ToolFailed
    })
}

fn show(verdict: &Verdict, options: &JudgeOptions) {
    match &verdict.tool {
        Some(tool) => terminal::result(format_args!(
            "{} {}",
            terminal::good("ADMITTED"),
            summary(tool, options)
        )),
        None => terminal::result(format_args!(
            "{} {}",
            terminal::bad("REJECTED"),
            options.tool.display()
        )),
    }
    verdict
        .violations
        .iter()
        .for_each(|violation| terminal::result(terminal::violation(violation)));
    verdict
        .notes
        .iter()
        .for_each(|note| terminal::result(format_args!("  note: {note}")));
}

fn summary(tool: &Tool, options: &JudgeOptions) -> String {
    let name = match tool.manifest() {
        Some(manifest) => match &manifest.version {
            Some(version) => format!("{} {version}", manifest.name),
            None => manifest.name.clone(),
        },
        None => options.tool.display().to_string(),
    };
    let functions: Vec<_> = tool
        .interface()
        .functions()
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    format!("{name}: {}, {}", kind(tool.kind()), functions.join(", "))
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Typed => "typed component",
        Kind::Command => "WASI 0.2 command",
        Kind::Preview1Command => "WASI 0.1 command",
    }
}
