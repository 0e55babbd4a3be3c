//! The door to environment variables: what a run was granted and nothing of the host's.

use rand::seq::IndexedRandom;

const PLACEHOLDER_ALPHABET: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What stands for a secret inside a run: unguessable, fresh for each call, exactly `length` characters long, so
/// that a tool that checks a key's length is content, and of letters and digits only, so that every encoding on
/// the way out keeps it recognisable.
pub fn placeholder(length: usize) -> String {
    let mut generator = rand::rng();
    (0..length)
        .filter_map(|_| {
            PLACEHOLDER_ALPHABET
                .choose(&mut generator)
                .copied()
                .map(char::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_keep_the_length_and_differ() {
        for length in [8, 39, 4096] {
            let (one, other) = (placeholder(length), placeholder(length));
            assert_eq!((one.len(), other.len()), (length, length));
            assert_ne!(one, other);
            assert!(one.bytes().all(|byte| PLACEHOLDER_ALPHABET.contains(&byte)));
        }
    }
}
