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
    use super::java_length;

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
}
