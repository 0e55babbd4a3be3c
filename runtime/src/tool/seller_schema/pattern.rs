//! Regular expressions that sellers write: linear in the text, bounded in size, without captures, whose tables would grow
//! with the text's states.

use super::fuel::{Fuel, OutOfFuel, STATE};
use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::{Compiler, Config as NfaConfig, State, WhichCaptures};
use regex_automata::util::look::LookSet;

/// The most memory one compiled pattern takes, in bytes.
pub(super) const PATTERN_BYTES_MAX: usize = 64 * 1024;
/// Estimated cache of searches, in bytes for each state of the automaton: 16 bytes for each of four threads.
const KEPT_BYTES_OF_STATE: usize = 4 * 16;
/// Estimated fixed part of that cache, in bytes for each pattern: 2 KiB for each of four threads.
const KEPT_BYTES: usize = 4 * 2048;

/// The cost of a word boundary (`\b`), in usual states. Measured 22 ns per byte of text; a usual state takes 7 ns.
const WORD_EDGE: u64 = 4;

/// The number of transitions that cost as much as one usual state.
const WAYS_OUT: u64 = 2;

/// Letters of escapes that stand for classes of characters or for control characters.
const CLASS_ESCAPES: &[u8] = b"dDwWsSpPc";
/// Bytes that one of them becomes at most, about.
const CLASS_BYTES: usize = 160;

/// Upper bound of the bytes that the translation of a pattern reads. The library reads the whole text again for each class
/// escape, with the escapes before it written out.
pub(super) fn translated_bytes(text: &str) -> usize {
    let is_class = |it: &[u8]| it[0] == b'\\' && CLASS_ESCAPES.contains(&it[1]);
    let classes = text.as_bytes().windows(2).filter(|it| is_class(it)).count();
    (classes + 1).saturating_mul(text.len() + classes * CLASS_BYTES)
}

/// Characters after `(?` that set flags in Rust's syntax. JSON Schema has no flags, and `(?i)` costs a step for each character
/// of a range.
const FLAGS: &[u8] = b"imsuxUR-";

/// True if a pattern sets flags, or has in a class of characters what looks like it.
fn sets_flags(text: &str) -> bool {
    let mut is_escaped = false;
    text.as_bytes().windows(3).any(|it| {
        let begins = it[0] == b'(' && !is_escaped;
        is_escaped = it[0] == b'\\' && !is_escaped;
        begins && it[1] == b'?' && FLAGS.contains(&it[2])
    })
}

/// A pattern, compiled.
#[derive(Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    regex: Regex,
    /// The cost of one byte of text, in usual states.
    states: u64,
}

/// The cost of a state, in usual states. A word boundary looks up the characters on both sides in Unicode's table of word
/// characters.
fn states_as(state: &State) -> u64 {
    match state {
        State::Look { look, .. } if LookSet::singleton(*look).contains_word_unicode() => WORD_EDGE,
        // The search tries each transition in turn. Measured 1 to 2.3 ns each.
        State::Union { alternates } => 1 + alternates.len() as u64 / WAYS_OUT,
        State::Sparse(sparse) => 1 + sparse.transitions.len() as u64 / WAYS_OUT,
        _ => 1,
    }
}

impl Pattern {
    /// Compiles a pattern as JSON Schema has it, or says what is wrong with it. Gives the bytes that it takes, too.
    pub(super) fn new(text: &str) -> Result<(Self, usize), String> {
        let not_linear = || {
            "is not a regular expression that can be judged in linear time: write it without look-around and back-references".to_owned()
        };
        let too_large = || {
            format!(
                "takes more than {PATTERN_BYTES_MAX} bytes when it is compiled: repeat less, or bound the length with `maxLength`"
            )
        };
        if sets_flags(text) {
            return Err("sets flags such as `(?i)`, which patterns of JSON Schema cannot: name both cases, as in `[Aa]`".to_owned());
        }
        let rust = jsonschema_regex::to_rust_regex(text).map_err(|()| not_linear())?;
        let config = NfaConfig::new()
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .which_captures(WhichCaptures::None);
        let automaton = Compiler::new().configure(config).build(&rust);
        let automaton = automaton.map_err(|error| match error.size_limit() {
            Some(_) => too_large(),
            None => not_linear(),
        })?;
        let states = automaton.states();
        let (states, costs) = (states.len(), states.iter().map(states_as).sum());
        drop(automaton);
        // A lazy DFA keeps a cache for each thread, and a full one a table. A tool's weight would not show that memory. The
        // NFA simulation is slower and needs neither.
        let config = Config::new()
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid(false)
            .dfa(false)
            .onepass(false)
            .backtrack(false);
        let regex = Regex::builder().configure(config).build(&rust);
        let regex = regex.map_err(|error| match error.size_limit() {
            Some(_) => too_large(),
            None => not_linear(),
        })?;
        let bytes = regex.memory_usage() + states * KEPT_BYTES_OF_STATE + KEPT_BYTES;
        let pattern = Self {
            text: text.into(),
            regex,
            states: costs,
        };
        Ok((pattern, bytes))
    }

    /// What matching costs for each byte of text at most.
    pub(super) fn per_byte(&self) -> u64 {
        self.states * STATE
    }

    pub(super) fn is_match(&self, text: &str, fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
        // At its ends there is a step, too.
        let bytes = text.len() as u64 + 1;
        fuel.take(bytes.saturating_mul(self.per_byte()))?;
        Ok(self.regex.is_match(text))
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
