//! The command line's options, with the help that teaches them.

use crate::config::{Config, Flags};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tollgate_runtime::manifest::parse_duration;
use tollgate_runtime::{Host, Limits};

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
  1    the tool failed, or the gate rejected it (`validate`, `publish`)
  2    usage, an unreadable file, an unreachable server, or our own fault
  3    refused: not admitted, input, credentials; or not to be published
  124  timed out
  130  interrupted

TOOL is a .wasm, a .wat, or a folder with a tool.toml, whose [build].output (else its only .wasm) \
is taken as it lies. Results go to stdout, everything else to stderr. What was compiled is kept in \
$XDG_CACHE_HOME/tollgate or ~/.cache/tollgate, which may be removed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a folder with a small tool in it, to begin with.
    New(NewOptions),
    /// Run a tool once and print its output.
    Run(RunOptions),
    /// Judge a tool as the platform's gate does, and print every reason against it.
    Validate(JudgeOptions),
    /// Show what a tool says of itself: functions with their schemas, credentials, limits.
    Inspect(JudgeOptions),
    /// Show what another release of a tool changes: functions, imports, hosts, credentials, limits, price.
    Diff(DiffOptions),
    /// Put a folder's tool.toml and doc comments into its .wasm: the one file that is published.
    Pack(PackOptions),
    /// Run the server: publish, sell and run tools over HTTP.
    Serve(ServeOptions),
    /// Upload a tool to a server, have it validated, and release it.
    Publish(PublishOptions),
    /// Add up a server's wallets again from their entries, and print every difference.
    Audit(AuditOptions),
    /// Copy a data folder while a server uses it: the database, the tools and the master key.
    Backup(BackupOptions),
    /// Give a data folder another master key, and seal every credential in it anew.
    RotateMasterKey(RotateOptions),
    /// Print a script that completes this command line in a shell.
    Completions(CompletionsOptions),
    /// Compile one tool from standard input to standard output. What other commands start, with limits.
    #[command(hide = true)]
    CompileTool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  tollgate new greeter --lang rust && cd greeter
  tollgate run . --build --input '{\"name\": \"Ada\"}'

The folder has a manifest (tool.toml), an interface (wit/), the code and a README. It needs nothing \
but its language's own tools: Rust's target wasm32-wasip2, npm, or Python's venv.")]
pub(crate) struct NewOptions {
    /// The tool's name, and its folder's: a-z, 0-9 and `-`.
    pub(crate) name: String,
    /// The language it is written in.
    #[arg(short, long)]
    pub(crate) lang: Language,
}

/// Languages there is a beginning for. A tool may be written in any other that compiles to WebAssembly.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Javascript,
    Python,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::Javascript => "JavaScript",
            Language::Python => "Python",
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tollgate run fixtures/tools/markdown --input '{\"markdown\": \"# Hello\"}'
  tollgate run weather.wasm --input @oslo.json --credential WEATHER_KEY
  tollgate run weather.wasm --function now --allow-host localhost:8443 --spans
  tollgate run fixtures/tools/primes --input '{\"below\": 30000}' --profile p.json
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
    /// Let the tool reach this place, if its manifest allows it, although the address is not public: `host` (port 443) or
    /// `host:port`. May be repeated.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) allow_host: Vec<Host>,
    /// Show what the run spent its time on and what it asked of other machines, as a waterfall.
    #[arg(long)]
    pub(crate) spans: bool,
    /// A shorter limit than the tool's own, such as `5s` or `500ms`; at most 30s.
    #[arg(short, long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Run the folder's build command first. Nothing of a folder is executed without this.
    #[arg(long)]
    pub(crate) build: bool,
    /// Build and run it, and do both again whenever a file of the folder changes, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["json", "profile"])]
    pub(crate) watch: bool,
    /// Look at the tool every millisecond it works. The ten hottest functions are printed, and all of it goes to this
    /// file, for profiler.firefox.com.
    #[arg(long, value_name = "OUT.json")]
    pub(crate) profile: Option<PathBuf>,
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
#[command(after_help = "\
Example:
  tollgate diff weather-1.0.0.wasm weather

`widens` marks what asks more of subscribers: a higher price, more hosts, another credential, or one \
that is exposed now. They go on with the old release until they accept. Exits 0 whether or not there \
are changes.")]
pub(crate) struct DiffOptions {
    /// The tool as it is released: a .wasm, a .wat, or a folder with a tool.toml.
    pub(crate) old: PathBuf,
    /// The tool as it is to be released.
    pub(crate) new: PathBuf,
    /// Print the changes as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate
  tollgate completions fish > ~/.config/fish/completions/tollgate.fish
  tollgate completions zsh > \"${fpath[1]}/_tollgate\"")]
pub(crate) struct CompletionsOptions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
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
Examples:
  tollgate serve --demo
  tollgate serve --listen 0.0.0.0:8080 --data /var/lib/tollgate
  TOLLGATE_DRAIN_MS=5000 tollgate serve --config tollgate.toml --print-config

A flag wins over the environment (TOLLGATE_LISTEN, TOLLGATE_LIMITS__TIMEOUT_MS, …), and that over \
the file. On its first start with an empty folder the server prints the operator's key, once; \
TOLLGATE_OPERATOR_KEY presets it. Ctrl-C lets the runs under way end.")]
pub(crate) struct ServeOptions {
    /// Where callers are answered [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where `/metrics` is answered, without a key: keep it to yourself. Nowhere unless it is given.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The folder that everything is kept in [default: ./tollgate-data].
    #[arg(long, value_name = "DIR", conflicts_with = "demo")]
    pub(crate) data: Option<PathBuf>,
    /// Try it: serve from a temporary folder, publish example tools, and print lines to paste that run them.
    #[arg(long)]
    pub(crate) demo: bool,
    /// A TOML file of settings; `--print-config` shows what can stand in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings in effect as TOML, secrets hidden, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export TOLLGATE_API_KEY=tg_…
  tollgate publish fixtures/tools/markdown --server http://127.0.0.1:8080
  tollgate publish weather.wasm --server https://tools.example.com --json

The first time this makes an artifact of the manifest's `name`, later another release of it: raise \
`version` in tool.toml, or leave it out and the server counts. The release is active and listed at \
once, and replaces the one before only if the gate admits it. A draft of another file that was left \
unpublished is removed.")]
pub(crate) struct PublishOptions {
    /// A .wasm with its manifest in it, or a folder with a tool.toml.
    pub(crate) tool: PathBuf,
    /// The server's address. Your key there is taken from TOLLGATE_API_KEY; its scopes have `publish`.
    #[arg(long, value_name = "URL", value_parser = server)]
    pub(crate) server: String,
    /// Print the release as JSON; where there is none, the verdict or the problem.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Stop the server first. Each org gets another data key under the new master key, and each credential \
is sealed with that, in one transaction: broken off, the old key or the new one is in use, and the \
next start finds out which.

The new key takes the place of DIR/master.key. Where TOLLGATE_MASTER_KEY gives the key in use, or \
where the next one is to be kept elsewhere, TOLLGATE_NEXT_MASTER_KEY gives the next: 64 hexadecimal \
digits, such as from `openssl rand -hex 32`. Copies of the folder made before still open with the old \
key: destroy them, or rotate the credentials themselves.

Example:
  tollgate rotate-master-key --data /var/lib/tollgate")]
pub(crate) struct RotateOptions {
    #[command(flatten)]
    pub(crate) of: OfServer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads only, all at one moment: a server may be running on the folder. The entries of every \
payment must sum to zero, those of every org to what it has, and every run must have been charged \
for what its record says. Exits 1 where something does not fit.

Example:
  tollgate audit --data /var/lib/tollgate")]
pub(crate) struct AuditOptions {
    #[command(flatten)]
    pub(crate) of: OfServer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The server may go on: the copy has everything it acknowledged before the command began. OUT is a new \
folder, or an empty one; where anything fails nothing is left of it. `tollgate serve --data OUT` starts \
on it; runs that were under way are `lost` there, and runs that were queued are run.

The copy has DIR/master.key in it, which opens every credential in it: keep the copy as secret as the \
folder, or leave the key out with --without-master-key and keep it elsewhere. Where TOLLGATE_MASTER_KEY \
gives the server its key, the copy has none. What is printed says which. Without that key no server \
starts on the copy, and nobody can read a credential in it.

Example:
  tollgate backup /backups/tollgate-monday --data /var/lib/tollgate")]
pub(crate) struct BackupOptions {
    /// The folder to copy into, in a folder that is there.
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfServer,
    /// Leave the master key out of the copy. It is needed to start a server on it.
    #[arg(long)]
    pub(crate) without_master_key: bool,
}

/// Which server's data folder a command works on.
#[derive(Debug, Args)]
pub(crate) struct OfServer {
    /// The server's data folder [default: ./tollgate-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The server's TOML file of settings, if it has one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl OfServer {
    /// The server's settings.
    pub(crate) fn config(self) -> anyhow::Result<Config> {
        let flags = Flags {
            data: self.data,
            ..Flags::default()
        };
        Config::read(self.config.as_deref(), flags)
    }
}

/// A server's URL without a slash at its end. It goes into a line to paste: what a shell would read is left out.
fn server(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .ok_or("begin with `http://` or `https://`")?;
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~:/[]".contains(&it);
    if rest.starts_with(['/', ':']) || rest.is_empty() || !rest.bytes().all(is_plain) {
        return Err("write `http://HOST:PORT`, without user, query or spaces".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
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
