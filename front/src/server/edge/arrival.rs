//! A request's body arrives in time, or the request is over.

use crate::problem::{Kind, Problem};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

/// Bytes that earn a body one more second: who sends as fast is never cut.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// Goes on with a request, of which a body that takes longer than `patience`, and one second for every 64 KiB of it, is
/// an error to its reader, and the answer is 408. The time starts when the handler first asks for the body. An answer
/// that is given before the body was read to its end says that the connection closes: it cannot carry another request.
pub(crate) async fn in_time<B>(patience: Duration, request: Request<B>, router: &Router) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    if request.body().is_end_stream() {
        return answer(router, request.map(Body::new)).await;
    }
    let arrival = Arc::new(Arrival::default());
    let request = request.map(|body| {
        Body::new(Arriving {
            body,
            patience,
            received: 0,
            clock: None,
            arrival: arrival.clone(),
        })
    });
    let mut response = answer(router, request).await;
    if arrival.is_late.load(Ordering::Relaxed) {
        response = Problem::of(Kind::RequestTimeout).into_response();
    }
    if !arrival.is_whole.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn answer(router: &Router, request: Request<Body>) -> Response {
    let Ok(response) = router.clone().call(request).await;
    response
}

/// How a body arrives.
#[derive(Default)]
struct Arrival {
    is_late: AtomicBool,
    is_whole: AtomicBool,
}

struct Arriving<B> {
    body: B,
    patience: Duration,
    received: u64,
    clock: Option<Clock>,
    arrival: Arc<Arrival>,
}

struct Clock {
    begun: Instant,
    late: Pin<Box<Sleep>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request's body did not arrive in time")]
struct Late;

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let arriving = &mut *self;
        let patience = arriving.patience;
        let Poll::Ready(frame) = Pin::new(&mut arriving.body).poll_frame(context) else {
            let clock = arriving.clock.get_or_insert_with(|| Clock::new(patience));
            ready!(clock.late.as_mut().poll(context));
            arriving.arrival.is_late.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Late.into())));
        };
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        if frame.is_none() || arriving.body.is_end_stream() {
            arriving.arrival.is_whole.store(true, Ordering::Relaxed);
        }
        arriving.received += bytes as u64;
        if let Some(clock) = &mut arriving.clock {
            let earned = Duration::from_secs(arriving.received / BYTES_A_SECOND);
            let late = clock.begun + patience + earned;
            clock.late.as_mut().reset(late);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Clock {
    fn new(patience: Duration) -> Self {
        let begun = Instant::now();
        Self {
            begun,
            late: Box::pin(sleep_until(begun + patience)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use futures_util::{StreamExt, stream};

    const PATIENCE: Duration = Duration::from_millis(300);

    /// What is answered to a body of so many pieces of so many bytes, so long apart.
    async fn answer(pieces: usize, bytes: usize, apart: Duration) -> Response {
        let router = Router::new()
            .route("/", post(async |body: Bytes| body.len().to_string()))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let body = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(apart).await;
            Ok::<_, Late>(Bytes::from(vec![0; bytes]))
        });
        let request = Request::post("/").body(Body::from_stream(body));
        in_time(PATIENCE, request.expect("a request"), &router).await
    }

    #[tokio::test]
    async fn a_body_that_drips_is_late() {
        let a_second_of_bytes = BYTES_A_SECOND as usize;
        let apart = Duration::from_millis(60);
        for (pieces, bytes, apart, status) in [
            (3, 1, Duration::ZERO, 200),
            (10, 1, apart, 408),
            (1, 1, Duration::from_secs(60), 408),
            (10, a_second_of_bytes, apart, 200),
            (10, a_second_of_bytes / 20, apart, 408),
        ] {
            let response = answer(pieces, bytes, apart).await;
            assert_eq!(response.status(), status, "{pieces} of {bytes}");
        }
    }
}
