//! What a request carries, on its way out: placeholders become secrets where that is allowed, and nowhere else.

use super::rewrite::{self, Places, Rewriter};
use super::{Refused, RunSecrets};
use crate::host::Host;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;
use std::sync::Arc;
use zeroize::Zeroizing;

const BASIC: &[u8] = b"basic";

/// Takes base64 with or without its padding, and whatever its last bits are.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Whether a secret may travel there.
    pub(super) fn is_open_to(&self, secrets: &RunSecrets, index: usize) -> bool {
        self.is_https && secrets.all[index].hosts.contains(&self.host)
    }
}

/// Exchanges the placeholders in a request's head.
pub(crate) fn exchange_head(
    secrets: &RunSecrets,
    to: &Whither,
    parts: &mut Parts,
) -> Result<(), Refused> {
    if secrets.all.is_empty() {
        return Ok(());
    }
    let authority = parts.uri.authority().map(|it| it.as_str()).into_iter();
    secrets.refuse_in_names(authority.chain([parts.method.as_str()]))?;
    exchange_path(secrets, to, &mut parts.uri)?;
    exchange_headers(secrets, to, &mut parts.headers)
}

/// Makes a request's answer readable to whoever looks for secrets in it.
pub(crate) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let parts = [RANGE, IF_RANGE, HeaderName::from_static("request-range")];
    parts.iter().for_each(|name| {
        headers.remove(name);
    });
}

/// In a path or a query a secret is percent-encoded.
fn exchange_path(secrets: &RunSecrets, to: &Whither, uri: &mut Uri) -> Result<(), Refused> {
    let text = uri.path_and_query().map_or("", |it| it.as_str());
    if secrets.first_in(text).is_none() {
        return Ok(());
    }
    let mut exchanged = None;
    for (index, secret) in secrets.all.iter().enumerate() {
        let now = exchanged.as_ref().map_or(text, |it: &Zeroizing<String>| it);
        if !now.contains(secret.placeholder()) {
            continue;
        }
        if !to.is_open_to(secrets, index) {
            return Err(secrets.refused(index));
        }
        let escaped = utf8_percent_encode(secret.secret(), ESCAPED).to_string();
        let escaped = Zeroizing::new(escaped);
        exchanged = Some(Zeroizing::new(now.replace(secret.placeholder(), &escaped)));
    }
    let Some(text) = exchanged else {
        return Ok(());
    };
    let path = PathAndQuery::try_from(text.as_str()).map_err(|_| Refused::Broken)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    *uri = Uri::from_parts(parts).map_err(|_| Refused::Broken)?;
    Ok(())
}

/// Exchanges the placeholders in headers or trailers.
fn exchange_headers(
    secrets: &RunSecrets,
    to: &Whither,
    headers: &mut HeaderMap,
) -> Result<(), Refused> {
    secrets.refuse_in_names(headers.keys().map(|name| name.as_str()))?;
    for value in headers.values_mut() {
        let exchanged = match exchanged(secrets, to, value.as_bytes())? {
            Some(text) => Some(text),
            None => exchange_basic(secrets, to, value.as_bytes())?,
        };
        if let Some(text) = exchanged {
            let mut secret = HeaderValue::from_bytes(&text).map_err(|_| Refused::Broken)?;
            secret.set_sensitive(true);
            *value = secret;
        }
    }
    Ok(())
}

/// `Basic` hides what it carries in base64, which is read as the most tolerant host may read it.
fn exchange_basic(
    secrets: &RunSecrets,
    to: &Whither,
    value: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let Some((scheme, coded)) = value.split_at_checked(BASIC.len()) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(BASIC) {
        return Ok(None);
    }
    let digits: Vec<u8> = coded
        .iter()
        .filter(|digit| !digit.is_ascii_whitespace() && **digit != b'=')
        .map(|digit| match digit {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let Ok(pair) = TOLERANT.decode(digits).map(Zeroizing::new) else {
        return Ok(None);
    };
    Ok(exchanged(secrets, to, &pair)?.map(|pair| {
        let coded = Zeroizing::new(STANDARD.encode(&*pair));
        Zeroizing::new([scheme, b" ", coded.as_bytes()].concat())
    }))
}

/// A whole text with its placeholders exchanged, or nothing where there are none.
fn exchanged(
    secrets: &RunSecrets,
    to: &Whither,
    text: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let Some(placeholders) = secrets.placeholders() else {
        return Ok(None);
    };
    rewrite::whole(placeholders, text, Placed::new(secrets, to))
}

/// A request's body on its way out.
#[derive(Debug)]
pub(crate) struct OutgoingBody {
    secrets: Arc<RunSecrets>,
    to: Whither,
    rewriter: Rewriter,
}

impl OutgoingBody {
    pub(crate) fn new(secrets: Arc<RunSecrets>, to: Whither) -> Self {
        Self {
            secrets,
            to,
            rewriter: Rewriter::default(),
        }
    }

    /// What goes out of a chunk and what was held back before.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Refused> {
        let Some(placeholders) = self.secrets.placeholders() else {
            return Ok(chunk);
        };
        let placed = Placed::new(&self.secrets, &self.to);
        self.rewriter.push(placeholders, chunk, placed)
    }

    /// Whether nothing is held back.
    pub(crate) fn is_empty(&self) -> bool {
        self.rewriter.is_empty()
    }

    /// What was held back, at the body's end.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.rewriter.finish()
    }

    /// Exchanges the placeholders in a body's trailers.
    pub(crate) fn trailers(&self, trailers: &mut HeaderMap) -> Result<(), Refused> {
        exchange_headers(&self.secrets, &self.to, trailers)
    }
}

/// Where secrets take their placeholders' places.
struct Placed<'s> {
    secrets: &'s RunSecrets,
    to: &'s Whither,
    places: Vec<(usize, Range<usize>)>,
}

impl<'s> Placed<'s> {
    fn new(secrets: &'s RunSecrets, to: &'s Whither) -> Self {
        Self {
            secrets,
            to,
            places: Vec::new(),
        }
    }
}

impl Places for Placed<'_> {
    type Refused = Refused;

    fn found(&mut self, index: usize, place: Range<usize>) -> Result<(), Refused> {
        if !self.to.is_open_to(self.secrets, index) {
            return Err(self.secrets.refused(index));
        }
        if !self.secrets.all[index].is_exposed() {
            self.places.push((index, place));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn rewrite(self, bytes: &mut [u8]) {
        for (index, place) in self.places {
            bytes[place].copy_from_slice(self.secrets.all[index].secret().as_bytes());
        }
    }
}
