//! Scripts that mean harm, or were written in a hurry: each ends in its own error, within its limits.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use countersign_script::Generation::{Legacy, Next};
use countersign_script::{
    Action, Busy, Generation, Host, HostError, HttpRequest, HttpResponse, Input, Limits, Sandbox, Script, ScriptError,
};
use support::script;

/// Small, so that the tests are short; the engine is a debug build.
fn limits() -> Limits {
    Limits { time: Duration::from_millis(500), total: Duration::from_secs(2), ..Limits::default() }
}

struct Nobody;
impl Host for Nobody {}

fn sandbox() -> Sandbox {
    Sandbox::new(limits(), 1, 16).unwrap()
}

/// For what must end otherwise than by time, however busy the machine is.
fn patient() -> Sandbox {
    Sandbox::new(Limits { time: Duration::from_secs(20), total: Duration::from_secs(30), ..Limits::default() }, 1, 16)
        .unwrap()
}

fn ends(sandbox: &Sandbox, generation: Generation, source: &str) -> Result<Action, ScriptError> {
    let report = sandbox.submit(script(generation, source), Input::default(), Arc::new(Nobody)).unwrap().wait();
    report.result.map(|decision| decision.action)
}

#[test]
fn what_never_ends_is_ended() {
    let sandbox = sandbox();
    for endless in [
        "for (;;);",
        "while (true) { try { throw 1 } catch (e) { continue } finally { } }",
        "for (;;) { try { for (;;); } catch (e) { } }",
        "try { for (;;); } finally { for (;;); }",
        "/(a+)+$/.test('a'.repeat(60) + 'b')",
        "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(200))",
        "(function f() { Promise.resolve().then(f); })(); outcome = 'x'",
        "(async function f() { for (;;) await null; })(); outcome = 'x'",
        "(function* () { for (;;) yield 1; })().next(); var it = { [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }; for (var x of it);",
        "var o = { get outcome() { for (;;); } }; o.outcome",
        "outcome = { toString() { for (;;); } } + ''",
        "nodeState = { [Symbol.toPrimitive]() { for (;;); } }; `${nodeState}`",
        "Object.defineProperty(globalThis, 'outcome', { get() { for (;;); } })",
        "var e = new Error('x'); Object.defineProperty(e, 'message', { get() { for (;;); } }); throw e",
        "[].indexOf.call({ length: 2 ** 53 - 1 }, 1)",
        "new Array(4294967295).includes(1)",
        "new Array(4294967295).forEach(x => x)",
        "[3, 2, 1].sort(() => { for (;;); })",
        "JSON.stringify({ toJSON() { for (;;); } })",
    ] {
        let begun = Instant::now();
        assert_eq!(ends(&sandbox, Next, endless), Err(ScriptError::Time), "{endless}");
        // The limit, its grace, and a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(3), "{endless} took {:?}", begun.elapsed());
    }
    // In what a result is read from.
    let state = "var o = {}; Object.defineProperty(o, 'a', { enumerable: true, get() { for (;;); } }); nodeState.putShared('o', o); outcome = 'x'";
    assert_eq!(ends(&sandbox, Next, state), Err(ScriptError::Time));
    assert_eq!(ends(&sandbox, Next, "outcome = 'alive'"), Ok(Action::GoTo("alive".into())));
}

/// How far a thread of this process has stepped back, by its name.
#[cfg(target_os = "linux")]
fn nice_of_scripts() -> Vec<i64> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // After the name in brackets: state is the third field, nice the nineteenth.
    let scripts = stats.filter_map(|stat| stat.split_once("(script) ").map(|(_, rest)| rest.to_owned()));
    scripts.filter_map(|rest| rest.split(' ').nth(16)?.parse().ok()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_run_steps_back_and_its_place_is_taken_by_another_thread() {
    let sandbox = Sandbox::new(Limits { time: Duration::from_secs(20), ..limits() }, 1, 4).unwrap();
    struct Looks(std::sync::Mutex<Vec<Vec<i64>>>);
    impl Host for Looks {
        fn property(&self, _: &str) -> Result<Option<String>, HostError> {
            self.0.lock().unwrap().push(nice_of_scripts());
            Ok(None)
        }
    }
    let host = Arc::new(Looks(std::sync::Mutex::default()));
    let run =
        |source: &str| sandbox.submit(script(Next, source), Input::default(), host.clone()).unwrap().wait().result;
    let long = "systemEnv.getProperty('before'); for (var end = Date.now() + 100; Date.now() < end;); systemEnv.getProperty('after'); outcome = 'x'";
    assert!(run(long).is_ok() && run("systemEnv.getProperty('next'); outcome = 'x'").is_ok());
    let seen = host.0.lock().unwrap();
    let [before, after, next] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(before, &[0]);
    assert_eq!(after, &[15]);
    // The old thread may still be there.
    assert!(next.contains(&0), "{next:?}");
}

#[test]
fn what_takes_too_much_memory_is_ended() {
    let sandbox = patient();
    for bomb in [
        "var a = []; for (;;) a.push(new Array(1000).fill(1));",
        "var s = 'x'; for (;;) s += s;",
        "'x'.repeat(1 << 29)",
        "new Uint8Array(1 << 30)",
        "new Array(10).fill('x'.repeat(1 << 20)).join('y'.repeat(1 << 20)).split('')",
        "Array.from({ length: 1e9 })",
        "'x'.padStart(1 << 29)",
        "var m = new Map(); for (var i = 0; ; i++) m.set(i, {});",
        "[...new Array(4294967295)]",
        "JSON.stringify(new Array(1 << 27))",
        "'a'.repeat(1 << 16).replace(/a/g, 'b'.repeat(1000))",
    ] {
        assert_eq!(ends(&sandbox, Next, bomb), Err(ScriptError::Memory), "{bomb}");
    }
    // Catching it gives nothing back.
    let caught =
        "var a = []; try { for (;;) a.push(new Array(1000).fill(1)); } catch (e) { a = null; } outcome = 'caught'";
    assert_eq!(ends(&sandbox, Next, caught), Ok(Action::GoTo("caught".into())));
    let again = "var a = []; for (;;) { try { for (;;) a.push({}); } catch (e) { } }";
    assert!(matches!(ends(&self::sandbox(), Next, again), Err(ScriptError::Memory | ScriptError::Time)));
    assert_eq!(ends(&sandbox, Next, "outcome = 'alive'"), Ok(Action::GoTo("alive".into())));
}

#[test]
fn what_nests_too_deep_is_ended() {
    let sandbox = patient();
    let parens = format!("outcome = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let source = "var s = '['.repeat(1e6); JSON.parse(s)";
    for deep in [
        "(function f() { f(); })()",
        "var o = { get a() { return this.a; } }; o.a",
        "var o = { toString() { return '' + this; } }; '' + o",
        "var a = []; for (var i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)",
        "var a = []; for (var i = 0; i < 1e5; i++) a = [a]; nodeState.putShared('a', a); outcome = 'x'",
        "class A extends Array { map(f) { return super.map(x => this.map(f)); } } A.from([1]).map(x => x)",
        &parens,
        source,
    ] {
        assert_eq!(ends(&sandbox, Next, deep), Err(ScriptError::Stack), "{}", &deep[..deep.len().min(80)]);
    }
    // Too deep for whoever keeps the state, though not for the engine.
    let state = "var a = 1; for (var i = 0; i < 200; i++) a = [a]; nodeState.putShared('a', a); outcome = 'x'";
    assert!(matches!(ends(&sandbox, Next, state), Err(ScriptError::Result(_))));
    let legacy = "var a = {}; for (var i = 0; i < 200; i++) a = { a: a }; sharedState.put('a', a); outcome = 'x'";
    assert!(matches!(ends(&sandbox, Legacy, legacy), Err(ScriptError::Threw { .. })));
}

#[test]
fn work_within_one_native_call_is_bounded() {
    let sandbox = sandbox();
    for long in [
        "'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')",
        "'a'.repeat(4e6).split('a'.repeat(2e6) + 'b')",
        "new Array(4294967295).reverse()",
        "new Array(4294967295).sort()",
        "new Array(4294967295).join('')",
        "[].concat(new Array(4294967295), 1)",
        "Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)",
        "Array.prototype.join.call({ get length() { return 2 ** 53 - 1; } }, '')",
        "'\\u0301\\u0327'.repeat(1e6).normalize('NFD')",
    ] {
        let error = ends(&sandbox, Next, long).unwrap_err();
        assert!(matches!(error, ScriptError::Threw { .. } | ScriptError::Time), "{long}: {error}");
    }
    // Long texts that differ at their ends, compared again and again.
    let order = "var a = 'a'.repeat(1e6); var l = []; for (var i = 0; i < 1e5; i++) l.push(i % 2 ? a + 'b' : a + 'c'); l.sort()";
    assert!(ends(&sandbox, Next, order).is_err());
}

#[test]
fn nothing_makes_code_of_a_text() {
    let sandbox = patient();
    for trick in [
        "eval('1')",
        "(0, eval)('1')",
        "Function('return 1')()",
        "new Function('return 1')()",
        "[].constructor.constructor('return this')()",
        "(function () {}).constructor('return this')()",
        "(function* () {}).constructor('return this')()",
        "(async function () {}).constructor('return this')()",
        "(async function* () {}).constructor('return this')()",
        "Object.getPrototypeOf(function () {}).constructor('return this')()",
        "nodeState.get.constructor('return this')()",
        "logger.error.constructor('return process')()",
        "Reflect.construct(Object.getPrototypeOf(async () => {}).constructor, ['return 1'])",
    ] {
        let error = ends(&sandbox, Next, trick).unwrap_err();
        assert!(
            matches!(&error, ScriptError::Threw { message, .. } if message.contains("code from strings")),
            "{trick}: {error}"
        );
    }
    for absent in [
        "new Proxy({}, {})",
        "require('fs')",
        "std.exit(1)",
        "os.exec(['id'])",
        "setTimeout(1)",
        "process.exit()",
        "import('x')",
        "gc()",
        "load('x')",
        "print(1)",
    ] {
        let error = ends(&sandbox, Next, absent);
        assert!(
            matches!(error, Err(ScriptError::Threw { .. } | ScriptError::Syntax { .. } | ScriptError::NoOutcome)),
            "{absent}: {error:?}"
        );
    }
}

#[test]
fn one_run_leaves_nothing_for_the_next() {
    let sandbox = patient();
    let soil = "Object.prototype.soil = 'prototype'; Array.prototype.push = () => 'push'; JSON.stringify = () => '{}';
        globalThis.left = 1; Object.freeze(Object.prototype); logger.error = null; Error.prototype.message = 'x'; outcome = 'first'";
    for generation in [Next, Legacy] {
        assert_eq!(ends(&sandbox, generation, soil), Ok(Action::GoTo("first".into())));
        let clean = "outcome = [typeof left, typeof Object.prototype.soil, [].push(1), JSON.stringify([1]), typeof logger.error].join()";
        assert_eq!(ends(&sandbox, generation, clean), Ok(Action::GoTo("undefined,undefined,1,[1],function".into())));
    }
}

#[test]
fn a_forged_result_is_held_to_its_form() {
    let sandbox = patient();
    // What ends in `toJSON` is still what the script says of itself, and nothing more.
    for forged in [
        "Object.prototype.toJSON = function () { return 'x'; }; outcome = 'a'",
        "Object.prototype.toJSON = function () { return { action: { goTo: 5 } }; }; outcome = 'a'",
        "Array.prototype.toJSON = function () { return 1; }; callbacksBuilder.nameCallback('x')",
        "nodeState.putShared('a', 1n); outcome = 'a'",
        "nodeState.putShared('a', 'x'.repeat(2 << 20)); outcome = 'a'",
        "nodeState.putShared('a', '\\ud800'); outcome = 'a'",
        "var c = {}; c.c = c; nodeState.putShared('c', c); outcome = 'a'",
    ] {
        let error = ends(&sandbox, Next, forged).unwrap_err();
        assert!(
            matches!(error, ScriptError::Result(_) | ScriptError::Threw { .. } | ScriptError::Stack),
            "{forged}: {error}"
        );
    }
}

#[test]
fn errors_say_what_and_where() {
    let sandbox = patient();
    let syntax = ends(&sandbox, Next, "var a = 1;\nvar b = ;").unwrap_err();
    assert!(matches!(&syntax, ScriptError::Syntax { line: Some(2), .. }), "{syntax:?}");
    // A syntax error at run time is one that the script threw.
    let thrown = ends(&sandbox, Next, "\n\nJSON.parse('{')").unwrap_err();
    assert!(
        matches!(&thrown, ScriptError::Threw { message, line: Some(3) } if message.starts_with("SyntaxError")),
        "{thrown:?}"
    );
    assert_eq!(ends(&sandbox, Next, "throw 'text'"), Err(ScriptError::Threw { message: "text".into(), line: None }));
    assert!(matches!(ends(&sandbox, Next, "throw null"), Err(ScriptError::Memory | ScriptError::Threw { .. })));
    assert!(matches!(ends(&sandbox, Next, &" ".repeat(300 << 10)), Err(ScriptError::Length { .. })));
    assert!(matches!(ends(&sandbox, Next, "a\0b"), Err(ScriptError::Syntax { .. } | ScriptError::Threw { .. })));
    let long = ends(&sandbox, Next, "throw new Error('\u{e9}'.repeat(1e6))").unwrap_err();
    assert!(long.to_string().len() < 1100);
    assert!(sandbox.check(&script(Next, "1 +")).is_err() && sandbox.check(&script(Legacy, "with ({}) 1")).is_ok());
}

#[test]
fn logs_are_bounded_and_survive_errors() {
    let sandbox = sandbox();
    let source = "for (var i = 0; i < 300; i++) logger.error('\u{e9}'.repeat(3000)); for (;;);";
    let report = sandbox.submit(script(Next, source), Input::default(), Arc::new(Nobody)).unwrap().wait();
    assert_eq!(report.result, Err(ScriptError::Time));
    assert_eq!(report.log.len(), limits().log_lines);
    assert!(report.log.iter().all(|line| line.text.len() <= limits().log_line));
}

/// A server that is slow, and one that never answers.
struct Slow(Duration);
impl Host for Slow {
    fn reachable(&self) -> Option<&countersign_script::AllowList> {
        static LIST: std::sync::LazyLock<countersign_script::AllowList> =
            std::sync::LazyLock::new(|| countersign_script::AllowList::new(["https://slow.example.com"]).unwrap());
        Some(&LIST)
    }

    fn exchange(&self, _: &HttpRequest) -> Result<HttpResponse, HostError> {
        std::thread::park_timeout(self.0);
        Ok(HttpResponse { status: 200, reason: String::new(), headers: Vec::new(), body: String::new() })
    }
}

#[test]
fn waiting_for_a_server_is_not_the_scripts_time_up_to_a_point() {
    let sandbox = sandbox();
    let source = "outcome = String(httpClient.send('https://slow.example.com/').get().status)";
    let run = |wait| sandbox.submit(script(Next, source), Input::default(), Arc::new(Slow(wait))).unwrap().wait();
    assert_eq!(run(Duration::from_millis(800)).result.unwrap().action, Action::GoTo("200".into()));
    // The thread hangs in the host; whoever asked is answered all the same, and others are served.
    let begun = Instant::now();
    assert_eq!(run(Duration::from_secs(8)).result, Err(ScriptError::Time));
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(ends(&sandbox, Next, "outcome = 'alive'"), Ok(Action::GoTo("alive".into())));
}

#[test]
fn the_queue_is_bounded_and_tickets_are_futures() {
    let sandbox = Sandbox::new(limits(), 1, 2).unwrap();
    let submit = |source: &str| sandbox.submit(script(Next, source), Input::default(), Arc::new(Nobody));
    let mut first = pin!(submit("for (;;);").unwrap());
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let mut tickets = Vec::new();
    let full = loop {
        match submit("outcome = 'x'") {
            Ok(ticket) => tickets.push(ticket),
            Err(Busy) => break tickets.len(),
        }
    };
    assert!((1..=3).contains(&full), "{full}");
    for ticket in tickets {
        assert!(ticket.wait().result.is_ok());
    }
    let Poll::Ready(report) = first.as_mut().poll(&mut context) else { panic!("it should have ended") };
    assert_eq!(report.result, Err(ScriptError::Time));
    let left = submit("for (;;);").unwrap();
    let waiting = submit("outcome = 'x'").unwrap();
    drop(sandbox);
    assert!(matches!(waiting.wait().result, Err(ScriptError::Closed) | Ok(_)));
    assert!(matches!(left.wait().result, Err(ScriptError::Closed | ScriptError::Time)));
}

#[test]
fn a_host_that_panics_is_our_fault_and_ends_one_run_only() {
    struct Panics;
    impl Host for Panics {
        fn property(&self, _: &str) -> Result<Option<String>, HostError> {
            panic!("on purpose")
        }
    }
    // Printing a backtrace takes its time.
    let sandbox = Sandbox::new(Limits { time: Duration::from_secs(10), ..Limits::default() }, 1, 1).unwrap();
    let panics = Script { name: "p".into(), ..script(Next, "systemEnv.getProperty('x')") };
    let report = sandbox.submit(panics, Input::default(), Arc::new(Panics)).unwrap().wait();
    assert!(matches!(report.result, Err(ScriptError::Engine(_))), "{report:?}");
    assert_eq!(ends(&sandbox, Next, "outcome = 'alive'"), Ok(Action::GoTo("alive".into())));
}

#[test]
fn memory_may_run_out_at_any_place() {
    // In the middle of building the bindings, of running, of reading the result: the engine must neither abort nor leak
    // what it then misses.
    let rich = "var fr = JavaImporter(org.forgerock.openam.auth.node.api, java.util, java.lang.String);
        var a = []; for (var i = 0; i < 200; i++) a.push({ i: i, s: 'x' + i, f: function () { return i; } });
        a.map(x => ({ ...x })).filter(x => x.i % 2).sort((x, y) => y.i - x.i); JSON.parse(JSON.stringify(a));
        var m = new Map(a.map(x => [x.s, x])); 'abc'.replace(/(b)/g, (x, y) => y + x); class B extends Array { }; B.from(a);
        (function* () { yield* a; })().next(); new Promise(done => done(1)).then(() => 2); `${a}`; [...'abc'];
        sharedState.put('a', a); sharedState.put('u', java.util.UUID.randomUUID()); outcome = 'x'";
    let mut ends = std::collections::BTreeSet::new();
    for step in 0..80 {
        let limits = Limits {
            memory: (100 << 10) + step * 14_009,
            time: Duration::from_secs(20),
            total: Duration::from_secs(30),
            ..Limits::default()
        };
        let sandbox = Sandbox::new(limits, 1, 4).unwrap();
        let report = sandbox.submit(script(Legacy, rich), Input::default(), Arc::new(Nobody)).unwrap().wait();
        ends.insert(report.result.map_or_else(|error| error.to_string(), |_| "decided".to_owned()));
    }
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["decided", "ran out of memory"]);
}
