use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};

use rquickjs::context::intrinsic::{Eval, RegExp, RegExpCompiler};
use rquickjs::{Context, Runtime};
use sha2::{Digest, Sha256};

use crate::bytecode::{self, Bytecode};
use crate::error::ScriptError;
use crate::input::{Generation, Script};
use crate::limits::Limits;
use crate::run::{Deadline, caught};
use crate::source::{for_each, java_length};

/// Bytes of bytecode that are kept; the oldest go first.
const KEPT: usize = 16 << 20;

/// The file that lines of errors are of; also how lines of a script are told from those of the shim.
pub(crate) const FILE: &CStr = c"script";

const SHIM: [(&str, &str); 17] = [
    ("core", include_str!("shim/core.js")),
    ("callbacks", include_str!("shim/callbacks.js")),
    ("common", include_str!("shim/common.js")),
    ("bytes", include_str!("shim/bytes.js")),
    ("logger", include_str!("shim/logger.js")),
    ("world", include_str!("shim/world.js")),
    ("next", include_str!("shim/next.js")),
    ("asking", include_str!("shim/asking.js")),
    ("tools", include_str!("shim/tools.js")),
    ("values", include_str!("shim/values.js")),
    ("classes", include_str!("shim/classes.js")),
    ("legacy", include_str!("shim/legacy.js")),
    ("java", include_str!("shim/java.js")),
    ("time", include_str!("shim/time.js")),
    ("util", include_str!("shim/util.js")),
    ("forgerock", include_str!("shim/forgerock.js")),
    ("jose", include_str!("shim/jose.js")),
];

/// Sources by what they are compiled as.
#[derive(Clone, Copy)]
enum Shape {
    Script(Generation),
    /// A function of `exports`, `module` and `require`.
    Library,
}

/// What was compiled: the shim, and the scripts of late.
pub(crate) struct Programs {
    shim: BTreeMap<&'static str, Bytecode>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_hash: BTreeMap<[u8; 32], Arc<Bytecode>>,
    order: VecDeque<[u8; 32]>,
    bytes: usize,
}

impl Programs {
    pub(crate) fn new() -> Result<Self, ScriptError> {
        let limits = Limits::default();
        let compiled = SHIM.iter().map(|(name, source)| Ok((*name, compiled(source, c"shim", &limits)?)));
        Ok(Self { shim: compiled.collect::<Result<_, ScriptError>>()?, kept: Mutex::default() })
    }

    pub(crate) fn shim(&self, name: &str) -> Option<&Bytecode> {
        self.shim.get(name)
    }

    pub(crate) fn script(&self, script: &Script, limits: &Limits) -> Result<Arc<Bytecode>, ScriptError> {
        self.kept(&script.source, Shape::Script(script.generation), limits)
    }

    pub(crate) fn library(&self, source: &str, limits: &Limits) -> Result<Arc<Bytecode>, ScriptError> {
        self.kept(source, Shape::Library, limits)
    }

    fn kept(&self, source: &str, shape: Shape, limits: &Limits) -> Result<Arc<Bytecode>, ScriptError> {
        if source.len() > limits.source {
            return Err(ScriptError::Length { bytes: source.len() });
        }
        let hash = hash(source, shape);
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_hash.get(&hash).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        // Outside of the lock: two threads may compile the same, which is no harm.
        let code = Arc::new(match shape {
            Shape::Script(Generation::Legacy) => compiled(&java_length(&for_each(source)), FILE, limits)?,
            Shape::Script(Generation::Next) => compiled(&for_each(source), FILE, limits)?,
            Shape::Library => {
                let source = for_each(source);
                compiled(&format!("(function (exports, module, require) {{{source}\n}})"), FILE, limits)?
            }
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_hash.insert(hash, code.clone()).is_none() {
            kept.order.push_back(hash);
            kept.bytes += code.len();
        }
        while kept.bytes > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            let gone = kept.by_hash.remove(&oldest);
            kept.bytes -= gone.map_or(0, |gone| gone.len());
        }
        Ok(code)
    }
}

fn hash(source: &str, shape: Shape) -> [u8; 32] {
    let shape: u8 = match shape {
        Shape::Script(Generation::Legacy) => 0,
        Shape::Script(Generation::Next) => 1,
        Shape::Library => 2,
    };
    Sha256::new().chain_update([shape]).chain_update(source).finalize().into()
}

/// In an engine of its own, which can compile; those that run cannot.
fn compiled(source: &str, file: &CStr, limits: &Limits) -> Result<Bytecode, ScriptError> {
    let engine = |error: rquickjs::Error| ScriptError::Engine(error.to_string());
    let runtime = Runtime::new().map_err(engine)?;
    runtime.set_memory_limit(limits.memory);
    runtime.set_max_stack_size(limits.stack);
    let deadline = Deadline::new(limits);
    runtime.set_interrupt_handler(Some(deadline.handler()));
    let context = Context::custom::<(Eval, RegExpCompiler, RegExp)>(&runtime).map_err(engine)?;
    context.with(|ctx| {
        bytecode::compile(&ctx, source, file, file == FILE).map_err(|error| {
            match caught(&ctx, &error, || deadline.passed()) {
                ScriptError::Threw { message, line } => ScriptError::Syntax { message, line },
                other => other,
            }
        })
    })
}
