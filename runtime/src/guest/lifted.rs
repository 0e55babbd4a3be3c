//! Values that a guest gave back, which the host holds while the guest's post-return goes on.
//!
//! They take up to forty times the bytes they are made of, and the guest may let their host wait until its deadline.
//! They are counted when it does: an engine has no word for "post-return", but it says when a guest is entered, and
//! how often that is before a call returns is known: once for each string and list of its parameters, and once itself.

use crate::value::{Parameter, Shape, Type};
use tollgate_host_api::budget::{BudgetExhausted, Lease};
use wasmtime::CallHook;
use wasmtime::component::Val;

/// Flat parameters of a function; more are stored in the guest's memory, as one.
const FLAT_PARAMETERS_MAX: usize = 16;

/// What the engine counts of a value as one byte may take as many: of a field its value and its name's text, and neither
/// the name itself nor what allocating it takes.
const BYTES_PER_FUEL: u64 = 3;
/// Of flags it counts the text only. Where a result has any, the engine's own count ends so much sooner.
const FLAGS_PER_FUEL: u64 = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lifted {
    /// Of the run's buffers.
    lease: Lease,
    /// What one call's values may take.
    bytes_max: u64,
    returned: Returned,
    /// Entries of the guest from outside, since the call began.
    entries: u64,
    /// How many there are until it has returned. `None`: it has not begun.
    entries_of_call: Option<u64>,
    depth: u32,
}

/// What is known of a call's return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returned {
    NotSeen,
    /// When the guest's turn had come to its end.
    Seen,
    /// The values are counted.
    Counted,
}

/// What comes at the end of a guest's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtTurnsEnd {
    Suspend,
    GoOn,
}

impl Lifted {
    pub(crate) fn new(lease: Lease, bytes_max: u64) -> Self {
        Self {
            lease,
            bytes_max: bytes_max.saturating_mul(BYTES_PER_FUEL),
            returned: Returned::NotSeen,
            entries: 0,
            entries_of_call: None,
            depth: 0,
        }
    }

    /// From now on the guest is entered for the call with these parameters.
    pub(crate) fn begin(&mut self, types: &[Parameter], parameters: &[Val]) {
        let is_stored = flat_count(types.iter().map(|it| &it.ty)) > FLAT_PARAMETERS_MAX;
        let lowered: u64 = parameters.iter().map(allocations).sum();
        self.entries_of_call = Some(u64::from(is_stored) + lowered + 1);
        self.entries = 0;
    }

    /// What the engine says of the guest's borders.
    pub(crate) fn cross(&mut self, border: CallHook) {
        match border {
            CallHook::CallingWasm => {
                self.entries += u64::from(self.depth == 0);
                self.depth += 1;
            }
            CallHook::ReturningFromWasm => self.depth = self.depth.saturating_sub(1),
            CallHook::CallingHost | CallHook::ReturningFromHost => {}
        }
    }

    /// Before the guest is suspended: counts what the host then holds of it. A call that has just returned has another
    /// turn first, since a post-return is short, and lifting may have taken all of this one.
    pub(crate) fn end_turn(&mut self) -> Result<AtTurnsEnd, BudgetExhausted> {
        let has_returned = self.entries_of_call.is_some_and(|it| self.entries > it);
        match self.returned {
            Returned::NotSeen if has_returned => {
                self.returned = Returned::Seen;
                return Ok(AtTurnsEnd::GoOn);
            }
            Returned::Seen => {
                self.lease.try_grow(self.bytes_max)?;
                self.returned = Returned::Counted;
            }
            Returned::NotSeen | Returned::Counted => {}
        }
        Ok(AtTurnsEnd::Suspend)
    }
}

/// What the engine may count of one call's values, so that they take no more than is [counted](Lifted) here.
pub(crate) fn fuel(ty: Option<&Type>, bytes_max: u64) -> u64 {
    match ty.is_some_and(has_flags) {
        true => bytes_max / FLAGS_PER_FUEL,
        false => bytes_max,
    }
}

fn has_flags(ty: &Type) -> bool {
    matches!(ty.shape, Shape::Flags(_)) || parts(&ty.shape).into_iter().any(has_flags)
}

/// Whether values of this type have a bound that is small.
pub(crate) fn is_small(ty: &Type) -> bool {
    match &ty.shape {
        Shape::String | Shape::Bytes | Shape::List(_) => false,
        shape => parts(shape).into_iter().all(is_small),
    }
}

/// The types a value of the shape may have in it, side by side or one of them.
fn parts(shape: &Shape) -> Vec<&Type> {
    match shape {
        Shape::List(ty) | Shape::Option(ty) => vec![ty],
        Shape::Tuple(types) => types.iter().collect(),
        Shape::Record(fields) => fields.iter().map(|field| &field.ty).collect(),
        Shape::Variant(cases) => cases
            .iter()
            .filter_map(|case| case.payload.as_ref())
            .collect(),
        Shape::Result { ok, err } => [ok, err].into_iter().flatten().map(|ty| &**ty).collect(),
        _ => Vec::new(),
    }
}

/// Core values that the types are passed as, as the canonical ABI flattens them.
fn flat_count<'t>(types: impl IntoIterator<Item = &'t Type>) -> usize {
    types.into_iter().map(|ty| flat(&ty.shape)).sum()
}

fn flat(shape: &Shape) -> usize {
    match shape {
        Shape::String | Shape::Bytes | Shape::List(_) => 2,
        Shape::Tuple(_) | Shape::Record(_) => flat_count(parts(shape)),
        Shape::Variant(_) | Shape::Option(_) | Shape::Result { .. } => {
            let payloads = parts(shape).into_iter().map(|ty| flat(&ty.shape));
            1 + payloads.max().unwrap_or(0)
        }
        Shape::Flags(labels) => labels.len().div_ceil(32),
        _ => 1,
    }
}

/// How often the guest is asked for memory to pass the value to it. Where its strings are UTF-16 or Latin-1, and the value's
/// are not ASCII, it is asked more often: such a call is taken for one that has returned while it still goes on, and
/// takes its part of the budget sooner.
fn allocations(value: &Val) -> u64 {
    match value {
        Val::String(_) => 1,
        Val::List(items) => match items.first() {
            // Nothing is asked for that has no parts; there may be a million.
            Some(Val::U8(_)) | None => 1,
            Some(_) => 1 + items.iter().map(allocations).sum::<u64>(),
        },
        Val::Tuple(items) => items.iter().map(allocations).sum(),
        Val::Record(fields) => fields.iter().map(|(_, value)| allocations(value)).sum(),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) => allocations(value),
        Val::Result(Ok(Some(value)) | Err(Some(value))) => allocations(value),
        _ => 0,
    }
}
