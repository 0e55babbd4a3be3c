//! Uploads: a tool's bytes from a request, whole or with the manifest beside them.

use crate::problem::quota;
use crate::problem::{Kind, Problem};
use crate::server::edge::body::{self, FORM_BYTES_MAX, Held, Sent};
use crate::server::edge::params::bad_query;
use crate::server::edge::turns::{self, Length};
use crate::server::state::{Server, Shared};
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;
use tollgate_runtime::{TOOL_BYTES_MAX, Violation, quoted};
use tollgate_store::{Kept, NewDraft, OrgId};
use tollgate_validator::{is_tool_name, upload};
use utoipa::{IntoParams, ToSchema};

/// What an upload may say beside its bytes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadQuery {
    /// The tool's name, where no manifest says it.
    pub(crate) name: Option<String>,
}

/// A tool, its manifest in it or none.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, content_media_type = "application/wasm")]
#[expect(dead_code, reason = "describes the body; it is read as bytes")]
pub(crate) struct UploadBytes(String);

/// A tool with its manifest beside it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read part by part")]
pub(crate) struct UploadForm {
    /// The tool.
    #[schema(format = Binary, content_media_type = "application/wasm")]
    wasm: String,
    /// The text of its `tool.toml`.
    manifest: Option<String>,
}

/// Bytes that were kept, with the name they are to have.
pub(crate) struct Uploaded {
    pub(crate) name: Option<String>,
    pub(crate) draft: NewDraft,
}

/// Reads an upload and keeps its bytes. Whether they are admitted is the gate's to say.
pub(crate) async fn receive(
    server: &Shared,
    org: OrgId,
    sent: Sent,
    query: UploadQuery,
) -> Result<Uploaded, Problem> {
    if let Some(name) = query.name.as_ref().filter(|name| !is_tool_name(name)) {
        let message = "must be 1 to 64 of a-z, 0-9 and `-`, beginning with a letter";
        return Err(bad_query(format!("the name `{}` {message}", quoted(name))));
    }
    let Parts {
        wasm,
        manifest,
        // Until the tool is kept, which takes as much again.
        body: _body,
    } = parts(server, org, sent).await?;
    let opening = move || upload::open(wasm.into(), manifest.as_deref());
    let turn = (org, turns::Kind::Read);
    let opened = server.turns.work(turn, Length::Long, opening).await?;
    let opened =
        opened.map_err(|violations| Problem::of(Kind::BadRequest).with_violations(violations))?;
    let name = match (opened.name, query.name) {
        (Some(carried), Some(asked)) if carried != asked => {
            let message = format!(
                "the manifest names the tool `{}`, the query `{asked}`",
                quoted(&carried)
            );
            return Err(bad_query(message));
        }
        (carried, asked) => carried.or(asked),
    };
    let (wasm, quota) = (Bytes::from(opened.wasm), server.config.quota.quota());
    match server.store.keep_tool(org, wasm, quota).await? {
        Kept::Kept(draft) => Ok(Uploaded { name, draft }),
        Kept::OverQuota(over) => Err(quota::over(over)),
    }
}

struct Parts {
    wasm: Bytes,
    manifest: Option<String>,
    /// What they are parts of, with its part of the budget.
    body: Held,
}

/// The tool and the manifest beside it.
async fn parts(server: &Server, org: OrgId, sent: Sent) -> Result<Parts, Problem> {
    let content_type = sent
        .headers
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let essence = content_type
        .and_then(|it| it.split(';').next())
        .unwrap_or("")
        .trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/wasm" => {
            let body = body::read_of(&server.bodies, org, sent.body, TOOL_BYTES_MAX as u64).await?;
            Ok(Parts {
                wasm: body.bytes.clone(),
                manifest: None,
                body,
            })
        }
        "multipart/form-data" => {
            let bytes_max = (TOOL_BYTES_MAX + FORM_BYTES_MAX) as u64;
            let body = body::read_of(&server.bodies, org, sent.body, bytes_max).await?;
            let (headers, bytes) = (sent.headers, body.bytes.clone());
            let here = tokio::runtime::Handle::current();
            let reading = move || here.block_on(form(&headers, bytes));
            let turn = (org, turns::Kind::Read);
            let (wasm, manifest) = server.turns.work(turn, Length::Long, reading).await??;
            Ok(Parts {
                wasm,
                manifest,
                body,
            })
        }
        _ => {
            let sent = content_type.map_or("none".to_owned(), quoted);
            let message = format!(
                "the content type must be application/wasm or multipart/form-data; it is {sent}"
            );
            Err(Problem::malformed(Violation::new("content_type", message)))
        }
    }
}

async fn form(headers: &HeaderMap, body: Bytes) -> Result<(Bytes, Option<String>), Problem> {
    let malformed =
        |message: String| Problem::malformed(Violation::new("form_malformed", quoted(&message)));
    let mut request = Request::new(Body::from(body));
    let content_type = headers.get(CONTENT_TYPE).cloned();
    request.headers_mut().insert(
        CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("")),
    );
    // The bytes are here already, within their bound.
    axum::extract::DefaultBodyLimit::apply(
        axum::extract::DefaultBodyLimit::disable(),
        &mut request,
    );
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| malformed(error.body_text()))?;
    let (mut wasm, mut manifest) = (None, None);
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|error| malformed(error.body_text()))?
    {
        let name = field.name().unwrap_or("").to_owned();
        let bytes = field
            .bytes()
            .await
            .map_err(|error| malformed(error.body_text()))?;
        match name.as_str() {
            "wasm" if wasm.is_none() => wasm = Some(bytes),
            "manifest" if manifest.is_none() => {
                let text = String::from_utf8(bytes.to_vec());
                manifest =
                    Some(text.map_err(|_| malformed("the manifest is not UTF-8".to_owned()))?);
            }
            name => {
                return Err(malformed(format!(
                    "the part `{name}` is not known, or came twice"
                )));
            }
        }
    }
    let wasm = wasm.ok_or_else(|| malformed("the part `wasm` is missing".to_owned()))?;
    if wasm.len() > TOOL_BYTES_MAX {
        let message = format!(
            "the tool has {} bytes; at most {TOOL_BYTES_MAX} are taken",
            wasm.len()
        );
        return Err(Problem::of(Kind::FileTooLarge)
            .with_violation(Violation::new("file_too_large", message)));
    }
    Ok((wasm, manifest))
}
