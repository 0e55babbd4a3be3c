//! A kept file that is not what it was is never run: it is refused, and compiled again.

use super::*;
use std::fs;

/// Bytes behind the code and the facts: what they are of, and the hash.
const END_BYTES: usize = 88 + 32;

type Damage = fn(&mut Vec<u8>);

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

const DAMAGES: &[(&str, Damage)] = &[
    ("empty", |bytes| bytes.clear()),
    ("one byte", |bytes| bytes.truncate(1)),
    ("half", |bytes| bytes.truncate(bytes.len() / 2)),
    ("without its end", |bytes| {
        bytes.truncate(bytes.len() - END_BYTES)
    }),
    ("without its hash", |bytes| bytes.truncate(bytes.len() - 32)),
    ("without its last byte", |bytes| {
        bytes.truncate(bytes.len() - 1)
    }),
    ("a byte more", |bytes| bytes.push(0)),
    ("a page more before its end", |bytes| {
        let at = bytes.len() - END_BYTES;
        bytes.splice(at..at, [0; 4096]);
    }),
    ("zeroes", |bytes| bytes.fill(0)),
    ("the first bit", |bytes| flip(bytes, 0)),
    ("a bit of the code", |bytes| flip(bytes, 8 * 2000)),
    ("a bit of the facts", |bytes| {
        let bit = 8 * (bytes.len() - END_BYTES - 2);
        flip(bytes, bit);
    }),
    ("a bit of the magic", |bytes| {
        let bit = 8 * (bytes.len() - END_BYTES);
        flip(bytes, bit);
    }),
    ("a bit of the code's length", |bytes| {
        let bit = 8 * (bytes.len() - END_BYTES + 8);
        flip(bytes, bit);
    }),
    ("the greatest lengths", |bytes| {
        let at = bytes.len() - END_BYTES + 8;
        bytes[at..at + 16].fill(0xff);
    }),
    ("a bit of the digest", |bytes| {
        let bit = 8 * (bytes.len() - 96);
        flip(bytes, bit);
    }),
    ("a bit of the set", |bytes| {
        let bit = 8 * (bytes.len() - 64);
        flip(bytes, bit);
    }),
    ("the first bit of the hash", |bytes| {
        let bit = 8 * (bytes.len() - 32);
        flip(bytes, bit);
    }),
    ("the last bit", |bytes| {
        let bit = 8 * bytes.len() - 1;
        flip(bytes, bit);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_damaged_anywhere_is_compiled_again() {
    let (kept, tool) = (Kept::new(), Guest::new(100));
    kept.runtime().runs(&tool).await;
    let path = kept.file(&tool.wasm);
    let whole = fs::read(&path).expect("a file");
    for (label, damage) in DAMAGES {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        assert_ne!(bytes, whole, "{label}");
        fs::write(&path, bytes).expect("written");
        is_repaired(&kept, &tool, label).await;
    }
}

/// The next process sees it, compiles and answers; the one after it loads what that one kept.
async fn is_repaired(kept: &Kept, tool: &Guest, label: &str) -> ArtifactRefusal {
    let next = kept.runtime();
    next.runs(tool).await;
    assert_eq!(next.seen(), seen(1, 0, 1, 0), "{label}");
    let after = kept.runtime();
    after.runs_unread(tool).await;
    assert_eq!(after.seen(), LOADED, "{label}");
    next.refusal()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_in_its_place_is_not_run() {
    let (kept, tool, other) = (Kept::new(), Guest::new(101), Guest::new(102));
    let first = kept.runtime();
    first.runs(&tool).await;
    first.runs(&other).await;
    let (path, others) = (kept.file(&tool.wasm), kept.file(&other.wasm));

    fs::copy(&others, &path).expect("copied");
    let refusal = is_repaired(&kept, &tool, "another tool's").await;
    assert_eq!(refusal, ArtifactRefusal::Foreign);

    fs::remove_file(&path).expect("removed");
    fs::create_dir_all(path.join("with a file")).expect("a folder");
    let refusal = is_repaired(&kept, &tool, "a folder").await;
    assert_eq!(refusal, ArtifactRefusal::Cut);

    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink(&others, &path).expect("a link");
    is_repaired(&kept, &tool, "a link").await;
    assert!(others.is_file(), "what it led to is left alone");

    // As if another engine, or other rules, had its name: their own file is good, but not here.
    let lower = RuntimeConfig {
        limits: Limits {
            memory_bytes: 1 << 20,
            ..Limits::default()
        },
        ..config(Some(kept.cache()))
    };
    let before = kept.files();
    watched(lower).runs(&tool).await;
    let after = kept.files();
    let foreign = after.iter().find(|path| !before.contains(path));
    fs::copy(foreign.expect("a file of its own"), &path).expect("copied");
    let refusal = is_repaired(&kept, &tool, "another engine's").await;
    assert_eq!(refusal, ArtifactRefusal::Foreign);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_sealed_with_another_key_is_not_run() {
    let (kept, tool) = (Kept::new(), Guest::new(103));
    let forger = ArtifactCache {
        key: ArtifactKey::new([8; 32]),
        ..kept.cache()
    };
    watched(config(Some(forger))).runs(&tool).await;
    let refusal = is_repaired(&kept, &tool, "another key").await;
    assert_eq!(refusal, ArtifactRefusal::Altered);
}

/// The engine alone takes nine of ten such files, and runs them.
#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_flipped_bits_are_all_seen() {
    let (kept, tool) = (Kept::new(), Guest::new(104));
    // Nothing stays loaded: each time the file is looked at.
    let unloaded = RuntimeConfig {
        loaded_bytes: 0,
        ..config(Some(kept.cache()))
    };
    let watched = watched(unloaded);
    watched.runs(&tool).await;
    let path = kept.file(&tool.wasm);
    let whole = fs::read(&path).expect("a file");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 1..=400 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let bit = (state >> 16) as usize % (8 * whole.len());
        let mut bytes = whole.clone();
        flip(&mut bytes, bit);
        let new = kept.folder.path().join("new");
        fs::write(&new, bytes).expect("written");
        fs::rename(&new, &path).expect("in its place");
        watched.runs(&tool).await;
        assert_eq!(watched.seen(), seen(round + 1, 0, round, 0), "bit {bit}");
    }
    watched.runs_unread(&tool).await;
    assert_eq!(watched.seen(), seen(401, 1, 400, 0));
}
