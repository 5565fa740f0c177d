use super::*;

fn body(source: &str) -> Option<String> {
    in_javascript(source).map(|script| script.trim_start_matches(PRELUDE).replace('\n', " ").trim_end().to_owned())
}

#[test]
fn what_is_the_same_in_both_languages_is_taken() {
    let source = "/* AM's own:\n kinds of \"comments\" */\nString pwd = transientState.get(\"password\");\nif (pwd) {\n  \
                  sharedState.put('password', pwd)\n  outcome = \"true\";\n} else {\n  outcome = 'false'\n}\n";
    let expected = "var pwd = groovyText(transientState.get(\"password\")); if (groovyTruth(pwd)) { \
                    sharedState.put(\"password\", pwd); outcome = \"true\"; }  else { outcome = \"false\"; }";
    assert_eq!(body(source).as_deref(), Some(expected));
    for (source, expected) in [
        ("outcome = 'true'", "outcome = \"true\";"),
        ("outcome = \"a\\\"b\\$\" // done", "outcome = \"a\\\"b$\";"),
        ("def n = sharedState.get(\"n\")\noutcome = 'x'", "var n = sharedState.get(\"n\"); outcome = \"x\";"),
        (
            "if (sharedState.get('a') == 'x' && !(transientState.get('b') != null || true)) { outcome = 'y' }",
            "if (((sharedState.get(\"a\") === \"x\") && !(((transientState.get(\"b\") != null) || \
             groovyTruth(true))))) { outcome = \"y\"; }",
        ),
        (
            "outcome = '1'; boolean b = true; if (b) { outcome = '2' } else if (!b) { logger.error('no') }",
            "outcome = \"1\"; var b = groovyTruth(true); if (groovyTruth(b)) { outcome = \"2\"; }  else if \
             (!groovyTruth(b)) { logger.error(\"no\"); }",
        ),
        (
            "if (5 == sharedState.get('n')) { outcome = 'five' }",
            "if ((5 === sharedState.get(\"n\"))) { outcome = \"five\"; }",
        ),
    ] {
        assert_eq!(body(source).as_deref(), Some(expected), "{source}");
    }
}

#[test]
fn what_may_differ_is_refused() {
    for source in [
        "",
        "def x = 1",
        "logger.message('no outcome')",
        // Equality of contents, assignment, order and arithmetic.
        "if (sharedState.get('a') == sharedState.get('b')) { outcome = 'x' }",
        "def x = null\nif (x = null || x.get('a') != '42') { outcome = 'x' }",
        "if (sharedState.get('a') === 'x') { outcome = 'x' }",
        "outcome = 'a' + 'b'",
        "outcome = sharedState.get('n') > 3 ? 'a' : 'b'",
        "outcome = sharedState.get('a') ?: 'b'",
        "outcome = sharedState?.get('a')",
        "outcome = sharedState['a']",
        "outcome = sharedState.username",
        "if (sharedState.get('a') =~ /x/) { outcome = 'x' }",
        // Texts with something in them, or of several lines.
        "outcome = \"${sharedState.get('a')}\"",
        "outcome = \"$x\"",
        "outcome = '''x'''",
        "outcome = \"\"\"x\"\"\"",
        "outcome = 'a\nb'",
        "outcome = /x/",
        "outcome = 'x' as String",
        // Names and types.
        "def outcome = 'x'",
        "int n = 1\noutcome = 'x'",
        "def groovyTruth = 1\noutcome = 'x'",
        "def sharedState = 1\noutcome = 'x'",
        "def var = 1\noutcome = 'x'",
        "x = 1\noutcome = 'x'",
        "outcome = x",
        "if (true) { def a = 1 }\noutcome = a",
        "def a = 1\nif (true) { def a = 2 }\noutcome = 'x'",
        "def a\noutcome = 'x'",
        "outcome = 010",
        "outcome = 1.5",
        "outcome = 1L",
        "outcome = 9999999999",
        "String a = 'x', b = 'y'\noutcome = a",
        // Calls of what is not known to be the same.
        "import java.util.List\noutcome = 'x'",
        "outcome = idRepository.getAttribute('a', 'b')",
        "outcome = sharedState.get('a', 'b')",
        "outcome = sharedState.get('a').toString()",
        "sharedState.put 'a', 'b'\noutcome = 'x'",
        "outcome = sharedState.get\n('a')",
        "println('x')\noutcome = 'x'",
        "action = null\noutcome = 'x'",
        "return 'x'",
        "while (true) { outcome = 'x' }",
        "if (true) outcome = 'x'",
        "{ outcome = 'x' }",
        "outcome = 'x' outcome = 'y'",
        "outcome = 'x'\n.trim()",
        "if (true) { outcome = 'x'",
        "outcome = 'x",
        "/* outcome = 'x'",
        "outcome = (",
        "é = 1",
    ] {
        assert_eq!(in_javascript(source), None, "{source}");
    }
    let deep = format!("if ({}true{}) {{ outcome = 'x' }}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(in_javascript(&deep), None);
    assert_eq!(in_javascript(&format!("if ({}true) {{ outcome = 'x' }}", "!".repeat(10_000))), None);
    assert_eq!(in_javascript(&format!("outcome = 'x'{}", " ".repeat(MAX_SOURCE))), None);
}
