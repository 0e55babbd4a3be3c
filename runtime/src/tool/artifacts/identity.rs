//! What a file of native code can be used by.

use crate::tool::checks::Rules;
use std::hash::{Hash, Hasher};
use wasmtime::Engine;

/// Raised whenever files, facts or checks change their meaning, so that what older programs kept is made again.
const FORMAT: u32 = 6;

/// What an engine takes of native code: its exact version, its settings, the machine's instructions.
pub(crate) fn engine_identity(engine: &Engine) -> [u8; 32] {
    let mut hasher = Collecting(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// What all files of a runtime have in common: the engine, and the rules their tools were admitted by. A tool that
/// was admitted by others is judged again.
pub(crate) fn set_identity(engine: &Engine, rules: &Rules) -> [u8; 32] {
    let mut hasher = Collecting(blake3::Hasher::new());
    hasher.write_u32(FORMAT);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    // While developing, checks change and the version does not.
    if cfg!(debug_assertions)
        && let Ok(program) = std::fs::metadata("/proc/self/exe")
    {
        (program.len(), program.modified().ok()).hash(&mut hasher);
    }
    hasher.write(&engine_identity(engine));
    rules.hash_judged(&mut hasher);
    hasher.0.finalize().into()
}

/// Takes everything that is hashed; the standard library's own hashers make 64 bits of it.
struct Collecting(blake3::Hasher);

impl Hasher for Collecting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not asked for.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{compiling_engine, engine};
    use crate::limits::{Limits, ProcessLimits, StaticLimits};
    use std::time::Duration;

    fn identity(rules: &Rules) -> [u8; 32] {
        set_identity(&compiling_engine().expect("an engine"), rules)
    }

    #[test]
    fn what_a_child_makes_is_what_a_runtime_takes() {
        let process = ProcessLimits {
            runs: 2,
            ..ProcessLimits::default()
        };
        let running = engine(&Limits::default(), &StaticLimits::default(), &process);
        let compiling = compiling_engine().expect("an engine");
        assert_eq!(
            engine_identity(&running.expect("an engine")),
            engine_identity(&compiling)
        );
        let other = wasmtime::Engine::default();
        assert_ne!(engine_identity(&other), engine_identity(&compiling));
    }

    #[test]
    fn a_rule_that_admits_others_is_another_identity() {
        let rules = Rules::default();
        let same = Rules {
            limits: Limits {
                timeout: Duration::from_secs(1),
                ..Limits::default()
            },
            ..Rules::default()
        };
        assert_eq!(identity(&rules), identity(&same), "runs are not judged");
        let lower = Rules {
            limits: Limits {
                memory_bytes: 1 << 20,
                ..Limits::default()
            },
            ..Rules::default()
        };
        let fewer = Rules {
            fixed: StaticLimits {
                memories: 1,
                ..StaticLimits::default()
            },
            ..Rules::default()
        };
        let more = Rules {
            host_interfaces: vec!["acme:host/log@1.0.0".to_owned()],
            ..Rules::default()
        };
        for other in [lower, fewer, more] {
            assert_ne!(identity(&rules), identity(&other), "{other:?}");
        }
    }
}
