//! One engine for one run. Building it, with the bindings of a generation, costs several times what a small script
//! does, and needs nothing of the script: so it can be built before anybody asks.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::context::intrinsic::{Date, Json, MapSet, Promise, Proxy, RegExp, RegExpCompiler, TypedArrays};
use rquickjs::function::Func;
use rquickjs::{Context, Ctx, Error, Exception, FromJs, Function, Object, Persistent, Runtime, Value};

use crate::bytecode::{self, Bytecode};
use crate::decision::Decision;
use crate::door::Door;
use crate::error::ScriptError;
use crate::host::Host;
use crate::input::Generation;
use crate::limits::Limits;
use crate::program::Programs;
use crate::run::{Deadline, LogLine, Setting, caught};

pub(crate) struct Engine {
    generation: Generation,
    limits: Limits,
    door: Rc<Door>,
    /// The kit of the shim; taken by the one run. Dropped before its context, and that before the runtime.
    kit: Option<Persistent<Object<'static>>>,
    context: Context,
    runtime: Runtime,
}

impl Engine {
    pub(crate) fn new(setting: &Setting, generation: Generation) -> Result<Self, ScriptError> {
        let Setting { programs, limits } = setting;
        let failed = |error: Error| ScriptError::Engine(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(limits.memory);
        runtime.set_max_stack_size(limits.stack);
        // Most runs end before there is anything to collect; all of it goes with the engine.
        runtime.set_gc_threshold(limits.memory / 4);
        // Without `Eval`: nothing in here can make code of a text.
        type Intrinsics = (Date, RegExpCompiler, RegExp, Json, Proxy, MapSet, TypedArrays, Promise);
        let context = Context::custom::<Intrinsics>(&runtime).map_err(failed)?;
        let door = Rc::new(Door::new(programs.clone(), *limits));
        let kit = context.with(|ctx| {
            let kit = build(&ctx, programs, generation, &door);
            kit.map(|kit| Persistent::save(&ctx, kit)).map_err(|error| caught(&ctx, &error, || false))
        })?;
        Ok(Self { generation, limits: *limits, door, kit: Some(kit), context, runtime })
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Runs a script: the only one that this engine will run. `told` is what it is told.
    pub(crate) fn run(
        &mut self,
        code: &Bytecode,
        told: String,
        host: Arc<dyn Host>,
        deadline: &Arc<Deadline>,
    ) -> (Result<Decision, ScriptError>, Vec<LogLine>) {
        let result = self.decide(code, told, host, deadline);
        self.door.close();
        let panicked = || ScriptError::Engine("the host panicked".to_owned());
        (if self.door.panicked() { Err(panicked()) } else { result }, self.door.log())
    }

    fn decide(
        &mut self,
        code: &Bytecode,
        told: String,
        host: Arc<dyn Host>,
        deadline: &Arc<Deadline>,
    ) -> Result<Decision, ScriptError> {
        let used = || ScriptError::Engine("it was used before".to_owned());
        let kit = self.kit.take().ok_or_else(used)?;
        self.door.open(host, deadline.clone());
        self.runtime.set_interrupt_handler(Some(deadline.handler()));
        let left = self.context.with(|ctx| {
            let left = kit.restore(&ctx).and_then(|kit| {
                kit.get::<_, Function<'_>>("begin")?.call::<_, ()>((told,))?;
                let finish: Function<'_> = kit.get("finish")?;
                drop(kit);
                bytecode::run(&ctx, code)?;
                // What is left to do is done now or never; jobs that make jobs meet the deadline here.
                while !deadline.passed() && ctx.execute_pending_job() {}
                finish.call::<_, String>(())
            });
            match left {
                Ok(left) if !deadline.passed() => Ok(left),
                Ok(_) => Err(ScriptError::Time),
                Err(error) => Err(caught(&ctx, &error, || deadline.passed())),
            }
        })?;
        Decision::read(&left, self.limits.output)
    }
}

/// Builds the bindings of a generation; gives the kit, which knows how to begin and how to finish.
fn build<'js>(
    ctx: &Ctx<'js>,
    programs: &Programs,
    generation: Generation,
    door: &Rc<Door>,
) -> rquickjs::Result<Object<'js>> {
    let missing = || Exception::throw_message(ctx, "a part of the shim is missing");
    let core = bytecode::run(ctx, programs.shim("core").ok_or_else(missing)?)?;
    let asked = door.clone();
    let answer = Func::from(move |what: String, details: String| asked.answer(&what, &details));
    let door = door.clone();
    let part =
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, kind: String, name: String| door.part(&ctx, &kind, &name))?;
    let kit: Object<'js> = Function::from_js(ctx, core)?.call((answer, part))?;
    let load: Function<'js> = kit.get("part")?;
    load.call::<_, Value<'js>>((match generation {
        Generation::Legacy => "legacy",
        Generation::Next => "next",
    },))?;
    Ok(kit)
}
