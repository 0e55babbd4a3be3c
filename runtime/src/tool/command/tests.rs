use super::template::FieldNames;
use super::*;

fn plan(text: &str) -> Result<CommandPlan, Vec<Violation>> {
    let command: DeclaredCommand = toml::from_str(text).expect("valid TOML");
    CommandPlan::new(Some(&command))
}

const YOSYS: &str = r#"
    args = ["-q", "-p", "{script}", "--seed={seed}", "--", "{rest}"]
    stdin = "in: {script}"
    files = { "in.v" = "{verilog}" }
    outputs = ["out.json"]
    [input]
    type = "object"
    required = ["script"]
    additionalProperties = false
    properties = { script = { type = "string" }, seed = { type = "integer" }, rest = {}, verilog = {} }
"#;

#[test]
fn fields_go_where_the_manifest_says() {
    let plan = plan(YOSYS).expect("valid");
    let call = plan
        .call(
            &json!({"script": "synth -top", "seed": 7, "rest": "-x", "verilog": {"a": 1}}),
            1000,
        )
        .expect("valid");
    assert_eq!(
        call.arguments,
        ["-q", "-p", "synth -top", "--seed=7", "--", "-x"]
    );
    assert_eq!(call.stdin, b"in: synth -top");
    assert_eq!(call.files, [("in.v".to_owned(), br#"{"a":1}"#.to_vec())]);
    assert_eq!(call.outputs, ["out.json"]);
}

#[test]
fn no_more_is_made_of_an_input_than_a_few_times_what_it_may_have() {
    let text = format!(
        "stdin = \"{}\"\n[input]\nproperties = {{ a = {{}} }}",
        "{a}".repeat(9)
    );
    let plan = plan(&text).expect("valid");
    assert!(
        plan.call(&json!({"a": "x".repeat(400)}), 1000).is_ok(),
        "9 * 402 bytes"
    );
    assert!(
        plan.call(&json!({"a": "x".repeat(500)}), 1000).is_err(),
        "9 * 502 bytes"
    );
}

#[test]
fn an_absent_field_drops_its_whole_argument() {
    let checked = plan(YOSYS)
        .expect("valid")
        .check(&json!({"script": "x", "seed": null}));
    assert!(checked.is_err(), "null is not an integer by the schema");
    let call = plan(YOSYS)
        .expect("valid")
        .call(&json!({"script": "x"}), 1000)
        .expect("valid");
    assert_eq!(call.arguments, ["-q", "-p", "x", "--"]);
    assert!(call.files.is_empty());
}

#[test]
fn a_value_never_becomes_an_option() {
    let plan = plan(YOSYS).expect("valid");
    let violations = plan
        .call(&json!({"script": "--exec=rm"}), 1000)
        .expect_err("an option");
    assert_eq!(violations[0].place.pointer.as_deref(), Some("/script"));
    assert!(
        plan.call(&json!({"script": "x", "seed": -3}), 1000).is_ok(),
        "behind `=`"
    );
    assert!(
        plan.call(&json!({"script": "x", "rest": "--exec"}), 1000)
            .is_ok(),
        "after `--`"
    );
}

#[test]
fn what_the_manifest_gets_wrong_is_named() {
    let cases = [
        ("args = [\"{nope}\"]", "nope"),
        ("files = { \"../x\" = \"a\" }", "../x"),
        ("files = { \"/x\" = \"a\" }", "/x"),
        ("outputs = [\"\"]", "inside of /scratch"),
        ("outputs = [\"a\\u001b\"]", "control"),
        (
            "files = { \"a\" = \"\", \"a/b\" = \"\" }",
            "folder of another",
        ),
        ("[input]\ntype = 5", "schema"),
    ];
    for (text, named) in cases {
        let violations = plan(text).expect_err(text);
        assert!(violations[0].message.contains(named), "{}", violations[0]);
    }
}

#[test]
fn braces_of_the_program_s_own_stay() {
    let fields = FieldNames::of(vec!["a"]);
    let template = |text| Template::parse(text, &fields).map(|it| it.render(&json!({"a": "x"})));
    assert_eq!(
        template("{ print $1 }"),
        Ok(Some("{ print $1 }".to_owned()))
    );
    assert_eq!(template("{{a}"), Ok(Some("{a}".to_owned())));
    assert_eq!(template("{a}{a}}{"), Ok(Some("xx}{".to_owned())));
    assert_eq!(template(""), Ok(Some(String::new())));
}

#[test]
fn without_a_command_section_the_input_is_standard_input() {
    let plan = CommandPlan::new(None).expect("valid");
    assert_eq!(
        plan.call(&json!({"a": [1, 2]}), 1000).expect("valid").stdin,
        br#"{"a":[1,2]}"#
    );
    assert_eq!(plan.call(&Value::Null, 1000).expect("valid").stdin, b"");
}
