//! One run: what a caller asks for, and what is refused before anything of the tool has run.

use crate::admission::{Demand, Full};
use crate::credentials::{Credentials, Granted, Missing, grant};
use crate::execute::{Job, Request, execute};
use crate::held;
use crate::interface::Signature;
use crate::limits::{DEPTH_MAX, Limits, Slots};
use crate::meter::Meter;
use crate::outcome::Outcome;
use crate::runtime::Runtime;
use crate::scheduler::Panicked;
use crate::tool::Tool;
use crate::value::decode_parameters;
use crate::violation::Violation;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use tollgate_host_api::budget::{Budget, Lease};
use tollgate_host_api::egress::recorded::Recording;

/// What an input may take before it is counted among those that wait: every call has as much.
const SMALL_BYTES: u64 = 16 * 1024;

/// Bytes of the engine's values that may be made of each byte of JSON, of a small input as if it had
/// [`SMALL_BYTES`]. Bytes in base64 make thirty, digits twenty; fields that are left out make any number.
const VALUES_PER_BYTE: u64 = 64;

/// The longest judging of an input that is done in the caller's task.
const JUDGED_HERE_MAX: Duration = Duration::from_millis(1);

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Run {
    function: Option<String>,
    input: Value,
    owner: Arc<str>,
    credentials: Credentials,
    limits: Option<Limits>,
    recorded: Option<Arc<[Recording]>>,
    is_profiled: bool,
    /// Its input's part of what waits.
    waiting: Option<Arc<Lease>>,
}

impl Run {
    /// A run of a function with its input.
    pub fn new(function: impl Into<String>, input: Value) -> Self {
        Self {
            function: Some(function.into()),
            ..Self::only(input)
        }
    }

    /// A run of the only function there is.
    pub fn only(input: Value) -> Self {
        let (owner, credentials) = (Arc::from(""), Credentials::new());
        Self {
            function: None,
            input,
            owner,
            credentials,
            limits: None,
            recorded: None,
            is_profiled: false,
            waiting: None,
        }
    }

    /// Whom the run's turns are shared by.
    pub fn owner(mut self, owner: impl AsRef<str>) -> Self {
        self.owner = Arc::from(owner.as_ref());
        self
    }

    /// Secrets the tool may use.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Limits for this run. They only lower the runtime's and the tool's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Answers its requests with these, in the place of hosts: none goes out, and one that is not among them is refused.
    pub fn recorded(mut self, recorded: impl IntoIterator<Item = Recording>) -> Self {
        self.recorded = Some(recorded.into_iter().collect());
        self
    }

    /// Bytes the host holds of its input.
    fn input_bytes(&self) -> u64 {
        match &self.waiting {
            Some(lease) => lease.bytes(),
            None => held::json(&self.input),
        }
    }

    /// Asks for a [`Profile`](crate::Profile) in the outcome, whatever the end. It slows the guest by a few
    /// microseconds a millisecond.
    pub fn profiled(mut self) -> Self {
        self.is_profiled = true;
        self
    }
}

/// A run that did not start: nothing of the tool has run (or, at capacity, nothing that counts).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The function is not there, or not clear.
    #[error("{}", .0.message)]
    FunctionUnknown(Violation),
    /// The input does not match the function's schema.
    #[error("the input does not match the tool's schema: {}", list(.0))]
    InputInvalid(Vec<Violation>),
    /// Credentials are missing.
    #[error("the tool requires credentials not yet configured: {}", names(.0))]
    CredentialsMissing(Vec<Missing>),
    /// The process has no room for the run.
    #[error("the process is at capacity")]
    AtCapacity,
    /// The host failed.
    #[error("the run could not be started by a fault of the host's")]
    Internal,
}

fn list(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn names(missing: &[Missing]) -> String {
    missing
        .iter()
        .map(|it| it.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// When a run's guest started, for whoever keeps its record. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Started(Arc<OnceLock<SystemTime>>);

impl Started {
    /// By the machine's clock; `None` while the run waits for its turn or is being loaded.
    pub fn at(&self) -> Option<SystemTime> {
        self.0.get().copied()
    }

    pub(crate) fn mark(&self) {
        let _ = self.0.set(SystemTime::now());
    }
}

/// A run that nothing speaks against: its function is there, its input fits, its credentials are set.
#[derive(Debug)]
pub struct Prepared(Box<Parts>);

/// Two kilobytes, which would be copied a dozen times on their way to a task.
#[derive(Debug)]
struct Parts {
    tool: Tool,
    run: Run,
    job: Job,
    /// What the host holds of the input, and of what is made of it.
    buffer_bytes: u64,
    /// What is made of it, among what waits.
    values: Option<Lease>,
    asked_at: Instant,
}

impl Prepared {
    /// When its guest starts.
    pub fn started(&self) -> Started {
        self.0.job.started.clone()
    }

    /// Runs the tool. Dropping the future cancels the run.
    pub async fn start(self) -> Result<Outcome, Refused> {
        let Parts {
            tool,
            mut run,
            job,
            buffer_bytes,
            mut values,
            asked_at,
        } = *self.0;
        let started = job.started.clone();
        let mut job = Some(job);
        let shared = &tool.loaded.shared;
        let counts = tool.counts();
        let demand = Demand {
            owner: Arc::clone(&run.owner),
            slots: Slots::of(&counts),
            memory_bytes: counts.memory_bytes,
            buffer_bytes,
        };
        let admitted = match shared.admission.enter(&demand) {
            Some(admitted) => admitted,
            None => {
                // Waiting is not the guest's time. Values made of the input are many times its size and are not kept
                // meanwhile.
                job = None;
                values = None;
                let waiting = shared.admission.wait(demand);
                let waited = shared.tokio.timeout(shared.admission_wait, waiting).await;
                waited
                    .unwrap_or(Err(Full))
                    .map_err(|Full| Refused::AtCapacity)?
            }
        };
        // It is counted with what runs.
        drop((run.waiting.take(), values));
        let meter = Meter::new(Arc::clone(&run.owner));
        let (scheduler, of) = (&shared.scheduler, Arc::clone(&meter));
        let tool = tool.clone();
        // What a run takes is large: it is made by the thread that runs it, not moved there.
        let work = async move {
            let job = match job {
                Some(job) => job,
                None => Job {
                    started,
                    ..tool.job(&run)?
                },
            };
            Box::pin(execute(tool.loaded, job, admitted, of, asked_at)).await
        };
        let ended = scheduler.spawn(work, meter).await;
        ended.unwrap_or_else(|Panicked| Ok(Outcome::internal()))
    }
}

impl Runtime {
    /// Counts the run's input among those whose runs have not started: values take many times the bytes of
    /// their JSON. [`Tool::prepare`] does so for a run that was not held; a caller that has to wait for something
    /// between reading an input and that does it first.
    ///
    /// An owner's may take half of [`ProcessLimits::host_buffer_bytes`](crate::ProcessLimits) and all of them together
    /// as much as that; beyond it the run is refused as [`Refused::AtCapacity`].
    pub fn hold(&self, run: Run) -> Result<Run, Refused> {
        hold(&self.shared.waiting_inputs, run)
    }
}

fn hold(waiting_inputs: &Budget, mut run: Run) -> Result<Run, Refused> {
    if run.waiting.is_none() {
        run.waiting = waiting(waiting_inputs, &run.owner, held::json(&run.input))?.map(Arc::new);
    }
    Ok(run)
}

fn waiting(
    waiting_inputs: &Budget,
    owner: &Arc<str>,
    bytes: u64,
) -> Result<Option<Lease>, Refused> {
    if bytes <= SMALL_BYTES {
        return Ok(None);
    }
    let mut lease = waiting_inputs.lease(owner);
    lease.try_grow(bytes).map_err(|_| Refused::AtCapacity)?;
    Ok(Some(lease))
}

impl Tool {
    /// Runs the tool. Dropping the future cancels the run.
    ///
    /// An input that may take long to judge is judged on one of tokio's blocking threads.
    pub async fn run(&self, run: Run) -> Result<Outcome, Refused> {
        let prepared = if self.is_judged_quickly(&run) {
            self.prepare(run)?
        } else {
            let (tool, handle) = (self.clone(), &self.loaded.shared.tokio.handle);
            let preparing = handle.spawn_blocking(move || tool.prepare(run));
            preparing.await.map_err(|_| Refused::Internal)??
        };
        prepared.start().await
    }

    /// True if judging the run's input against the seller's schema, and making the program's call of it, is certain to take
    /// less than a millisecond each. It visits every part of the input.
    pub fn is_judged_quickly(&self, run: &Run) -> bool {
        let functions = self.interface();
        let Ok(index) = functions.index(run.function.as_deref()) else {
            return true;
        };
        match &functions.functions()[index].signature {
            Signature::Typed { .. } => true,
            Signature::Command(plan) => {
                plan.judging_time(&run.input) <= JUDGED_HERE_MAX
                    && plan.is_called_quickly(&run.input)
            }
        }
    }

    /// Makes every check that can refuse the run before the tool starts. It never waits. It takes up to two seconds if
    /// [`is_judged_quickly`](Self::is_judged_quickly) is false.
    pub fn prepare(&self, run: Run) -> Result<Prepared, Refused> {
        let asked_at = Instant::now();
        let waiting_inputs = &self.loaded.shared.waiting_inputs;
        let run = hold(waiting_inputs, run)?;
        self.check(&run)?;
        let job = self.job(&run)?;
        let values_bytes = job.request.bytes();
        let values = waiting(waiting_inputs, &run.owner, values_bytes)?;
        Ok(Prepared(Box::new(Parts {
            tool: self.clone(),
            buffer_bytes: run.input_bytes() + values_bytes,
            run,
            job,
            values,
            asked_at,
        })))
    }

    /// Judges the input by its size and by the seller's schema.
    fn check(&self, run: &Run) -> Result<(), Refused> {
        let function = &self.interface().functions()[self.function(run)?];
        let limits = self.limits(run);
        check_input(&run.input, &limits)
            .map_err(|violation| Refused::InputInvalid(vec![violation]))?;
        match &function.signature {
            // Its values are judged as they are made.
            Signature::Typed { .. } => Ok(()),
            Signature::Command(plan) => plan.check(&run.input).map_err(Refused::InputInvalid),
        }
    }

    fn function(&self, run: &Run) -> Result<usize, Refused> {
        let index = self.interface().index(run.function.as_deref());
        index.map_err(|unknown| {
            let violation = Violation::new("function_unknown", unknown.to_string());
            Refused::FunctionUnknown(violation.at_pointer("/function"))
        })
    }

    fn limits(&self, run: &Run) -> Limits {
        match &run.limits {
            Some(limits) => self.loaded.limits.lowered_to(limits),
            None => self.loaded.limits.clone(),
        }
    }

    /// Makes what the guest is called with, of an input that was checked. Its time grows with the input's size only.
    fn job(&self, run: &Run) -> Result<Job, Refused> {
        let index = self.function(run)?;
        let limits = self.limits(run);
        let request = match &self.interface().functions()[index].signature {
            Signature::Typed { parameters, .. } => {
                let input_bytes = json_bytes(&run.input);
                let values_max = VALUES_PER_BYTE * input_bytes.max(SMALL_BYTES);
                let parameters = decode_parameters(parameters, &run.input, values_max)
                    .map_err(Refused::InputInvalid)?;
                Request::Typed { index, parameters }
            }
            Signature::Command(plan) => Request::Command(
                plan.call(&run.input, limits.input_bytes)
                    .map_err(Refused::InputInvalid)?,
            ),
        };
        let Granted {
            environment,
            secrets,
        } = grant(self.manifest(), &run.credentials).map_err(Refused::CredentialsMissing)?;
        Ok(Job {
            request,
            environment,
            secrets,
            limits,
            owner: Arc::clone(&run.owner),
            started: Started::default(),
            recorded: run.recorded.clone(),
            is_profiled: run.is_profiled,
        })
    }
}

fn check_input(input: &Value, limits: &Limits) -> Result<(), Violation> {
    if !is_within_depth(input, DEPTH_MAX) {
        return Err(Violation::new(
            "input_invalid",
            format!("the input nests deeper than {DEPTH_MAX} levels"),
        ));
    }
    let bytes = json_bytes(input);
    if bytes > limits.input_bytes {
        let message = format!(
            "the input has {bytes} bytes; at most {} are allowed",
            limits.input_bytes
        );
        return Err(Violation::new("input_invalid", message));
    }
    Ok(())
}

pub(crate) fn is_within_depth(json: &Value, depth_left: usize) -> bool {
    let Some(inner) = depth_left.checked_sub(1) else {
        return !(json.is_array() || json.is_object());
    };
    match json {
        Value::Array(items) => items.iter().all(|item| is_within_depth(item, inner)),
        Value::Object(object) => object.values().all(|item| is_within_depth(item, inner)),
        _ => true,
    }
}

/// The length of the JSON text, without making it.
pub(crate) fn json_bytes(json: &Value) -> u64 {
    struct Counter(u64);
    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and a `Value`'s keys are strings.
    let _ = serde_json::to_writer(&mut counter, json);
    counter.0
}
