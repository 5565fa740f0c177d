use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use rquickjs::context::intrinsic::{Date, Json, MapSet, Promise, Proxy, RegExp, RegExpCompiler, TypedArrays};
use rquickjs::function::Func;
use rquickjs::{Context, Ctx, Error, Exception, FromJs, Function, Object, Runtime, Type, Value};

use crate::bytecode;
use crate::decision::Decision;
use crate::door::Door;
use crate::error::ScriptError;
use crate::host::Host;
use crate::input::{Generation, Input, Script};
use crate::limits::Limits;
use crate::program::{FILE, Programs};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub result: Result<Decision, ScriptError>,
    /// What the script logged, whatever came of it.
    pub log: Vec<LogLine>,
    /// How long it took, waiting for the host included.
    pub spent: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    pub level: Level,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// When a run has to end. Time that it waits for its host is added to its own, up to the total. Shared with the watch of
/// the sandbox.
pub(crate) struct Deadline {
    started: Instant,
    time: Duration,
    total: Duration,
    waited: AtomicU64,
    waiting: AtomicBool,
    /// It has ended the run, which the engine's error does not say for sure.
    over: AtomicBool,
}

impl Deadline {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            time: limits.time,
            total: limits.total,
            waited: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    fn allowed(&self) -> Duration {
        self.total.min(self.time.saturating_add(Duration::from_nanos(self.waited.load(Relaxed))))
    }

    pub(crate) fn passed(&self) -> bool {
        let over = self.over.load(Relaxed) || self.started.elapsed() >= self.allowed();
        self.over.store(over, Relaxed);
        over
    }

    /// When to look again whether the run has ended; never after it should have.
    pub(crate) fn look_at(&self, now: Instant) -> Instant {
        if self.waiting.load(Relaxed) {
            (now + self.time).min(self.started + self.total)
        } else {
            self.started + self.allowed()
        }
    }

    pub(crate) fn spent(&self) -> Duration {
        self.started.elapsed()
    }

    /// Does what the host is asked for, on the host's time.
    pub(crate) fn waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = Instant::now();
        self.waiting.store(true, Relaxed);
        let done = work();
        let waited = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Relaxed);
        self.waiting.store(false, Relaxed);
        done
    }

    pub(crate) fn handler(self: &Arc<Self>) -> Box<dyn FnMut() -> bool> {
        let deadline = self.clone();
        Box::new(move || deadline.passed())
    }
}

/// Runs a script on this thread, in an engine of its own.
pub(crate) fn run(
    programs: &Arc<Programs>,
    script: &Script,
    input: Input,
    host: Arc<dyn Host>,
    limits: &Limits,
    deadline: &Arc<Deadline>,
) -> Report {
    let door = Rc::new(Door::new(programs.clone(), host, *limits, deadline.clone()));
    let result = decide(programs, script, input, &door, limits, deadline);
    let result = if door.panicked() { Err(ScriptError::Engine("the host panicked".to_owned())) } else { result };
    Report { result, log: door.log(), spent: deadline.spent() }
}

fn decide(
    programs: &Programs,
    script: &Script,
    input: Input,
    door: &Rc<Door>,
    limits: &Limits,
    deadline: &Arc<Deadline>,
) -> Result<Decision, ScriptError> {
    let code = programs.script(script, limits)?;
    let engine = |error: Error| ScriptError::Engine(error.to_string());
    let runtime = Runtime::new().map_err(engine)?;
    runtime.set_memory_limit(limits.memory);
    runtime.set_max_stack_size(limits.stack);
    // Most runs end before there is anything to collect; all of it goes with the engine.
    runtime.set_gc_threshold(limits.memory / 4);
    runtime.set_interrupt_handler(Some(deadline.handler()));
    // Without `Eval`: nothing in here can make code of a text.
    type Intrinsics = (Date, RegExpCompiler, RegExp, Json, Proxy, MapSet, TypedArrays, Promise);
    let context = Context::custom::<Intrinsics>(&runtime).map_err(engine)?;
    let told = input.json(&script.name);
    let left = context.with(|ctx| {
        let left = begin(&ctx, programs, script.generation, told, door).and_then(|finish| {
            bytecode::run(&ctx, &code)?;
            // What is left to do is done now or never; jobs that make jobs meet the deadline here.
            while !deadline.passed() && ctx.execute_pending_job() {}
            finish.call::<_, String>(())
        });
        match left {
            Ok(left) if !deadline.passed() => Ok(left),
            Ok(_) => Err(ScriptError::Time),
            Err(error) => Err(caught(&ctx, &error, deadline)),
        }
    })?;
    Decision::read(&left, limits.output)
}

/// Builds the bindings; gives the function that says what the script left.
fn begin<'js>(
    ctx: &Ctx<'js>,
    programs: &Programs,
    generation: Generation,
    told: String,
    door: &Rc<Door>,
) -> rquickjs::Result<Function<'js>> {
    let missing = || Exception::throw_message(ctx, "a part of the shim is missing");
    let core = bytecode::run(ctx, programs.shim("core").ok_or_else(missing)?)?;
    let asked = door.clone();
    let answer = Func::from(move |what: String, details: String| asked.answer(&what, &details));
    let door = door.clone();
    let part =
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, kind: String, name: String| door.part(&ctx, &kind, &name))?;
    let kit: Object<'js> = Function::from_js(ctx, core)?.call((answer, part, told))?;
    let load: Function<'js> = kit.get("part")?;
    load.call::<_, Value<'js>>((match generation {
        Generation::Legacy => "legacy",
        Generation::Next => "next",
    },))?;
    kit.get("finish")
}

/// Longest message of an error that is kept.
const MESSAGE: usize = 1000;

/// What an error of the engine is for us. Takes the exception from the context.
pub(crate) fn caught(ctx: &Ctx<'_>, error: &Error, deadline: &Deadline) -> ScriptError {
    let value = match error {
        Error::Exception => ctx.catch(),
        Error::Allocation => return ScriptError::Memory,
        other => return ScriptError::Threw { message: cut(other.to_string()), line: None },
    };
    if deadline.passed() {
        return ScriptError::Time;
    }
    let (message, line) = match value.as_exception() {
        Some(exception) => {
            let text = |name: &str| exception.get::<_, Option<String>>(name).ok().flatten().unwrap_or_default();
            let (name, message, stack) = (text("name"), text("message"), text("stack"));
            match (name.as_str(), message.as_str()) {
                ("InternalError", "string too long") => return ScriptError::Memory,
                ("InternalError", message) if message.starts_with("out of memory") => return ScriptError::Memory,
                ("RangeError", "Maximum call stack size exceeded") => return ScriptError::Stack,
                _ => (format!("{name}: {message}"), line(&stack)),
            }
        }
        // Where there was no memory left for the error itself, nothing is in its place.
        None if matches!(value.type_of(), Type::Null | Type::Undefined | Type::Uninitialized) => {
            return ScriptError::Memory;
        }
        None => {
            (value.as_string().and_then(|text| text.to_string().ok()).unwrap_or_else(|| "no error".to_owned()), None)
        }
    };
    // Reading the error may have run code of the script.
    if deadline.passed() { ScriptError::Time } else { ScriptError::Threw { message: cut(message), line } }
}

/// The first line of the script in a stack trace such as `at f (script:3:7)`.
fn line(stack: &str) -> Option<u32> {
    let file = FILE.to_str().ok()?;
    let mut places = stack.match_indices(file).filter_map(|(at, _)| stack[at + file.len()..].strip_prefix(':'));
    places.find_map(|rest| rest.split(|unit: char| !unit.is_ascii_digit()).next()?.parse().ok())
}

pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE));
    text
}
