//! What a request carries, on its way out: placeholders become secrets where that is allowed, and nowhere else.

use super::{Refused, RunSecrets};
use crate::egress::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::sync::Arc;

/// What stays as it is in a path or a query: the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where a request goes, as far as secrets are concerned.
#[derive(Debug, Clone)]
pub(crate) struct Whither {
    is_https: bool,
    host: Host,
}

impl Whither {
    pub(crate) fn new(scheme: &Scheme, host: Host) -> Self {
        Self {
            is_https: *scheme == Scheme::HTTPS,
            host,
        }
    }

    /// Whether a secret may travel there.
    pub(super) fn is_open_to(&self, secrets: &RunSecrets, index: usize) -> bool {
        self.is_https && secrets.all[index].hosts.contains(&self.host)
    }
}

/// Exchanges the placeholders in a request's head. Whether a secret is in it now.
pub(crate) fn exchange_head(
    secrets: &Arc<RunSecrets>,
    to: &Whither,
    parts: &mut Parts,
) -> Result<bool, Refused> {
    if secrets.all.is_empty() {
        return Ok(false);
    }
    secrets.refuse_in_names(parts)?;
    let carries = exchange_path(secrets, to, &mut parts.uri)?;
    Ok(exchange_headers(secrets, to, &mut parts.headers)? || carries)
}

/// Makes a request's answer readable to whoever looks for secrets in it.
pub(crate) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
}

fn exchange_path(secrets: &RunSecrets, to: &Whither, uri: &mut Uri) -> Result<bool, Refused> {
    let Some(path) = uri.path_and_query() else {
        return Ok(false);
    };
    let escaped = |secret: &str| utf8_percent_encode(secret, ESCAPED).to_string();
    let Some(text) = secrets.exchanged(to, path.as_str(), escaped)? else {
        return Ok(false);
    };
    let broken = |_| Refused::Broken;
    let path = PathAndQuery::try_from(text).map_err(broken)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    *uri = Uri::from_parts(parts).map_err(|_| Refused::Broken)?;
    Ok(true)
}

/// Exchanges the placeholders in headers or trailers. Whether a secret is in them now.
fn exchange_headers(
    secrets: &RunSecrets,
    to: &Whither,
    headers: &mut HeaderMap,
) -> Result<bool, Refused> {
    let mut carries = false;
    for value in headers.values_mut() {
        let Ok(text) = value.to_str() else {
            // A placeholder is text: in what is none it may stand, and would go out as it is.
            continue;
        };
        let exchanged = match secrets.exchanged(to, text, str::to_owned)? {
            Some(text) => Some(text),
            None => exchange_basic(secrets, to, text)?,
        };
        if let Some(text) = exchanged {
            let mut secret = HeaderValue::from_str(&text).map_err(|_| Refused::Broken)?;
            secret.set_sensitive(true);
            *value = secret;
            carries = true;
        }
    }
    Ok(carries)
}

/// `Basic` hides what it carries in base64.
fn exchange_basic(
    secrets: &RunSecrets,
    to: &Whither,
    text: &str,
) -> Result<Option<String>, Refused> {
    let Some((scheme, coded)) = text.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(coded.trim()).ok();
    let Some(pair) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(None);
    };
    let exchanged = secrets.exchanged(to, &pair, str::to_owned)?;
    Ok(exchanged.map(|pair| format!("{scheme} {}", STANDARD.encode(pair))))
}

/// A request's body on its way out.
#[derive(Debug)]
pub(crate) struct OutgoingBody {
    secrets: Arc<RunSecrets>,
    to: Whither,
    rewriter: super::rewrite::Rewriter,
}

impl OutgoingBody {
    pub(crate) fn new(secrets: Arc<RunSecrets>, to: Whither) -> Self {
        Self {
            secrets,
            to,
            rewriter: super::rewrite::Rewriter::default(),
        }
    }

    /// What goes out of a chunk and what was held back before.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Refused> {
        let Some(placeholders) = self.secrets.placeholders() else {
            return Ok(chunk);
        };
        let (secrets, to) = (&self.secrets, &self.to);
        let put = |index: usize, place: &mut [u8]| {
            if !to.is_open_to(secrets, index) {
                return Err(secrets.refused(index));
            }
            place.copy_from_slice(secrets.all[index].secret().as_bytes());
            Ok(())
        };
        let rewritten = self
            .rewriter
            .push(placeholders, Cow::Borrowed(&chunk), put)?;
        Ok(match rewritten {
            Cow::Borrowed(_) => chunk,
            Cow::Owned(bytes) => Bytes::from(bytes),
        })
    }

    /// What was held back, at the body's end.
    pub(crate) fn finish(&mut self) -> Bytes {
        Bytes::from(self.rewriter.finish())
    }

    /// Exchanges the placeholders in a body's trailers.
    pub(crate) fn trailers(&self, trailers: &mut HeaderMap) -> Result<(), Refused> {
        exchange_headers(&self.secrets, &self.to, trailers).map(drop)
    }
}
