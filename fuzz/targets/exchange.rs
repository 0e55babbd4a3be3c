//! The exchange of placeholders. A request of anything, anywhere, in chunks of any size: to a host that is not the
//! secret's own no secret goes and no placeholder; to its own host no placeholder is left, and a body is as if it had
//! been exchanged whole; of what comes back the guest sees no spelling of the secret.

#![no_main]

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use tollgate_host_api::exchange::incoming::{IncomingBody, Masks};
use tollgate_host_api::exchange::{RunSecret, RunSecrets, fuzzing, spelling_in, spellings};

/// Overlapping ends and beginnings, so that finding the one must not lose the other.
const PLACEHOLDERS: [&str; 2] = ["abcdabcdabceabcd", "abcdabcexyzabcda"];
const SECRETS: [&str; 2] = ["s3cr/t+k\"y&=\\~%!", "ANOTHER-ONE_12.3"];
const HOME: &str = "api.example.com";
const AWAY: &str = "api.example.com.evil.org";

fuzz_target!(|data: &[u8]| {
    let _ = requests(&mut Unstructured::new(data));
    let _ = answers(&mut Unstructured::new(data));
});

fn secrets() -> Vec<RunSecret> {
    let secret = |(placeholder, secret): (&str, &str)| RunSecret {
        name: "KEY".to_owned(),
        placeholder: placeholder.into(),
        secret: secret.into(),
        hosts: vec![HOME.parse().expect("a host")],
    };
    PLACEHOLDERS.into_iter().zip(SECRETS).map(secret).collect()
}

/// A text in which placeholders stand, whole and in part.
fn text(bytes: &mut Unstructured, whole: &[&str]) -> Result<String> {
    let mut text = String::new();
    for _ in 0..bytes.int_in_range(0..=6)? {
        let part = *bytes.choose(whole)?;
        match bytes.int_in_range(0..=3)? {
            0 => text.push_str(part),
            1 => text.push_str(&part[..bytes.int_in_range(0..=part.len())?]),
            2 => text.push_str(&part[bytes.int_in_range(0..=part.len())?..]),
            _ => text.push(char::from(bytes.int_in_range(b'!'..=b'~')?)),
        }
    }
    Ok(text)
}

fn chunks(bytes: &mut Unstructured, mut whole: &[u8]) -> Result<Vec<Bytes>> {
    let mut chunks = Vec::new();
    while !whole.is_empty() {
        let (chunk, rest) = whole.split_at(bytes.int_in_range(0..=whole.len().min(20))?);
        chunks.push(Bytes::copy_from_slice(chunk));
        if chunk.is_empty() && bytes.is_empty() {
            chunks.push(Bytes::copy_from_slice(rest));
            break;
        }
        whole = rest;
    }
    Ok(chunks)
}

fn requests(bytes: &mut Unstructured) -> Result<()> {
    let is_home = bytes.arbitrary()?;
    let host = if is_home { HOME } else { AWAY };
    let body = text(bytes, &PLACEHOLDERS)?;
    let path = text(bytes, &PLACEHOLDERS)?;
    let (name, value) = (text(bytes, &PLACEHOLDERS)?, text(bytes, &PLACEHOLDERS)?);
    let mut request = Request::get(format!("https://{host}/{path}"));
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(&value),
    ) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else {
        return Ok(());
    };
    let head = request.into_parts().0;
    let chunks = chunks(bytes, body.as_bytes())?;
    let sent = fuzzing::send(RunSecrets::new(secrets()), host, head, &chunks);
    let Some((head, sent)) = sent else {
        return Ok(());
    };
    let uri = head.uri.to_string();
    let values = head
        .headers
        .iter()
        .flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    let texts: Vec<&[u8]> = values.chain([uri.as_bytes(), sent.as_slice()]).collect();
    for (placeholder, secret) in PLACEHOLDERS.iter().zip(SECRETS) {
        for text in &texts {
            let is_there = |it: &str| String::from_utf8_lossy(text).contains(it);
            if !is_home {
                assert_eq!(spelling_in(secret, text), None, "sent away");
                assert!(!is_there(placeholder), "a placeholder was sent away");
            }
        }
    }
    if is_home {
        assert_eq!(sent, plainly_exchanged(&body), "of {body}");
    }
    Ok(())
}

/// Each place where a placeholder stood in the text as it was, in the order in which places end.
fn plainly_exchanged(text: &str) -> Vec<u8> {
    let mut out = text.as_bytes().to_vec();
    for end in 0..=text.len() {
        for (placeholder, secret) in PLACEHOLDERS.iter().zip(SECRETS) {
            if text[..end].ends_with(placeholder) {
                out[end - placeholder.len()..end].copy_from_slice(secret.as_bytes());
            }
        }
    }
    out
}

fn answers(bytes: &mut Unstructured) -> Result<()> {
    let mut body = Vec::new();
    for _ in 0..bytes.int_in_range(0..=4)? {
        let secret = *bytes.choose(&SECRETS)?;
        let spellings = spellings(secret);
        let (_, spelling) = &spellings[bytes.choose_index(spellings.len())?];
        body.extend_from_slice(text(bytes, &SECRETS)?.as_bytes());
        body.extend_from_slice(spelling);
    }
    let masks = Masks::new(SECRETS).expect("secrets");
    let mut incoming = IncomingBody::new(masks);
    let mut seen = Vec::new();
    for chunk in chunks(bytes, &body)? {
        seen.extend_from_slice(&incoming.push(chunk));
    }
    seen.extend_from_slice(&incoming.finish());
    assert_eq!(seen.len(), body.len());
    for secret in SECRETS {
        assert_eq!(spelling_in(secret, &seen), None, "seen by the guest");
    }
    for (was, is) in body.iter().zip(&seen) {
        assert!(was == is || *is == b'*');
    }
    Ok(())
}
