//! Answers that were recorded and stand for hosts: a run that is given them reaches nobody. Everything else is as on a
//! real way out: requests are counted, secrets are exchanged and kept from places they are not for.

use super::body::Received;
use crate::exchange::RunSecrets;
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use std::sync::atomic::{AtomicBool, Ordering};

/// One request that is answered, and its answer.
#[derive(Debug)]
pub struct Recording {
    request: String,
    answer: Answer,
    is_used: AtomicBool,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

impl Recording {
    /// `uri` has a scheme and a host; a credential in it stands as its name in braces: `?appid={KEY}`.
    pub fn new(method: &Method, uri: &Uri, answer: Answer) -> Self {
        Self {
            request: spelled(method, uri),
            answer,
            is_used: AtomicBool::new(false),
        }
    }
}

/// A request's answer, if one was recorded. The same request may be recorded more than once: its answers are given in
/// their order, and the last one again.
pub(super) fn answer(recordings: &[Recording], request: &str) -> Option<Response<Received>> {
    let mut of_it = recordings.iter().filter(|it| it.request == request);
    let last = of_it.clone().next_back()?;
    let answering = of_it.find(|it| !it.is_used.swap(true, Ordering::Relaxed));
    let answer = &answering.unwrap_or(last).answer;
    let body = Full::new(answer.body.clone()).map_err(|never| match never {});
    let mut response = Response::new(Received::Recorded(body.boxed_unsync()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    Some(response)
}

/// A request of the guest's as recordings name it: with the names of credentials, not their placeholders.
pub(super) fn asked(secrets: &RunSecrets, method: &Method, uri: &Uri) -> String {
    secrets.named(spelled(method, uri))
}

/// One spelling for a request, however it was written: `GET https://host/path?query`, without a port that goes without
/// saying.
fn spelled(method: &Method, uri: &Uri) -> String {
    let scheme = uri.scheme().unwrap_or(&Scheme::HTTPS);
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let default_port = if *scheme == Scheme::HTTP { 80 } else { 443 };
    let port = uri.port_u16().filter(|port| *port != default_port);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{method} {scheme}://{host}{port}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(request: &str, status: u16) -> Recording {
        let (method, uri) = request.split_once(' ').expect("a method");
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let method = method.parse().expect("a method");
        Recording::new(&method, &uri.parse().expect("a URL"), answer)
    }

    #[test]
    fn a_request_has_one_spelling() {
        for (one, other) in [
            ("https://a.example", "https://a.example/"),
            ("https://A.example:443/x?y=1", "https://a.example/x?y=1"),
            ("http://a.example:80/", "http://a.example"),
            ("https://a.example?q", "https://a.example/?q"),
        ] {
            let spelled = |uri: &str| spelled(&Method::GET, &uri.parse().expect("a URL"));
            assert_eq!(spelled(one), spelled(other), "{one}");
        }
        let at_another_port = "http://a.example:443/".parse().expect("a URL");
        let spelled = spelled(&Method::PUT, &at_another_port);
        assert_eq!(spelled, "PUT http://a.example:443/");
    }

    #[test]
    fn answers_of_the_same_request_come_in_their_order_and_the_last_one_again() {
        let recordings = [
            recording("GET https://a.example/", 503),
            recording("GET https://b.example/", 204),
            recording("GET https://a.example/", 200),
        ];
        let status = |request| answer(&recordings, request).map(|it| it.status().as_u16());
        let asked = "GET https://a.example/";
        assert_eq!(
            [(); 3].map(|()| status(asked)),
            [Some(503), Some(200), Some(200)]
        );
        assert_eq!(status("GET https://b.example/"), Some(204));
        assert_eq!(status("GET https://c.example/"), None);
    }
}
