//! Files of every hostile kind at once: each gets the verdict it gets alone, and a neighbour waits for nothing of it.

use super::bombs::nests;
use super::foreign::foreign;
use super::lists::files;
use super::within;
use crate::compiling::{bombs, judged, limited, low};
use crate::crowds::Canary;
use futures_util::{StreamExt, stream};
use std::time::Duration;
use tollgate_runtime::CompileLimits;

const AT_ONCE: usize = 32;
/// Two are compiled at once, two seconds of processor time each, at the lowest priority beside all other tests.
const BUDGET: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn of_every_kind_get_their_own_verdict() {
    let runtime = limited(CompileLimits {
        cpu: Duration::from_secs(2),
        ..low()
    });
    let refused = [nests(), foreign(), files()].concat().into_iter();
    let refused = refused.map(|(label, wasm, code)| (label, wasm, Some(code)));
    let compiled = bombs().into_iter().map(|(label, wasm)| (label, wasm, None));
    // Those that take longest are there from the first to the last.
    let cases: Vec<_> = compiled.chain(refused).collect();
    let canary = Canary::new(&runtime).await;
    let judging = stream::iter(&cases).for_each_concurrent(AT_ONCE, |(label, wasm, code)| {
        let runtime = &runtime;
        async move {
            let verdict = within(label, BUDGET, judged(runtime, label, wasm)).await;
            let codes: Vec<_> = verdict.violations.iter().map(|it| it.code).collect();
            assert_eq!(
                verdict.is_admitted(),
                codes.is_empty(),
                "{label}: {codes:?}"
            );
            match code {
                Some(code) => assert!(codes.contains(code), "{label}: {codes:?}"),
                None => assert!(!codes.contains(&"check_failed"), "{label}: {codes:?}"),
            }
        }
    });
    judging.await;
    canary.survives("files of every kind").await;
}
