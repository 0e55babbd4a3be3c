//! `tollgate validate`

use super::{read, runtime, with_progress};
use crate::exit::End;
use crate::options::JudgeOptions;
use crate::report::{self, Sources};
use crate::terminal;
use tollgate_runtime::NetworkConfig;
use tollgate_runtime::Tool;
use tollgate_runtime::checks::Kind;
use tollgate_validator::Verdict;

pub(crate) async fn validate(options: JudgeOptions) -> anyhow::Result<End> {
    let (mut verdict, sources) = match read(&options.tool)? {
        Ok(wasm) => {
            let runtime = runtime(NetworkConfig::default())?;
            let judging = tollgate_validator::validate(&runtime, &wasm);
            let verdict = with_progress(judging, &wasm, &options.tool).await;
            (verdict, Sources::of(&options.tool, Some(&wasm)))
        }
        Err(violation) => {
            let verdict = Verdict {
                tool: None,
                violations: vec![violation],
                notes: Vec::new(),
            };
            (verdict, Sources::of(&options.tool, None))
        }
    };
    if let Some(manifest) = sources.manifest() {
        verdict.place_in(manifest);
    }
    if options.json {
        terminal::result(serde_json::to_value(verdict.report())?);
    } else {
        show(&verdict, &sources, &options);
    }
    Ok(if verdict.is_admitted() {
        End::Good
    } else {
        End::ToolFailed
    })
}

fn show(verdict: &Verdict, sources: &Sources, options: &JudgeOptions) {
    match &verdict.tool {
        Some(tool) => {
            let (admitted, summary) = (terminal::good("ADMITTED"), summary(tool, options));
            terminal::result(terminal::in_lines(&format!("{admitted} {summary}")));
        }
        None => terminal::result(format_args!(
            "{} {}",
            terminal::bad("REJECTED"),
            options.tool.display()
        )),
    }
    report::show(sources, &verdict.violations);
    report::notes(&verdict.notes);
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
