//! Compiled once, whoever asks and however often; kept within a bound.

use super::*;
use crate::bytes::{MODULE, custom};
use std::os::unix::fs::PermissionsExt;
use tollgate_validator::validate;

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_compiled_once_for_two_hundred_at_once() {
    let (kept, tool) = (Kept::new(), Guest::new(1));
    let watched = kept.runtime();
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (runtime, wasm) = (watched.runtime.clone(), tool.wasm.clone());
        asking.spawn(async move {
            match number % 3 {
                0 => runtime.load(&wasm).await.expect("admitted"),
                1 => validate(&runtime, &wasm).await.tool.expect("admitted"),
                _ => {
                    let digest = ToolDigest::of(&wasm);
                    let fetch = async move { Ok::<_, Infallible>(wasm.into()) };
                    let loaded = runtime.load_known(digest, number.to_string(), fetch);
                    loaded.await.expect("admitted")
                }
            }
        });
    }
    while let Some(loaded) = asking.join_next().await {
        tool.check(&loaded.expect("no panic")).await;
    }
    assert_eq!(watched.seen(), COMPILED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_s_compilation_is_the_runs_and_the_next_process_s() {
    let (kept, tool) = (Kept::new(), Guest::new(2));
    let first = kept.runtime();
    assert!(validate(&first.runtime, &tool.wasm).await.is_admitted());
    first.runs_unread(&tool).await;
    assert_eq!(first.seen(), COMPILED);
    drop(first);
    let next = kept.runtime();
    assert!(next.runtime.is_kept(&ToolDigest::of(&tool.wasm)));
    next.runs_unread(&tool).await;
    next.runs(&tool).await;
    assert_eq!(next.seen(), LOADED);
    let another = kept.runtime();
    assert!(validate(&another.runtime, &tool.wasm).await.is_admitted());
    assert_eq!(another.seen(), LOADED);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_tool_is_kept_with_all_that_is_known_of_it() {
    let kept = Kept::new();
    for name in ["forecast", "wordcount", "csv-stats", "hostile-sockets"] {
        let wasm = tollgate_fixtures::packed_bytes(name);
        let describe = |tool: &Tool| {
            let (interface, manifest) = (tool.interface(), tool.manifest());
            let about = (tool.kind(), tool.counts(), tool.notes());
            format!("{about:?} {interface:?} {manifest:?}")
        };
        let first = kept.runtime().runtime.load(&wasm).await.expect(name);
        let next = kept.runtime();
        let fetch = async { panic!("its bytes are asked for") };
        let digest = ToolDigest::of(&wasm);
        let again = next.runtime.load_known::<Infallible>(digest, "", fetch);
        let again = again.await.expect(name);
        assert_eq!(describe(&first), describe(&again), "{name}");
        assert_eq!(next.seen(), LOADED, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_the_user_s_own() {
    let (kept, tool) = (Kept::new(), Guest::new(3));
    kept.runtime().runs(&tool).await;
    let mode = |path: &Path| {
        let about = std::fs::metadata(path).expect("it is there");
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode(&kept.compiled()), 0o700);
    assert_eq!(mode(&kept.file(&tool.wasm)), 0o600);
    assert_eq!(kept.files().len(), 1, "nothing unfinished is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_tools_run_all_the_same() {
    let tool = Guest::new(4);
    let blocked = Kept::new();
    std::fs::write(blocked.compiled(), "a file where the folder belongs").expect("written");
    let small = Kept::new();
    let too_small = ArtifactCache {
        bytes_max: 1000,
        ..small.cache()
    };
    let cases = [
        ("no folder", config(Some(blocked.cache())), seen(1, 0, 0, 1)),
        ("no room", config(Some(too_small)), seen(1, 0, 0, 1)),
        ("no cache", config(None), COMPILED),
    ];
    for (label, config, expected) in cases {
        let watched = watched(config);
        watched.runs(&tool).await;
        watched.runs(&tool).await;
        assert_eq!(watched.seen(), expected, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_used_for_longest_goes_first_and_other_engines_files_before() {
    let kept = Kept::new();
    let tools: Vec<_> = (10..14).map(Guest::new).collect();
    for tool in &tools[..3] {
        kept.runtime().runs(tool).await;
    }
    // Names carry the engine: this one is of none there is.
    let ours = kept.file(&tools[0].wasm);
    let name = ours
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .replace('.', ".0");
    let foreign = kept
        .compiled()
        .join(name.replace(".0compiled", ".compiled"));
    std::fs::copy(&ours, &foreign).expect("copied");
    // The first was used last.
    kept.runtime().runs_unread(&tools[0]).await;
    let bytes: u64 = kept.files().iter().map(|path| length(path)).sum();
    let room_for_three = ArtifactCache {
        bytes_max: bytes - 1,
        ..kept.cache()
    };
    let watched = watched(config(Some(room_for_three)));
    watched.runs(&tools[3]).await;
    let is_kept = |tool: &Guest| watched.runtime.is_kept(&ToolDigest::of(&tool.wasm));
    let left: Vec<_> = tools.iter().map(is_kept).collect();
    assert!(!foreign.exists(), "the other engine's file is first to go");
    assert_eq!(left, [true, false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_was_kept_is_judged_by_the_rules_that_hold_now() {
    let kept = Kept::new();
    let wasm = wat_bytes(r#"(module (memory (export "memory") 100) (func (export "_start")))"#);
    let first = kept.runtime();
    first.runtime.load(&wasm).await.expect("admitted");
    let lower = RuntimeConfig {
        limits: Limits {
            memory_bytes: 1 << 20,
            ..Limits::default()
        },
        ..config(Some(kept.cache()))
    };
    let lower = watched(lower);
    let digest = ToolDigest::of(&wasm);
    assert!(!lower.runtime.is_kept(&digest));
    let fetch = async move { Ok::<_, Infallible>(wasm.into()) };
    let loaded = lower.runtime.load_known(digest, "", fetch).await;
    let Err(LoadError::Rejected(rejected)) = loaded else {
        panic!("{loaded:?}");
    };
    assert_eq!(rejected.violations[0].code, "memory_too_large");
    assert_eq!(lower.seen(), Seen::default());
}

/// It is native code, which nobody has judged where it comes from a seller.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_file_that_is_sent_as_a_tool_is_never_loaded() {
    let (kept, tool) = (Kept::new(), Guest::new(30));
    kept.runtime().runs(&tool).await;
    let native = std::fs::read(kept.file(&tool.wasm)).expect("a file");
    assert!(native.starts_with(b"\x7fELF"), "the engine's code is first");
    let behind_a_header = [MODULE, &native].concat();
    let next = kept.runtime();
    for (label, bytes, code) in [
        ("as it is", &native, "format_unknown"),
        ("behind a header", &behind_a_header, "format_malformed"),
    ] {
        let violations = validate(&next.runtime, bytes).await.violations;
        assert_eq!(violations[0].code, code, "{label}: {}", violations[0]);
        let rejected = next.runtime.load(bytes).await.expect_err(label);
        assert_eq!(rejected.violations[0].code, code, "{label}: {rejected}");
        assert!(!next.runtime.is_kept(&ToolDigest::of(bytes)), "{label}");
    }
    assert_eq!(next.seen(), Seen::default());

    let command = wat_bytes(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let ballast = [&command[..], &custom("ballast", &native)].concat();
    let verdict = validate(&next.runtime, &ballast).await;
    let carries = verdict.tool.expect("admitted");
    let run = Run::only(serde_json::Value::Null);
    assert_eq!(output(carries.run(run).await), json!(""));
    assert_eq!(next.seen(), COMPILED, "it is compiled as if it were alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_are_not_kept_under_a_tool_s_name() {
    let (kept, asked, given) = (Kept::new(), Guest::new(20), Guest::new(21));
    let watched = kept.runtime();
    let digest = ToolDigest::of(&asked.wasm);
    let fetch = async move { Ok::<_, Infallible>(given.wasm.into()) };
    let loaded = watched.runtime.load_known(digest, "", fetch).await;
    let Err(LoadError::Rejected(rejected)) = loaded else {
        panic!("{loaded:?}");
    };
    assert_eq!(rejected.violations[0].code, "check_failed");
    assert!(kept.files().is_empty());
    let fetch = async { Err(std::io::Error::other("no such tool")) };
    let loaded = watched.runtime.load_known(digest, "", fetch).await;
    assert!(matches!(loaded, Err(LoadError::Fetch(_))), "{loaded:?}");
    watched.runs(&asked).await;
}
