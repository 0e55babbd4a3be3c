//! Fixtures, mutated at random: whatever comes of them is refused with a reason or runs to an end, and the host
//! neither panics nor crashes.
//!
//! `TOLLGATE_MUTATIONS=100000 cargo test mutations -- --nocapture` tries more than the usual number;
//! `TOLLGATE_MUTATIONS_SEED` repeats a run.

mod generated;
mod mutate;

use mutate::{Random, mutated};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollgate_fixtures::{FIXTURES, Fixture, Source, packed_bytes};
use tollgate_runtime::{Limits, Outcome, Refused, Rejected, Run, Tool, Violation};
use tollgate_tests::{json, refusal, runtime};
use tollgate_validator::validate;

const MUTATIONS: u64 = 3_000;
const SEED: u64 = 20_260_701;
const WORKERS: u64 = 4;
/// What is larger is judged, but neither compiled nor run.
const COMPILED_BYTES_MAX: usize = 32 * 1024;
const RUN_TIME: Duration = Duration::from_millis(50);

/// Panics in any thread of the process. The runtime contains them; there must be none to contain.
static PANICS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Seed {
    fixture: &'static Fixture,
    bytes: Vec<u8>,
}

/// How often what came of a mutation.
type Tally = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn of_the_fixtures_never_harm_the_host() {
    count_panics();
    let mutations = setting("TOLLGATE_MUTATIONS", MUTATIONS);
    let seed = setting("TOLLGATE_MUTATIONS_SEED", SEED);
    let seeds: Vec<_> = FIXTURES
        .iter()
        .filter(|fixture| fixture.source != Source::Large)
        .map(|fixture| Seed {
            fixture,
            bytes: packed_bytes(fixture.name),
        })
        .collect();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (seeds, random) = (seeds.clone(), Random::new(seed.wrapping_add(worker)));
            tokio::spawn(mutate_and_judge(seeds, random, mutations / WORKERS))
        })
        .collect();
    let mut tally = Tally::new();
    for worker in workers {
        for (end, count) in worker.await.expect("a worker ends") {
            *tally.entry(end).or_default() += count;
        }
    }
    tell(&format!("{mutations} mutations from seed {seed}"), &tally);
    let count = |end: &str| tally.get(end).copied().unwrap_or_default();
    assert_eq!(
        PANICS.load(Ordering::Relaxed),
        0,
        "the host panicked: {tally:?}"
    );
    assert_no_fault(&tally);
    assert!(
        count("admitted") > mutations / 30,
        "too few were admitted: {tally:?}"
    );
    assert!(
        count("rejected format_malformed") > mutations / 10,
        "too few were malformed: {tally:?}"
    );
    assert!(count("ran") > mutations / 60, "too few ran: {tally:?}");
}

fn tell(what: &str, tally: &Tally) {
    eprintln!("{what}:");
    tally
        .iter()
        .for_each(|(end, count)| eprintln!("  {count:7} {end}"));
}

/// Nothing is our fault.
fn assert_no_fault(tally: &Tally) {
    for fault in [
        "rejected check_failed",
        "refused internal",
        "failed internal",
    ] {
        assert_eq!(tally.get(fault), None, "{fault}: {tally:?}");
    }
}

fn count_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

async fn mutate_and_judge(seeds: Vec<Seed>, mut random: Random, mutations: u64) -> Tally {
    let mut tally = Tally::new();
    let mut count = |end: String| *tally.entry(end).or_default() += 1;
    for _ in 0..mutations {
        let seed = &seeds[random.below(seeds.len())];
        let other = &seeds[random.below(seeds.len())];
        let bytes = mutated(&seed.bytes, &other.bytes, &mut random);
        match runtime().admit(&bytes).await {
            Err(Rejected { violations }) => {
                check(&violations, seed.fixture.name);
                count(format!("rejected {}", violations[0].code));
                continue;
            }
            Ok(_) => count("admitted".to_owned()),
        }
        if bytes.len() > COMPILED_BYTES_MAX {
            continue;
        }
        let verdict = validate(runtime(), &bytes).await;
        let Some(tool) = verdict.tool else {
            check(&verdict.violations, seed.fixture.name);
            let first = &verdict.violations[0];
            if first.code == "compile_failed" {
                eprintln!("{}: {first}", seed.fixture.name);
            }
            count(format!("admitted, then {}", first.code));
            continue;
        };
        let ended = run(&tool, seed.fixture, &mut random).await;
        count(match &ended {
            Ok(_) => "ran".to_owned(),
            Err(refused) => format!("refused {}", refusal(refused)),
        });
        if let Ok(Outcome {
            result: Err(failure),
            ..
        }) = ended
        {
            count(format!("failed {}", failure.kind.name()));
        }
    }
    tally
}

fn check(violations: &[Violation], name: &str) {
    assert!(
        !violations.is_empty(),
        "{name} was rejected without a reason"
    );
    for violation in violations {
        assert!(
            !violation.code.is_empty() && !violation.message.is_empty(),
            "{name}: {violation:?}"
        );
        assert!(violation.message.len() < 2_000, "{name}: {violation}");
        let is_placed = violation.place.offset.is_some();
        assert!(
            is_placed || !violation.code.starts_with("format_"),
            "{name}: {violation}"
        );
        let steers = |character: char| character.is_control() && character != '\t';
        let is_clean = !violation.to_string().contains(steers);
        assert!(is_clean, "{name}: {violation:?}");
    }
}

/// As one of the fixture's own runs, where the mutated tool still has its function.
async fn run(tool: &Tool, fixture: &Fixture, random: &mut Random) -> Result<Outcome, Refused> {
    let limits = Limits {
        timeout: RUN_TIME,
        ..Limits::default()
    };
    let runs = fixture.runs;
    let run = match runs.get(random.below(runs.len().max(1))) {
        Some(expected) => match expected.function {
            Some(function) => Run::new(function, json(expected.input)),
            None => Run::only(json(expected.input)),
        },
        None => Run::only(json!({})),
    };
    tool.run(run.limits(limits)).await
}
