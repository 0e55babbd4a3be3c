//! `[[examples.http]]`: what the manifest says a host answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use tollgate_runtime::manifest::{Example, Exchange};
use tollgate_runtime::{Answer, Recording, quoted};

/// Why it is none: which of them, which key of it, the reason.
type InvalidRecording = (usize, &'static str, String);

/// An example's recorded answers.
pub(crate) fn recordings(example: &Example) -> Result<Vec<Recording>, InvalidRecording> {
    let recordings =
        example.http.iter().enumerate().map(|(index, exchange)| {
            recording(exchange).map_err(|(key, reason)| (index, key, reason))
        });
    recordings.collect()
}

fn recording(exchange: &Exchange) -> Result<Recording, (&'static str, String)> {
    let (method, uri) = request(&exchange.request).ok_or_else(|| {
        let message = format!(
            "`{}` is no request; write `GET https://api.example.com/v1?key={{KEY}}`, with a credential's name in braces where its secret goes",
            quoted(&exchange.request)
        );
        ("request", message)
    })?;
    let status = StatusCode::from_u16(exchange.status);
    let status = status.ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| {
        let message = format!("{} is no status of an answer (200 to 999)", exchange.status);
        ("status", message)
    })?;
    let answer = Answer {
        status,
        headers: headers(exchange)?,
        body: body(exchange)?,
    };
    Ok(Recording::new(&method, &uri, answer))
}

fn request(text: &str) -> Option<(Method, Uri)> {
    let (method, uri) = text.split_once(' ')?;
    let uri: Uri = uri.parse().ok()?;
    let is_http = matches!(uri.scheme_str()?, "http" | "https");
    let method = method.parse().ok()?;
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some((method, uri))
}

fn headers(exchange: &Exchange) -> Result<HeaderMap, (&'static str, String)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &exchange.headers {
        let field = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        );
        let (Ok(name), Ok(value)) = field else {
            let message = format!(
                "`{}` is no header field, or has no value of one",
                quoted(name)
            );
            return Err(("headers", message));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

fn body(exchange: &Exchange) -> Result<Bytes, (&'static str, String)> {
    match (&exchange.body, &exchange.body_base64) {
        (Some(_), Some(_)) => {
            let message = "an answer has one of `body` and `body_base64`";
            Err(("body", message.to_owned()))
        }
        (Some(text), None) => Ok(text.clone().into()),
        (None, Some(text)) => {
            let decoded = STANDARD.decode(text);
            let invalid = |error| ("body_base64", format!("not base64: {error}"));
            decoded.map(Bytes::from).map_err(invalid)
        }
        (None, None) => Ok(Bytes::new()),
    }
}
