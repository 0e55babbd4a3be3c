//! The command line's options, with the help that teaches them.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tollgate_runtime::Limits;
use tollgate_runtime::manifest::parse_duration;

/// Runs tools that strangers wrote, as WebAssembly, under limits that always hold.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    good
  1    the tool failed, or `validate` rejected it
  2    usage, a file that cannot be read, or our own fault
  3    refused before running: not admitted, input, credentials
  124  timed out
  130  interrupted

TOOL is a .wasm, a .wat, or a folder with a tool.toml, whose [build].output (else its only .wasm)
is taken as it lies. Results go to stdout, everything else to stderr.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a tool once and print its output.
    Run(RunOptions),
    /// Judge a tool as the platform's gate does, and print every reason against it.
    Validate(JudgeOptions),
    /// Show what a tool says of itself: functions with their schemas, credentials, limits.
    Inspect(JudgeOptions),
    /// Serve the HTTP API: upload, publish and run tools. Ctrl-C lets requests under way finish.
    Serve(ServeOptions),
    /// Put a folder's tool.toml and doc comments into its .wasm: the one file that is published.
    Pack(PackOptions),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tollgate run fixtures/tools/markdown --input '{\"markdown\": \"# Hello\"}'
  tollgate run weather.wasm --function forecast --input @oslo.json --credential OPENWEATHER_API_KEY
  echo '{\"text\": \"one two\"}' | tollgate run fixtures/tools/wordcount --input -")]
pub(crate) struct RunOptions {
    /// A .wasm, a .wat, or a folder with a tool.toml.
    pub(crate) tool: PathBuf,
    /// The function to call; may be left out where there is one.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// The input: JSON, `@FILE` to read it from a file, `-` from standard input.
    #[arg(short, long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// A secret the tool may use: `NAME` takes it from the environment, `NAME=@FILE` from a file. The tool sees a
    /// placeholder, unless it declares `expose`. May be repeated.
    #[arg(short, long = "credential", value_name = "NAME[=VALUE|=@FILE]")]
    pub(crate) credentials: Vec<String>,
    /// A shorter limit than the tool's own, such as `5s` or `500ms`; at most 30s.
    #[arg(short, long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Run the folder's build command first. Nothing of a folder is executed without this.
    #[arg(long)]
    pub(crate) build: bool,
    /// Print what the server would send, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeOptions {
    /// A .wasm, a .wat, or a folder with a tool.toml.
    pub(crate) tool: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PackOptions {
    /// A folder with a tool.toml.
    pub(crate) tool: PathBuf,
    /// The file to write. One that is there is replaced.
    #[arg(short, long, value_name = "OUT.wasm")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Settings are read from the --config file (TOML), then from the environment, then from these flags;
the later wins. Each key of the file has its variable: `listen` is TOLLGATE_LISTEN, `timeout_ms` of
the section [limits] TOLLGATE_LIMITS__TIMEOUT_MS. --print-config shows every key with its value.

Examples:
  tollgate serve
  tollgate serve --listen 0.0.0.0:8080 --admin-listen 127.0.0.1:9090 --data /var/lib/tollgate
  TOLLGATE_LIMITS__TIMEOUT_MS=10000 tollgate serve --config tollgate.toml --print-config")]
pub(crate) struct ServeOptions {
    /// Where the API listens [default: 127.0.0.1:8080]. Port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where /metrics is served, without a key [default: nowhere].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The folder of everything that is kept [default: ./tollgate-data]; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Begin with published tools to try things on.
    #[arg(long)]
    pub(crate) demo: bool,
    /// A TOML file of settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings that hold, secrets as `***`, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let limit = Limits::default().timeout;
    match parse_duration(text) {
        Some(timeout) if timeout.is_zero() => Err("a run needs some time".to_owned()),
        Some(timeout) if timeout > limit => Err(format!("a run has at most {limit:?}")),
        Some(timeout) => Ok(timeout),
        None => Err("write a time such as `5s` or `500ms`".to_owned()),
    }
}
