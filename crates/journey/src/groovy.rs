//! Scripts in Groovy that say nothing but what JavaScript can say word for word: they look at the state, decide, and leave
//! an outcome. AM runs Groovy as well as JavaScript; here such scripts are run as the JavaScript they amount to, and all
//! others are refused. What differs between the two languages (truth, equality, types that convert) is either written
//! out or outside of what is taken.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use reader::{Token, Tokens};

/// What the two languages have in common is small; so are the scripts.
const MAX_SOURCE: usize = 16 * 1024;
const MAX_DEPTH: u32 = 32;

/// Groovy's truth, and its conversions to the types that variables are declared with. Objects are not what they can
/// judge, and end the script.
const PRELUDE: &str = "\
function groovyTruth(value) {
  if (value === null || value === undefined) { return false; }
  if (typeof value === 'boolean') { return value; }
  if (typeof value === 'string') { return value.length > 0; }
  if (typeof value === 'number') { return value !== 0; }
  throw new TypeError('Groovy\\'s truth of an object is not known here');
}
function groovyText(value) {
  if (value === null || value === undefined) { return null; }
  if (typeof value === 'string') { return value; }
  if (typeof value === 'boolean' || Number.isInteger(value)) { return String(value); }
  throw new TypeError('Groovy\\'s text of this value is not known here');
}
";

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `def`.
    Any,
    Text,
    Truth,
}

/// The same in JavaScript, for the bindings of old; `None` when that is more than this can tell.
pub(crate) fn in_javascript(source: &str) -> Option<String> {
    if source.len() > MAX_SOURCE {
        return None;
    }
    let mut writer = Writer { tokens: Tokens::read(source)?, scopes: vec![Vec::new()], depth: 0, decides: false };
    let mut out = PRELUDE.to_owned();
    while !writer.tokens.is_empty() {
        writer.statement(&mut out)?;
    }
    writer.decides.then_some(out)
}

struct Writer {
    tokens: Tokens,
    /// The names of each block that is open.
    scopes: Vec<Vec<(String, Kind)>>,
    depth: u32,
    /// It sets an outcome somewhere.
    decides: bool,
}

/// The bindings, and what may be called of them with how many arguments.
const METHODS: [(&str, &str, usize); 9] = [
    ("sharedState", "get", 1),
    ("sharedState", "put", 2),
    ("sharedState", "remove", 1),
    ("transientState", "get", 1),
    ("transientState", "put", 2),
    ("transientState", "remove", 1),
    ("logger", "message", 1),
    ("logger", "warning", 1),
    ("logger", "error", 1),
];
const OUTCOME: &str = "outcome";

/// Words of either language that no variable can be called.
fn is_reserved(name: &str) -> bool {
    let words: BTreeSet<&str> = "abstract as assert await boolean break byte case catch char class const continue debugger \
        def default delete do double else enum eval export extends false final finally float for function goto if \
        implements import in instanceof int interface let long native new null package private protected public return \
        short static strictfp super switch synchronized this threadsafe throw throws trait transient true try typeof var \
        void volatile while with yield String Boolean action arguments callbacks undefined it"
        .split_whitespace()
        .collect();
    words.contains(name) || METHODS.iter().any(|(root, ..)| *root == name) || name.starts_with("groovy")
}

impl Writer {
    fn kind(&self, name: &str) -> Option<Kind> {
        self.scopes.iter().flatten().find(|(known, _)| known == name).map(|(_, kind)| *kind)
    }

    fn statement(&mut self, out: &mut String) -> Option<()> {
        if self.tokens.takes("{") {
            // In Groovy by itself it is a closure.
            return None;
        }
        match self.tokens.name()?.as_str() {
            "if" => self.choice(out),
            "def" => self.declaration(Kind::Any, out),
            "String" => self.declaration(Kind::Text, out),
            "boolean" | "Boolean" => self.declaration(Kind::Truth, out),
            name => {
                let name = name.to_owned();
                if self.tokens.takes("=") {
                    let value = self.converted(if name == OUTCOME { Kind::Any } else { self.kind(&name)? })?;
                    self.decides |= name == OUTCOME;
                    out.push_str(&format!("{name} = {value};\n"));
                } else {
                    let call = self.call(&name)?;
                    out.push_str(&format!("{call};\n"));
                }
                self.tokens.ends().then_some(())
            }
        }
    }

    fn declaration(&mut self, kind: Kind, out: &mut String) -> Option<()> {
        let name = self.tokens.name()?;
        // A variable of its own by that name would hide the outcome from AM; one that hides another is an error.
        if name == OUTCOME || is_reserved(&name) || self.kind(&name).is_some() || !self.tokens.takes("=") {
            return None;
        }
        let value = self.converted(kind)?;
        out.push_str(&format!("var {name} = {value};\n"));
        self.scopes.last_mut()?.push((name, kind));
        self.tokens.ends().then_some(())
    }

    /// A value as a variable of that kind takes it.
    fn converted(&mut self, kind: Kind) -> Option<String> {
        let value = self.value()?;
        Some(match kind {
            Kind::Any => value,
            Kind::Text => format!("groovyText({value})"),
            Kind::Truth => format!("groovyTruth({value})"),
        })
    }

    fn choice(&mut self, out: &mut String) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH || !self.tokens.takes("(") {
            return None;
        }
        let condition = self.any_of()?;
        if !self.tokens.takes(")") {
            return None;
        }
        out.push_str(&format!("if ({condition}) "));
        self.block(out)?;
        if self.tokens.takes_name("else") {
            out.push_str(" else ");
            if self.tokens.takes_name("if") {
                self.choice(out)?;
            } else {
                self.block(out)?;
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Only with braces: what a line break ends is told apart by rules that are not the same.
    fn block(&mut self, out: &mut String) -> Option<()> {
        if !self.tokens.takes("{") {
            return None;
        }
        out.push_str("{\n");
        self.scopes.push(Vec::new());
        while !self.tokens.takes("}") {
            self.statement(out)?;
        }
        self.scopes.pop();
        out.push_str("}\n");
        Some(())
    }

    fn any_of(&mut self) -> Option<String> {
        let mut all = self.all_of()?;
        while self.tokens.takes("||") {
            all = format!("({all} || {})", self.all_of()?);
        }
        Some(all)
    }

    fn all_of(&mut self) -> Option<String> {
        let mut all = self.truth()?;
        while self.tokens.takes("&&") {
            all = format!("({all} && {})", self.truth()?);
        }
        Some(all)
    }

    /// What is true or false, or made so as Groovy does.
    fn truth(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let truth = match self.tokens.takes("!") {
            true => format!("!{}", self.truth()?),
            false => self.operand()?,
        };
        self.depth -= 1;
        Some(truth)
    }

    fn operand(&mut self) -> Option<String> {
        if self.tokens.takes("(") {
            let inner = self.any_of()?;
            return self.tokens.takes(")").then(|| format!("({inner})"));
        }
        let (left, is_literal) = self.side()?;
        let sign = if self.tokens.takes("==") {
            "="
        } else if self.tokens.takes("!=") {
            "!"
        } else {
            return Some(format!("groovyTruth({left})"));
        };
        let (right, also) = self.side()?;
        // Of two values that are only known when it runs, Groovy compares what is in them.
        if !is_literal && !also {
            return None;
        }
        let strict = if left == "null" || right == "null" { "" } else { "=" };
        Some(format!("({left} {sign}={strict} {right})"))
    }

    /// One side of a comparison, and whether it stands there as it is.
    fn side(&mut self) -> Option<(String, bool)> {
        let literal = self.tokens.is_literal();
        Some((self.value()?, literal))
    }

    fn value(&mut self) -> Option<String> {
        match self.tokens.next()? {
            Token::Text(text) => serde_json::to_string(&text).ok(),
            Token::Number(digits) => Some(digits),
            Token::Name(name) => match name.as_str() {
                "null" | "true" | "false" => Some(name),
                _ if self.kind(&name).is_some() => Some(name),
                _ => self.call(&name),
            },
            Token::Sign(_) => None,
        }
    }

    fn call(&mut self, root: &str) -> Option<String> {
        if !self.tokens.takes(".") {
            return None;
        }
        let method = self.tokens.name()?;
        if !self.tokens.takes_here("(") {
            return None;
        }
        let mut arguments = Vec::new();
        while !self.tokens.takes(")") {
            if !arguments.is_empty() && !self.tokens.takes(",") {
                return None;
            }
            arguments.push(self.value()?);
        }
        let known = METHODS.contains(&(root, method.as_str(), arguments.len()));
        known.then(|| format!("{root}.{method}({})", arguments.join(", ")))
    }
}
