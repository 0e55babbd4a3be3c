//! Rewriting a stream of bytes: every place where one of some texts stands is overwritten with as many other bytes,
//! also where a text is cut by the border of two chunks. No more is held back than what may be the beginning of one.
//!
//! The beginnings of all texts are looked for at once. Where one stands, its texts are followed to their end, byte by
//! byte, each in constant time (Knuth, Morris and Pratt): who chooses texts and stream cannot make it take longer than
//! so many steps a byte as texts begin alike.

#[cfg(test)]
mod tests;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// How much of a text is looked for at first. Few states keep the search in the processor's caches.
const NEEDLE_BYTES_MAX: usize = 4;

/// Texts to look for. Shared by all streams they are looked for in.
pub(super) struct Texts {
    texts: Vec<Text>,
    /// Which texts begin with each needle.
    beginning: Vec<Vec<usize>>,
    needles: Vec<Vec<u8>>,
    search: DFA,
    start: StateID,
}

struct Text {
    bytes: Zeroizing<Vec<u8>>,
    /// Made when the text is first followed.
    borders: OnceLock<Vec<u32>>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({})", self.texts.len())
    }
}

impl Texts {
    /// None of the texts may be empty.
    pub(super) fn new(texts: Vec<Vec<u8>>) -> Self {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        let mut beginning: Vec<Vec<usize>> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let needle = &text[..text.len().min(NEEDLE_BYTES_MAX)];
            match needles.iter().position(|it| it == needle) {
                Some(known) => beginning[known].push(index),
                None => {
                    needles.push(needle.to_vec());
                    beginning.push(vec![index]);
                }
            }
        }
        let search = DFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(&needles)
            .expect("a few needles of a few bytes");
        let start = search.start_state(Anchored::No).expect("not anchored");
        let texts = texts.into_iter().map(|bytes| Text {
            bytes: bytes.into(),
            borders: OnceLock::new(),
        });
        Self {
            texts: texts.collect(),
            beginning,
            needles,
            search,
            start,
        }
    }

    /// How many bytes there are to the end of the first needle; all of them, if there is none.
    fn to_needle(&self, state: &mut StateID, bytes: &[u8]) -> usize {
        let mut now = *state;
        let mut at = 0;
        for byte in bytes {
            now = self.search.next_state(Anchored::No, now, *byte);
            at += 1;
            if self.search.is_special(now) {
                break;
            }
        }
        *state = now;
        at
    }

    fn has_needle(&self, bytes: &[u8]) -> bool {
        let mut state = self.start;
        self.to_needle(&mut state, bytes);
        self.search.is_match(state)
    }

    /// How many of the last bytes may be the beginning of a needle, and no whole one.
    fn begun_needle(&self, last: &[u8]) -> usize {
        let begins = |length: &usize| {
            let end = &last[last.len() - length..];
            self.needles
                .iter()
                .any(|needle| needle.len() > *length && needle.starts_with(end))
        };
        (1..=last.len()).rev().find(begins).unwrap_or(0)
    }
}

impl Text {
    /// How much of the text stands at the end of a stream after one more byte, where `matched` stood before.
    fn advance(&self, mut matched: usize, byte: u8) -> usize {
        let borders = self.borders.get_or_init(|| borders(&self.bytes));
        if matched == self.bytes.len() {
            matched = borders[matched - 1] as usize;
        }
        while matched > 0 && self.bytes[matched] != byte {
            matched = borders[matched - 1] as usize;
        }
        matched + usize::from(self.bytes[matched] == byte)
    }
}

/// For each beginning of a text, the length of the longest shorter beginning that it ends with.
fn borders(text: &[u8]) -> Vec<u32> {
    let mut borders = vec![0_u32; text.len()];
    let mut length = 0;
    for at in 1..text.len() {
        while length > 0 && text[at] != text[length] {
            length = borders[length - 1] as usize;
        }
        length += usize::from(text[at] == text[length]);
        borders[at] = length as u32;
    }
    borders
}

/// What is done about the places where texts stand in a chunk and what was held back before it.
pub(super) trait Places {
    /// What ends the stream.
    type Refused;
    /// A text stands there. Ends come in order.
    fn found(&mut self, text: usize, place: Range<usize>) -> Result<(), Self::Refused>;
    /// Whether nothing is to be rewritten.
    fn is_empty(&self) -> bool;
    /// Rewrites the places found.
    fn rewrite(self, bytes: &mut [u8]);
}

/// A whole text, rewritten; nothing where nothing of it is.
pub(super) fn whole<P: Places>(
    texts: &Texts,
    text: &[u8],
    mut places: P,
) -> Result<Option<Zeroizing<Vec<u8>>>, P::Refused> {
    if !texts.has_needle(text) {
        return Ok(None);
    }
    Rewriter::default().scan(texts, text, |text, end| {
        places.found(text, end - texts.texts[text].bytes.len()..end)
    })?;
    if places.is_empty() {
        return Ok(None);
    }
    let mut rewritten = Zeroizing::new(text.to_vec());
    places.rewrite(&mut rewritten);
    Ok(Some(rewritten))
}

/// Which of the texts stands in a whole one: the first to end.
pub(super) fn first_in(texts: &Texts, text: &[u8]) -> Option<usize> {
    if !texts.has_needle(text) {
        return None;
    }
    let first = Rewriter::default().scan(texts, text, |index, _| Err(index));
    first.err()
}

/// A stream being rewritten.
#[derive(Default)]
pub(super) struct Rewriter {
    state: Option<StateID>,
    /// How much of each text stands at the end; 0 for those that are not followed.
    matched: Vec<u32>,
    followed: Vec<usize>,
    /// The last bytes, as they came.
    last: Vec<u8>,
    /// What has not gone on yet, as far as it is rewritten.
    held_back: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewriter({} held back)", self.held_back.len())
    }
}

impl Rewriter {
    /// Takes in a chunk and gives what can go on: a part of the chunk where nothing of it is rewritten.
    pub(super) fn push<P: Places>(
        &mut self,
        texts: &Texts,
        chunk: Bytes,
        mut places: P,
    ) -> Result<Bytes, P::Refused> {
        let before = self.held_back.len();
        let open = self.scan(texts, &chunk, |text, end| {
            let end = before + end;
            places.found(text, end - texts.texts[text].bytes.len()..end)
        })?;
        if before == 0 && places.is_empty() {
            let at = chunk.len() - open;
            self.held_back.extend_from_slice(&chunk[at..]);
            return Ok(chunk.slice(..at));
        }
        self.held_back.extend_from_slice(&chunk);
        places.rewrite(&mut self.held_back);
        let at = self.held_back.len() - open;
        let rest = self.held_back.split_off(at);
        Ok(std::mem::replace(&mut *self.held_back, rest).into())
    }

    /// Whether nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.held_back.is_empty()
    }

    /// What was held back, at the end of the stream: it was the beginning of a text only.
    pub(super) fn finish(&mut self) -> Bytes {
        let held_back = std::mem::take(&mut *self.held_back);
        *self = Self::default();
        held_back.into()
    }

    /// Tells where texts end in a chunk. How many of the last bytes a text may have begun in.
    fn scan<E>(
        &mut self,
        texts: &Texts,
        chunk: &[u8],
        mut found: impl FnMut(usize, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut state = self.state.unwrap_or(texts.start);
        let mut at = 0;
        while at < chunk.len() {
            if self.followed.is_empty() {
                at += texts.to_needle(&mut state, &chunk[at..]);
            } else {
                self.follow(texts, chunk[at], |text| found(text, at + 1))?;
                at += texts.to_needle(&mut state, &chunk[at..=at]);
            }
            if texts.search.is_match(state) {
                for index in 0..texts.search.match_len(state) {
                    let needle = texts.search.match_pattern(state, index).as_usize();
                    self.begin(texts, needle, |text| found(text, at))?;
                }
            }
        }
        self.state = Some(state);
        let kept = chunk.len().min(NEEDLE_BYTES_MAX - 1);
        self.last.extend_from_slice(&chunk[chunk.len() - kept..]);
        let too_many = self.last.len().saturating_sub(NEEDLE_BYTES_MAX - 1);
        self.last.drain(..too_many);
        let followed = self
            .followed
            .iter()
            .map(|text| self.matched[*text] as usize);
        let begun = texts.begun_needle(&self.last);
        Ok(followed.max().unwrap_or(0).max(begun))
    }

    /// A needle stands there: its texts are followed from here on, those that are not already.
    fn begin<E>(
        &mut self,
        texts: &Texts,
        needle: usize,
        mut found: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.matched.resize(texts.texts.len(), 0);
        let length = texts.needles[needle].len();
        for &text in &texts.beginning[needle] {
            if texts.texts[text].bytes.len() == length {
                found(text)?;
            } else if self.matched[text] == 0 {
                self.matched[text] = length as u32;
                self.followed.push(text);
            }
        }
        Ok(())
    }

    fn follow<E>(
        &mut self,
        texts: &Texts,
        byte: u8,
        mut found: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut index = 0;
        while let Some(&text) = self.followed.get(index) {
            let matched = texts.texts[text].advance(self.matched[text] as usize, byte);
            if matched == texts.texts[text].bytes.len() {
                found(text)?;
            }
            // With less than its needle it is found again by that.
            if matched < NEEDLE_BYTES_MAX {
                self.matched[text] = 0;
                self.followed.swap_remove(index);
            } else {
                self.matched[text] = matched as u32;
                index += 1;
            }
        }
        Ok(())
    }
}
