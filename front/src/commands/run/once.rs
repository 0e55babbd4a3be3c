//! Runs a tool once, after building it on request.

use super::{profile, spans};
use crate::commands::new_file::NewFile;
use crate::commands::{judge, read, runtime};
use crate::exit::{End, interruptible};
use crate::failure_help::{Circumstances, next_step};
use crate::options::RunOptions;
use crate::problem::{Kind as ProblemKind, Problem};
use crate::report::Sources;
use crate::terminal;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use tollgate_runtime::checks::Kind;
use tollgate_runtime::value::strict;
use tollgate_runtime::{
    Credential, Credentials, Limits, NetworkConfig, Outcome, Run, Runtime, Tool, Violation,
};
use tollgate_validator::source::MANIFEST_FILE;

/// What a shell says of a program that is not there.
const NOT_FOUND: i32 = 127;

/// Builds the tool where that is asked for, and runs it.
pub(super) async fn once(options: &RunOptions) -> anyhow::Result<End> {
    let credentials = credentials(&options.credentials)?;
    let profile_file = options.profile.as_deref().map(NewFile::open).transpose()?;
    if options.build || options.watch {
        match interruptible(build(&options.tool)).await? {
            Some(built) => built?,
            None => return Ok(End::Interrupted),
        }
    }
    let wasm = match read(&options.tool)? {
        Ok(wasm) => wasm,
        Err(violation) => return Ok(refuse(Problem::not_validated(vec![violation]), options)),
    };
    let Some(input_text) = interruptible(input_text(options.input.as_deref())).await? else {
        return Ok(End::Interrupted);
    };
    let input_text = input_text?;
    let runtime = runtime(NetworkConfig {
        open: options.allow_host.clone(),
        ..NetworkConfig::default()
    })?;
    let Some(mut verdict) = interruptible(judge(&runtime, &wasm, &options.tool)).await? else {
        return Ok(End::Interrupted);
    };
    let Some(tool) = verdict.tool.take() else {
        if let Some(manifest) = Sources::of(&options.tool, Some(&wasm)).manifest() {
            verdict.place_in(manifest);
        }
        return Ok(refuse(Problem::not_validated(verdict.violations), options));
    };
    let input = match input_text.map_or_else(|| Ok(no_input(&tool)), |text| parse(&text)) {
        Ok(input) => input,
        Err(violation) => return Ok(refuse(Problem::malformed(violation), options)),
    };
    let declared = tool.manifest().map(|manifest| &manifest.credentials);
    for (name, _) in declared.into_iter().flatten().filter(|(_, it)| it.expose) {
        terminal::note(format_args!(
            "note: the tool sees {name} itself: it declares `expose`"
        ));
    }
    let limits = limits(&tool, options, &runtime);
    let run = request(input, options, &runtime).credentials(credentials);
    let ended = interruptible(tool.run(run)).await?;
    drop(tool);
    let _ = runtime.drain(crate::PATIENCE).await;
    match ended {
        Some(Ok(mut outcome)) => {
            let profile = outcome.profile.take();
            let end = show(located(outcome, wasm).await, &limits, options);
            if let (Some(file), Some(out)) = (profile_file, &options.profile) {
                profile::show(profile, file, out, &options.tool)?;
            }
            Ok(end)
        }
        Some(Err(refused)) => {
            let end = End::from(&refused);
            refuse(Problem::from(refused), options);
            Ok(end)
        }
        None => Ok(End::Interrupted),
    }
}

/// What the run is held to.
fn limits(tool: &Tool, options: &RunOptions, runtime: &Runtime) -> Limits {
    let all = &runtime.rules().limits;
    let lowered = tool.manifest().map(|manifest| manifest.limits.apply(all));
    let limits = lowered.unwrap_or_else(|| all.clone());
    Limits {
        timeout: options
            .timeout
            .unwrap_or(limits.timeout)
            .min(limits.timeout),
        ..limits
    }
}

fn request(input: Value, options: &RunOptions, runtime: &Runtime) -> Run {
    let mut run = match &options.function {
        Some(function) => Run::new(function, input),
        None => Run::only(input),
    };
    run = run.owner("command line");
    if options.profile.is_some() {
        run = run.profiled();
    }
    match options.timeout {
        Some(timeout) => run.limits(Limits {
            timeout,
            ..runtime.rules().limits.clone()
        }),
        None => run,
    }
}

/// The outcome with files and lines, which its tool's owner may see. A tool whose debug sections take too long to
/// read has offsets only.
async fn located(mut outcome: Outcome, wasm: Vec<u8>) -> Outcome {
    let Err(failure) = &mut outcome.result else {
        return outcome;
    };
    let mut frames = failure.backtrace.clone();
    let locating = tokio::task::spawn_blocking(move || {
        tollgate_runtime::source::resolve(&wasm, &mut frames);
        frames
    });
    if let Ok(Ok(frames)) = tokio::time::timeout(crate::PATIENCE, locating).await {
        failure.backtrace = frames;
    }
    outcome
}

/// What the run gave. The tool's owner is at the terminal: panic text is shown.
fn show(outcome: Outcome, limits: &Limits, options: &RunOptions) -> End {
    let end = End::from(&outcome);
    let of = Circumstances {
        limits,
        has_logs: !outcome.logs.is_empty(),
        has_panicked: outcome
            .logs
            .iter()
            .any(|it| it.text.contains("panicked at")),
        has_asked: !outcome.requests.is_empty(),
        are_spans_shown: options.spans,
    };
    if !options.json {
        terminal::logs(&outcome.logs);
    }
    if options.spans {
        spans::show(&outcome);
    }
    match outcome.result {
        Ok(output) if options.json => {
            let answer = json!({"status": "SUCCEEDED", "output": output, "charged": 0, "usage": outcome.usage});
            terminal::result(answer);
        }
        Ok(output) => match output.value() {
            Value::String(text) => terminal::text(text.strip_suffix('\n').unwrap_or(&text)),
            output => terminal::result(format_args!("{output:#}")),
        },
        Err(failure) if options.json => terminal::result(Problem::failed(failure).body()),
        Err(failure) => {
            let detail = ProblemKind::from(failure.kind).row().detail;
            terminal::failure(detail, &failure, &next_step(&failure, &of));
        }
    }
    end
}

fn refuse(problem: Problem, options: &RunOptions) -> End {
    if options.json {
        terminal::result(problem.body());
        return End::Refused;
    }
    terminal::error(&problem.detail);
    problem
        .violations()
        .for_each(|violation| terminal::note(terminal::violation(violation)));
    terminal::missing(&problem.missing);
    if let Some(violation) = problem.violations().next() {
        let tool = options.tool.display();
        match (problem.kind(), violation.code) {
            (ProblemKind::NotValidated, _) => terminal::note(format_args!(
                "`tollgate validate {tool}` shows each with its line and what to do"
            )),
            (_, "function_unknown") => terminal::note(format_args!(
                "`--function NAME` says which; `tollgate inspect {tool}` shows what each takes"
            )),
            _ => terminal::note(format_args!(
                "`--input` gives it; `tollgate inspect {tool}` shows what the tool takes"
            )),
        }
    }
    End::Refused
}

/// A tool that is called without an input gets none; where fields are known, no fields.
fn no_input(tool: &Tool) -> Value {
    let has_fields = tool
        .manifest()
        .is_some_and(|manifest| manifest.command.is_some());
    match tool.kind() {
        Kind::Typed => json!({}),
        Kind::Command | Kind::Preview1Command if has_fields => json!({}),
        Kind::Command | Kind::Preview1Command => Value::Null,
    }
}

async fn input_text(input: Option<&str>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(input) = input else { return Ok(None) };
    let limit = Limits::default().input_bytes;
    if input == "-" {
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            // What JSON text is too long by its whitespace alone is not worth reading further.
            std::io::stdin()
                .take(8 * limit)
                .read_to_end(&mut text)
                .map(|_| text)
        });
        return Ok(Some(reading.await?.context("cannot read standard input")?));
    }
    match input.strip_prefix('@') {
        Some(path) => {
            let cannot = || format!("cannot read the input {path}");
            let file = std::fs::File::open(path).with_context(cannot)?;
            let mut text = Vec::new();
            file.take(8 * limit)
                .read_to_end(&mut text)
                .with_context(cannot)?;
            Ok(Some(text))
        }
        None => Ok(Some(input.as_bytes().to_vec())),
    }
}

fn parse(text: &[u8]) -> Result<Value, Violation> {
    strict::parse(text).map_err(|malformed| {
        Violation::new(
            "json_malformed",
            format!("the input is not JSON: {malformed}"),
        )
    })
}

/// `NAME`, `NAME=VALUE` or `NAME=@FILE`.
fn credentials(options: &[String]) -> anyhow::Result<Credentials> {
    let mut credentials = Credentials::new();
    for option in options {
        let (name, secret) = match option.split_once('=') {
            Some((name, value)) => match value.strip_prefix('@') {
                Some(path) => {
                    let text = std::fs::read_to_string(path);
                    let text =
                        text.with_context(|| format!("--credential {name}: cannot read {path}"))?;
                    (name, text.trim_end_matches(['\r', '\n']).to_owned())
                }
                None => (name, value.to_owned()),
            },
            None => match std::env::var(option) {
                Ok(value) => (option.as_str(), value),
                Err(_) => bail!(
                    "--credential {option}: no environment variable {option}; give {option}=VALUE or {option}=@FILE"
                ),
            },
        };
        // On one's own machine there is nobody else to ask.
        let credential = Credential::new(secret)
            .with_context(|| format!("--credential {name}"))?
            .allow_expose();
        credentials = credentials.with(name, credential);
    }
    Ok(credentials)
}

async fn build(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("--build: cannot read {}", path.display()))?;
    let manifest = tollgate_runtime::manifest::Manifest::parse(&text)
        .map_err(|violation| anyhow::anyhow!("{}: {violation}", path.display()))?;
    let Some(command) = manifest.build.and_then(|build| build.command) else {
        bail!("--build: {} has no [build].command", path.display());
    };
    terminal::note(format_args!("building: {command}"));
    // The builder's words are not the tool's output.
    let status = tokio::process::Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder)
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .status()
        .await
        .context("--build: cannot start a shell")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(NOT_FOUND) => bail!(
            "the build failed: a program that its command calls is not installed; see above, and what README.md says has to be there"
        ),
        _ => bail!("the build failed ({status}); see above"),
    }
}
