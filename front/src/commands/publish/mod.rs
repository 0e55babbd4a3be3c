//! `tollgate publish`

mod api;
mod flow;
#[cfg(test)]
mod tests;

use super::read;
use crate::exit::End;
use crate::options::PublishOptions;
use crate::terminal;
use anyhow::bail;
use api::Api;
use flow::{Published, Publishing, Stop};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_runtime::{Place, Violation};
use tollgate_validator::upload::{self, Upload};

const KEY_VARIABLE: &str = "TOLLGATE_API_KEY";
/// How often the verdict is asked for. A small tool is judged within a few of these.
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
    let ended = tokio::task::spawn_blocking(move || {
        let publishing = Publishing::new(&api, &name, &wasm, POLL);
        let ended = publishing.publish();
        (ended, name)
    });
    let (ended, name) = ended.await?;
    match ended {
        Ok(published) => Ok(show(&published, &name, &options)),
        Err(Stop::Rejected(verdict)) => Ok(rejected(&verdict, &name, &options)),
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
    violations
        .iter()
        .for_each(|violation| terminal::note(terminal::violation(violation)));
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
    terminal::text(&curl(published, &options.server));
    End::Good
}

/// A line for a shell that runs the tool, with its first example's input where it has one.
fn curl(published: &Published, server: &str) -> String {
    let artifact = &published.artifact;
    let example = &artifact["examples"][0];
    let (function, input) = if example["input"].is_null() {
        (&artifact["functions"][0]["name"], &Value::Null)
    } else {
        (&example["function"], &example["input"])
    };
    let mut body = json!({"input": input});
    if input.is_null() || input.to_string().len() > EXAMPLE_BYTES_MAX {
        body["input"] = json!({});
    }
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

fn rejected(verdict: &Value, name: &str, options: &PublishOptions) -> End {
    if options.json {
        terminal::result(verdict);
        return End::ToolFailed;
    }
    terminal::result(format_args!("{} {name}", terminal::bad("REJECTED")));
    lines(&verdict["violations"]).for_each(|line| terminal::text(&format!("  {line}")));
    lines(&verdict["notes"]).for_each(|line| terminal::text(&format!("  note: {line}")));
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
    lines(&problem["violations"]).for_each(|line| terminal::note(format_args!("  {line}")));
    if let Some(hint) = problem["hint"].as_str() {
        terminal::note(format_args!("hint: {}", terminal::plain_lines(hint)));
    }
    End::Refused
}

/// What a verdict or a problem lists, one line each, as violations found here are shown.
fn lines(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().map(line)
}

fn line(violation: &Value) -> String {
    if let Some(text) = violation.as_str() {
        return terminal::plain_lines(text);
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(&violation["message"]).unwrap_or_default();
    let place = &violation["place"];
    let place = Place {
        // Messages about a value begin with its pointer already.
        pointer: text(&place["pointer"]).filter(|it| !message.starts_with(it)),
        section: text(&place["section"]),
        function: text(&place["function"]),
        offset: place["offset"].as_u64(),
        line: place["line"].as_u64(),
    };
    let code = violation["code"].as_str().unwrap_or("violation");
    let place = match place == Place::default() {
        true => String::new(),
        false => format!(" ({place})"),
    };
    terminal::plain_lines(&format!("{code}: {message}{place}"))
}
