use super::*;
use proptest::prelude::*;
use std::convert::Infallible;

#[derive(Default)]
struct Mask(Vec<Range<usize>>);

impl Places for Mask {
    type Refused = Infallible;

    fn found(&mut self, _: usize, place: Range<usize>) -> Result<(), Infallible> {
        self.0.push(place);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn rewrite(self, bytes: &mut [u8]) {
        self.0.into_iter().for_each(|place| bytes[place].fill(b'*'));
    }
}

fn rewritten(texts: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
    let texts = Texts::new(texts.iter().map(|it| it.as_bytes().to_vec()).collect());
    let mut rewriter = Rewriter::default();
    let mut out = Vec::new();
    for chunk in chunks {
        let Ok(bytes) = rewriter.push(&texts, Bytes::copy_from_slice(chunk), Mask::default());
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
    let chunk = Bytes::from_static(b"data: s");
    let Ok(bytes) = rewriter.push(&texts, chunk.clone(), Mask::default());
    assert_eq!(&*bytes, b"data: ");
    assert_eq!(bytes.as_ptr(), chunk.as_ptr(), "not even copied");
    let Ok(bytes) = rewriter.push(&texts, Bytes::from_static(b"o"), Mask::default());
    assert_eq!(&*bytes, b"so");
    let chunk = Bytes::from_static(b"an event\n\n");
    let Ok(bytes) = rewriter.push(&texts, chunk.clone(), Mask::default());
    assert_eq!((&bytes, bytes.as_ptr()), (&chunk, chunk.as_ptr()));
    assert_eq!(rewriter.finish(), "");
}

/// Minutes, were the texts compared anew at each place, or what is held back searched again with each chunk.
#[test]
fn texts_that_begin_alike_take_no_longer_for_being_long() {
    let alike = |end: char| format!("{}{end}", "a".repeat(4095));
    let texts: Vec<String> = ('A'..='Z').map(alike).collect();
    let texts = Texts::new(texts.into_iter().map(String::into_bytes).collect());
    let mut rewriter = Rewriter::default();
    let stream = Bytes::from(vec![b'a'; 20_000]);
    let mut passed = 0;
    for at in 0..stream.len() {
        let Ok(bytes) = rewriter.push(&texts, stream.slice(at..=at), Mask::default());
        passed += bytes.len();
    }
    assert_eq!(passed, stream.len() - 4095);
    let Ok(masked) = rewriter.push(&texts, Bytes::from_static(b"Q!"), Mask::default());
    assert_eq!(masked, format!("{}!", "*".repeat(4096)));
}

proptest! {
    /// As replacing in the whole at once, however it is cut, with texts and data of few letters, so that much overlaps.
    #[test]
    fn agrees_with_a_plain_search(
        texts in prop::collection::vec("[ab]{8,20}", 1..4),
        data in "[ab]{0,300}",
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
