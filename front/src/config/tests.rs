use super::*;
use secrecy::ExposeSecret;
use std::collections::HashMap;

fn read(file: &str, variables: &[(&str, &str)]) -> anyhow::Result<Config> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_parts(file, variables.collect::<HashMap<_, _>>(), Flags::default())
}

fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
    match read(file, variables) {
        Ok(config) => panic!("taken: {config:?}"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn nothing_said_is_the_defaults() {
    let config = read("", &[]).expect("the defaults");
    assert_eq!(config.printed(), Config::default().printed());
    assert_eq!(config.limits(), Limits::default());
    assert_eq!(config.process(), ProcessLimits::default());
}

#[test]
fn the_later_wins() {
    let file = "listen = \"127.0.0.1:1\"\nbody_bytes = 50000000\nasync_runs = 5\n[limits]\ntimeout_ms = 7\ninput_bytes = 9\n";
    let variables = HashMap::from([
        ("TOLLGATE_LISTEN".to_owned(), "127.0.0.1:2".to_owned()),
        ("TOLLGATE_BODY_BYTES".to_owned(), "60000000".to_owned()),
        ("TOLLGATE_LIMITS__TIMEOUT_MS".to_owned(), "8".to_owned()),
        (
            "TOLLGATE_PROCESS__GUEST_MEMORY_BYTES".to_owned(),
            "1048576".to_owned(),
        ),
        ("TOLLGATE_LOG__FORMAT".to_owned(), "json".to_owned()),
    ]);
    let flags = Flags {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 3))),
        admin_listen: None,
        data: Some(PathBuf::from("/tmp/here")),
    };
    let config = Config::from_parts(file, variables, flags).expect("a configuration");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, PathBuf::from("/tmp/here"));
    assert_eq!((config.body_bytes, config.async_runs), (60_000_000, 5));
    assert_eq!(config.limits().timeout, Duration::from_millis(8));
    assert_eq!(config.limits().input_bytes, 9);
    assert_eq!(config.process().guest_memory_bytes, MIB);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (file, variable, named) in [
        ("port = 1", "", "port"),
        ("[limits]\ntimeout = 1", "", "timeout"),
        ("[limit]\ntimeout_ms = 1", "", "limit"),
        ("", "TOLLGATE_PORT", "TOLLGATE_PORT"),
        ("", "TOLLGATE_LIMITS__TIMEOUT", "TOLLGATE_LIMITS__TIMEOUT"),
        (
            "",
            "TOLLGATE_LIMITS_TIMEOUT_MS",
            "TOLLGATE_LIMITS_TIMEOUT_MS",
        ),
        ("", "TOLLGATE_LIMITS", "TOLLGATE_LIMITS"),
    ] {
        let variables = [(variable, "1")];
        let variables = if variable.is_empty() {
            &[][..]
        } else {
            &variables
        };
        let said = refusal(file, variables);
        assert!(said.contains(named), "{file}{variable}: {said}");
    }
}

#[test]
fn a_value_out_of_its_bounds_is_refused_by_key_and_bound() {
    for (file, key, bound) in [
        ("[limits]\ntimeout_ms = 0", "limits.timeout_ms", "30000"),
        ("[limits]\ntimeout_ms = 30001", "limits.timeout_ms", "30000"),
        (
            "[limits]\ninput_bytes = 8388609",
            "limits.input_bytes",
            "8388608",
        ),
        (
            "[limits]\noutput_bytes = 8388609",
            "limits.output_bytes",
            "8388608",
        ),
        (
            "[limits]\nmemory_bytes = 65535",
            "limits.memory_bytes",
            "65536",
        ),
        ("connections = 0", "connections", "1"),
        ("header_timeout_ms = 0", "header_timeout_ms", "1"),
        ("body_bytes = 0", "body_bytes", "33554432"),
        ("validations = 0", "validations", "1"),
        ("[process]\nruns = 0", "process.runs", "1"),
        (
            "[process]\nguest_memory_bytes = 0",
            "process.guest_memory_bytes",
            "65536",
        ),
        ("[rate]\nkey_per_s = 1000001", "rate.key_per_s", "1000000"),
        ("[rate]\norg_per_s = 1000001", "rate.org_per_s", "1000000"),
        ("[rate]\nkey_burst = 0", "rate.key_burst", "1"),
        ("[rate]\norg_burst = 1000001", "rate.org_burst", "1000000"),
        (
            "[rate]\nfailed_per_minute = 1000001",
            "rate.failed_per_minute",
            "1000000",
        ),
        ("[rate]\norg_runs = 100001", "rate.org_runs", "100000"),
        ("[rate]\nkey_per_s = -1", "key_per_s", ""),
        (
            "[quota]\norg_artifacts = 1000000001",
            "quota.org_artifacts",
            "1000000000",
        ),
        (
            "[quota]\norg_stored_bytes = 1125899906842625",
            "quota.org_stored_bytes",
            "1125899906842624",
        ),
        ("[quota]\norg_artifacts = -1", "org_artifacts", ""),
        ("[retention]\nqueued_s = 0", "retention.queued_s", "1"),
        ("body_bytes = -1", "body_bytes", ""),
        ("body_bytes = \"many\"", "body_bytes", "many"),
        ("listen = \"here\"", "listen", ""),
        ("data = \"\"", "data", ""),
        ("[log]\nlevel = \"a=b=c\"", "log.level", ""),
        ("[log]\nlevel = \"info,\"", "log.level", "tollgate=debug"),
        ("[log]\nformat = \"xml\"", "format", "xml"),
        ("admin_listen = \"127.0.0.1:8080\"", "admin_listen", "8080"),
    ] {
        let said = refusal(file, &[]);
        assert!(said.contains(key) && said.contains(bound), "{file}: {said}");
    }
    for file in [
        "[limits]\ntimeout_ms = 30000\ninput_bytes = 8388608",
        "[limits]\ntimeout_ms = 1",
        "[rate]\nkey_per_s = 0\nkey_burst = 1\norg_per_s = 1000000\norg_burst = 1000000\nfailed_per_minute = 0\norg_runs = 0",
        "[quota]\norg_artifacts = 0\norg_stored_bytes = 0",
        "[quota]\norg_artifacts = 1000000000\norg_stored_bytes = 1125899906842624",
    ] {
        read(file, &[]).unwrap_or_else(|error| panic!("{file}: {error:#}"));
    }
}

#[test]
fn an_org_has_half_of_the_runs_where_nothing_is_said() {
    for (file, org_runs) in [
        ("", 500),
        ("[process]\nruns = 1", 1),
        ("[process]\nruns = 9", 5),
        ("[process]\nruns = 9\n[rate]\norg_runs = 0", 0),
        ("[process]\nruns = 9\n[rate]\norg_runs = 40", 40),
    ] {
        let config = read(file, &[]).expect("a configuration");
        assert_eq!(config.org_runs(), org_runs, "{file}");
        let printed = config.printed();
        let line = format!("org_runs = {org_runs}\n");
        assert!(printed.contains(&line), "{file}: {printed}");
    }
}

#[test]
fn secrets_are_read_and_never_shown() {
    let digits = "0123456789".repeat(7)[..64].to_owned();
    let file = format!("operator_key = \"tg_verysecret\"\nmaster_key = \"{digits}\"");
    let variable = [("TOLLGATE_MASTER_KEY", digits.as_str())];
    for config in [
        read(&file, &[]),
        read("operator_key = \"tg_verysecret\"", &variable),
    ] {
        let config = config.expect("a configuration");
        let read = config.master_key.as_ref().map(ExposeSecret::expose_secret);
        assert_eq!(read, Some(digits.as_str()));
        for shown in [config.printed(), format!("{config:?}")] {
            assert!(
                !shown.contains("verysecret") && !shown.contains(&digits),
                "{shown}"
            );
        }
        assert!(config.printed().contains("operator_key = \"***\""));
    }
    for (key, secret) in [
        ("operator_key", "verysecret"),
        ("master_key", &digits[..63]),
    ] {
        let said = refusal(&format!("{key} = \"{secret}\""), &[]);
        assert!(said.contains(key) && !said.contains(secret), "{said}");
    }
}

#[test]
fn what_is_printed_can_be_read() {
    let config = Config::default();
    let again = read(&config.printed(), &[]).expect("the printed configuration");
    assert_eq!(again.printed(), config.printed());
}
