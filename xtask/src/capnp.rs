//! The configuration language of workerd, as far as it is needed: strings are escaped here and nowhere else.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// One worker in the file; the bodies of modules and bindings are files beside it, named relative to it.
#[derive(Debug)]
pub struct Worker<'a> {
    pub name: &'a str,
    pub listen: SocketAddr,
    pub compatibility_date: &'a str,
    pub compatibility_flags: &'a [String],
    /// (module name, capnp field, file)
    pub modules: Vec<(String, &'static str, String)>,
    /// (binding name, capnp field, file)
    pub bindings: Vec<(String, &'static str, String)>,
}

pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(byte)),
            // The lexer takes bytes, so UTF-8 goes byte by byte.
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

pub fn config(workers: &[Worker<'_>]) -> String {
    let mut services = String::new();
    let mut sockets = String::new();
    for worker in workers {
        let name = string(worker.name);
        let entries = |list: &[(String, &str, String)]| {
            let entry = |(name, field, file): &(String, &str, String)| {
                format!("          (name = {}, {field} = embed {}),\n", string(name), string(file))
            };
            list.iter().map(entry).collect::<String>()
        };
        let flags: Vec<String> = worker.compatibility_flags.iter().map(|flag| string(flag)).collect();
        let _ = write!(
            services,
            "    (name = {name}, worker = (\n        compatibilityDate = {},\n        compatibilityFlags = [{}],\n        modules = [\n{}        ],\n        bindings = [\n{}        ],\n        globalOutbound = \"internet\",\n    )),\n",
            string(worker.compatibility_date),
            flags.join(", "),
            entries(&worker.modules),
            entries(&worker.bindings),
        );
        let _ = writeln!(
            sockets,
            "    (name = {name}, address = {}, http = (), service = {name}),",
            string(&worker.listen.to_string())
        );
    }
    // "private" is what workerd calls loopback and its neighbours: where the origin and the application are.
    format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\nconst config :Workerd.Config = (\n  services = [\n{services}    (name = \"internet\", network = (allow = [\"public\", \"private\"], tlsOptions = (trustBrowserCas = true))),\n  ],\n  sockets = [\n{sockets}  ],\n);\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_cannot_leave_their_quotes() {
        assert_eq!(string("plain"), r#""plain""#);
        assert_eq!(string(r#"a"),(name="b\"#), r#""a\"),(name=\"b\\""#);
        assert_eq!(string("a\nb\té\0"), r#""a\x0ab\x09\xc3\xa9\x00""#);
    }

    #[test]
    fn a_worker_is_written_with_its_socket() {
        let text = config(&[Worker {
            name: "edge",
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            compatibility_date: "2026-04-01",
            compatibility_flags: &["nodejs_compat".to_owned()],
            modules: vec![("entry.mjs".to_owned(), "esModule", "edge/entry.mjs".to_owned())],
            bindings: vec![("SETTINGS".to_owned(), "json", "edge/SETTINGS".to_owned())],
        }]);
        for part in [
            r#"(name = "edge", address = "127.0.0.1:8787", http = (), service = "edge")"#,
            r#"(name = "entry.mjs", esModule = embed "edge/entry.mjs")"#,
            r#"(name = "SETTINGS", json = embed "edge/SETTINGS")"#,
            r#"compatibilityFlags = ["nodejs_compat"]"#,
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
