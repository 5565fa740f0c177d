//! Compiling without running, and running what was compiled. The engine's safe interface has this for modules only, and
//! scripts are none: `with` and undeclared variables need the other mode.
#![allow(unsafe_code, reason = "three calls into the engine; their conditions are stated at each")]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

use rquickjs::{Ctx, Error, Result, Value, qjs};

/// What the engine made of a source. Only [`compile`] makes one, so what is loaded always came from this very engine:
/// foreign bytecode could do anything.
pub(crate) struct Bytecode(Box<[u8]>);

impl Bytecode {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Compiles a source for the global scope. On `Error::Exception` the context holds what was wrong. Without `lines`
/// errors do not say where they come from, and it loads faster.
pub(crate) fn compile(ctx: &Ctx<'_>, source: &str, file: &CStr, lines: bool) -> Result<Bytecode> {
    let length = source.len();
    let source = CString::new(source)?;
    let context = ctx.as_raw().as_ptr();
    let flags = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY).cast_signed();
    // SAFETY: the context lives as long as `ctx`; both texts end with a zero and outlive the call, and `length` leaves
    // out the zero, as the engine asks.
    let function = unsafe { qjs::JS_Eval(context, source.as_ptr(), length as _, file.as_ptr(), flags) };
    // Owns the value, and frees it, whatever follows.
    // SAFETY: the value is of this context, and nothing else owns it.
    let function = unsafe { Value::from_raw(ctx.clone(), function) };
    if is_exception(&function) {
        return Err(Error::Exception);
    }
    let mut written = MaybeUninit::uninit();
    let lineless = if lines { 0 } else { qjs::JS_WRITE_OBJ_STRIP_DEBUG };
    let flags = (qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE | lineless).cast_signed();
    // SAFETY: `function` is what `JS_Eval` compiled; the engine writes the length before it returns a pointer.
    let buffer = unsafe { qjs::JS_WriteObject(context, written.as_mut_ptr(), function.as_raw(), flags) };
    if buffer.is_null() {
        return Err(Error::Exception);
    }
    // SAFETY: the engine has written the length, since the buffer is not null. It is of the size of a pointer, whatever
    // integer the bindings make of it.
    let length = usize::try_from(unsafe { written.assume_init() }).unwrap_or_default();
    // SAFETY: the buffer has that length; it is copied, then freed by its allocator.
    let bytes = unsafe {
        let bytes = std::slice::from_raw_parts(buffer, length).into();
        qjs::js_free(context, buffer.cast());
        bytes
    };
    Ok(Bytecode(bytes))
}

/// Runs what [`compile`] made, and gives the value of its last statement.
pub(crate) fn run<'js>(ctx: &Ctx<'js>, code: &Bytecode) -> Result<Value<'js>> {
    let context = ctx.as_raw().as_ptr();
    let flags = qjs::JS_READ_OBJ_BYTECODE.cast_signed();
    // SAFETY: the bytes are from `compile`, hence from this version of the engine, and outlive the call.
    let function = unsafe { qjs::JS_ReadObject(context, code.0.as_ptr(), code.0.len() as _, flags) };
    // SAFETY: looks at the tag alone.
    if unsafe { qjs::JS_VALUE_GET_NORM_TAG(function) } == qjs::JS_TAG_EXCEPTION {
        return Err(Error::Exception);
    }
    // SAFETY: a value of this context, which the call takes over; what it returns is ours.
    let value = unsafe { Value::from_raw(ctx.clone(), qjs::JS_EvalFunction(context, function)) };
    if is_exception(&value) { Err(Error::Exception) } else { Ok(value) }
}

fn is_exception(value: &Value<'_>) -> bool {
    // SAFETY: looks at the tag alone.
    unsafe { qjs::JS_VALUE_GET_NORM_TAG(value.as_raw()) == qjs::JS_TAG_EXCEPTION }
}
