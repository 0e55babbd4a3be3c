//! Parameters of paths and queries.

use crate::problem::{Kind, Problem};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use tollgate_runtime::{Violation, quoted};
use tollgate_store::{Id, Page};
use utoipa::IntoParams;

/// A query whose every parameter is known.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejected) => Err(bad_query(rejected.body_text())),
        }
    }
}

/// A part of a path. One that cannot be decoded is the identifier of nothing.
pub(crate) struct Segment(pub(crate) String);

/// Two parts of a path.
pub(crate) struct Segments(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(
            decoded.map_or_else(|_| String::new(), |Path(text)| text),
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let decoded = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (one, other) = decoded.map(|Path(texts)| texts).unwrap_or_default();
        Ok(Self(one, other))
    }
}

pub(crate) fn bad_query(message: impl AsRef<str>) -> Problem {
    Problem::malformed(Violation::new("query_invalid", quoted(message.as_ref())))
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Items, 1 to 100; 20 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

impl Paging {
    pub(crate) fn new(limit: Option<usize>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            limit => Err(bad_query(format!(
                "limit is {limit}; it may be 1 to {LIMIT_MAX}"
            ))),
        }
    }

    /// The last item of the page before.
    pub(crate) fn before<K: tollgate_store::IdKind>(&self) -> Result<Option<Id<K>>, Problem> {
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        cursor.map_err(|_| bad_query("cursor is not a `next_cursor` of this list"))
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// A list as it is sent.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// To be sent as `cursor` for the next page; null on the last.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn of<R, C: ToString>(page: Page<R, C>, view: impl Fn(R) -> T) -> Self {
        Self {
            next_cursor: page.next.map(|place| place.to_string()),
            items: page.items.into_iter().map(view).collect(),
        }
    }
}

/// An identifier of a path; what is none is not told apart from one that is not there.
pub(crate) fn id<K: tollgate_store::IdKind>(text: &str, missing: Kind) -> Result<Id<K>, Problem> {
    text.parse().map_err(|_| Problem::of(missing))
}
