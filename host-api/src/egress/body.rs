//! The bodies of requests and responses on their way: counted, bounded, with secrets put in or masked.

use super::State;
use super::request::Record;
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
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// A request's body.
pub(super) struct Outgoing {
    body: WasiBody,
    exchange: OutgoingBody,
    state: Arc<State>,
    record: Arc<Record>,
    trailers: Option<Frame<Bytes>>,
    is_over: bool,
}

impl Outgoing {
    pub(super) fn new(
        body: WasiBody,
        exchange: OutgoingBody,
        state: Arc<State>,
        record: Arc<Record>,
    ) -> Self {
        Self {
            body,
            exchange,
            state,
            record,
            trailers: None,
            is_over: false,
        }
    }

    fn sent(&self, bytes: Bytes) -> Result<Bytes, Error> {
        let length = bytes.len() as u64;
        let max = self.state.grant.bytes_max;
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

    /// What is left when the guest's own body is over.
    fn held_back(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        let rest = self.exchange.finish();
        match rest.is_empty() {
            true => Ok(self.trailers.take()),
            false => self.sent(rest).map(|rest| Some(Frame::data(rest))),
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
        self.is_over && self.trailers.is_none() || self.body.is_end_stream()
    }

    /// As the guest's: a secret is as long as its placeholder.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body.
pub(super) struct Response {
    body: Incoming,
    masks: Option<IncomingBody>,
    trailer_masks: Option<Masks>,
    state: Arc<State>,
    record: Arc<Record>,
    between_bytes: Option<Duration>,
    silence: Pin<Box<Sleep>>,
    trailers: Option<Frame<Bytes>>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Response {
    pub(super) fn new(
        body: Incoming,
        masks: Option<Masks>,
        state: Arc<State>,
        record: Arc<Record>,
        between_bytes: Option<Duration>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let silence = Box::pin(tokio::time::sleep(state.clipped(between_bytes)));
        Self {
            body,
            masks: masks.clone().map(IncomingBody::new),
            trailer_masks: masks,
            state,
            record,
            between_bytes,
            silence,
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
        loop {
            if this.is_over {
                return Poll::Ready(this.trailers.take().map(Ok));
            }
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let silence = this.state.clipped(this.between_bytes);
                    let until = Instant::now().checked_add(silence);
                    if let Some(until) = until {
                        this.silence.as_mut().reset(until);
                    }
                    this.frame(frame)
                }
                Poll::Ready(Some(Err(error))) => Err(super::request::failure(&error)),
                Poll::Ready(None) => {
                    this.is_over = true;
                    Ok(this.held_back())
                }
                Poll::Pending => {
                    std::task::ready!(this.silence.as_mut().poll(cx));
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
