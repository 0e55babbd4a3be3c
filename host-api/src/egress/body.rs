//! The bodies of requests and responses on their way: counted, bounded, with secrets put in or masked.

use super::State;
use super::record::Record;
use crate::exchange::Refused;
use crate::exchange::incoming::{IncomingBody, Masks};
use crate::exchange::outgoing::OutgoingBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

/// Frames that are looked at in one turn where none of them is to be told yet. The next turn may be another run's.
const FRAMES_AT_ONCE: usize = 32;

/// A request's body.
pub(super) struct Outgoing {
    body: WasiBody,
    exchange: OutgoingBody,
    state: Arc<State>,
    record: Arc<Record>,
    trailers: Option<Frame<Bytes>>,
    is_over: bool,
    /// What the request's head promises still to come.
    left: Option<u64>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Outgoing {
    /// `declared` is the length that the request's head declares.
    pub(super) fn new(
        body: WasiBody,
        declared: Option<u64>,
        exchange: OutgoingBody,
        state: Arc<State>,
        record: Arc<Record>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            body,
            exchange,
            state,
            record,
            trailers: None,
            is_over: false,
            left: declared,
            _place: place,
        }
    }

    fn sent(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        let length = bytes.len() as u64;
        let max = self.state.grant.bytes_max;
        if let Some(left) = &mut self.left {
            // Over HTTP/2 nobody else looks, and a host behind the first may take the rest for another request.
            let declared = *left;
            *left = left
                .checked_sub(length)
                .ok_or(Error::HttpRequestBodySize(Some(declared)))?;
        }
        if take(&self.state.bytes_out, length, max) {
            self.record.bytes_out.fetch_add(length, Ordering::Relaxed);
            Ok(bytes)
        } else {
            Err(Error::HttpRequestBodySize(Some(max)))
        }
    }

    fn refused(&self, refused: &Refused) -> Error {
        self.record.refuse(refused);
        Error::HttpRequestDenied
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Error> {
        match frame.into_data() {
            Ok(chunk) => {
                let bytes = self.exchange.push(chunk);
                let bytes = bytes.map_err(|refused| self.refused(&refused))?;
                let bytes = self.sent(bytes)?;
                Ok((!bytes.is_empty()).then(|| Frame::data(bytes)))
            }
            Err(frame) => {
                let Ok(mut trailers) = frame.into_trailers() else {
                    return Ok(None);
                };
                let exchanged = self.exchange.trailers(&mut trailers);
                exchanged.map_err(|refused| self.refused(&refused))?;
                self.is_over = true;
                self.trailers = Some(Frame::trailers(trailers));
                self.held_back()
            }
        }
    }

    /// What is left when the guest's own body is over. A run that was ended leaves its bodies as if they were whole: a
    /// host must not take them for that.
    fn held_back(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        if self.state.is_over.load(Ordering::Acquire) {
            return Err(Error::ConnectionTerminated);
        }
        let rest = self.exchange.finish();
        let rest = self.sent(rest)?;
        if self.left.is_some_and(|left| left > 0) {
            return Err(Error::HttpProtocolError);
        }
        match rest.is_empty() {
            true => Ok(self.trailers.take()),
            false => Ok(Some(Frame::data(rest))),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if this.is_over {
                return Poll::Ready(this.trailers.take().map(Ok));
            }
            let frame = match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.frame(frame),
                Some(Err(error)) => Err(error),
                None => {
                    this.is_over = true;
                    this.held_back()
                }
            };
            match frame {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if this.is_over => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => {
                    this.record.break_off(&error);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_told = self.is_over && self.trailers.is_none();
        is_told || self.body.is_end_stream() && self.exchange.is_empty()
    }

    /// As the guest's: a secret is as long as its placeholder.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body as it comes in.
pub(super) enum Received {
    Sent(Incoming),
    Recorded(WasiBody),
}

impl Received {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Received::Sent(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(|error| super::request::body_failure(&error))
            }
            Received::Recorded(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Received::Sent(body) => body.size_hint(),
            Received::Recorded(body) => body.size_hint(),
        }
    }
}

/// A response's body.
pub(super) struct Response {
    body: Received,
    masks: Option<IncomingBody>,
    trailer_masks: Option<Masks>,
    state: Arc<State>,
    record: Arc<Record>,
    between_bytes: Option<Duration>,
    /// Runs while the guest waits for the host.
    silence: Option<Pin<Box<Sleep>>>,
    trailers: Option<Frame<Bytes>>,
    is_over: bool,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Response {
    pub(super) fn new(
        body: Received,
        masks: Option<Masks>,
        state: Arc<State>,
        record: Arc<Record>,
        between_bytes: Option<Duration>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            body,
            masks: masks.clone().map(IncomingBody::new),
            trailer_masks: masks,
            state,
            record,
            between_bytes,
            silence: None,
            trailers: None,
            is_over: false,
            _place: place,
        }
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Error> {
        match frame.into_data() {
            Ok(chunk) => {
                let length = chunk.len() as u64;
                let max = self.state.grant.bytes_max;
                if !take(&self.state.bytes_in, length, max) {
                    return Err(Error::HttpResponseBodySize(Some(max)));
                }
                self.record.bytes_in.fetch_add(length, Ordering::Relaxed);
                let bytes = match &mut self.masks {
                    Some(masks) => masks.push(chunk),
                    None => chunk,
                };
                Ok((!bytes.is_empty()).then(|| Frame::data(bytes)))
            }
            Err(frame) => {
                if let Ok(mut trailers) = frame.into_trailers() {
                    if let Some(masks) = &self.trailer_masks {
                        masks.headers(&mut trailers);
                    }
                    self.trailers = Some(Frame::trailers(trailers));
                }
                self.is_over = true;
                Ok(self.held_back())
            }
        }
    }

    fn held_back(&mut self) -> Option<Frame<Bytes>> {
        let rest = self.masks.as_mut().map(IncomingBody::finish);
        match rest.filter(|rest| !rest.is_empty()) {
            Some(rest) => Some(Frame::data(rest)),
            None => self.trailers.take(),
        }
    }
}

impl Body for Response {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        for _ in 0..FRAMES_AT_ONCE {
            if this.is_over {
                return Poll::Ready(this.trailers.take().map(Ok));
            }
            let frame = match this.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.silence = None;
                    this.frame(frame)
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => {
                    this.is_over = true;
                    Ok(this.held_back())
                }
                Poll::Pending => {
                    let wait =
                        || Box::pin(tokio::time::sleep(this.state.clipped(this.between_bytes)));
                    let silence = this.silence.get_or_insert_with(wait);
                    std::task::ready!(silence.as_mut().poll(cx));
                    Err(Error::ConnectionReadTimeout)
                }
            };
            match frame {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if this.is_over => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => {
                    this.record.fail(&error);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts `bytes` more, unless there would be more than `max`.
fn take(counted: &AtomicU64, bytes: u64, max: u64) -> bool {
    let add = |so_far: u64| so_far.checked_add(bytes).filter(|all| *all <= max);
    counted
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}
