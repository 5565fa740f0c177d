use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::ScriptError;
use crate::host::Host;
use crate::input::{Generation, Input, Script};
use crate::limits::Limits;
use crate::program::Programs;
use crate::run::{Deadline, Report, Setting, run};

/// How long a run may overstay before its thread is given up. The engine looks at the clock at every so many steps, and
/// one step on a long text may take a while.
const GRACE: Duration = Duration::from_millis(250);

/// Stack of a thread beyond what the script may use: for the engine and for the host.
const OWN_STACK: usize = 2 << 20;

/// Scripts run on these threads, at most so many at once; others wait in a bounded queue. Whoever waits for a script
/// gets an answer by the end of its total time whatever its thread does: one that cannot be interrupted is given up and
/// replaced, and ends by itself later.
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    setting: Setting,
    threads: usize,
    queue: usize,
    state: Mutex<State>,
    /// Work has come, or the end.
    work: Condvar,
    /// A run has begun or ended, or the end has come: for the watch.
    watch: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: Vec<(Arc<Deadline>, Arc<Slot>)>,
    /// Threads that take work, and those that were given up and still run.
    workers: usize,
    lost: usize,
    /// Of those that take work, the ones that have ended because they stepped back.
    stepped_back: usize,
    closed: bool,
}

struct Job {
    script: Script,
    input: Input,
    host: Arc<dyn Host>,
    slot: Arc<Slot>,
}

/// Where the report goes.
#[derive(Default)]
struct Slot {
    held: Mutex<Held>,
    done: Condvar,
}

#[derive(Default)]
struct Held {
    report: Option<Report>,
    waker: Option<Waker>,
    /// Taken or superseded; a late report is dropped.
    settled: bool,
}

impl Slot {
    fn settle(&self, report: Report) {
        let mut held = lock(&self.held);
        if held.settled {
            return;
        }
        held.settled = true;
        held.report = Some(report);
        let waker = held.waker.take();
        drop(held);
        self.done.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queue is full, or no thread is left: try again later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("too many scripts are waiting")
    }
}

impl std::error::Error for Busy {}

/// A run that was asked for: a future for asynchronous hosts, [`wait`](Self::wait) for others. Dropping it does not end
/// the run, unless it has not begun.
pub struct Ticket {
    slot: Arc<Slot>,
}

impl Ticket {
    pub fn wait(self) -> Report {
        let mut held = lock(&self.slot.held);
        loop {
            if let Some(report) = held.report.take() {
                return report;
            }
            held = self.slot.done.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Ticket {
    type Output = Report;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Report> {
        let mut held = lock(&self.slot.held);
        match held.report.take() {
            Some(report) => Poll::Ready(report),
            None => {
                held.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.slot.held).settled = true;
    }
}

impl Sandbox {
    /// `threads` run scripts, at most `queue` wait. Compiles the shim, and fails only where the engine does.
    pub fn new(limits: Limits, threads: usize, queue: usize) -> Result<Self, ScriptError> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            setting: Setting { programs: Arc::new(Programs::new()?), limits },
            threads,
            queue,
            state: Mutex::default(),
            work: Condvar::new(),
            watch: Condvar::new(),
        });
        // From here on, dropping it ends the threads that did start.
        let sandbox = Self { shared: shared.clone() };
        for _ in 0..threads {
            spawn_worker(&shared)?;
        }
        let watched = shared.clone();
        spawn("script-watch", 256 << 10, move || watch(&watched))?;
        Ok(sandbox)
    }

    /// Puts a script into the queue.
    pub fn submit(&self, script: Script, input: Input, host: Arc<dyn Host>) -> Result<Ticket, Busy> {
        let slot = Arc::new(Slot::default());
        let mut state = lock(&self.shared.state);
        if state.waiting.len() >= self.shared.queue || state.workers == 0 {
            return Err(Busy);
        }
        state.waiting.push_back(Job { script, input, host, slot: slot.clone() });
        drop(state);
        self.shared.work.notify_one();
        Ok(Ticket { slot })
    }

    /// Whether a source compiles: for the import of journeys.
    pub fn check(&self, script: &Script) -> Result<(), ScriptError> {
        // On a thread of its own, since how deep a parser goes is up to the source.
        let checked = thread::scope(|scope| {
            let Setting { programs, limits } = &self.shared.setting;
            let stack = limits.stack + OWN_STACK;
            let compile = || programs.script(script, limits).map(|_| ());
            let thread =
                thread::Builder::new().name("script-check".to_owned()).stack_size(stack).spawn_scoped(scope, compile);
            thread.map(|thread| thread.join().unwrap_or_else(|_| Err(panicked())))
        });
        checked.unwrap_or_else(|error| Err(ScriptError::Engine(error.to_string())))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        for job in state.waiting.drain(..) {
            job.slot.settle(failed(ScriptError::Closed));
        }
        drop(state);
        self.shared.work.notify_all();
        self.shared.watch.notify_all();
    }
}

fn failed(error: ScriptError) -> Report {
    Report { result: Err(error), log: Vec::new(), spent: Duration::ZERO }
}

fn panicked() -> ScriptError {
    ScriptError::Engine("it panicked".to_owned())
}

fn spawn(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> Result<(), ScriptError> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(work);
    thread.map(|_| ()).map_err(|error| ScriptError::Engine(error.to_string()))
}

fn spawn_worker(shared: &Arc<Shared>) -> Result<(), ScriptError> {
    let worker = shared.clone();
    lock(&shared.state).workers += 1;
    spawn("script", shared.setting.limits.stack + OWN_STACK, move || work(&worker))
        .inspect_err(|_| lock(&shared.state).workers -= 1)
}

/// Engines that a thread has built ahead, of the generations that it has run.
#[derive(Default)]
struct Ahead {
    next: Option<Engine>,
    legacy: Option<Engine>,
}

impl Ahead {
    fn of(&mut self, generation: Generation) -> &mut Option<Engine> {
        match generation {
            Generation::Next => &mut self.next,
            Generation::Legacy => &mut self.legacy,
        }
    }
}

fn work(shared: &Arc<Shared>) {
    let mut ahead = Ahead::default();
    // What the last run has used up.
    let mut missing = None;
    let mut state = lock(&shared.state);
    loop {
        if state.closed {
            return;
        }
        let Some(job) = state.waiting.pop_front() else {
            if let Some(generation) = missing.take() {
                drop(state);
                // Where there is no memory for one, the run that needs it says so.
                *ahead.of(generation) = Engine::new(&shared.setting, generation).ok();
                state = lock(&shared.state);
            } else {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            continue;
        };
        // Nobody waits for it any more.
        if lock(&job.slot.held).settled {
            continue;
        }
        let deadline = Deadline::new(&shared.setting.limits);
        state.running.push((deadline.clone(), job.slot.clone()));
        let first = state.running.len() == 1;
        drop(state);
        if first {
            shared.watch.notify_all();
        }
        let Job { script, input, host, slot } = job;
        let generation = script.generation;
        let engine = ahead.of(generation).take();
        missing = Some(generation);
        let done = catch_unwind(AssertUnwindSafe(|| run(&shared.setting, &script, input, host, &deadline, engine)));
        let (report, engine) = done.unwrap_or_else(|_| (failed(panicked()), None));
        slot.settle(report);
        state = lock(&shared.state);
        match state.running.iter().position(|(one, _)| Arc::ptr_eq(one, &deadline)) {
            Some(at) => drop(state.running.swap_remove(at)),
            // Given up in the meantime, and replaced.
            None => {
                state.lost -= 1;
                drop(state);
                return;
            }
        }
        drop(state);
        // Taking a heap apart is long work beside a small script, and nobody waits for it.
        drop(engine);
        state = lock(&shared.state);
        // A thread that has stepped back cannot return from there: another one takes its place. It is the watch that
        // makes it, since threads begin where the one stands that makes them.
        if deadline.is_long() {
            state.stepped_back += 1;
            drop(state);
            shared.watch.notify_all();
            return;
        }
    }
}

/// Answers for threads that do not.
fn watch(shared: &Arc<Shared>) {
    let mut state = lock(&shared.state);
    while !state.closed {
        let stepped_back = std::mem::take(&mut state.stepped_back);
        if stepped_back > 0 {
            drop(state);
            for _ in 0..stepped_back {
                let _: Result<(), ScriptError> = spawn_worker(shared);
            }
            state = lock(&shared.state);
            state.workers -= stepped_back;
            continue;
        }
        let now = Instant::now();
        let late = |deadline: &Deadline| deadline.look_at(now) + GRACE <= now;
        let gone: Vec<_> = state.running.extract_if(.., |(deadline, _)| late(deadline)).collect();
        if gone.is_empty() {
            state = match state.running.iter().map(|(deadline, _)| deadline.look_at(now) + GRACE).min() {
                None => shared.watch.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => shared.watch.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0,
            };
            continue;
        }
        state.lost += gone.len();
        state.workers -= gone.len();
        // As many stuck threads as there are places, and no more: beyond that, the places shrink.
        let replace =
            (state.lost.min(shared.threads) + state.workers).min(shared.threads).saturating_sub(state.workers);
        drop(state);
        for _ in 0..replace {
            // Without a thread there is one place less, which `submit` sees.
            let _: Result<(), ScriptError> = spawn_worker(shared);
        }
        // Whoever is told may ask again at once, and finds the thread's place taken by another.
        for (deadline, slot) in gone {
            slot.settle(Report { spent: deadline.spent(), ..failed(ScriptError::Time) });
        }
        state = lock(&shared.state);
    }
}
