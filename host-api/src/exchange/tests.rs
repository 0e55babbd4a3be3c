use super::incoming::IncomingBody;
use super::outgoing::{OutgoingBody, exchange_head};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http::uri::Scheme;
use std::sync::Arc;

const PLACEHOLDER: &str = "PlaceHolder0123456789";
const SECRET: &str = "s3cr/t key+\"quoted\"&=";

fn secrets() -> Arc<RunSecrets> {
    Arc::new(RunSecrets::new(vec![RunSecret {
        name: "KEY".to_owned(),
        placeholder: PLACEHOLDER.into(),
        secret: SECRET.into(),
        hosts: vec!["api.example.com".parse().expect("a host")],
    }]))
}

fn to(scheme: Scheme, host: &str) -> Whither {
    Whither::new(&scheme, host.parse().expect("a host"))
}

fn home() -> Whither {
    to(Scheme::HTTPS, "api.example.com")
}

fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = headers
        .iter()
        .fold(Request::get(uri), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(()).expect("a request").into_parts().0
}

fn refused() -> Refused {
    Refused::Credential("KEY".to_owned())
}

#[test]
fn a_header_a_pair_a_path_and_a_query_carry_the_secret() {
    let basic = STANDARD.encode(format!("user:{PLACEHOLDER}"));
    let mut parts = head(
        &format!("https://api.example.com/v1/{PLACEHOLDER}/x?key={PLACEHOLDER}&q=1"),
        &[
            ("x-api-key", PLACEHOLDER),
            ("authorization", &format!("Basic {basic}")),
            ("accept", "text/plain"),
        ],
    );
    assert_eq!(exchange_head(&secrets(), &home(), &mut parts), Ok(()));
    assert_eq!(
        parts.uri.path_and_query().map(|it| it.as_str()),
        Some(
            "/v1/s3cr%2Ft%20key%2B%22quoted%22%26%3D/x?key=s3cr%2Ft%20key%2B%22quoted%22%26%3D&q=1"
        )
    );
    assert_eq!(parts.headers["x-api-key"], SECRET);
    assert!(parts.headers["x-api-key"].is_sensitive());
    let pair = STANDARD.encode(format!("user:{SECRET}"));
    assert_eq!(parts.headers["authorization"], format!("Basic {pair}"));
    assert_eq!(parts.headers["accept"], "text/plain");
}

#[test]
fn anywhere_else_it_is_refused_wherever_it_stands() {
    let basic = format!("bAsIc {}", STANDARD.encode(format!("{PLACEHOLDER}:")));
    let lower = PLACEHOLDER.to_ascii_lowercase();
    let thefts = [
        head(&format!("https://evil.example.com/{PLACEHOLDER}"), &[]),
        head(&format!("https://evil.example.com/?{PLACEHOLDER}"), &[]),
        head("https://evil.example.com/", &[("x-key", PLACEHOLDER)]),
        head("https://evil.example.com/", &[("authorization", &basic)]),
        head("https://evil.example.com/", &[(&lower, "1")]),
        head(&format!("https://{lower}.example.com/"), &[]),
    ];
    let elsewhere = [
        to(Scheme::HTTPS, "evil.example.com"),
        to(Scheme::HTTPS, "api.example.com:8443"),
        to(Scheme::HTTP, "api.example.com"),
        to(Scheme::HTTP, "api.example.com:80"),
    ];
    for theft in thefts {
        for whither in &elsewhere {
            let mut parts = theft.clone();
            let end = exchange_head(&secrets(), whither, &mut parts);
            assert_eq!(end, Err(refused()), "{:?} to {whither:?}", theft.uri);
        }
    }
}

#[test]
fn a_body_carries_it_across_chunks_to_its_host_only() {
    let (first, second) = PLACEHOLDER.split_at(7);
    let chunks = [format!("{{\"key\": \"{first}"), format!("{second}\"}}")];
    let mut home_body = OutgoingBody::new(secrets(), home());
    let mut out = Vec::new();
    for chunk in &chunks {
        out.extend(home_body.push(Bytes::from(chunk.clone())).expect("allowed"));
    }
    out.extend(home_body.finish());
    assert_eq!(out, format!("{{\"key\": \"{SECRET}\"}}").into_bytes());

    let elsewhere = to(Scheme::HTTPS, "evil.example.com");
    let mut stolen = OutgoingBody::new(secrets(), elsewhere);
    let begun = stolen
        .push(Bytes::from(chunks[0].clone()))
        .expect("not yet");
    assert_eq!(&begun[..], b"{\"key\": \"");
    assert_eq!(stolen.push(Bytes::from(chunks[1].clone())), Err(refused()));
}

#[test]
fn what_comes_back_is_masked_in_every_spelling_and_at_every_cut() {
    let masks = secrets().masks(&home()).expect("it may have been told");
    for (name, form) in spellings(SECRET) {
        let whole = [b"before ".as_slice(), &form, b" after"].concat();
        for cut in 0..=whole.len() {
            let mut body = IncomingBody::new(masks.clone());
            let mut out = body.push(Bytes::copy_from_slice(&whole[..cut])).to_vec();
            out.extend(body.push(Bytes::copy_from_slice(&whole[cut..])));
            out.extend(body.finish());
            assert_eq!(out.len(), whole.len(), "{name}");
            assert_eq!(spelling_in(SECRET, &out), None, "{name} cut at {cut}");
            assert!(out.starts_with(b"before *") && out.ends_with(b"* after"));
        }
    }
    let mut headers = http::HeaderMap::new();
    headers.insert("x-echo", SECRET.parse().expect("a value"));
    masks.headers(&mut headers);
    assert_eq!(headers["x-echo"], "*".repeat(SECRET.len()));
    let elsewhere = to(Scheme::HTTPS, "evil.example.com");
    assert!(secrets().masks(&elsewhere).is_none());
}

#[test]
fn nothing_that_is_shown_holds_a_secret_or_a_placeholder() {
    let secrets = secrets();
    assert_eq!(format!("{secrets:?}"), "[KEY]");
    let masks = secrets.masks(&home()).expect("it may have been told");
    let body = OutgoingBody::new(Arc::clone(&secrets), home());
    for shown in [format!("{masks:?}"), format!("{body:?}")] {
        assert!(
            !shown.contains(&PLACEHOLDER[..8]) && !shown.contains(&SECRET[..8]),
            "{shown}"
        );
    }
    assert_eq!(secrets.named(format!("/v1/{PLACEHOLDER}")), "/v1/{KEY}");
}
