//! Pictures: sent so that a browser that shows one runs nothing and fetches nothing.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tollgate_store::Digest;

/// An SVG, which is what `GET` of a picture answers with.
#[derive(Debug)]
pub(crate) struct Picture {
    svg: String,
    etag: String,
    status: StatusCode,
    location: Option<String>,
}

impl Picture {
    pub(crate) const CONTENT_TYPE: &str = "image/svg+xml";

    /// 200, or 304 where `known`, the request's `If-None-Match`, names it.
    pub(crate) fn asked(svg: String, known: &str) -> Self {
        let etag = etag(&svg);
        let status = match names(known, &etag) {
            true => StatusCode::NOT_MODIFIED,
            false => StatusCode::OK,
        };
        Self {
            svg,
            etag,
            status,
            location: None,
        }
    }

    /// 201: it was made, and `location` is where.
    pub(crate) fn made(svg: String, location: String) -> Self {
        Self {
            etag: etag(&svg),
            svg,
            status: StatusCode::CREATED,
            location: Some(location),
        }
    }
}

impl IntoResponse for Picture {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        let fixed = [
            (CONTENT_TYPE, Self::CONTENT_TYPE),
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'",
            ),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // Who may see it is asked each time.
            (CACHE_CONTROL, "private, no-cache"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let own = [(ETAG, Some(self.etag)), (LOCATION, self.location)];
        for (name, text) in own {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        if self.status == StatusCode::NOT_MODIFIED {
            headers.remove(CONTENT_TYPE);
            return (self.status, headers).into_response();
        }
        (self.status, headers, self.svg).into_response()
    }
}

fn etag(svg: &str) -> String {
    let digest = Digest::of(svg.as_bytes()).to_string();
    format!("\"{}\"", digest.trim_start_matches("sha256:"))
}

/// Whether one of the tags of an `If-None-Match` is this one, weak or not.
fn names(known: &str, etag: &str) -> bool {
    known.split(',').any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}
