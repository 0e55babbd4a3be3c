//! Numbers out of JSON.

use super::Integer;
use super::decode::Decoder;
use serde_json::{Number, Value};
use wasmtime::component::Val;

impl Decoder<'_> {
    pub(super) fn integer(&mut self, integer: Integer, json: &Value) -> Option<Val> {
        let number = match json {
            Value::Number(number) => whole_number(number),
            Value::String(text) if integer.is_wide() && is_decimal(text, integer) => {
                text.parse().ok()
            }
            _ => None,
        };
        let (minimum, maximum) = integer.range();
        match number {
            Some(number) if (minimum..=maximum).contains(&number) => Some(match integer {
                Integer::S8 => Val::S8(number as i8),
                Integer::U8 => Val::U8(number as u8),
                Integer::S16 => Val::S16(number as i16),
                Integer::U16 => Val::U16(number as u16),
                Integer::S32 => Val::S32(number as i32),
                Integer::U32 => Val::U32(number as u32),
                Integer::S64 => Val::S64(number as i64),
                Integer::U64 => Val::U64(number as u64),
            }),
            _ => self.expected(&format!("an integer from {minimum} to {maximum}"), json),
        }
    }

    pub(super) fn float(&mut self, json: &Value, magnitude_max: f64) -> Option<f64> {
        let number = match json {
            Value::Number(number) => number
                .as_f64()
                .filter(|number| number.abs() <= magnitude_max),
            Value::String(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        };
        number.or_else(|| {
            self.expected(
                "a number in range, \"NaN\", \"Infinity\" or \"-Infinity\"",
                json,
            )
        })
    }
}

/// As the schema has it: digits, with a minus where the type has one.
fn is_decimal(text: &str, integer: Integer) -> bool {
    const DIGITS_MAX: usize = 38;
    let digits = match text.strip_prefix('-') {
        Some(digits) if integer.range().0 < 0 => digits,
        _ => text,
    };
    (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// JSON knows no integers: `3.0` is one, too, as long as it says exactly which.
fn whole_number(number: &Number) -> Option<i128> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let integer = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from));
    let is_whole = |float: &f64| float.fract() == 0.0 && float.abs() <= EXACT_MAX;
    integer.or_else(|| number.as_f64().filter(is_whole).map(|float| float as i128))
}
