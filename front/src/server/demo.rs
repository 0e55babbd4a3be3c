//! A demonstration: example tools, published, with a line to paste for each way a call ends.

use crate::server::catalogue::cover_picture::picture;
use crate::server::state::Shared;
use crate::terminal;
use crate::terms::widens_as_json;
use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tollgate_store::{ArtifactId, Kept, KeyText, KnownKey, Published, Upload, VerdictStatus};
use tollgate_validator::{source::assemble, upload};

/// A tool that comes with the program.
struct Example {
    name: &'static str,
    bytes: Bytes,
    manifest: &'static str,
    /// Whether it becomes a release; else it stays a draft that the gate rejects.
    is_published: bool,
}

enum Bytes {
    Wasm(&'static [u8]),
    Wat(&'static str),
}

macro_rules! example {
    ($name:literal, $kind:ident, $include:ident, $suffix:literal, $is_published:literal) => {
        Example {
            name: $name,
            bytes: Bytes::$kind($include!(concat!(
                "../../../fixtures/tools/",
                $name,
                "/",
                $name,
                $suffix
            ))),
            manifest: include_str!(concat!("../../../fixtures/tools/", $name, "/tool.toml")),
            is_published: $is_published,
        }
    };
}

const EXAMPLES: &[Example] = &[
    example!("markdown", Wasm, include_bytes, ".wasm", true),
    example!("wordcount", Wasm, include_bytes, ".wasm", true),
    example!("forecast", Wasm, include_bytes, ".wasm", true),
    example!("panics", Wasm, include_bytes, ".wasm", true),
    example!("spin", Wat, include_str, ".wat", true),
    example!("nested-instances", Wat, include_str, ".wat", false),
];

/// Publishes the examples for the key's project, and prints what to paste.
pub(super) async fn publish_and_print(
    server: &Shared,
    address: SocketAddr,
    key: &KeyText,
) -> anyhow::Result<()> {
    let known = server
        .store
        .known_key(key)
        .await?
        .context("the demo's own key is not known")?;
    let progress = terminal::progress("publishing the example tools".to_owned());
    let mut ids = Vec::new();
    for example in EXAMPLES {
        ids.push((example.name, publish(server, &known, example).await?));
    }
    progress.finish_and_clear();
    print(address, key, &ids);
    Ok(())
}

async fn publish(
    server: &Shared,
    known: &KnownKey,
    example: &Example,
) -> anyhow::Result<ArtifactId> {
    let wasm = match example.bytes {
        Bytes::Wasm(bytes) => bytes.to_vec(),
        Bytes::Wat(text) => assemble(text).map_err(|violation| anyhow::anyhow!("{violation}"))?,
    };
    let opened = upload::open(wasm, Some(example.manifest));
    let opened = opened.map_err(|violations| anyhow::anyhow!("{violations:?}"))?;
    let owner = known.owner;
    let quota = server.config.quota.quota();
    let kept = server
        .store
        .keep_tool(known.owner.org, opened.wasm.into(), quota);
    let draft = match kept.await? {
        Kept::Kept(draft) => draft,
        Kept::OverQuota(over) => bail!("no quota for {}: {over:?}", example.name),
    };
    let made = server
        .store
        .create_artifact(owner, example.name.to_owned(), draft, quota)
        .await?;
    let id = match made {
        Upload::Made(id) => id,
        Upload::NameTaken(_) => {
            bail!("the demo's folder has a tool {} already", example.name)
        }
        Upload::OverQuota(over) => bail!("no quota for {}: {over:?}", example.name),
    };
    let place = (known.owner.org, id);
    server.store.ask_validation(place).await?;
    server.gate.ask(place.0, place.1);
    let is_admitted = loop {
        let artifact = server.store.artifact(id).await?;
        let verdict = artifact
            .and_then(|it| it.draft.clone())
            .and_then(|it| it.verdict);
        match verdict.map(|verdict| verdict.status) {
            Some(VerdictStatus::Pending) => tokio::time::sleep(Duration::from_millis(20)).await,
            status => break status == Some(VerdictStatus::Admitted),
        }
    };
    if is_admitted != example.is_published {
        bail!(
            "the gate's verdict of {} is not the one expected",
            example.name
        );
    }
    let cover = picture(example.name, &draft.digest.sha256());
    if is_admitted
        && !matches!(
            server
                .store
                .publish(place, Some(cover), widens_as_json)
                .await?,
            Published::Made(_)
        )
    {
        bail!("{} could not be published", example.name);
    }
    Ok(id)
}

/// A way a call ends: the status, what is shown, the tool and the body.
const ENDS: &[(&str, &str, &str, &str)] = &[
    (
        "200",
        "a typed tool: Markdown becomes HTML",
        "markdown",
        r##"{"input": {"markdown": "# Hello *world*"}}"##,
    ),
    (
        "200",
        "a command-line program: lines, words, bytes",
        "wordcount",
        r#"{"input": {"text": "to be or not to be"}}"#,
    ),
    (
        "400",
        "a tool that the gate rejected, with the reasons",
        "nested-instances",
        r#"{"input": {}}"#,
    ),
    (
        "404",
        "an artifact that does not exist",
        "",
        r#"{"input": {}}"#,
    ),
    (
        "422",
        "an input that does not fit, with the place",
        "markdown",
        r#"{"input": {"text": 1}}"#,
    ),
    (
        "428",
        "a credential is missing, by name",
        "forecast",
        r#"{"input": {"city": "Oslo"}}"#,
    ),
    (
        "502",
        "a tool that panics",
        "panics",
        r#"{"input": {"month": 13}}"#,
    ),
    (
        "504",
        "a tool that never ends, cut after a second",
        "spin",
        r#"{"input": {}, "timeout_ms": 1000}"#,
    ),
];

fn print(address: SocketAddr, key: &KeyText, ids: &[(&str, ArtifactId)]) {
    let key = key.expose();
    for (status, shown, name, body) in ENDS {
        let id = ids.iter().find(|(known, _)| known == name);
        let id = id.map_or_else(|| ArtifactId::new().to_string(), |(_, id)| id.to_string());
        terminal::result(format_args!("\n# {status}: {shown}"));
        terminal::result(format_args!(
            "curl -s -w ' -> %{{http_code}}\\n' http://{address}/v1/artifacts/{id}/run \
             -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{body}'"
        ));
    }
    if let Some((_, id)) = ids.iter().find(|(name, _)| *name == "forecast") {
        terminal::result(
            "\n# 200: sets the missing credential; then the line of the 428 runs, and sees a placeholder",
        );
        terminal::result(format_args!(
            "curl -s -w ' -> %{{http_code}}\\n' -X PUT http://{address}/v1/environment/OPENWEATHER_API_KEY \
             -H 'x-api-key: {key}' -H 'content-type: application/json' \
             -d '{{\"value\": \"0123456789abcdef\", \"artifact_id\": \"{id}\"}}'"
        ));
    }
    terminal::result("\nCtrl-C ends the demo and removes its data.");
}
