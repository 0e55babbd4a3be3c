use super::*;

const WEATHER: &str = r#"
    name = "weather"
    version = "1.2.0"
    description = "Forecast for a city"
    price = 5
    subscription_price = 500
    functions = ["forecast"]
    [build]
    command = "cargo build"
    output = "weather.wasm"
    [limits]
    timeout = "10s"
    memory = "64MiB"
    [credentials.OPENWEATHER_API_KEY]
    description = "openweathermap.org"
    hosts = ["api.openweathermap.org"]
    [egress]
    allow = ["GET https://api.openweathermap.org/data"]
    [[examples]]
    function = "forecast"
    input = { city = "Oslo" }
    output = { celsius = 4.5 }
"#;

#[test]
fn the_contract_s_example_is_read_whole() {
    let manifest = Manifest::parse(WEATHER).expect("valid");
    assert_eq!((manifest.name.as_str(), manifest.price), ("weather", 5));
    assert!(manifest.credentials["OPENWEATHER_API_KEY"].required);
    assert_eq!(
        manifest.examples[0].output,
        Some(serde_json::json!({"celsius": 4.5}))
    );
    let limits = manifest.limits.apply(&Limits::default());
    assert_eq!(
        (limits.timeout, limits.memory_bytes),
        (Duration::from_secs(10), 64 << 20)
    );
    let packed = packed_text(WEATHER).expect("valid");
    assert!(
        Manifest::parse(&packed)
            .expect("still valid")
            .build
            .is_none()
    );
}

#[test]
fn a_wrong_key_or_value_is_named_with_its_line() {
    let cases = [
        ("name = \"a\"\nprise = 5", "prise", 2),
        ("name = \"a\"\nprice = \"5\"", "`price`: ", 2),
        ("name = \"a\"\nprice = -1", "`price`: ", 2),
        ("name = \"a\"\n[limits]\ntimeout = \"ten\"", "ten", 3),
        ("name = \"a\"\n[limits]\nmemory = \"64MB\"", "64MB", 3),
        ("name = \"a\"\n[credentials.X]\nhost = []", "host", 3),
        ("name = \"a\"\nversion = \"one\"", "`version`: ", 2),
        ("name = \"a\"\n[egress]\nallow = [\n    5]", "5", 4),
        ("name = \"a\"\n\n=", "", 3),
    ];
    for (text, named, line) in cases {
        let violation = Manifest::parse(text).expect_err(text);
        assert_eq!(violation.code, "manifest_invalid");
        assert!(violation.message.contains(named), "{violation}");
        assert_eq!(violation.place.line, Some(line), "{violation}");
    }
}

#[test]
fn limits_are_only_lowered() {
    let manifest = Manifest::parse("name = \"a\"\n[limits]\ntimeout = \"60s\"\nscratch = \"0B\"")
        .expect("valid");
    let raised = manifest.limits.raised(&Limits::default());
    assert_eq!(raised, [("timeout", "30s".to_owned())]);
    let limits = manifest.limits.apply(&Limits::default());
    assert_eq!(
        (limits.timeout, limits.scratch_bytes),
        (Duration::from_secs(30), 0)
    );
}
