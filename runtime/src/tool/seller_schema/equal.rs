//! How values are compared: by what they say, at a cost that is taken before.

use super::fuel::{DECIMAL, Fuel, OutOfFuel};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Write;

/// True if the values say the same: `3` and `3.0` do.
pub(super) fn is_equal(one: &Value, other: &Value, fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
    fuel.step()?;
    Ok(match (one, other) {
        (Value::Number(one), Value::Number(other)) => compared(one, other) == Some(Ordering::Equal),
        (Value::String(one), Value::String(other)) => {
            one.len() == other.len() && {
                fuel.compare(one.len())?;
                one == other
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.iter().zip(other) {
                if !is_equal(one, other, fuel)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(one), Value::Object(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (name, one) in one {
                fuel.hash(name.len())?;
                let Some(other) = other.get(name) else {
                    return Ok(false);
                };
                if !is_equal(one, other, fuel)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        _ => false,
    })
}

/// How two numbers compare, exactly where both are whole.
pub(super) fn compared(one: &Number, other: &Number) -> Option<Ordering> {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// The number if it is whole and can be written exactly, `3.0` too.
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i64() {
        return Some(whole.into());
    }
    if let Some(whole) = number.as_u64() {
        return Some(whole.into());
    }
    let number = number.as_f64()?;
    // Every such number is exact as it stands.
    let is_whole = number.fract() == 0.0 && number.abs() < 1e30;
    is_whole.then_some(number as i128)
}

/// All whole numbers below it are written exactly: 2^53.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// True if a number is a multiple of another one, in decimals as they were written: `0.3` is one of `0.1`.
pub(super) fn is_multiple(
    number: &Number,
    of: &Number,
    fuel: &mut Fuel,
) -> Result<bool, OutOfFuel> {
    fuel.take(DECIMAL)?;
    // Above 2^53 a float is compared as the decimal that was written, because its exact value differs.
    let is_exact =
        |it: &Number| !it.is_f64() || it.as_f64().is_some_and(|it| it.abs() < EXACT_BELOW);
    let exact = |it: &Number| whole(it).filter(|_| is_exact(it));
    if let (Some(number), Some(of)) = (exact(number), exact(of)) {
        return Ok(of != 0 && number % of == 0);
    }
    let (Some((number, exponent)), Some((of, of_exponent))) = (decimal(number), decimal(of)) else {
        return Ok(false);
    };
    let (number, of) = (number.unsigned_abs(), of.unsigned_abs());
    if of == 0 {
        return Ok(false);
    }
    let tens = (exponent - of_exponent).unsigned_abs();
    if exponent >= of_exponent {
        return Ok(((number % of) * power_of_ten(tens, of)).is_multiple_of(of));
    }
    let of = 10_u128.checked_pow(tens).and_then(|it| it.checked_mul(of));
    // A divisor that overflows divides only zero.
    Ok(of.map_or(number == 0, |of| number % of == 0))
}

/// A power of ten by a modulus below 2^64.
fn power_of_ten(exponent: u32, modulus: u128) -> u128 {
    let (mut power, mut base, mut left) = (1 % modulus, 10 % modulus, exponent);
    while left > 0 {
        if left % 2 == 1 {
            power = power * base % modulus;
        }
        base = base * base % modulus;
        left /= 2;
    }
    power
}

/// A number as its shortest decimal: its digits, of which there are at most twenty, and the power of ten they are times.
fn decimal(number: &Number) -> Option<(i128, i32)> {
    let text = number.to_string();
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse().ok()?),
        None => (text.as_str(), 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent - i32::try_from(fraction.len()).ok()?;
    // Some formatters write large numbers out.
    let mut number = (mantissa, exponent);
    while number.0 != 0 && number.0 % 10 == 0 {
        number = (number.0 / 10, number.1 + 1);
    }
    Some(number)
}

/// True if no two items say the same. Each is written down in one form, and looked up: that takes time by their size.
pub(super) fn are_unique(items: &[Value], fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
    let mut seen = HashSet::with_capacity(items.len().min(1024));
    for item in items {
        let mut form = String::new();
        write_form(item, &mut form, fuel)?;
        fuel.hash(form.len())?;
        if !seen.insert(form) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a value down so that equal values are written alike, and others are not.
fn write_form(value: &Value, form: &mut String, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
    fuel.step()?;
    match value {
        Value::Null => form.push('n'),
        Value::Bool(flag) => form.push(if *flag { 't' } else { 'f' }),
        Value::Number(number) => {
            fuel.take(DECIMAL)?;
            // Writing to a string cannot fail.
            let _ = match whole(number) {
                Some(whole) => write!(form, "{whole},"),
                None => write!(form, "{number},"),
            };
        }
        Value::String(text) => write_text(text, form, fuel)?,
        Value::Array(items) => {
            form.push('[');
            for item in items {
                write_form(item, form, fuel)?;
            }
            form.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            for (name, _) in &fields {
                // Sorting compares each name some times.
                fuel.hash(name.len())?;
            }
            fields.sort_unstable_by_key(|(one, _)| *one);
            form.push('{');
            for (name, value) in fields {
                write_text(name, form, fuel)?;
                write_form(value, form, fuel)?;
            }
            form.push('}');
        }
    }
    Ok(())
}

/// With its length before it, so that no text can look like what follows.
fn write_text(text: &str, form: &mut String, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
    fuel.hash(text.len())?;
    let _ = write!(form, "{}:{text}", text.len());
    Ok(())
}
