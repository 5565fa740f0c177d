//! The configuration language of workerd, as far as it is needed: strings are escaped here and nowhere else.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Durable Objects of one class, bound to a worker.
#[derive(Clone, Debug)]
pub struct Object {
    pub binding: String,
    pub class: String,
    /// The worker that has the class and, in a directory beside the configuration, its storage; `None` is the bound
    /// one.
    pub of: Option<String>,
}

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
    pub objects: Vec<Object>,
    /// (binding name, address of an HTTP service)
    pub externals: Vec<(String, SocketAddr)>,
    /// More sockets, each with a named entrypoint of the worker.
    pub entrypoints: Vec<(&'static str, SocketAddr)>,
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
        let mut bindings = entries(&worker.bindings);
        let mut own = String::new();
        for Object { binding, class, of } in &worker.objects {
            let class = string(class);
            let of = match of {
                Some(of) => format!("(className = {class}, serviceName = {})", string(of)),
                None => {
                    let key = string(&format!("countersign-{}", worker.name));
                    let _ = write!(own, "(className = {class}, uniqueKey = {key}, enableSql = true), ");
                    class
                }
            };
            let _ = writeln!(bindings, "          (name = {}, durableObjectNamespace = {of}),", string(binding));
        }
        let mut storage = String::new();
        if !own.is_empty() {
            let disk = string(&format!("{}-storage", worker.name));
            storage = format!(
                "        durableObjectNamespaces = [{}],\n        durableObjectStorage = (localDisk = {disk}),\n",
                own.trim_end_matches(", ")
            );
            let _ = writeln!(services, "    (name = {disk}, disk = (path = {disk}, writable = true)),");
        }
        for (binding, address) in &worker.externals {
            let service = string(&format!("{}-{binding}", worker.name));
            let _ = writeln!(bindings, "          (name = {}, service = {service}),", string(binding));
            let address = string(&address.to_string());
            let _ = writeln!(services, "    (name = {service}, external = (address = {address}, http = ())),");
        }
        let flags: Vec<String> = worker.compatibility_flags.iter().map(|flag| string(flag)).collect();
        let _ = write!(
            services,
            "    (name = {name}, worker = (\n        compatibilityDate = {},\n        compatibilityFlags = [{}],\n        modules = [\n{}        ],\n        bindings = [\n{}        ],\n{storage}        globalOutbound = \"internet\",\n    )),\n",
            string(worker.compatibility_date),
            flags.join(", "),
            entries(&worker.modules),
            bindings,
        );
        let _ = writeln!(
            sockets,
            "    (name = {name}, address = {}, http = (), service = {name}),",
            string(&worker.listen.to_string())
        );
        for (entrypoint, listen) in &worker.entrypoints {
            let _ = writeln!(
                sockets,
                "    (name = {}, address = {}, http = (), service = (name = {name}, entrypoint = {})),",
                string(&format!("{}-{entrypoint}", worker.name)),
                string(&listen.to_string()),
                string(entrypoint),
            );
        }
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
            objects: vec![Object { binding: "HUB".to_owned(), class: "Hub".to_owned(), of: None }],
            externals: vec![("FAR".to_owned(), SocketAddr::from(([127, 0, 0, 1], 8790)))],
            entrypoints: vec![("door", SocketAddr::from(([127, 0, 0, 1], 8791)))],
        }]);
        for part in [
            r#"(name = "edge", address = "127.0.0.1:8787", http = (), service = "edge")"#,
            r#"(name = "entry.mjs", esModule = embed "edge/entry.mjs")"#,
            r#"(name = "SETTINGS", json = embed "edge/SETTINGS")"#,
            r#"compatibilityFlags = ["nodejs_compat"]"#,
            r#"(name = "HUB", durableObjectNamespace = "Hub")"#,
            r#"durableObjectNamespaces = [(className = "Hub", uniqueKey = "countersign-edge", enableSql = true)]"#,
            r#"(name = "edge-storage", disk = (path = "edge-storage", writable = true))"#,
            r#"(name = "edge-FAR", external = (address = "127.0.0.1:8790", http = ()))"#,
            r#"service = (name = "edge", entrypoint = "door")"#,
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
