//! The program's help teaches: every command is described, every exit code is there.

use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(arguments)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_names_every_command_and_exit_code() {
    let text = help(&["--help"]);
    for word in [
        "run", "validate", "inspect", "pack", "serve", "publish", "0 ", "1 ", "2 ", "3 ", "124",
        "130",
    ] {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
}

#[test]
fn every_command_has_a_help_of_its_own() {
    for (command, word) in [
        ("run", "--credential"),
        ("validate", "--json"),
        ("inspect", "--json"),
        ("pack", "--output"),
        ("serve", "--print-config"),
        ("publish", "--server"),
    ] {
        assert!(help(&[command, "--help"]).contains(word), "{command}");
    }
}
