use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use rquickjs::{Ctx, Error, Type};

use crate::decision::Decision;
use crate::engine::Engine;
use crate::error::ScriptError;
use crate::host::Host;
use crate::input::{Input, Script};
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

/// Time after which a run steps back behind all else: many times what a decision takes.
const LONG: Duration = Duration::from_millis(10);

/// When a run has to end. Time that it waits for its host is added to its own, up to the total. Shared with the watch
/// of the sandbox.
pub(crate) struct Deadline {
    started: Instant,
    time: Duration,
    total: Duration,
    waited: AtomicU64,
    waiting: AtomicBool,
    long: AtomicBool,
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
            long: AtomicBool::new(false),
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

    /// What the engine asks at every so many steps, on the thread of the run.
    pub(crate) fn handler(self: &Arc<Self>) -> Box<dyn FnMut() -> bool> {
        let deadline = self.clone();
        Box::new(move || {
            let own = deadline.started.elapsed().saturating_sub(Duration::from_nanos(deadline.waited.load(Relaxed)));
            if own >= LONG && !deadline.long.swap(true, Relaxed) {
                step_back();
            }
            deadline.passed()
        })
    }

    /// Whether its thread has stepped back, from where it cannot return.
    pub(crate) fn is_long(&self) -> bool {
        self.long.load(Relaxed)
    }
}

/// Leaves the processor to whoever else wants it: a script that computes for long must not hold up those that do not.
fn step_back() {
    // Of this thread alone, on Linux; elsewhere it would be the process. Where it is refused, all go on as equals. Not
    // the lowest, so that a long script that means well still ends on a busy machine.
    #[cfg(target_os = "linux")]
    let _: rustix::io::Result<()> = rustix::process::setpriority_process(None, 15);
}

/// What a run works with beside its script.
pub(crate) struct Setting {
    pub(crate) programs: Arc<Programs>,
    pub(crate) limits: Limits,
}

/// Runs a script on this thread. The engine must not have run another one; where there is none, one is made. It is
/// given back, of no use to any run, so that whoever waits for the report does not wait for its end.
pub(crate) fn run(
    setting: &Setting,
    script: &Script,
    input: Input,
    host: Arc<dyn Host>,
    deadline: &Arc<Deadline>,
    engine: Option<Engine>,
) -> (Report, Option<Engine>) {
    let report = |result, log| Report { result, log, spent: deadline.spent() };
    let ready = setting.programs.script(script, &setting.limits).and_then(|code| {
        let engine = match engine.filter(|engine| engine.generation() == script.generation) {
            Some(engine) => engine,
            None => Engine::new(setting, script.generation)?,
        };
        Ok((code, engine))
    });
    match ready {
        Ok((code, mut engine)) => {
            let (result, log) = engine.run(&code, input.json(&script.name), host, deadline);
            (report(result, log), Some(engine))
        }
        Err(error) => (report(Err(error), Vec::new()), None),
    }
}

/// Longest message of an error that is kept.
const MESSAGE: usize = 1000;

/// What an error of the engine is for us. Takes the exception from the context. `late` says whether the time is over.
pub(crate) fn caught(ctx: &Ctx<'_>, error: &Error, late: impl Fn() -> bool) -> ScriptError {
    let value = match error {
        Error::Exception => ctx.catch(),
        Error::Allocation => return ScriptError::Memory,
        other => return ScriptError::Threw { message: cut(other.to_string()), line: None },
    };
    if late() {
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
    if late() { ScriptError::Time } else { ScriptError::Threw { message: cut(message), line } }
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
