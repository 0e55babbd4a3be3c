//! `/metrics`, for whoever runs the server.

use crate::problem::{Kind, Problem};
use crate::server::edge::compilation;
use crate::server::edge::observe::Observed;
use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds in seconds of everything measured in seconds: from an answer out of memory to a run's whole limit.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0,
];
/// How often what was measured is summed up where nobody asks for it; until then every measurement is held.
const SUMMED_UP: Duration = Duration::from_secs(5);

/// Makes the process count. To be called once, within tokio.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = builder()?
        .install_recorder()
        .context("cannot set the metrics up")?;
    describe();
    let summing = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SUMMED_UP).await;
            summing.run_upkeep();
        }
    });
    Ok(handle)
}

/// Serves them, in Prometheus' text format.
pub(super) fn router(handle: PrometheusHandle, patience: Duration) -> Observed {
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let metrics = async move || (text, handle.render());
    let router = Router::new()
        .route("/metrics", get(metrics))
        .fallback(async || Problem::of(Kind::RouteNotFound));
    // Nobody is known here, and what there is to say is small.
    Observed::new(router, ["/metrics"], Arc::default(), patience)
}

fn builder() -> anyhow::Result<PrometheusBuilder> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new();
    builder
        .set_buckets_for_metric(seconds, SECONDS)
        .context("cannot set the metrics up")
}

fn describe() {
    describe_counter!(
        "tollgate_requests_total",
        "Requests answered, by route, method, status and problem code"
    );
    describe_histogram!(
        "tollgate_request_seconds",
        Unit::Seconds,
        "From a request's headers to its answer's headers, by route"
    );
    describe_counter!(
        "tollgate_connections_turned_away_total",
        "Connections told that there is no place"
    );
    compilation::describe();
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_was_counted_is_served_as_text() {
        let recorder = builder().expect("a builder").build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("tollgate_requests_total", "route" => "/healthz").increment(2);
            metrics::histogram!("tollgate_request_seconds").record(0.003);
        });
        let request = Request::get("/metrics").body(Body::empty());
        let router = router(recorder.handle(), Duration::from_secs(1));
        let response = router.answer(request.expect("a request")).await;
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.expect("a body");
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
        for line in [
            "tollgate_requests_total{route=\"/healthz\"} 2",
            "tollgate_request_seconds_bucket{le=\"0.0025\"} 0",
            "tollgate_request_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }
}
