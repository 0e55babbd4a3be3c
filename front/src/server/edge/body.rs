//! Request bodies: bounded in size, in time, and over all requests together.

use super::turns::{self, Length, Turns};
use crate::problem::{Kind, Problem, unprocessable};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use moka::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tollgate_runtime::value::strict;
use tollgate_runtime::{TOOL_BYTES_MAX, Violation, quoted};
use tollgate_store::OrgId;

/// Bytes of a JSON body that is not a run's.
pub(crate) const JSON_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a form beside the tool: its manifest and its borders.
pub(crate) const FORM_BYTES_MAX: usize = 512 * 1024;
/// What a body takes out of the budget at a time.
const PIECE_BYTES: u64 = 4096;
/// What an upload takes that has an idempotency key, for which it is read twice.
const UPLOAD_PIECES: usize = 2 * (TOOL_BYTES_MAX + FORM_BYTES_MAX).div_ceil(PIECE_BYTES as usize);
/// Orgs whose halves are known.
const ORGS: u64 = 65_536;
/// How long a body waits for its part of the budget.
const BUDGET_WAIT: Duration = Duration::from_secs(2);

/// The budget of all bodies together.
pub(crate) struct Bodies {
    pieces: Arc<Semaphore>,
    pieces_max: usize,
    /// An org has half of them.
    of_org: Cache<OrgId, Arc<Semaphore>>,
    turns: Arc<Turns>,
}

impl Bodies {
    pub(crate) fn new(bytes: u64, turns: Arc<Turns>) -> Self {
        let pieces = usize::try_from(bytes / PIECE_BYTES).unwrap_or(usize::MAX);
        let pieces_max = pieces.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            pieces: Arc::new(Semaphore::new(pieces_max)),
            pieces_max,
            of_org: Cache::new(ORGS),
            turns,
        }
    }

    /// Half of them, or what the largest upload takes.
    fn pieces_of_org(&self) -> usize {
        let half = self.pieces_max.div_ceil(2);
        half.max(UPLOAD_PIECES).min(self.pieces_max)
    }

    /// Slow senders hold only what they have sent.
    async fn take(&self, org: OrgId, bytes: u64) -> Result<Part, Problem> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX);
        let half = || Arc::new(Semaphore::new(self.pieces_of_org()));
        let of_org = self.of_org.get_with(org, half);
        let all = Arc::clone(&self.pieces);
        let taking = async move {
            let of_org = of_org.acquire_many_owned(pieces).await?;
            Ok::<_, AcquireError>((of_org, all.acquire_many_owned(pieces).await?))
        };
        match tokio::time::timeout(BUDGET_WAIT, taking).await {
            Ok(Ok(part)) => Ok(part),
            Ok(Err(_)) | Err(_) => Err(Problem::of(Kind::AtCapacity)),
        }
    }
}

/// Pieces of the org's half, and of the whole budget.
type Part = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A body that was read whole, with its part of the budget.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _parts: Vec<Part>,
}

/// What a request brought, not read yet: whoever reads it decides first whether the caller may.
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl<S: Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Ok(Self {
            headers: parts.headers,
            body,
        })
    }
}

impl Sent {
    /// The body as JSON of a known shape, sent by that org.
    pub(crate) async fn json<T>(self, bodies: &Bodies, org: OrgId) -> Result<T, Problem>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let read = |headers: &HeaderMap, bytes: &[u8]| shaped(parsed(headers, bytes)?);
        self.json_within(bodies, org, JSON_BYTES_MAX, read).await
    }

    /// The same of at most so many bytes, which `read` reads: in the org's turn where they are many.
    pub(crate) async fn json_within<T: Send + 'static>(
        self,
        bodies: &Bodies,
        org: OrgId,
        bytes_max: u64,
        read: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Self { headers, body } = self;
        let body = read_of(bodies, org, body, bytes_max).await?;
        let length = Length::of_json(body.bytes.len());
        let work = move || read(&headers, &body.bytes);
        bodies
            .turns
            .work((org, turns::Kind::Read), length, work)
            .await?
    }

    /// The same where nothing, or null, may be sent, too.
    pub(crate) async fn json_or_default<T>(self, bodies: &Bodies, org: OrgId) -> Result<T, Problem>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        let Self { headers, body } = self;
        let body = read_of(bodies, org, body, JSON_BYTES_MAX).await?;
        if body.bytes.is_empty() {
            return Ok(T::default());
        }
        let length = Length::of_json(body.bytes.len());
        let work = move || {
            let sent: Option<T> = shaped(parsed(&headers, &body.bytes)?)?;
            Ok(sent.unwrap_or_default())
        };
        bodies
            .turns
            .work((org, turns::Kind::Read), length, work)
            .await?
    }
}

/// Reads a body whole. Every byte of it counts against what its org may send at once, so nothing is read before it is
/// known who calls. [`arrival`](super::arrival) ends bodies that are late.
pub(crate) async fn read_of(
    bodies: &Bodies,
    org: OrgId,
    mut body: Body,
    bytes_max: u64,
) -> Result<Held, Problem> {
    let too_large = || {
        let message = format!("the body has more than the {bytes_max} bytes that are taken here");
        Problem::of(Kind::FileTooLarge).with_violation(Violation::new("body_too_large", message))
    };
    // One that says beforehand that it is too large is not read at all.
    if body.size_hint().lower() > bytes_max {
        return Err(too_large());
    }
    let (mut bytes, mut parts, mut held) = (BytesMut::new(), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let broken = |_| {
            let message = "the body ended before it was whole";
            Problem::malformed(Violation::new("body_incomplete", message))
        };
        let Ok(piece) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let length = (bytes.len() + piece.len()) as u64;
        if length > bytes_max {
            return Err(too_large());
        }
        if length > held {
            parts.push(bodies.take(org, length - held).await?);
            held += (length - held).next_multiple_of(PIECE_BYTES);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Held {
        bytes: bytes.freeze(),
        _parts: parts,
    })
}

/// JSON as it was sent: of the right content type, well-formed, without duplicate keys.
pub(crate) fn parsed(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Problem> {
    check_type(headers)?;
    strict::parse(bytes).map_err(malformed)
}

/// The outermost parts of JSON as it was sent: what is inside of them stays text, which is far smaller than values.
pub(crate) fn outline<'b, T: Deserialize<'b>>(
    headers: &HeaderMap,
    bytes: &'b [u8],
) -> Result<T, Problem> {
    check_type(headers)?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(not_an_object());
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => unprocessable("body_invalid", quoted(&error.to_string()), None),
        _ => malformed(error),
    })
}

pub(crate) fn malformed(error: impl Display) -> Problem {
    let message = format!("the body is not JSON: {error}");
    Problem::malformed(Violation::new("json_malformed", message))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if content_type.is_some_and(is_json) {
        return Ok(());
    }
    let sent = content_type.map_or("none".to_owned(), quoted);
    let message = format!("the content type must be application/json; it is {sent}");
    Err(Problem::malformed(Violation::new("content_type", message)))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads a JSON object. Its types say `expecting = "an object"`, because a type's name says nothing to a caller.
///
/// Serde also reads a struct from a list of its fields, which the description of the server does not offer.
pub(crate) fn shaped<T: DeserializeOwned>(json: Value) -> Result<T, Problem> {
    if json.is_array() {
        return Err(not_an_object());
    }
    serde_json::from_value(json)
        .map_err(|error| unprocessable("body_invalid", quoted(&error.to_string()), None))
}

fn not_an_object() -> Problem {
    let message = "the body is a list; send an object";
    unprocessable("body_invalid", message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn budget(bytes: u64) -> Bodies {
        Bodies::new(bytes, Arc::default())
    }

    async fn taken(bodies: &Bodies, org: OrgId, bytes: u64) -> Result<Part, Problem> {
        bodies.take(org, bytes).await
    }

    #[tokio::test]
    async fn an_org_s_bodies_take_half_and_leave_the_other() {
        let bodies = budget(512 * MIB);
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let first = taken(&bodies, noisy, 256 * MIB).await.expect("its half");
        assert!(taken(&bodies, noisy, 1).await.is_err(), "no more");
        let other = taken(&bodies, quiet, 255 * MIB).await;
        drop(bodies.take(OrgId::new(), MIB).await.expect("what is left"));
        drop((first, other.expect("the other half")));
        let again = taken(&bodies, noisy, 256 * MIB).await;
        drop(again.expect("given back"));
        // Waiting in vain took nothing.
        assert_eq!(bodies.pieces.available_permits(), bodies.pieces_max);
    }

    #[tokio::test]
    async fn the_largest_upload_fits_wherever_there_is_room_for_it() {
        let upload = (TOOL_BYTES_MAX + FORM_BYTES_MAX) as u64;
        let bodies = budget(2 * upload + PIECE_BYTES);
        let org = OrgId::new();
        let read = taken(&bodies, org, upload).await.expect("once");
        let again = taken(&bodies, org, upload).await.expect("twice");
        drop((read, again));
        assert!(budget(MIB).pieces_of_org() as u64 * PIECE_BYTES <= MIB);
    }
}
