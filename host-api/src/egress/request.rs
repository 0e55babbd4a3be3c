//! One outgoing request: decided, exchanged, sent, its answer handed back.

use super::State;
use super::allow::Destination;
use super::body::{Outgoing, Received, Response as ResponseBody};
use super::connection;
use super::dial::DialError;
use super::network::HEADER_BYTES_MAX;
use super::record::{Record, again};
use super::recorded::{self, Recording};
use crate::exchange::outgoing::{OutgoingBody, Whither, ask_for_identity, exchange_head};
use crate::host::{HTTPS_PORT, Host};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HOST, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::capture_connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody};

/// The longest URL.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Sends a request. What the guest is told of a refusal is `wasi:http`'s own code for it.
pub(super) async fn send(
    state: Arc<State>,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>> {
    let (mut parts, body) = request.into_parts();
    let record = Arc::new(Record::new(&state, &parts));
    let sent = match prepare(&state, &record, &mut parts) {
        Ok(decided) => {
            exchange(
                &state,
                &record,
                decided,
                Request::from_parts(parts, body),
                options,
            )
            .await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &sent {
        record.fail(error);
    }
    sent
}

/// What was decided of a request.
struct Decided {
    to: Whither,
    /// As recordings name it; empty where there are none.
    asked: String,
    /// Whether its answer is searched for secrets.
    is_searched: bool,
}

/// Everything that can be refused before anything is looked up or connected.
fn prepare(state: &State, record: &Record, parts: &mut Parts) -> Result<Decided> {
    let grant = &state.grant;
    if state.requests.fetch_add(1, Ordering::Relaxed) >= grant.requests_max {
        return Err(Error::ConnectionLimitReached);
    }
    let (scheme, host) = destination(parts)?;
    if header_bytes(&parts.headers) > HEADER_BYTES_MAX {
        return Err(Error::HttpRequestHeaderSectionSize(Some(
            HEADER_BYTES_MAX as u32,
        )));
    }
    if parts.uri.path_and_query().map_or(0, |it| it.as_str().len()) > URL_BYTES_MAX {
        return Err(Error::HttpRequestUriTooLong);
    }
    let to = Whither::new(&scheme, host.clone());
    let recorded = grant.recorded.as_ref();
    let asked = recorded.map(|_| recorded::asked(&grant.secrets, &parts.method, &parts.uri));
    // What is decided of the path must not tell anything of a secret in it.
    let path = parts.uri.path().to_owned();
    // Before the allowlist is asked, so that a theft is told from a mistake.
    exchange_head(&grant.secrets, &to, parts).map_err(|refused| {
        record.refuse(&refused);
        Error::HttpRequestDenied
    })?;
    let destination = Destination {
        method: &parts.method,
        scheme: &scheme,
        host: &host.name,
        port: host.port,
        path: &path,
    };
    if !grant.allow.iter().any(|rule| rule.allows(&destination)) {
        record.refuse_as("not in the tool's allowlist");
        return Err(Error::HttpRequestDenied);
    }
    let is_searched = grant.secrets.are_open_to(&to);
    if is_searched {
        ask_for_identity(&mut parts.headers);
    }
    // The client writes it from the address, as HTTP/2 wants it or as HTTP/1.1 does.
    parts.headers.remove(HOST);
    // Offers codings that an answer would come in, and that nobody here reads.
    parts.headers.remove(TE);
    Ok(Decided {
        to,
        asked: asked.unwrap_or_default(),
        is_searched,
    })
}

fn destination(parts: &Parts) -> Result<(Scheme, Host)> {
    let scheme = parts.uri.scheme().cloned().unwrap_or(Scheme::HTTPS);
    let authority = parts.uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Error::HttpRequestUriInvalid);
    }
    // `host:` and `host:70000` have no port that could be meant.
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => match scheme == Scheme::HTTP {
            true => 80,
            false => HTTPS_PORT,
        },
        _ => authority.port_u16().ok_or(Error::HttpRequestUriInvalid)?,
    };
    let name = authority.host().to_ascii_lowercase();
    Ok((scheme, Host { name, port }))
}

fn header_bytes(headers: &HeaderMap) -> usize {
    let lengths = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    lengths.sum()
}

async fn exchange(
    state: &Arc<State>,
    record: &Arc<Record>,
    decided: Decided,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>> {
    let place = Arc::clone(&state.at_once).acquire_owned().await;
    let place = Arc::new(place.map_err(|_| Error::ConnectionLimitReached)?);
    let grant = &state.grant;
    let Decided {
        to,
        asked,
        is_searched,
    } = decided;
    let exchanging = OutgoingBody::new(Arc::clone(&grant.secrets), to.clone());
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|it| it.to_str().ok()?.parse().ok());
    let request = request.map(|body| {
        let (state, record, place) = (Arc::clone(state), Arc::clone(record), Arc::clone(&place));
        Outgoing::new(body, declared, exchanging, state, record, place).boxed_unsync()
    });
    let answered = match &grant.recorded {
        Some(recordings) => recalled(recordings, &asked, request, record).await,
        None => answered(state, request, options).await,
    };
    // Over HTTP/2 the client does not say why a body was broken off.
    let response = answered.map_err(|error| record.broken_off().unwrap_or(error))?;
    let (mut parts, body) = response.into_parts();
    record.answered(parts.status.as_u16());
    if is_searched {
        refuse_unreadable(&parts)?;
    }
    let masks = grant.secrets.masks(&to);
    if let Some(masks) = &masks {
        masks.headers(&mut parts.headers);
    }
    let between_bytes = options.between_bytes_timeout;
    let (state, record) = (Arc::clone(state), Arc::clone(record));
    let body = ResponseBody::new(body, masks, state, record, between_bytes, place);
    Ok(Response::from_parts(parts, body.boxed_unsync()))
}

/// The recorded answer, once all of the request was looked at: what may not leave in a body is refused here, too.
async fn recalled(
    recordings: &[Recording],
    asked: &str,
    request: Request<super::owner::Outgoing>,
    record: &Record,
) -> Result<Response<Received>> {
    let Some(answer) = recorded::answer(recordings, asked) else {
        record.refuse_as("not among the recorded answers");
        return Err(Error::HttpRequestDenied);
    };
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(answer)
}

/// The head of the answer, within the guest's time-outs.
async fn answered(
    state: &State,
    mut request: Request<super::owner::Outgoing>,
    options: RequestOptions,
) -> Result<Response<Received>> {
    let grant = &state.grant;
    let mut connected = capture_connection(&mut request);
    let mut sending = std::pin::pin!(grant.network.owner(&grant.owner).client().request(request));
    let connecting = async {
        let connected = connected.wait_for_connection_metadata().await;
        connected.as_ref().inspect(|it| connection::retire(it));
    };
    let time_to_connect = state.clipped(options.connect_timeout);
    let early = tokio::select! {
        biased;
        ended = &mut sending => Some(ended),
        connected = tokio::time::timeout(time_to_connect, connecting) => {
            connected.map_err(|_| Error::ConnectionTimeout)?;
            None
        }
    };
    let ended = match early {
        Some(ended) => ended,
        None => {
            let time_to_answer = state.clipped(options.first_byte_timeout);
            tokio::time::timeout(time_to_answer, sending)
                .await
                .map_err(|_| Error::ConnectionReadTimeout)?
        }
    };
    let answer = ended.map_err(|error| failure(&error))?;
    Ok(answer.map(Received::Sent))
}

/// A secret in another coding, or a part of one, would not be recognised.
fn refuse_unreadable(parts: &http::response::Parts) -> Result<()> {
    let is_only = |name: HeaderName, plain: &[u8]| {
        let mut codings = parts.headers.get_all(name).iter();
        codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(plain))
    };
    if !is_only(CONTENT_ENCODING, b"identity") {
        return Err(Error::HttpResponseContentCoding(None));
    }
    if !is_only(TRANSFER_ENCODING, b"chunked") {
        return Err(Error::HttpResponseTransferCoding(None));
    }
    let is_partial = parts.status == StatusCode::PARTIAL_CONTENT;
    match is_partial || parts.headers.contains_key(CONTENT_RANGE) {
        true => Err(Error::HttpResponseIncomplete),
        false => Ok(()),
    }
}

/// What `wasi:http` calls a failure of the client's, by the types of what caused it.
fn failure(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(known) = known(error) {
            return known;
        }
        cause = error.source();
    }
    Error::HttpProtocolError
}

/// The same of an answer's body. The client does not say of its own that one was broken off, only of a head.
pub(super) fn body_failure(error: &hyper::Error) -> Error {
    let error: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let is_broken_off = causes.any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|it| it.kind() == std::io::ErrorKind::UnexpectedEof)
    });
    match is_broken_off {
        true => Error::HttpResponseIncomplete,
        false => failure(error),
    }
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(again(error));
    }
    if let Some(error) = error.downcast_ref::<DialError>() {
        return Some(dial_failure(error));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(match error {
            rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
            _ => Error::TlsProtocolError,
        });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return match () {
            () if error.is_parse_too_large() => Some(Error::HttpResponseHeaderSectionSize(Some(
                HEADER_BYTES_MAX as u32,
            ))),
            () if error.is_incomplete_message() => Some(Error::HttpResponseIncomplete),
            () if error.is_timeout() => Some(Error::HttpResponseTimeout),
            () => None,
        };
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        if let Some(inner) = error.get_ref() {
            return known(inner).or_else(|| Some(failure_of(inner)));
        }
        return Some(io_failure(error));
    }
    None
}

fn failure_of(inner: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    inner.source().map_or(Error::HttpProtocolError, failure)
}

fn io_failure(error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        ErrorKind::TimedOut => Error::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Error::DestinationUnavailable,
        _ => Error::ConnectionTerminated,
    }
}

fn dial_failure(error: &DialError) -> Error {
    match error {
        DialError::Prohibited => Error::DestinationIpProhibited,
        DialError::NoResolver => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        DialError::NoAddress => Error::DestinationNotFound,
        DialError::TimedOut => Error::ConnectionTimeout,
        DialError::NoPlace => Error::ConnectionLimitReached,
        DialError::Connect(error) => io_failure(error),
        DialError::Lookup(error) => match error {
            hickory_resolver::net::NetError::Timeout => Error::DnsTimeout,
            error => Error::DnsError {
                rcode: error.is_nx_domain().then(|| "NXDOMAIN".to_owned()),
                info_code: None,
            },
        },
    }
}
