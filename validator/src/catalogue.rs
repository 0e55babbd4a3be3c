//! Every code the gate uses, with what it means and what to do. `docs/violations.md` is made from it.

use std::fmt::Write;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As it stands in verdicts.
    pub code: &'static str,
    /// What was found.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

const fn entry(code: &'static str, meaning: &'static str, remedy: &'static str) -> Entry {
    Entry {
        code,
        meaning,
        remedy,
    }
}

/// What a tool is rejected for, by name.
pub const VIOLATIONS: &[Entry] = &[
    entry(
        "check_budget",
        "Checking the tool takes more time or memory than the gate gives.",
        "Declare fewer and smaller types, and instantiate fewer components.",
    ),
    entry(
        "check_failed",
        "A check could not be run to its end. What cannot be judged is rejected; it says nothing of the tool.",
        "Validate again; if it stays, tell the platform.",
    ),
    entry(
        "compile_budget",
        "Compiling the tool takes more time, memory or code than the gate gives.",
        "Split large functions, leave out what is not used, or build for size.",
    ),
    entry(
        "compile_failed",
        "The engine does not compile the tool.",
        "Build it with a current toolchain, or with other optimisation settings.",
    ),
    entry(
        "component_passed",
        "The component imports, exports or passes a whole component or module: what it would make cannot be counted.",
        "Compose it before publishing, so that it contains what it uses.",
    ),
    entry(
        "credential_misdirected",
        "In an example a credential was on its way to a place that is none of its `hosts`. A decoy stood for it.",
        "Send it only there, over https; or name the host in `[credentials.NAME] hosts`, if buyers are to trust it.",
    ),
    entry(
        "documentation_unreadable",
        "The folder `wit` next to `tool.toml` cannot be read as WIT.",
        "Mend the file; toolchains read the same text.",
    ),
    entry(
        "entries_too_many",
        "The file lists more than 100,000 memories, tables, aliases, components, sections, imports and exports of its own, or more than 200,000 imports, exports and declarations of types in all.",
        "Link it so that it exports and imports only what it uses; strip its custom sections.",
    ),
    entry(
        "example_failed",
        "An example did not end as the manifest says.",
        "Mend the tool or the example; `tollgate run` with the example's input shows more.",
    ),
    entry(
        "examples_too_long",
        "The examples together take too long.",
        "Give them smaller inputs, or fewer of them.",
    ),
    entry(
        "export_collision",
        "Two functions would have the same name.",
        "Rename one, or choose with `functions = [\"interface.function\"]` in tool.toml.",
    ),
    entry(
        "feature_unsupported",
        "The file uses a WebAssembly proposal that is not offered: threads, 64-bit memory, garbage collection, exceptions.",
        "Build for `wasm32-wasip2` or `wasm32-wasip1` without that feature.",
    ),
    entry(
        "file_empty",
        "There is nothing in the file.",
        "Upload the `.wasm` that the build makes.",
    ),
    entry(
        "file_too_large",
        "A tool has at most 20 MiB.",
        "Strip debug sections, build for size, leave out what is not used.",
    ),
    entry(
        "format_malformed",
        "The bytes begin as WebAssembly and cannot be read or validated.",
        "Build it again; a file that was cut or changed cannot be mended.",
    ),
    entry(
        "format_unknown",
        "The bytes are no WebAssembly, or of a version that is not read.",
        "Upload the `.wasm` that the build makes, not an archive or a precompiled file.",
    ),
    entry(
        "function_unknown",
        "A name in `functions` or in an example is no function of the tool.",
        "`tollgate inspect` lists the functions.",
    ),
    entry(
        "functions_too_many",
        "The tool exports more functions than are shown.",
        "Choose some with `functions = [...]` in tool.toml.",
    ),
    entry(
        "import_unknown",
        "The tool imports what no host offers.",
        "Build for WASI 0.1 or 0.2; link what the linker did not find.",
    ),
    entry(
        "kind_unknown",
        "The file is neither a typed component nor a command: it exports no function and no `_start`.",
        "Export functions in WIT, or build a program with `main`.",
    ),
    entry(
        "manifest_duplicate",
        "There are two manifests in the file or the upload.",
        "Keep one; `tollgate pack` replaces what is there.",
    ),
    entry(
        "manifest_invalid",
        "Something in tool.toml is unknown, missing or out of bounds.",
        "The message names the key and what may stand there.",
    ),
    entry(
        "memories_too_many",
        "The tool defines more memories than a run may have.",
        "Build one module with one memory.",
    ),
    entry(
        "memory_too_large",
        "The tool starts with more memory than a run may have.",
        "Lower the initial memory in the linker's options.",
    ),
    entry(
        "name_too_long",
        "The name of an offered function, of its interface or of a parameter has more than 256 bytes.",
        "Give it a shorter name.",
    ),
    entry(
        "nested_too_many",
        "There are more nested components, modules or instances than the gate follows.",
        "Compose fewer parts into one.",
    ),
    entry(
        "schema_invalid",
        "A JSON Schema in the manifest is invalid, too large, refers elsewhere, or uses a keyword or pattern whose cost is not bounded.",
        "Mend the place that the message names. A schema has at most 64 KiB, 32 levels and 10,000 subschemas with its references written out; it refers with `$ref` to `#/$defs/…` only; its patterns take at most 64 KiB each when compiled and have no look-around or back-references. `docs/selling.md` lists the keywords.",
    ),
    entry(
        "table_too_large",
        "A table starts with more elements than a run may have.",
        "Leave out functions that are not called through tables.",
    ),
    entry(
        "tables_too_many",
        "The tool defines more tables than a run may have.",
        "Build one module with one table.",
    ),
    entry(
        "type_unsupported",
        "A function's type has what JSON cannot carry: a resource, stream, future, or async.",
        "Use records, lists, variants, strings and numbers in functions that buyers call.",
    ),
    entry(
        "types_too_many",
        "The types of the functions are too many or too large when written out.",
        "Share fewer types in fewer functions, or choose functions in tool.toml.",
    ),
];

/// What is said of a tool that may be admitted all the same, by name.
pub const NOTES: &[Entry] = &[
    entry(
        "credential_exposed",
        "The tool is shown a secret itself: the manifest declares `expose`.",
        "Leave `expose` out unless the tool computes with the secret, as signing does.",
    ),
    entry(
        "credential_unreachable",
        "No rule in `[egress] allow` reaches a host that a credential is for over https.",
        "Allow `https://` that host, or leave it out of the credential's `hosts`.",
    ),
    entry(
        "example_ran",
        "An example ended as the manifest says; with what it used.",
        "Nothing is to be done.",
    ),
    entry(
        "import_denied",
        "The tool imports sockets, or outgoing HTTP without `[egress]`: every use is refused inside the tool.",
        "Declare `[egress] allow` for HTTP; many toolchains import sockets without using them.",
    ),
    entry(
        "input_unused",
        "`[command.input]` has a field that no template uses: callers may give it, and the program never sees it.",
        "Put `{field}` into `args`, `stdin` or `files`, or leave the field out.",
    ),
    entry(
        "sections_large",
        "Debug and other custom sections are most of the file.",
        "Strip them (`strip = \"debuginfo\"` in Cargo, `wasm-tools strip`), unless failures are to show files and lines.",
    ),
    entry(
        "undocumented",
        "The manifest or a function has no description: buyers and their agents choose by it.",
        "Write doc comments in WIT, and `description` in tool.toml.",
    ),
];

/// What there is to say of a code.
pub fn entry_of(code: &str) -> Option<&'static Entry> {
    VIOLATIONS.iter().chain(NOTES).find(|it| it.code == code)
}

/// The catalogue as a page.
pub fn page() -> String {
    let mut page = "# What the gate finds\n\nMade from `validator/src/catalogue.rs`. `tollgate validate` prints them, `GET /v1/artifacts/{id}/draft/validation` answers them: each with its `code`, a `message` for people, and its `place`: a `pointer` into the manifest with its `line`, or a `section`, `function` and byte `offset` of the file, as far as they are known.\n".to_owned();
    for (title, entries) in [
        ("Violations: the tool is rejected", VIOLATIONS),
        ("Notes: it may be admitted all the same", NOTES),
    ] {
        let _ = writeln!(
            page,
            "\n## {title}\n\n| code | what was found | what to do |\n| --- | --- | --- |"
        );
        for Entry {
            code,
            meaning,
            remedy,
        } in entries
        {
            let _ = writeln!(page, "| `{code}` | {meaning} | {remedy} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_in_order_and_says_each_code_once() {
        for entries in [VIOLATIONS, NOTES] {
            assert!(entries.is_sorted_by(|one, other| one.code < other.code));
        }
        assert!(
            NOTES
                .iter()
                .all(|note| VIOLATIONS.iter().all(|it| it.code != note.code))
        );
    }
}
