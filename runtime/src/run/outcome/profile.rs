//! Where a guest's time went, for runs that ask: its stack at every tick it spends running.
//!
//! The engine's own profiler keeps whole stacks and writes out the names of all functions. A guest chooses how deep it
//! calls and how long its names are, so samples are taken here, bounded, and only written in that profiler's format.

use crate::scheduler::{Meter, TICK, nanos};
use crate::violation::quoted;
use fxprof_processed_profile as firefox;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use wasmtime::{AsContext, FrameInfo, WasmBacktrace};

/// Samples kept: thirty seconds of one a tick. What a longer run does after them is not in its profile.
const SAMPLES_MAX: usize = 32 * 1024;
/// No sample follows another so soon: a little less than a tick, which is never quite on time.
const SOON: Duration = Duration::from_micros(900);
/// Bytes of a demangled name looked at: a short name can stand for a megabyte.
const NAME_BYTES_MAX: usize = 1024;
/// Stands for the calls outside of the innermost ones, which are all the engine tells of.
const OUTER: u32 = 0;

/// Where a guest's time went. A guest is looked at once a tick, a millisecond, at the next function or loop it enters;
/// the CPU it uses until the next look is counted to what it was seen in. Of deep recursions only the 64 innermost calls
/// are known.
#[derive(Debug, Clone)]
pub struct Profile {
    began_at: SystemTime,
    ended: Duration,
    /// Names, by number.
    functions: Vec<String>,
    stacks: Vec<Stack>,
    samples: Vec<Sample>,
}

/// A function that time was spent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotspot {
    /// Its name, demangled, bounded and without control characters.
    pub function: String,
    /// CPU spent in its own code.
    pub own: Duration,
    /// CPU spent in it and in all it called.
    pub total: Duration,
}

/// A function, called from another stack. Callers stand before those they call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stack {
    caller: Option<u32>,
    function: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    stack: Option<u32>,
    cpu: Duration,
}

impl Profile {
    /// How many times the guest was looked at. None for one that ended within its first tick.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// CPU that is accounted for.
    pub fn cpu(&self) -> Duration {
        self.samples.iter().map(|sample| sample.cpu).sum()
    }

    /// The functions with the most time of their own, at most so many, the hottest first.
    pub fn hottest(&self, count: usize) -> Vec<Hotspot> {
        let mut spent = vec![(Duration::ZERO, Duration::ZERO); self.functions.len()];
        let mut within = vec![Duration::ZERO; self.stacks.len()];
        for sample in &self.samples {
            if let Some(stack) = sample.stack {
                within[stack as usize] += sample.cpu;
                spent[self.stacks[stack as usize].function as usize].0 += sample.cpu;
            }
        }
        for (index, stack) in self.stacks.iter().enumerate().rev() {
            let cpu = within[index];
            if let Some(caller) = stack.caller {
                within[caller as usize] += cpu;
            }
            // Of a function that calls itself only the outermost call counts.
            if self.callers(stack).all(|it| it.function != stack.function) {
                spent[stack.function as usize].1 += cpu;
            }
        }
        let named = self.functions.iter().zip(spent).skip(OUTER as usize + 1);
        let mut hottest: Vec<_> = named
            .map(|(function, (own, total))| Hotspot {
                function: function.clone(),
                own,
                total,
            })
            .collect();
        hottest.sort_by_key(|it| std::cmp::Reverse((it.own, it.total)));
        hottest.truncate(count);
        hottest
    }

    fn callers(&self, stack: &Stack) -> impl Iterator<Item = &Stack> {
        let of = |stack: &Stack| stack.caller.map(|it| &self.stacks[it as usize]);
        std::iter::successors(of(stack), move |stack| of(stack))
    }

    /// Writes the profile as JSON that <https://profiler.firefox.com> opens (its "processed profile format"). `title` is
    /// what it shows as the name of the program.
    pub fn write(&self, title: &str, output: impl io::Write) -> io::Result<()> {
        let mut output = io::BufWriter::new(output);
        serde_json::to_writer(&mut output, &self.firefox(title))?;
        io::Write::flush(&mut output)
    }

    fn firefox(&self, title: &str) -> firefox::Profile {
        use firefox::{CategoryHandle, Frame, FrameFlags, FrameInfo, Timestamp};
        let time = |at: Duration| Timestamp::from_nanos_since_reference(nanos(at));
        let mut profile = firefox::Profile::new(title, self.began_at.into(), TICK.into());
        let process = profile.add_process(title, 0, time(Duration::ZERO));
        let thread = profile.add_thread(process, 0, time(Duration::ZERO), true);
        profile.set_thread_name(thread, "guest");
        // All names are there already; nothing has to be looked up in libraries.
        profile.set_symbolicated(true);
        let functions: Vec<_> = self
            .functions
            .iter()
            .map(|name| {
                let frame = FrameInfo {
                    frame: Frame::Label(profile.intern_string(name)),
                    category_pair: CategoryHandle::OTHER.into(),
                    flags: FrameFlags::empty(),
                };
                profile.intern_frame(thread, frame)
            })
            .collect();
        let mut stacks = Vec::with_capacity(self.stacks.len());
        for stack in &self.stacks {
            let caller = stack.caller.map(|caller| stacks[caller as usize]);
            let frame = functions[stack.function as usize];
            stacks.push(profile.intern_stack(thread, caller, frame));
        }
        for Sample { at, stack, cpu } in &self.samples {
            let stack = stack.map(|stack| stacks[stack as usize]);
            profile.add_sample(thread, time(*at), stack, (*cpu).into(), 1);
        }
        profile.set_thread_end_time(thread, time(self.ended));
        profile.set_process_end_time(process, time(self.ended));
        profile
    }
}

/// Looks at one guest.
#[derive(Debug)]
pub(crate) struct Sampler {
    meter: Arc<Meter>,
    began: Instant,
    began_at: SystemTime,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    functions: Vec<String>,
    by_name: HashMap<String, u32>,
    by_place: HashMap<Place, u32>,
    stacks: Vec<Stack>,
    by_stack: HashMap<Stack, u32>,
    samples: Vec<Sample>,
    cpu: Duration,
}

/// Where a function is in the tool's file, and its number in its module.
type Place = (Option<usize>, u32);

impl Sampler {
    /// Looks at the run of a meter, whose guest starts now.
    pub(crate) fn new(meter: &Arc<Meter>, began: Instant) -> Arc<Self> {
        Arc::new(Self {
            meter: Arc::clone(meter),
            began,
            began_at: SystemTime::now(),
            seen: Mutex::default(),
        })
    }

    /// Takes a sample, from within the guest.
    pub(crate) fn sample(&self, store: impl AsContext) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.began.elapsed();
        // Ticks are shorter while others wait. What there is to see is the same.
        let is_soon = seen.samples.last().is_some_and(|it| at - it.at < SOON);
        if is_soon || seen.samples.len() == SAMPLES_MAX {
            return;
        }
        seen.account(self.meter.cpu());
        let trace = WasmBacktrace::force_capture(store);
        let stack = seen.stack(trace.frames());
        let cpu = Duration::ZERO;
        seen.samples.push(Sample { at, stack, cpu });
    }

    /// What was seen of a guest that has come to its end.
    pub(crate) fn finish(&self) -> Profile {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.account(self.meter.cpu());
        let seen = std::mem::take(&mut *seen);
        Profile {
            began_at: self.began_at,
            ended: self.began.elapsed(),
            functions: seen.functions,
            stacks: seen.stacks,
            samples: seen.samples,
        }
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            functions: vec!["(outer calls)".to_owned()],
            by_name: HashMap::new(),
            by_place: HashMap::new(),
            stacks: Vec::new(),
            by_stack: HashMap::new(),
            samples: Vec::new(),
            cpu: Duration::ZERO,
        }
    }
}

impl Seen {
    /// The CPU used since the last sample was used by what that sample saw.
    fn account(&mut self, cpu: Duration) {
        let is_full = self.samples.len() == SAMPLES_MAX;
        if let (Some(last), false) = (self.samples.last_mut(), is_full) {
            last.cpu += cpu.saturating_sub(self.cpu);
            self.cpu = cpu;
        }
    }

    /// The number of a stack, given innermost first.
    fn stack(&mut self, frames: &[FrameInfo]) -> Option<u32> {
        let is_cut = frames.len() >= crate::engine::BACKTRACE_FRAMES_MAX;
        let mut caller = is_cut.then(|| self.call(None, OUTER));
        for frame in frames.iter().rev() {
            let function = self.function(frame);
            caller = Some(self.call(caller, function));
        }
        caller
    }

    fn call(&mut self, caller: Option<u32>, function: u32) -> u32 {
        let stack = Stack { caller, function };
        *self.by_stack.entry(stack).or_insert_with(|| {
            self.stacks.push(stack);
            number(self.stacks.len() - 1)
        })
    }

    fn function(&mut self, frame: &FrameInfo) -> u32 {
        let starts_at = frame.module_offset().zip(frame.func_offset());
        let place = (
            starts_at.map(|(at, within)| at.wrapping_sub(within)),
            frame.func_index(),
        );
        if let Some(function) = self.by_place.get(&place) {
            return *function;
        }
        let name = name(frame.func_name(), frame.func_index());
        let next = number(self.functions.len());
        let function = *self.by_name.entry(name.clone()).or_insert(next);
        if function == next {
            self.functions.push(name);
        }
        self.by_place.insert(place, function);
        function
    }
}

/// There are at most 64 a sample.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn name(mangled: Option<&str>, index: u32) -> String {
    let Some(mangled) = mangled else {
        return format!("<function {index}>");
    };
    let mut name = Bounded(String::new());
    // What ends it is the bound.
    let _ = write!(name, "{:#}", rustc_demangle::demangle(mangled));
    quoted(&name.0)
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = NAME_BYTES_MAX - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(left)]);
        match text.len() <= left {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}
