use std::borrow::Cow;

/// `x.length()` of Java, as JavaScript has it: texts have no such method, and their `length` cannot be made one. The
/// source keeps its length and its lines. Comments and texts are left alone; a quote within a regular expression may
/// hide a call behind it, which is then an error when it runs.
pub(crate) fn java_length(source: &str) -> Cow<'_, str> {
    const CALL: &str = ".length()";
    if !source.contains(CALL) {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '.' if rest.starts_with(CALL) => {
                out.push_str(".length  ");
                rest = &rest[CALL.len()..];
                continue;
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..skipped]);
        rest = &rest[skipped..];
    }
    Cow::Owned(out)
}

/// Rhino's `for each (var x in y)`, which goes through values, as the `for (var x of y)` that came to be instead. The
/// source keeps its length and its lines.
pub(crate) fn for_each(source: &str) -> Cow<'_, str> {
    if !source.contains("each") {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = ' ';
    // Whether the `in` is still to come.
    let mut open = false;
    while let Some(first) = rest.chars().next() {
        let word = !is_name(before);
        let skipped = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'f' if word && let Some(length) = each(rest) => {
                out.push_str(&rest[..length - "each".len()]);
                out.push_str("    ");
                rest = &rest[length..];
                (before, open) = (' ', true);
                continue;
            }
            'i' if word && open && rest.starts_with("in") && !rest[2..].starts_with(is_name) => {
                out.push_str("of");
                rest = &rest[2..];
                (before, open) = ('f', false);
                continue;
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..skipped]);
        before = rest[..skipped].chars().next_back().unwrap_or(' ');
        rest = &rest[skipped..];
    }
    Cow::Owned(out)
}

/// The length of `for each` where a parenthesis follows.
fn each(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("for")?;
    let word = after.trim_start_matches([' ', '\t']);
    let next = word.strip_prefix("each")?;
    let apart = word.len() < after.len() && next.trim_start_matches([' ', '\t']).starts_with('(');
    apart.then(|| rest.len() - next.len())
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$')
}

/// The length of the text literal at the start; of its first line where it does not end.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, unit) in rest.char_indices().skip(1) {
        match unit {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if quote != '`' => return at,
            _ if unit == quote => return at + unit.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{for_each, java_length};

    #[test]
    fn only_calls_are_touched() {
        let source =
            "a.length() + b.length; // x.length()\n'it.length()' + \"\\\".length()\" /* .length() */ + 'é'.length()";
        let read =
            "a.length   + b.length; // x.length()\n'it.length()' + \"\\\".length()\" /* .length() */ + 'é'.length  ";
        assert_eq!(java_length(source), read);
        assert_eq!(java_length("x.length("), "x.length(");
        for odd in ["'", "`.length()", "/*.length()", "\\.length()", "'\\"] {
            assert_eq!(java_length(odd).len(), odd.len());
        }
    }

    #[test]
    fn values_are_gone_through_as_rhino_does() {
        let source = "for each (var x in list) { y in z } // for each (a in b)\nforeach (x in y); 'for each (p in q)'; for\teach(index in inner)";
        let read = "for      (var x of list) { y in z } // for each (a in b)\nforeach (x in y); 'for each (p in q)'; for\t    (index of inner)";
        assert_eq!(for_each(source), read);
        for odd in ["for each", "for each (", "for each (é in", "each", "f"] {
            assert_eq!(for_each(odd).len(), odd.len());
        }
    }
}
