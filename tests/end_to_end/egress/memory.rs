//! A guest's memory at every host call: the secret that its request carries is never in it.

use super::services::tool_at;
use super::*;
use aho_corasick::{AhoCorasick, MatchKind};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tollgate_tests::is_built;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// In no guest's memory of any other test.
const KEY: &str = "m3mory/k3y \"that nobody sees\"";
/// What a guest does see.
const CITY: &str = "Tromsø-where-it-is-seen";

/// Memory that a pool reserves for one guest ends with at least so much that nobody may touch.
const GUARDED_BYTES: u64 = 1 << 30;
/// And no guest has more.
const GUEST_BYTES_MAX: u64 = 128 << 20;

/// Looks into all guests' memory whenever one of them calls its host, on the guest's own thread, before and after the
/// call: Wasmtime tells of both.
struct Spy;

/// What is looked for, while it is.
static LOOKED_FOR: Mutex<Option<Arc<Seen>>> = Mutex::new(None);

struct Seen {
    search: AhoCorasick,
    looks: AtomicU64,
    /// How often each of the texts was seen.
    found: Vec<AtomicU64>,
}

impl Subscriber for Spy {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wasmtime_wasi")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let seen = LOOKED_FOR.lock().expect("nobody panicked").clone();
        if let Some(seen) = seen {
            seen.look();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Seen {
    fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
        let mut memory = File::open("/proc/self/mem").expect("readable");
        let mut bytes = Vec::new();
        for (from, to) in guests_memory(&maps) {
            bytes.resize((to - from) as usize, 0);
            let read = memory
                .seek(SeekFrom::Start(from))
                .and_then(|_| memory.read(&mut bytes));
            // A part that was given back meanwhile belongs to no guest any more.
            let read = read.unwrap_or(0);
            for found in self.search.find_iter(&bytes[..read]) {
                self.found[found.pattern().as_usize()].fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Of the process's mappings those that a guest can write to: the beginnings of slots of the pool, each of which goes on
/// as a gigabyte or more that is guarded.
fn guests_memory(maps: &str) -> Vec<(u64, u64)> {
    let mappings = maps.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (from, to) = words.next()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some((
            hex(from)?,
            hex(to)?,
            words.next()? == "---p",
            line.contains("rw-p"),
        ))
    });
    let (mut found, mut slot) = (Vec::new(), Vec::<(u64, u64)>::new());
    for (from, to, is_guard, is_writable) in mappings {
        let goes_on = slot.last().is_some_and(|last| last.1 == from);
        if is_guard && goes_on && to - from >= GUARDED_BYTES {
            found.append(&mut slot);
        }
        if !(is_writable && goes_on) {
            slot.clear();
        }
        if is_writable && to - from <= GUEST_BYTES_MAX {
            slot.push((from, to));
        }
    }
    found
}

/// In a process of its own, in which there are no other guests.
#[test]
fn holds_no_secret_at_any_host_call() {
    alone("egress::memory::holds_none_here");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above"]
async fn holds_none_here() {
    tracing::subscriber::set_global_default(Spy).expect("no test has another");
    for name in ["weather", "weather-js"] {
        if !is_built(tollgate_fixtures::fixture(name)) {
            continue;
        }
        let upstream = Upstream::https().await;
        let runtime = Runtime::new(RuntimeConfig {
            network: open(&upstream),
            ..RuntimeConfig::default()
        });
        let runtime = runtime.expect("the runtime starts");
        let tool = load(&runtime, &tool_at(name, &upstream.host())).await;
        let mut texts = vec![CITY.as_bytes().to_vec()];
        texts.extend(
            tollgate_runtime::spellings(KEY)
                .into_iter()
                .map(|(_, text)| text),
        );
        let seen = Arc::new(Seen {
            // By the processor's vector instructions: there are thousands of megabytes to look through.
            search: AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostFirst)
                .build(&texts)
                .expect("a few texts"),
            looks: AtomicU64::new(0),
            found: texts.iter().map(|_| AtomicU64::new(0)).collect(),
        });
        *LOOKED_FOR.lock().expect("nobody panicked") = Some(Arc::clone(&seen));
        let service = format!("https://{}", upstream.host());
        let calls = [
            ("forecast", json!({"service": service, "city": CITY})),
            ("places", json!({"service": service, "name": CITY})),
            ("warn", json!({"service": service, "text": CITY})),
            ("account", json!({"service": service, "user": "acme"})),
        ];
        // JavaScript's runtime has ten times the memory, and calls its host three times as often.
        let few = if name == "weather" { calls.len() } else { 1 };
        for (function, input) in calls.into_iter().take(few) {
            let key = Credential::new(KEY).expect("valid");
            let run = Run::new(function, input)
                .owner("buyer")
                .credentials(Credentials::new().with("WEATHER_KEY", key));
            let outcome = tool.run(run).await.expect("it starts");
            let answer = outcome.result.expect(function);
            // The service told it back, and the tool was given stars.
            let is_told = function == "forecast" || answer.to_string().contains("*****");
            assert!(is_told, "{name} {function}: {answer}");
        }
        *LOOKED_FOR.lock().expect("nobody panicked") = None;
        assert_eq!(upstream.seen()[0].headers["x-api-key"], KEY);
        let counts: Vec<_> = seen
            .found
            .iter()
            .map(|it| it.load(Ordering::Relaxed))
            .collect();
        let looks = seen.looks.load(Ordering::Relaxed);
        assert!(looks >= 40, "{name}: {looks} looks");
        assert!(
            counts[0] >= 3,
            "{name}: it looks at memory that no guest uses: {counts:?}"
        );
        assert_eq!(counts[1..].iter().sum::<u64>(), 0, "{name}: {counts:?}");
    }
}
