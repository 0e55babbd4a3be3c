//! Rewriting a stream of bytes: every place where one of some texts stands is overwritten with as many other bytes,
//! also where a text is cut by the border of two chunks. No more is held back than what may be the beginning of one.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::borrow::Cow;

/// How much of a text is looked for at first. Few states keep the search in the processor's caches.
const NEEDLE_BYTES_MAX: usize = 8;

/// Texts to look for. Shared by all streams they are looked for in.
#[derive(Debug)]
pub(super) struct Texts {
    texts: Vec<Vec<u8>>,
    /// The beginnings of the texts, each once, with the texts that begin so.
    needles: Vec<(Vec<u8>, Vec<usize>)>,
    search: AhoCorasick,
}

/// One place where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Which of the texts.
    pub(super) text: usize,
    /// Where it begins.
    at: usize,
}

impl Texts {
    /// None of the texts may be empty.
    pub(super) fn new(texts: Vec<Vec<u8>>) -> Self {
        let mut needles: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let needle = &text[..text.len().min(NEEDLE_BYTES_MAX)];
            match needles.iter_mut().find(|(it, _)| it == needle) {
                Some((_, of)) => of.push(index),
                None => needles.push((needle.to_vec(), vec![index])),
            }
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(needles.iter().map(|(needle, _)| needle))
            .expect("a few needles of a few bytes");
        Self {
            texts,
            needles,
            search,
        }
    }

    /// The places where texts stand, and from where on a text may have begun that goes on after `bytes`.
    fn find(&self, bytes: &[u8], mut found: impl FnMut(Found)) -> usize {
        let mut open_at = bytes.len();
        for needle in self.search.find_overlapping_iter(bytes) {
            let rest = &bytes[needle.start()..];
            for text in &self.needles[needle.pattern().as_usize()].1 {
                let wanted = &self.texts[*text];
                if rest.starts_with(wanted) {
                    let at = needle.start();
                    found(Found { text: *text, at });
                } else if wanted.starts_with(rest) {
                    open_at = open_at.min(needle.start());
                }
            }
        }
        let ends = bytes.len().saturating_sub(NEEDLE_BYTES_MAX - 1)..bytes.len();
        let may_begin = |at: &usize| {
            let rest = &bytes[*at..];
            self.needles
                .iter()
                .any(|(needle, _)| needle.len() > rest.len() && needle.starts_with(rest))
        };
        ends.clone()
            .find(may_begin)
            .map_or(open_at, |at| at.min(open_at))
    }
}

/// A stream being rewritten.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    /// Bytes held back, as they came.
    came: Vec<u8>,
    /// The same bytes, as far as they are rewritten already.
    rewritten: Vec<u8>,
}

impl Rewriter {
    /// Takes in a chunk and gives what can go on. `overwrite` is given each text found, and the bytes to put its
    /// replacement into; what it refuses ends the stream.
    pub(super) fn push<'c, E>(
        &mut self,
        texts: &Texts,
        chunk: Cow<'c, [u8]>,
        mut overwrite: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<Cow<'c, [u8]>, E> {
        let mut places = Vec::new();
        if self.came.is_empty() {
            let open_at = texts.find(&chunk, |found| places.push(found));
            if places.is_empty() && open_at == chunk.len() {
                return Ok(chunk);
            }
        }
        self.came.extend_from_slice(&chunk);
        self.rewritten.extend_from_slice(&chunk);
        places.clear();
        let open_at = texts.find(&self.came, |found| places.push(found));
        for Found { text, at } in places {
            let length = texts.texts[text].len();
            overwrite(text, &mut self.rewritten[at..at + length])?;
        }
        let held_back = self.rewritten.split_off(open_at);
        self.came.drain(..open_at);
        Ok(Cow::Owned(std::mem::replace(
            &mut self.rewritten,
            held_back,
        )))
    }

    /// What was held back, at the end of the stream: it was the beginning of a text only.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.came.clear();
        std::mem::take(&mut self.rewritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn mask(_: usize, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(b'*');
        Ok(())
    }

    fn rewritten(texts: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
        let texts = Texts::new(texts.iter().map(|it| it.as_bytes().to_vec()).collect());
        let mut rewriter = Rewriter::default();
        let mut out = Vec::new();
        for chunk in chunks {
            let Ok(bytes) = rewriter.push(&texts, Cow::Borrowed(chunk), mask);
            out.extend_from_slice(&bytes);
        }
        out.extend(rewriter.finish());
        out
    }

    #[test]
    fn a_text_is_found_wherever_chunks_end() {
        let whole = b"xx-secret-key-yy-secret-kez-secret-key";
        for cut in 0..whole.len() {
            for next in cut..whole.len() {
                let chunks = [&whole[..cut], &whole[cut..next], &whole[next..]];
                assert_eq!(
                    rewritten(&["secret-key"], &chunks),
                    b"xx-**********-yy-secret-kez-**********",
                    "cut at {cut} and {next}"
                );
            }
        }
    }

    #[test]
    fn texts_that_overlap_are_all_overwritten() {
        assert_eq!(rewritten(&["abcabc"], &[b"-abcabcabc-"]), b"-*********-");
        assert_eq!(
            rewritten(
                &["abcdefghijkl", "klmnopqrst"],
                &[b"abcdefghij", b"klmnopqrst!"]
            ),
            b"********************!"
        );
        assert_eq!(
            rewritten(&["inner", "an inner text"], &[b"an in", b"ner te", b"xt"]),
            b"*************"
        );
    }

    #[test]
    fn only_what_may_be_a_beginning_is_held_back() {
        let texts = Texts::new(vec![b"secret-key".to_vec()]);
        let mut rewriter = Rewriter::default();
        let Ok(bytes) = rewriter.push(&texts, Cow::Borrowed(b"data: s"), mask);
        assert_eq!(&*bytes, b"data: ");
        let Ok(bytes) = rewriter.push(&texts, Cow::Borrowed(b"o"), mask);
        assert_eq!(&*bytes, b"so");
        let chunk = b"an event\n\n";
        let Ok(bytes) = rewriter.push(&texts, Cow::Borrowed(chunk), mask);
        assert!(matches!(bytes, Cow::Borrowed(_)), "not even copied");
        assert_eq!(rewriter.finish(), b"");
    }

    proptest! {
        /// As replacing in the whole at once, however it is cut, with texts and data of few letters, so that much overlaps.
        #[test]
        fn agrees_with_a_plain_search(
            texts in prop::collection::vec("[ab]{8,20}", 1..4),
            data in "[ab]{0,200}",
            cuts in prop::collection::vec(1..30_usize, 0..40),
        ) {
            let mut expected = data.clone().into_bytes();
            for text in &texts {
                for at in 0..data.len() {
                    if data[at..].starts_with(text.as_str()) {
                        expected[at..at + text.len()].fill(b'*');
                    }
                }
            }
            let (mut chunks, mut rest) = (Vec::new(), data.as_bytes());
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(rewritten(&texts, &chunks), expected);
        }
    }
}
