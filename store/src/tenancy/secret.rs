//! Keys as text: 256 random bits, recognisable by their beginning, with a checksum against mistyping.

use data_encoding::BASE32_DNSSEC;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;

const PREFIX: &str = "tg_";
const RANDOM_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
/// Characters of a key made here.
const LENGTH: usize = PREFIX.len() + (RANDOM_BYTES + CHECKSUM_BYTES) * 8 / 5 + 1;
/// Characters of a key that an operator chose.
const CHOSEN_LENGTH: std::ops::RangeInclusive<usize> = 32..=128;

/// A key's secret text.
#[derive(Clone)]
pub struct KeyText(SecretString);

impl KeyText {
    /// A fresh one.
    pub fn new() -> Self {
        let mut bytes = [0; RANDOM_BYTES + CHECKSUM_BYTES];
        rand::rng().fill_bytes(&mut bytes[..RANDOM_BYTES]);
        let checksum = Sha256::digest(&bytes[..RANDOM_BYTES]);
        bytes[RANDOM_BYTES..].copy_from_slice(&checksum[..CHECKSUM_BYTES]);
        Self(format!("{PREFIX}{}", BASE32_DNSSEC.encode(&bytes)).into())
    }

    /// Text that could be a key: one made here with its checksum right, or one that an operator chose.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let could_be = if text.len() == LENGTH {
            let bytes = BASE32_DNSSEC.decode(digits.as_bytes()).ok()?;
            let (random, checksum) = bytes.split_at_checked(RANDOM_BYTES)?;
            Sha256::digest(random).starts_with(checksum)
        } else {
            CHOSEN_LENGTH.contains(&text.len())
                && digits.bytes().all(|it| it.is_ascii_alphanumeric())
        };
        could_be.then(|| Self(text.to_owned().into()))
    }

    /// The text, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The hash that it is looked up by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }

    /// Its beginning, by which people tell keys apart.
    pub(crate) fn prefix(&self) -> &str {
        &self.expose()[..PREFIX.len() + 4]
    }

    /// Its end, likewise.
    pub(crate) fn last4(&self) -> &str {
        let text = self.expose();
        &text[text.len() - 4..]
    }
}

impl Default for KeyText {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_read_back_and_a_mistyped_one_is_not() {
        let key = KeyText::new();
        assert_eq!(key.expose().len(), LENGTH);
        assert!(KeyText::parse(key.expose()).is_some());
        let mut mistyped = key.expose().to_owned();
        let last = if mistyped.ends_with('0') { "2" } else { "0" };
        mistyped.replace_range(30..31, if &mistyped[30..31] == "v" { "u" } else { "v" });
        assert!(KeyText::parse(&mistyped).is_none(), "{last}");
        assert!(!format!("{key:?}").contains(&key.expose()[3..]));
    }

    #[test]
    fn keys_that_operators_choose_have_a_length_and_an_alphabet() {
        for (text, could_be) in [
            (format!("tg_{}", "a".repeat(29)), true),
            (format!("tg_{}", "a".repeat(28)), false),
            (format!("tg_{}", "A1".repeat(62)), true),
            (format!("tg_{}", "a".repeat(126)), false),
            (format!("tg_{}", "ä".repeat(20)), false),
            (
                "sk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
                false,
            ),
        ] {
            assert_eq!(KeyText::parse(&text).is_some(), could_be, "{text}");
        }
    }
}
