//! The door to outgoing requests, for the fuzz target `exchange`.

use super::RunSecrets;
use super::outgoing::{OutgoingBody, Whither, exchange_head};
use bytes::Bytes;
use http::request::Parts;
use http::uri::Scheme;
use std::sync::Arc;

/// What would go out over https of a request: its head and its body; nothing where it is refused.
pub fn send(
    secrets: RunSecrets,
    host: &str,
    mut head: Parts,
    chunks: &[Bytes],
) -> Option<(Parts, Vec<u8>)> {
    let secrets = Arc::new(secrets);
    let to = Whither::new(&Scheme::HTTPS, host.parse().ok()?);
    exchange_head(&secrets, &to, &mut head).ok()?;
    let mut body = OutgoingBody::new(secrets, to);
    let mut sent = Vec::new();
    for chunk in chunks {
        sent.extend_from_slice(&body.push(chunk.clone()).ok()?);
    }
    sent.extend_from_slice(&body.finish());
    Some((head, sent))
}
