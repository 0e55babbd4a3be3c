//! Runs tools that strangers wrote: load a WebAssembly tool, run it under limits, say how it ended and what it
//! used.
//!
//! ```
//! use serde_json::json;
//! use tollgate_runtime::{Credential, Credentials, Limits, Run, Runtime, RuntimeConfig};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let wasm_bytes = tollgate_fixtures::packed_bytes("forecast");
//! # let limits = Limits::default();
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let tool = runtime.load(&wasm_bytes).await?;          // the checks that protect the host, every violation at once
//! let key = Credential::new("0123456789abcdef")?;
//! let creds = Credentials::new().with("OPENWEATHER_API_KEY", key);
//! let run = Run::new("forecast", json!({"city": "Oslo"})).owner("acme").credentials(creds).limits(limits);
//! let outcome = tool.run(run).await?;
//! println!("{:?} after {} µs", outcome.result, outcome.usage.wall_us);
//! # assert!(outcome.result.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! A refusal before anything ran is an `Err(`[`Refused`]`)`; every end of a run is an [`Outcome`]. Dropping the
//! future of a run cancels it. The library never exits the process, reads no environment variable and installs
//! no global subscriber.

mod digest;
mod engine;
mod guest;
mod limits;
mod run;
mod runtime;
mod scheduler;
mod tool;
mod usage;
pub mod value;
mod violation;

pub use digest::ToolDigest;
pub use guest::RunState;
pub use limits::mappings::TooFewMappings;
pub use limits::{DEPTH_MAX, Limits, ProcessLimits, StaticLimits, TOOL_BYTES_MAX};
pub use run::credentials::{Credential, Credentials, InvalidSecret, Missing, MissingReason};
pub use run::handle::Tool;
pub use run::outcome::profile::{Hotspot, Profile};
pub use run::outcome::source;
pub use run::outcome::{Failure, FailureKind, Frame, Outcome, Room, Status};
pub use run::prepare::Prepared;
pub use run::refused::{Refused, Started};
pub use run::request::Run;
pub use runtime::{Runtime, RuntimeConfig, StartError};
pub use tollgate_host_api::Guest;
pub use tollgate_host_api::egress::allow::Allow;
pub use tollgate_host_api::egress::network::{NetworkConfig, NetworkError};
pub use tollgate_host_api::egress::recorded::{Answer, Recording};
pub use tollgate_host_api::environment::placeholder as decoy;
pub use tollgate_host_api::exchange::{spelling_in, spellings};
pub use tollgate_host_api::host::Host;
pub use tollgate_host_api::logs::{LogLine, LogStream, plain_text};
pub use tollgate_host_api::spans::{Attribute, Span};
#[cfg(fuzzing)]
pub use tool::artifacts::fuzzing;
pub use tool::artifacts::{ArtifactCache, ArtifactKey, ArtifactRefusal};
#[doc(hidden)]
pub use tool::compile::confine_as_compile_child;
pub use tool::compile::{CompileChild, CompileLimits, Compiler, compile_child};
pub use tool::interface::{Function, Interface, UnknownFunction};
pub use tool::loading::{FetchError, Judged, LoadError};
pub use tool::observer::{Observed, Observer};
pub use tool::rejected::Rejected;
pub use tool::setup::HostImports;
pub use tool::{checks, docs, manifest, seller_schema, survey};
pub use usage::Usage;
pub use value::Json;
pub use violation::{Place, VIOLATIONS_MAX, Violation, pointer_part, quoted};
/// The engine, for hosts that add imports of their own.
pub use wasmtime;

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
