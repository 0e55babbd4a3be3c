//! Identifiers: 16 bytes that sort by time, written with a prefix that says of what.

use crate::sql::{Cell, Column, Value};
use crate::time::Time;
use data_encoding::BASE32_DNSSEC;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use uuid::{Builder, Uuid};

/// The length of the text form behind its prefix.
const DIGITS: usize = 26;

/// The identifier of a `K`.
pub struct Id<K> {
    bytes: [u8; 16],
    of: PhantomData<fn() -> K>,
}

/// The kinds of things that have identifiers.
pub trait IdKind {
    /// The prefix of the text form.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($of:ident $id:ident $prefix:literal $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $of {}
        impl IdKind for $of {
            const PREFIX: &'static str = $prefix;
        }
        #[doc = concat!("`", $prefix, "…`")]
        pub type $id = Id<$of>;
    )*};
}

kinds! {
    OfOrg OrgId "org_" "An org.";
    OfProject ProjectId "prj_" "A project.";
    OfKey KeyId "key_" "A key.";
    OfArtifact ArtifactId "art_" "An artifact.";
    OfRelease ReleaseId "rel_" "A release.";
    OfRun RunId "run_" "A run.";
    OfSubscription SubscriptionId "sub_" "A subscription.";
    OfBudget BudgetId "bud_" "A budget.";
    OfSession SessionId "ses_" "A session.";
    OfEntry EntryId "ent_" "An entry of a wallet.";
    OfAction ActionId "act_" "What somebody did.";
}

/// Text that is no identifier of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

impl<K> Id<K> {
    /// A fresh one, later than those before it.
    pub fn new() -> Self {
        Self::from_bytes(Uuid::now_v7().into_bytes())
    }

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            bytes,
            of: PhantomData,
        }
    }

    /// Sorts before every other: stands for "none" in keys of tables.
    pub(crate) fn none() -> Self {
        Self::from_bytes([0; 16])
    }

    /// The smallest id of the same millisecond. It reveals nothing else of this id.
    pub(crate) fn first_of_its_time(&self) -> Self {
        let mut bytes = self.bytes;
        bytes[6..].fill(0);
        Self::from_bytes(bytes)
    }

    /// Sorts after every other.
    pub(crate) fn last() -> Self {
        Self::from_bytes([0xff; 16])
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }
}

/// Microseconds in a millisecond.
const MICROS: u64 = 1000;
/// The UUID version of all identifiers: a time and random bits.
const VERSION: u8 = 7;

impl EntryId {
    /// The identifier of a payment's nth line. It sorts by the payment's place, which is unique, and then by `nth`.
    pub(crate) fn of_line(place: Time, nth: u8) -> Self {
        let micros = place.as_micros().cast_unsigned();
        let [.., high, low] = (micros % MICROS).to_be_bytes();
        let rest = [high, low, 0, 0, 0, 0, 0, 0, 0, nth];
        let id = Builder::from_unix_timestamp_millis(micros / MICROS, &rest);
        Self::from_bytes(id.into_uuid().into_bytes())
    }

    /// The last place of a payment that may have a line which sorts before this, or is this.
    pub(crate) fn last_place(&self) -> Time {
        let (millis, rest) = self.bytes.split_at(6);
        let millis = millis
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let within = u64::from(rest[0] & 0x0f) << 8 | u64::from(rest[1]);
        let micros = millis * MICROS;
        // A caller can send a version that is not ours.
        let last = match (rest[0] >> 4).cmp(&VERSION) {
            Ordering::Less => micros.saturating_sub(1),
            Ordering::Equal => micros + within.min(MICROS - 1),
            Ordering::Greater => micros + MICROS - 1,
        };
        Time::from_micros(last.cast_signed())
    }
}

impl<K> Default for Id<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; DIGITS];
        BASE32_DNSSEC.encode_mut(&self.bytes, &mut digits);
        f.write_str(K::PREFIX)?;
        f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix(K::PREFIX).ok_or(InvalidId)?;
        // One text for one identifier: the decoder takes upper case, too.
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidId);
        }
        if digits.len() != DIGITS {
            return Err(InvalidId);
        }
        let mut bytes = [0; 16];
        BASE32_DNSSEC
            .decode_mut(digits.as_bytes(), &mut bytes)
            .map_err(|_| InvalidId)?;
        Ok(Self::from_bytes(bytes))
    }
}

impl<K: IdKind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<K> From<Id<K>> for Value<'_> {
    fn from(id: Id<K>) -> Self {
        Self::Id(id.bytes)
    }
}

impl<K> Column<'_> for Id<K> {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        let bytes = <&[u8]>::read(cell)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| "the 16 bytes of an identifier")?;
        Ok(Self::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn text_and_bytes_stand_for_each_other_and_sort_alike() {
        let ids: Vec<_> = (0..100).map(|_| RunId::new()).collect();
        for pair in ids.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string());
        }
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), "run_".len() + 26);
        }
    }

    #[test]
    fn lines_of_payments_sort_by_place_and_count() {
        let now = Time::now();
        let later = |micros| now.after(Duration::from_micros(micros));
        let lines: Vec<_> = (0..2000)
            .flat_map(|micros| [0, 1].map(|nth| EntryId::of_line(later(micros), nth)))
            .collect();
        assert!(lines.is_sorted_by(|one, next| one < next));
        for (micros, pair) in (0..).zip(lines.chunks(2)) {
            assert_eq!(pair[1].last_place(), later(micros));
        }
    }

    #[test]
    fn lines_before_an_identifier_are_of_places_up_to_its_last() {
        let millisecond = EntryId::of_line(Time::from_micros(1_764_300_000_000_000), 0);
        for (version, within) in [(7, 0), (7, 1), (7, 500), (7, 999), (7, 1000), (7, 4095)]
            .into_iter()
            .chain([(0, 0), (6, 4095), (8, 0), (15, 4095)])
        {
            let mut bytes = *millisecond.as_bytes();
            let [high, low] = u16::to_be_bytes(within);
            (bytes[6], bytes[7]) = (version << 4 | high, low);
            let id = EntryId::from_bytes(bytes);
            let last = id.last_place();
            let (next, before) = (
                last.after(Duration::from_micros(1)),
                last.before(Duration::from_micros(1)),
            );
            assert!(EntryId::of_line(next, 0) > id, "{version} {within}");
            assert!(EntryId::of_line(before, 3) < id, "{version} {within}");
        }
        assert!(EntryId::last().last_place() > Time::now());
        assert!(EntryId::none().last_place() < Time::now());
    }

    #[test]
    fn what_is_no_identifier_of_the_kind_is_refused() {
        let id = RunId::new().to_string();
        let cases = [
            ("empty", String::new()),
            ("prefix only", "run_".to_owned()),
            ("another kind", id.replace("run_", "art_")),
            ("too short", id[..id.len() - 1].to_owned()),
            ("too long", format!("{id}0")),
            ("upper case", id.to_uppercase()),
            (
                "upper case digits",
                format!("run_{}", id[4..].to_uppercase()),
            ),
            ("path", "run_../../../../etc/passwd_____".to_owned()),
            ("not ASCII", "run_ÄÄÄÄÄÄÄÄÄÄÄÄÄ".to_owned()),
        ];
        for (label, text) in cases {
            assert!(text.parse::<RunId>().is_err(), "{label}");
        }
    }
}
