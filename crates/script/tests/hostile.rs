//! Tricks that are known from other sandboxes, one test each: every one ends in an error of the script within its
//! limits, or has done nothing; and the sandbox goes on.

mod support;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use countersign_script::Generation::{self, Legacy, Next};
use countersign_script::{Action, Decision, Host, Input, Limits, Sandbox, ScriptError};
use serde_json::json;
use support::{input, script};

struct Nobody;
impl Host for Nobody {}

/// Small, for what only ends by time; the pool is shared, so that each trick is played where others were before.
static HASTY: LazyLock<Sandbox> = LazyLock::new(|| {
    let limits = Limits { time: Duration::from_millis(300), total: Duration::from_secs(2), ..Limits::default() };
    Sandbox::new(limits, 2, 64).unwrap()
});

/// For what must end otherwise, however busy the machine is.
static PATIENT: LazyLock<Sandbox> = LazyLock::new(|| {
    let limits = Limits { time: Duration::from_secs(20), total: Duration::from_secs(30), ..Limits::default() };
    Sandbox::new(limits, 2, 64).unwrap()
});

fn run(sandbox: &Sandbox, generation: Generation, source: &str) -> Result<Decision, ScriptError> {
    sandbox.submit(script(generation, source), Input::default(), Arc::new(Nobody)).unwrap().wait().result
}

/// It is ended by the clock, and whatever ran it goes on.
#[track_caller]
fn out_of_time(generation: Generation, source: &str) {
    assert_eq!(run(&HASTY, generation, source), Err(ScriptError::Time), "{source}");
}

/// It ends by an error of its own: thrown, or for want of memory or stack. Never by the clock, and never well.
#[track_caller]
fn fails(generation: Generation, source: &str) {
    let error = run(&PATIENT, generation, source).map(|decision| decision.action).unwrap_err();
    let own = matches!(
        error,
        ScriptError::Threw { .. }
            | ScriptError::Memory
            | ScriptError::Stack
            | ScriptError::Result(_)
            | ScriptError::NoOutcome
    );
    assert!(own, "{source}: {error:?}");
}

/// It ends by any of them: which one is up to the machine.
#[track_caller]
fn ends(generation: Generation, source: &str) {
    let error = run(&HASTY, generation, source).map(|decision| decision.action).unwrap_err();
    assert!(!matches!(error, ScriptError::Engine(_) | ScriptError::Closed), "{source}: {error:?}");
}

#[track_caller]
fn goes_to(generation: Generation, source: &str, outcome: &str) {
    let action = run(&PATIENT, generation, source).map(|decision| decision.action);
    assert_eq!(action, Ok(Action::GoTo(outcome.into())), "{source}");
}

#[test]
fn prototypes_bent_in_one_run_are_straight_in_the_next() {
    let sandbox = Sandbox::new(*LIMITS, 1, 4).unwrap();
    let bend = "for (const made of [Object, Array, String, Function.prototype.constructor, Promise, Map, RegExp, Error]) {
          try { made.prototype.bent = 1; made.prototype.toString = () => 'bent'; made.prototype.valueOf = null; } catch (e) { }
        }
        Object.prototype.__proto__bent = 1; Object.defineProperty(Object.prototype, 'get', { value: () => 'bent' });
        JSON.parse = JSON.stringify = Object.keys = Object.entries = Object.defineProperty = () => ({ bent: 1 });
        Array.prototype[Symbol.iterator] = function* () { yield 'bent'; }; globalThis.nodeState = null; outcome = 'bent'";
    let look = "outcome = [({}).bent, [].bent, ''.bent, (() => 0).bent, String({}), JSON.stringify(Object.keys({ a: 1 })), [...[1]],
          typeof ({}).get, nodeState === null, nodeState.isDefined('x')].join()";
    // The first run makes its engine, the others find one that was built ahead; both generations on one thread.
    for _ in 0..3 {
        for generation in [Next, Legacy] {
            let bent = sandbox.submit(script(generation, bend), Input::default(), Arc::new(Nobody)).unwrap().wait();
            assert!(!matches!(bent.result, Err(ScriptError::Engine(_))), "{:?}", bent.result);
            let seen = sandbox.submit(script(generation, look), Input::default(), Arc::new(Nobody)).unwrap().wait();
            let straight = ",,,,[object Object],[\"a\"],1,undefined,false,false";
            assert_eq!(seen.result.unwrap().action, Action::GoTo(straight.into()), "{generation:?}");
        }
    }
}

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Limits { time: Duration::from_secs(20), total: Duration::from_secs(30), ..Limits::default() });

#[test]
fn an_engine_built_ahead_was_told_nothing_of_others() {
    let sandbox = Sandbox::new(*LIMITS, 1, 4).unwrap();
    for (generation, leave, look) in [
        (Next, "nodeState.putShared('left', 1); outcome = nodeState.get('who')", "outcome = String(nodeState.keys())"),
        (
            Legacy,
            "sharedState.put('left', 1); outcome = sharedState.get('who')",
            "outcome = String(sharedState.keySet())",
        ),
    ] {
        let told = input(json!({"shared": {"who": "first"}, "headers": {"x-first": ["1"]}, "session": {"a": "b"}}));
        let first = sandbox.submit(script(generation, leave), told, Arc::new(Nobody)).unwrap().wait().result.unwrap();
        assert_eq!((first.action, &first.shared["left"]), (Action::GoTo("first".into()), &json!(1)));
        for what in [look, "outcome = typeof existingSession + requestHeaders.get('x-first') + callbacks.length"] {
            let told = input(json!({}));
            let second = sandbox.submit(script(generation, what), told, Arc::new(Nobody)).unwrap().wait().result;
            let Action::GoTo(seen) = second.unwrap().action else { panic!("no outcome") };
            assert!(["", "undefinednull0", "undefinednullundefined", "[]"].contains(&seen.as_str()), "{seen}");
        }
    }
}

#[test]
fn keys_named_proto_are_keys_and_nothing_else() {
    let told = r#"{"shared": {"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}}"#;
    for (generation, source) in [
        (
            Next,
            "nodeState.mergeShared(JSON.parse('{\"__proto__\": {\"merged\": 1}}')); nodeState.putShared('__proto__', { put: 1 });
             outcome = [({}).polluted, ({}).merged, ({}).put, nodeState.get('polluted'), nodeState.isDefined('toString'), nodeState.getObject('__proto__').put].join()",
        ),
        (
            Legacy,
            "nodeState.mergeShared(JSON.parse('{\"__proto__\": {\"merged\": 1}}')); sharedState.put('__proto__', { put: 1 });
             outcome = [({}).polluted, ({}).merged, ({}).put, sharedState.get('polluted'), sharedState.containsKey('toString'), nodeState.get('__proto__').get('put').asInteger()].join()",
        ),
    ] {
        let told = input(serde_json::from_str(told).unwrap());
        let report = PATIENT.submit(script(generation, source), told, Arc::new(Nobody)).unwrap().wait();
        let decision = report.result.unwrap_or_else(|error| panic!("{generation:?}: {error}"));
        assert_eq!(decision.action, Action::GoTo(",,,,false,1".into()), "{generation:?}");
        assert_eq!(decision.shared["__proto__"], json!({"put": 1}));
        assert_eq!(decision.shared["constructor"]["prototype"]["polluted"], 1);
    }
}

#[test]
fn getters_in_what_is_sent_do_not_hold_up_whoever_reads_it() {
    out_of_time(Next, "callbacksBuilder.metadataCallback({ get a() { for (;;); } })");
    out_of_time(Next, "callbacksBuilder.metadataCallback({ toJSON() { for (;;); } })");
    out_of_time(Next, "callbacksBuilder.nameCallback({ toString() { for (;;); } })");
    out_of_time(Next, "callbacksBuilder.selectIdPCallback([{ get provider() { for (;;); } }])");
    out_of_time(Legacy, "auditEntryDetail = { get a() { for (;;); } }; outcome = 'x'");
    out_of_time(Legacy, "Object.defineProperty(this, 'action', { get() { for (;;); } })");
    fails(Next, "callbacksBuilder.metadataCallback({ get a() { throw 1; } })");
    fails(Legacy, "action = { build() { } }");
}

#[test]
fn an_outcome_that_is_no_text_is_none() {
    for odd in [
        "{ [Symbol.toPrimitive]() { for (;;); } }",
        "{ toString() { for (;;); } }",
        "Symbol('x')",
        "['x']",
        "1n",
        "() => 'x'",
    ] {
        fails(Next, &format!("outcome = {odd}"));
        fails(Legacy, &format!("outcome = {odd}"));
    }
    // What passes for a text is read under the script's clock.
    out_of_time(Next, "class S extends String { toString() { for (;;); } } outcome = new S('a')");
    out_of_time(Next, "class S extends String { [Symbol.toPrimitive]() { for (;;); } } outcome = new S('a')");
    out_of_time(Next, "outcome = Object.setPrototypeOf({ toString() { for (;;); } }, String.prototype)");
}

#[test]
fn what_is_left_is_bounded() {
    fails(Next, "outcome = 'x'.repeat(2 << 20)");
    fails(Next, "nodeState.putShared('a', 'x'.repeat(2 << 20)); outcome = 'a'");
    fails(Next, "for (let i = 0; i < 1e5; i++) nodeState.putTransient('key-' + i, 'value'); outcome = 'a'");
    fails(Legacy, "sharedState.put('x'.repeat(2 << 20), 1); outcome = 'a'");
    fails(Next, "for (let i = 0; i < 1e5; i++) action.putSessionProperty('p' + i, 'value'); action.goTo('a')");
    fails(Next, "for (let i = 0; i < 1e5; i++) callbacksBuilder.nameCallback('who are you?')");
}

#[test]
fn a_small_object_that_prints_large_runs_out_of_something() {
    ends(Next, "let a = 'x'; for (let i = 0; i < 40; i++) a = [a, a]; nodeState.putShared('a', a); outcome = 'x'");
    ends(Next, "let a = {}; for (let i = 0; i < 40; i++) a = { l: a, r: a }; String(JSON.stringify(a))");
    fails(Next, "const o = { toJSON() { return { o }; } }; nodeState.putShared('o', o); outcome = 'x'");
    ends(Next, "nodeState.putShared('o', { toJSON() { return Array(1e6).fill(this); } }); outcome = 'x'");
    fails(Next, "JSON.stringify('x'.repeat(1e6), null, 10); JSON.stringify(Array(1e5).fill('y'.repeat(1e4)))");
}

#[test]
fn promises_that_never_end_end_with_the_script() {
    out_of_time(
        Next,
        "outcome = 'x'; const again = { then(done) { Promise.resolve().then(() => done(again)); } }; Promise.resolve(again)",
    );
    out_of_time(Next, "outcome = 'x'; (async () => { for (;;) await Promise.all([1, 2, 3]); })()");
    out_of_time(
        Next,
        "outcome = 'x'; (async () => { for await (const one of (async function* () { for (;;) yield 1; })()); })()",
    );
    ends(Next, "outcome = 'x'; (function grow() { for (let i = 0; i < 10; i++) Promise.resolve().then(grow); })()");
    // One that nobody settles is no reason to wait.
    goes_to(Next, "outcome = 'x'; (async () => { await new Promise(() => { }); outcome = 'late'; })()", "x");
    // Nor is what a rejected one threw.
    goes_to(Next, "outcome = 'x'; Promise.reject(new Error('lost')); (async () => { throw 1; })()", "x");
}

#[test]
fn there_is_nothing_to_wait_on_and_nothing_that_tells_of_collection() {
    for absent in [
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        "new SharedArrayBuffer(8)",
        "new WeakRef({})",
        "new FinalizationRegistry(() => { for (;;); })",
        "new Proxy({}, { get() { for (;;); } })",
        "performance.now()",
        "new Worker('x')",
        "queueMicrotask(() => { for (;;); })",
        "setInterval(() => 1, 1)",
        "std.gc()",
        "navigator.userAgent",
        "[].values().map(x => x).next()",
    ] {
        fails(Next, absent);
    }
    // The objects that stand for Java packages are proxies; they keep nothing and lead nowhere.
    for odd in [
        "sharedState.put('p', Packages); outcome = 'x'",
        "outcome = '' + java.nowhere.Nothing()",
        "Packages.constructor.constructor('return 1')()",
        "java.lang.Class.forName('java.lang.Runtime')",
        "java.lang.Runtime.getRuntime().exec('id')",
        "java.lang.System.exit(1)",
        "Object.defineProperty(java, 'x', { get() { for (;;); } }); outcome = java.x.y.Z()",
    ] {
        fails(Legacy, odd);
    }
}

#[test]
fn regular_expressions_are_under_the_clock() {
    out_of_time(Next, "/^(a|a?)+$/.test('a'.repeat(40) + 'b')");
    out_of_time(Next, "/(x+x+)+y/.test('x'.repeat(60))");
    out_of_time(Next, "/^(?=(a+)+$)/.exec('a'.repeat(60) + '!')");
    out_of_time(Next, "/(?<=c(a+)+)b/.test('a'.repeat(60) + 'b')");
    out_of_time(Next, "'a'.repeat(50).replace(/(a*)*b/g, '')");
    out_of_time(Next, "('a'.repeat(50) + 'c').split(/(?:a+)+b/)");
    out_of_time(Next, "('a'.repeat(50) + 'c').match(/(\\w+\\s?)+$!/)");
    out_of_time(Legacy, "outcome = String('a'.repeat(50).matches('(a+)+b'))");
    out_of_time(Legacy, "outcome = ('a'.repeat(50) + 'c').replaceFirst('(a+)+b', '')");
    // In their compiler, which nests and grows.
    fails(Next, "new RegExp('('.repeat(1e5) + ')'.repeat(1e5))");
    ends(Next, "for (let s = 'a'; ; s = `(?:${s}){1,60000}${s}`) new RegExp(s).test('a')");
    ends(
        Next,
        "new RegExp('[' + Array.from({ length: 60000 }, (_, i) => '\\\\u{' + (i * 2 + 4096).toString(16) + '}').join('') + ']', 'iu').test('x'); for (;;);",
    );
}

#[test]
fn numbers_without_end_end() {
    fails(Next, "2n ** (2n ** 30n)");
    fails(Next, "1n << (1n << 40n)");
    fails(Next, "BigInt('9'.repeat(1e6))");
    fails(Next, "BigInt.asUintN(2 ** 53 - 1, -1n)");
    ends(Next, "for (let n = 3n; ; n = n * n % (1n << 900000n)) n.toString()");
    ends(Next, "const n = (1n << 1000000n) - 1n; for (;;) n * n % 7n");
    fails(Next, "(1).toFixed(1e9)");
    fails(Next, "new Date(NaN).toISOString()");
}

#[test]
fn lists_and_texts_of_great_length_are_refused() {
    for long in [
        "'x'.repeat(2 ** 30)",
        "'x'.padEnd(2 ** 30, 'yz')",
        "Array(2 ** 32 - 1).join()",
        "Array(2 ** 32 - 1).join('x')",
        "String(Array(2 ** 32 - 1))",
        "new Float64Array(2 ** 28)",
        "new ArrayBuffer(2 ** 40)",
        "new ArrayBuffer(8, { maxByteLength: 2 ** 40 })",
        "Array(2 ** 32 - 1).toSorted()",
        "Array(2 ** 32 - 1).toSpliced(0, 1)",
        "Array(2 ** 32 - 1).with(0, 1)",
        "Array(2 ** 32 - 1).copyWithin(0, 5)",
        "Array(2 ** 32 - 1).flat(Infinity)",
        "String.fromCharCode(...Array(1e7))",
        "Math.max.apply(null, Array(1e7))",
        "Reflect.apply(Math.max, null, { length: 2 ** 31 })",
        "new Map(Array(2 ** 32 - 1))",
        "structuredClone({})",
        "'a'.repeat(1e6).replaceAll('a', '$&'.repeat(1000))",
        "'ab'.repeat(1e6).split('').map(x => x.repeat(1e5)).join('')",
        "`${'x'.repeat(2 ** 28)}${'y'.repeat(2 ** 28)}`.concat('x'.repeat(2 ** 28))",
        "Object.groupBy(Array(2 ** 32 - 1), x => x)",
    ] {
        let error = run(&PATIENT, Next, long).map(|decision| decision.action).unwrap_err();
        assert!(
            !matches!(error, ScriptError::Engine(_) | ScriptError::Closed | ScriptError::Time),
            "{long}: {error:?}"
        );
    }
}

#[test]
fn comparators_may_do_as_they_like() {
    out_of_time(Next, "[3, 2, 1].sort(() => { for (;;); })");
    out_of_time(Next, "new Int8Array(9).toSorted(() => { for (;;); })");
    fails(Next, "[3, 2, 1].sort(() => { throw new Error('no order'); })");
    fails(Next, "[1, 2].sort({})");
    fails(Next, "[Symbol(), Symbol()].sort()");
    // Neither a changing list nor an order that is none does any harm.
    goes_to(
        Next,
        "const a = Array.from({ length: 1000 }, (_, i) => i % 7); a.sort((x, y) => { a.length = 0; a.push(...'xyz'); return x < y ? 1 : -1; }); outcome = 'x'",
        "x",
    );
    goes_to(
        Next,
        "const a = Array.from({ length: 5000 }, (_, i) => i); a.sort(() => Math.random() - 0.5); outcome = String(a.length)",
        "5000",
    );
    goes_to(Next, "const a = [3, 1, 2]; a.sort(() => NaN); outcome = a.join()", "3,1,2");
}

#[test]
fn conversions_and_revivers_are_under_the_clock() {
    out_of_time(Next, "JSON.parse('[1, 2]', () => { for (;;); })");
    out_of_time(Next, "JSON.stringify({ a: 1 }, () => { for (;;); })");
    out_of_time(Next, "'x'.replace(/x/, () => { for (;;); })");
    out_of_time(Next, "Array.from({ get length() { for (;;); } })");
    out_of_time(Next, "new Date({ valueOf() { for (;;); } })");
    out_of_time(Next, "nodeState.get({ toString() { for (;;); } })");
    out_of_time(Next, "action.goTo(new (class extends String { toString() { for (;;); } })('x'))");
    out_of_time(Legacy, "sharedState.put({ toString() { for (;;); } }, 1)");
    out_of_time(Legacy, "java.lang.String.format('%s', { toString() { for (;;); } })");
    out_of_time(Next, "class A { static [Symbol.hasInstance]() { for (;;); } } ({}) instanceof A");
    out_of_time(Next, "const { ...rest } = { get a() { for (;;); } }");
    out_of_time(Next, "label: for (;;) { try { continue label; } finally { continue label; } }");
}

/// The engine's own setters of these lose what was there before.
#[test]
fn stack_traces_are_the_engines_affair() {
    for bent in [
        "Error.stackTraceLimit = {}; Error.stackTraceLimit = []; Error.stackTraceLimit = 1n",
        "Error.stackTraceLimit = { valueOf() { for (;;); } }; try { null.x } catch (e) { }",
        "Error.prepareStackTrace = () => { for (;;); }; try { null.x } catch (e) { e.stack }",
        "Error.prepareStackTrace = (e, frames) => frames; try { nodeState.get({ toString() { throw new Error('x') } }) } catch (e) { e.stack.length }",
        "class E extends Error { }; E.stackTraceLimit = {}; E.stackTraceLimit = {}; E.prepareStackTrace = { }; E.prepareStackTrace = { }; new E('x').stack",
        "var o = {}; Error.captureStackTrace(o); Error.captureStackTrace(o, nodeState.get); Error.captureStackTrace(Object.freeze({}))",
    ] {
        let report = HASTY.submit(script(Next, &format!("{bent}; outcome = 'x'")), Input::default(), Arc::new(Nobody));
        let result = report.unwrap().wait().result.map(|decision| decision.action);
        assert!(matches!(&result, Ok(Action::GoTo(_)) | Err(ScriptError::Threw { .. })), "{bent}: {result:?}");
    }
}

#[test]
fn bindings_may_be_declared_anew_and_thrown_away() {
    for name in [
        "utils",
        "httpClient",
        "callbacks",
        "callbacksBuilder",
        "requestHeaders",
        "jwtValidator",
        "nodeState",
        "logger",
    ] {
        goes_to(Next, &format!("var {name} = 'x'; outcome = {name}"), "x");
        goes_to(Next, &format!("let {name} = 'x'; outcome = {name}"), "x");
        goes_to(Next, &format!("function {name}() {{ return 'x'; }} outcome = {name}()"), "x");
        goes_to(Next, &format!("delete globalThis.{name}; outcome = typeof {name}"), "undefined");
        goes_to(Next, &format!("{name} = 'x'; outcome = {name}"), "x");
        goes_to(Next, &format!("Object.freeze(globalThis); action.goTo(typeof {name})"), "object");
    }
}

/// The engine loses objects when memory runs out at certain places. What is lost goes with the engine's memory.
#[test]
fn memory_that_runs_out_at_an_odd_place_ends_the_run_only() {
    let source = "var kept = []; for (var i = 0; i < 40; i++) kept.push('x' + i, { i });
        Array.fromAsync([1, Promise.resolve(2)]); Promise.withResolvers().resolve(1); Promise.try(() => 1);
        for (var i = 0; i < 1000; i++) kept.push({ i }); outcome = 'x'";
    let mut seen = std::collections::BTreeSet::new();
    for step in 0..48 {
        let sandbox = Sandbox::new(Limits { memory: (140 << 10) + step * 3_001, ..*LIMITS }, 1, 4).unwrap();
        let report = sandbox.submit(script(Next, source), Input::default(), Arc::new(Nobody)).unwrap().wait();
        seen.insert(report.result.map_or_else(|error| error.to_string(), |_| "decided".to_owned()));
    }
    assert!(seen.contains("ran out of memory"), "{seen:?}");
}

/// All of the above, by turns on two threads, left nothing behind.
#[test]
fn after_all_that_a_plain_script_runs() {
    for generation in [Next, Legacy] {
        for _ in 0..8 {
            goes_to(generation, "outcome = 'alive'", "alive");
            assert_eq!(
                run(&HASTY, generation, "outcome = 'alive'").map(|d| d.action),
                Ok(Action::GoTo("alive".into()))
            );
        }
    }
}
