//! `tollgate publish`

mod api;
mod flow;
#[cfg(test)]
mod tests;

use super::read;
use crate::exit::End;
use crate::filled_in::filled_in;
use crate::options::PublishOptions;
use crate::report::{self, Sources};
use crate::terminal;
use anyhow::bail;
use api::Api;
use flow::{Published, Publishing, Stop};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Place, Violation};
use tollgate_validator::catalogue::entry_of;
use tollgate_validator::source::manifest_in;
use tollgate_validator::upload::{self, Upload};

const KEY_VARIABLE: &str = "TOLLGATE_API_KEY";
/// Before the verdict is asked for the first time. A small tool is judged within a few of these.
const POLL: Duration = Duration::from_millis(250);
/// An example of more bytes is not worth a line to paste.
const EXAMPLE_BYTES_MAX: usize = 500;

pub(crate) async fn publish(options: PublishOptions) -> anyhow::Result<End> {
    let api = Api::new(&options.server, &key()?)?;
    let opened = match read(&options.tool)? {
        Ok(wasm) => upload::open(wasm, None),
        Err(violation) => Err(vec![violation]),
    };
    let (wasm, name) = match opened {
        Ok(Upload {
            wasm,
            name: Some(name),
        }) => (wasm, name),
        Ok(Upload { name: None, .. }) => return Ok(nameless(&options)),
        Err(violations) => return Ok(no_tool(&violations, &options)),
    };
    if is_overheard(&options.server) {
        terminal::note("note: over plain http others on the way can read the key; use https");
    }
    let sources = Sources::of(&options.tool, Some(&wasm));
    let manifest = manifest_in(&wasm).and_then(|text| Manifest::parse(&text).ok());
    let version = manifest.and_then(|it| it.version).map(|it| it.to_string());
    let ended = tokio::task::spawn_blocking(move || {
        let named = (name.as_str(), version.as_deref());
        let ended = Publishing::new(&api, named, &wasm, POLL).publish();
        (ended, name)
    });
    let (ended, name) = ended.await?;
    match ended {
        Ok(published) => Ok(show(&published, &name, &options)),
        Err(Stop::Rejected(verdict)) => Ok(rejected(&verdict, &name, &sources, &options)),
        Err(Stop::Refused(problem)) => Ok(refused(&problem, &name, &options)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn key() -> anyhow::Result<SecretString> {
    match std::env::var(KEY_VARIABLE) {
        Ok(key) if !key.is_empty() => Ok(key.into()),
        _ => bail!(
            "no environment variable {KEY_VARIABLE}: it holds your key on the server, one with the scope `publish`"
        ),
    }
}

/// Whether the key would travel unencrypted to another machine.
fn is_overheard(server: &str) -> bool {
    let here = ["localhost", "127.", "[::1]"];
    server
        .strip_prefix("http://")
        .is_some_and(|host| !here.iter().any(|it| host.starts_with(it)))
}

fn nameless(options: &PublishOptions) -> End {
    terminal::error(&format!(
        "{} has no manifest that names it: put a tool.toml with `name = \"…\"` beside the file and publish the \
         folder, or `tollgate pack` it first",
        options.tool.display()
    ));
    End::Refused
}

fn no_tool(violations: &[Violation], options: &PublishOptions) -> End {
    terminal::error(&format!(
        "{} is no tool that could be published; nothing was sent",
        options.tool.display()
    ));
    let sources = Sources::of(&options.tool, None);
    violations
        .iter()
        .for_each(|violation| terminal::note(report::shown(&sources, violation)));
    End::Refused
}

fn show(published: &Published, name: &str, options: &PublishOptions) -> End {
    if options.json {
        terminal::result(&published.release);
        return End::Good;
    }
    let text = |key: &str| published.release[key].as_str().unwrap_or("?");
    terminal::text(&format!(
        "published {name} {} as {} ({})",
        text("version"),
        published.artifact_id,
        text("id")
    ));
    let widens = published.release["widens"].as_array();
    for widening in widens.into_iter().flatten() {
        terminal::result(format_args!(
            "  {} {}",
            terminal::bad("widens"),
            asked(widening)
        ));
    }
    if widens.is_some_and(|it| !it.is_empty()) {
        terminal::text("  subscribers run the release before until they accept");
    }
    terminal::text(&curl(published, &options.server));
    End::Good
}

/// A line for a shell that runs the tool, with its first example's input where it has a short one.
fn curl(published: &Published, server: &str) -> String {
    let artifact = &published.artifact;
    let example = &artifact["examples"][0];
    let is_short = |input: &Value| !input.is_null() && input.to_string().len() <= EXAMPLE_BYTES_MAX;
    let (function, input) = if is_short(&example["input"]) {
        (&example["function"], example["input"].clone())
    } else {
        let first = &artifact["functions"][0];
        let filled = Some(filled_in(&first["input_schema"])).filter(is_short);
        (&first["name"], filled.unwrap_or_else(|| json!({})))
    };
    let mut body = json!({"input": input});
    if function.is_string() {
        body["function"] = function.clone();
    }
    format!(
        "curl -sS {server}/v1/artifacts/{}/run -H \"x-api-key: ${KEY_VARIABLE}\" \
         -H 'content-type: application/json' -d '{}'",
        published.artifact_id,
        body.to_string().replace('\'', "'\\''")
    )
}

/// What a release asks of subscribers beyond the one before.
fn asked(widening: &Value) -> String {
    let part = |key: &str| widening[key].as_str().unwrap_or_default().to_owned();
    let (from, to) = (&widening["from"], &widening["to"]);
    let what = format!("{} {}", part("what"), part("name"));
    terminal::plain_lines(&format!("{}: {from} → {to}", what.trim()))
}

fn rejected(verdict: &Value, name: &str, sources: &Sources, options: &PublishOptions) -> End {
    if options.json {
        terminal::result(verdict);
        return End::ToolFailed;
    }
    terminal::result(format_args!("{} {name}", terminal::bad("REJECTED")));
    report::show(sources, &found(&verdict["violations"]));
    report::notes(&found(&verdict["notes"]));
    End::ToolFailed
}

fn refused(problem: &Value, name: &str, options: &PublishOptions) -> End {
    if options.json {
        terminal::result(problem);
        return End::Refused;
    }
    let detail = problem["detail"].as_str().unwrap_or("the server refuses");
    terminal::error(&terminal::plain_lines(&format!(
        "{name} is not published: {detail}"
    )));
    found(&problem["violations"])
        .iter()
        .for_each(|violation| terminal::note(terminal::violation(violation)));
    if let Some(hint) = problem["hint"].as_str() {
        terminal::note(format_args!("hint: {}", terminal::plain_lines(hint)));
    }
    End::Refused
}

/// What a verdict or a problem lists, as if it had been found here. A line of the manifest is one of the packed text's:
/// its pointer finds the one that the seller wrote.
fn found(list: &Value) -> Vec<Violation> {
    let violations = list.as_array().into_iter().flatten();
    violations.map(violation).collect()
}

fn violation(sent: &Value) -> Violation {
    let text = |value: &Value| value.as_str().map(terminal::plain_lines);
    let message = text(&sent["message"]).or_else(|| text(sent));
    let mut message = message.unwrap_or_default();
    let code = sent["code"].as_str().unwrap_or_default();
    let known = entry_of(code).map(|it| it.code);
    if known.is_none() && !code.is_empty() {
        message = format!("{}: {message}", terminal::plain_lines(code));
    }
    let place = &sent["place"];
    let pointer = text(&place["pointer"]);
    Violation {
        code: known.unwrap_or("violation"),
        place: Place {
            line: place["line"].as_u64().filter(|_| pointer.is_none()),
            pointer,
            section: text(&place["section"]),
            function: text(&place["function"]),
            offset: place["offset"].as_u64(),
        },
        message,
    }
}
