//! Prepares a run, which makes every check that can refuse it, and then runs it.

use crate::limits::{DEPTH_MAX, Limits};
use crate::run::admission::{Demand, Full};
use crate::run::credentials::{Granted, grant};
use crate::run::execute::execute;
use crate::run::handle::Tool;
use crate::run::job::{Job, Request};
use crate::run::outcome::Outcome;
use crate::run::refused::{Refused, Started};
use crate::run::request::{Run, SMALL_BYTES, hold, waiting};
use crate::scheduler::{Meter, Panicked};
use crate::tool::interface::Signature;
use crate::value::{decode_parameters, is_within_depth, json_bytes};
use crate::violation::Violation;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_host_api::budget::Lease;

/// Bytes of the engine's values that may be made of each byte of JSON, of a small input as if it had
/// [`SMALL_BYTES`]. Bytes in base64 make thirty, digits twenty; fields that are left out make any number.
const VALUES_PER_BYTE: u64 = 64;

/// The longest judging of an input that is done in the caller's task.
const JUDGED_HERE_MAX: Duration = Duration::from_millis(1);

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
        let shared = &tool.shared;
        let counts = tool.counts();
        let demand = Demand {
            owner: Arc::clone(&run.owner),
            slots: counts.slots(),
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
            Box::pin(execute(tool, job, admitted, of, asked_at)).await
        };
        let ended = scheduler.spawn(work, meter).await;
        ended.unwrap_or_else(|Panicked| Ok(Outcome::internal()))
    }
}

impl Tool {
    /// Runs the tool. Dropping the future cancels the run.
    ///
    /// An input that may take long to judge is judged on one of tokio's blocking threads.
    pub async fn run(&self, run: Run) -> Result<Outcome, Refused> {
        let prepared = if self.is_judged_quickly(&run) {
            self.prepare(run)?
        } else {
            let (tool, handle) = (self.clone(), &self.shared.tokio.handle);
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
        let waiting_inputs = &self.shared.waiting_inputs;
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
            Some(limits) => self.compiled.limits.lowered_to(limits),
            None => self.compiled.limits.clone(),
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
