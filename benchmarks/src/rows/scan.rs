//! How fast answers are searched for secrets.

use crate::effort::Effort;
use crate::report::{Bar, Row, Unit};
use crate::sample::{Sample, median};
use bytes::Bytes;
use std::hint::black_box;
use std::time::Duration;
use tollgate_host_api::exchange::incoming::{IncomingBody, Masks};

pub(crate) const NAME: &str = "scan";
const BODY_BYTES: usize = 10 << 20;
/// As much as TLS and HTTP/2 hand over at a time.
const CHUNK_BYTES: usize = 16 << 10;
const SECRETS: usize = 8;
const BYTES_A_SECOND: f64 = 300e6;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let secrets: Vec<String> = (0..SECRETS).map(secret).collect();
    let bodies = [("of JSON", json()), ("of bytes at random", random())];
    bodies
        .into_iter()
        .map(|(what, body)| row(effort, what, &secrets, &body))
        .collect()
}

fn row(effort: Effort, what: &str, secrets: &[String], body: &Bytes) -> anyhow::Result<Row> {
    let masks = Masks::new(secrets.iter().map(String::as_str));
    let masks = masks.ok_or_else(|| anyhow::anyhow!("no secrets"))?;
    let (mut ours, mut hashing) = (Vec::new(), Vec::new());
    let calls = effort.many(20);
    for _ in 0..effort.rounds {
        ours.push(Sample::take(calls, Duration::from_secs(20), || scan(&masks, body))?.p50());
        let hash = || {
            black_box(blake3::hash(body));
            Ok(())
        };
        hashing.push(Sample::take(calls, Duration::from_secs(20), hash)?.p50());
    }
    Ok(Row {
        name: NAME,
        what: format!("10 MiB {what} searched for {SECRETS} secrets in all spellings, one core"),
        unit: Unit::Seconds,
        ours: Some(median(ours)),
        reference: Some((
            "one BLAKE3 pass over it, for scale".to_owned(),
            median(hashing),
        )),
        bar: Bar::AtMost(BODY_BYTES as f64 / BYTES_A_SECOND),
        note: "the bar is 300 MB/s".to_owned(),
    })
}

fn scan(masks: &Masks, body: &Bytes) -> anyhow::Result<()> {
    let mut scanned = IncomingBody::new(masks.clone());
    let mut bytes = 0;
    for at in (0..body.len()).step_by(CHUNK_BYTES) {
        let chunk = body.slice(at..body.len().min(at + CHUNK_BYTES));
        bytes += black_box(scanned.push(chunk)).len();
    }
    bytes += scanned.finish().len();
    anyhow::ensure!(bytes == body.len(), "{bytes} bytes came out");
    Ok(())
}

/// As keys of services look.
fn secret(index: usize) -> String {
    let hash = blake3::hash(&index.to_le_bytes()).to_hex();
    format!("sk-{index}_{}/{}+=", &hash[..20], &hash[20..40])
}

fn json() -> Bytes {
    let item = |index: usize| {
        let hash = blake3::hash(&index.to_le_bytes()).to_hex();
        format!(
            "{{\"id\": {index}, \"name\": \"Item {index}\", \"token\": \"{hash}\", \"url\": \"https://api.example.com/v1/items/{index}?page=2\"}},\n"
        )
    };
    let text: String = (0..BODY_BYTES / 140).map(item).collect();
    let mut bytes = text.into_bytes();
    bytes.resize(BODY_BYTES, b' ');
    bytes.into()
}

fn random() -> Bytes {
    let mut bytes = vec![0; BODY_BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes.into()
}
