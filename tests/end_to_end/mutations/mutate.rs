//! What happens to a file: to its bits, its bytes, its length and its sections.

use crate::bytes::{leb, section};
use std::ops::Range;

/// A small generator (splitmix64) of our own, so that a seed means the same for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number less than `bound`; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Mostly 0, seldom 7.
    fn few(&mut self) -> u32 {
        (self.next() as u8 | 1).trailing_ones() - 1
    }

    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length);
        let end = start + 1 + self.below(64).min(length.saturating_sub(start + 1));
        start..end.min(length).max(start)
    }
}

/// From a file, and another to splice it with.
type Mutation = fn(&[u8], &[u8], &mut Random) -> Vec<u8>;

/// `bytes` after one mutation, or two or three; `other` is what it may be spliced with.
///
/// Small changes are likelier: what they leave gets further into the host.
pub(crate) fn mutated(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const MUTATIONS: [Mutation; 16] = [
        flip_bits,
        flip_bits,
        flip_bits,
        flip_bits,
        replace_bytes,
        replace_bytes,
        replace_bytes,
        replace_bytes,
        remove_bytes,
        repeat_bytes,
        truncate,
        duplicate_section,
        remove_section,
        swap_sections,
        splice,
        change_length,
    ];
    let mut mutated = bytes.to_vec();
    for _ in 0..=random.few() {
        mutated = MUTATIONS[random.below(MUTATIONS.len())](&mutated, other, random);
    }
    mutated
}

fn flip_bits(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.few() {
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
    bytes
}

fn replace_bytes(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x0b, 0x41, 0x60];
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.few() {
        let at = random.below(bytes.len());
        let byte = match random.below(2) {
            0 => TELLING[random.below(TELLING.len())],
            _ => random.next() as u8,
        };
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
    }
    bytes
}

fn remove_bytes(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let range = random.range(bytes.len());
    [&bytes[..range.start], &bytes[range.end..]].concat()
}

fn repeat_bytes(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let range = random.range(bytes.len());
    let times = 1 + random.below(16);
    let (before, after) = (&bytes[..range.start], &bytes[range.end..]);
    [before, &bytes[range].repeat(times), after].concat()
}

fn truncate(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    bytes[..random.below(bytes.len())].to_vec()
}

fn duplicate_section(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let mut parts = parts(bytes);
    let (from, to) = (random.below(parts.len()), random.below(parts.len() + 1));
    parts.insert(to, parts[from]);
    parts.concat()
}

fn remove_section(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let mut parts = parts(bytes);
    parts.remove(random.below(parts.len()));
    parts.concat()
}

fn swap_sections(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let mut parts = parts(bytes);
    let (one, other) = (random.below(parts.len()), random.below(parts.len()));
    parts.swap(one, other);
    parts.concat()
}

fn splice(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(2) == 0 {
        let (start, end) = (random.below(bytes.len()), random.below(other.len()));
        return [&bytes[..start], &other[end..]].concat();
    }
    let (ours, theirs) = (parts(bytes), parts(other));
    let (start, end) = (random.below(ours.len()), random.below(theirs.len()));
    [&ours[..start], &theirs[end..]].concat().concat()
}

/// A section that says it is longer or shorter than it is, or has more content than it had.
fn change_length(bytes: &[u8], _: &[u8], random: &mut Random) -> Vec<u8> {
    let sections = sections(bytes);
    let Some(chosen) = sections.get(random.below(sections.len())) else {
        return bytes.to_vec();
    };
    let (before, content, after) = (
        &bytes[..chosen.start],
        &bytes[chosen.content.clone()],
        &bytes[chosen.content.end..],
    );
    let id = bytes[chosen.start];
    let changed = match random.below(4) {
        0 => [
            &[id][..],
            &leb(content.len() + 1 + random.below(64)),
            content,
        ]
        .concat(),
        1 => [&[id][..], &leb(random.below(content.len() + 1)), content].concat(),
        2 => [&[id][..], &leb(random.next() as u32 as usize), content].concat(),
        _ => section(id, &[content, &vec![0; random.below(64)]].concat()),
    };
    [before, &changed, after].concat()
}

/// A section at the top of a file.
struct Section {
    start: usize,
    content: Range<usize>,
}

/// The sections as far as they can be read.
fn sections(bytes: &[u8]) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut at = 8;
    while at < bytes.len() {
        let Some((length, width)) = read_leb(&bytes[at + 1..]) else {
            break;
        };
        let start = at + 1 + width;
        let Some(end) = start.checked_add(length).filter(|end| *end <= bytes.len()) else {
            break;
        };
        sections.push(Section {
            start: at,
            content: start..end,
        });
        at = end;
    }
    sections
}

/// The header, each section, and what follows the last that can be read. At least one.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let sections = sections(bytes);
    let mut parts = vec![&bytes[..bytes.len().min(8)]];
    let mut end = bytes.len().min(8);
    for section in sections {
        parts.push(&bytes[section.start..section.content.end]);
        end = section.content.end;
    }
    if end < bytes.len() {
        parts.push(&bytes[end..]);
    }
    parts
}

fn read_leb(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}
