//! 5. Engine features: valid under what the engine accepts, told apart from what is not valid at all.

use super::format::malformed;
use crate::engine::features;
use crate::tool::survey::Survey;
use crate::violation::{Violation, quoted};
use wasmparser::types::Types;
use wasmparser::{Validator, WasmFeatures};

pub(super) fn check(survey: &Survey<'_>) -> Result<Types, Vec<Violation>> {
    let error = match Validator::new_with_features(features()).validate_all(survey.bytes) {
        Ok(types) => return Ok(types),
        Err(error) => error,
    };
    let violation = match Validator::new_with_features(WasmFeatures::all())
        .validate_all(survey.bytes)
    {
        Ok(_) => {
            let message = format!(
                "the tool uses a part of WebAssembly that is not enabled here: {}; build it without threads, \
                 64-bit memory, garbage collection, exceptions and WASI 0.3",
                quoted(error.message())
            );
            Violation::new("feature_unsupported", message).at(error.offset())
        }
        Err(_) => malformed(&error),
    };
    Err(vec![violation])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::survey::survey;

    fn code(text: &str) -> Option<&'static str> {
        let bytes = wat::parse_str(text).expect("well-formed text");
        let survey = survey(&bytes).expect("readable");
        check(&survey).err().map(|violations| violations[0].code)
    }

    #[test]
    fn what_is_on_and_what_is_off() {
        let on = [
            "(module (func (result v128) v128.const i64x2 0 0))",
            "(module (memory 1) (memory 1))",
            "(module (func $f return_call $f))",
            "(module (table 1 funcref) (func (result funcref) i32.const 0 table.get 0))",
            "(component)",
        ];
        for text in on {
            assert_eq!(code(text), None, "{text}");
        }
        let off = [
            "(module (memory 1 1 shared))",
            "(module (memory i64 1))",
            "(module (type (struct)))",
            "(module (tag))",
            "(module (memory 1 (pagesize 1)))",
            "(module (func (param externref)))",
        ];
        for text in off {
            assert_eq!(code(text), Some("feature_unsupported"), "{text}");
        }
        assert_eq!(
            code("(module (func (result i32)))"),
            Some("format_malformed")
        );
    }
}
