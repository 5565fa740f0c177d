//! The attack list is covered: each id of its token (J), cookie (C), key (K) and replication (R) parts, and of what
//! sessions (S) have to do with ending them, stands in the name of a test, or labels a case of the table in
//! `attacks.rs`. The list is made by reading the sources, so it cannot fall behind them: `cargo nextest run -p
//! countersign-tests --test attack_list --no-capture` shows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The ids of each part.
const PARTS: [(char, &[(u32, u32)]); 5] =
    [('J', &[(1, 36)]), ('C', &[(1, 15)]), ('K', &[(1, 8)]), ('R', &[(1, 36)]), ('S', &[(1, 10), (16, 17)])];

/// Those whose ids are put to origin and edge alike, by the table.
const CARRIED: [char; 2] = ['J', 'C'];

/// What a request cannot carry to both origin and edge, and why.
const NOT_IN_THE_TABLE: [(&str, &str); 4] = [
    ("J09", "a key set that does not load"),
    ("J27", "a key that does not load"),
    ("J35", "time, not an answer"),
    ("J36", "keys as core loads them"),
];

fn sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "target" | "node_modules" | "dist") && !name.starts_with('.') {
                sources(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

fn id(text: &str) -> Option<(char, u32)> {
    let (part, number) = (text.chars().next()?.to_ascii_uppercase(), text.get(1..3)?);
    let fits = text.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    let known = PARTS.iter().any(|(known, _)| *known == part);
    if fits && known { number.parse().ok().map(|number| (part, number)) } else { None }
}

/// The ids in `j04_to_j12_…`, `c12_c14_…` or `J04-J06/J10`.
fn ids(text: &str) -> Vec<String> {
    let text = text.replace("_to_", "-").replace(['_', '/', ' '], ",");
    let mut found = Vec::new();
    for word in text.split(',') {
        let range = match word.split_once('-') {
            Some((first, last)) => id(first).zip(id(last)),
            None => id(word).map(|only| (only, only)),
        };
        // Ids come first; what follows them is words.
        let Some(((part, first), (_, last))) = range else { break };
        found.extend((first..=last).map(|number| format!("{part}{number:02}")));
    }
    found
}

/// The tests by id: from the names of functions under `#[test]`, or labels of the table.
fn found() -> BTreeMap<String, Vec<String>> {
    let root = xtask::workspace_root();
    let mut files = Vec::new();
    for part in ["crates", "origin", "edge", "tests"] {
        sources(&root.join(part), &mut files);
    }
    files.sort();
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let mut tested = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                tested = true;
            } else if let Some((_, rest)) = line.split_once("fn ") {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                // `on_both!` makes two tests of what takes a site.
                if std::mem::take(&mut tested) || rest.contains("(site: Site)") {
                    for id in ids(name) {
                        by_id.entry(id).or_default().push(format!("{shown} {name}"));
                    }
                }
            }
        }
        if shown == TABLES {
            for label in text.split('"').skip(1).step_by(2) {
                for id in ids(label) {
                    let table = format!("{TABLE} {label}");
                    let tests = by_id.entry(id).or_default();
                    if !tests.contains(&table) {
                        tests.push(table);
                    }
                }
            }
        }
    }
    by_id
}

const TABLES: &str = "tests/tests/attacks.rs";
const TABLE: &str = "origin and edge:";

#[test]
fn every_attack_has_a_test() {
    let found = found();
    let (mut missing, mut stale) = (Vec::new(), Vec::new());
    for (part, ranges) in PARTS {
        for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            let id = format!("{part}{number:02}");
            let tests = found.get(&id).map(Vec::as_slice).unwrap_or_default();
            println!("{id}  {}", if tests.is_empty() { "none".to_owned() } else { tests.join("\n     ") });
            let reason = |list: &[(&str, &str)]| list.iter().any(|(known, _)| *known == id);
            // All tests of that file ask both.
            let carried = tests.iter().any(|test| test.starts_with(TABLE) || test.starts_with(TABLES));
            if tests.is_empty() {
                missing.push(id.clone());
            }
            if CARRIED.contains(&part) {
                match (carried, reason(&NOT_IN_THE_TABLE)) {
                    (false, false) => missing.push(format!("{id} at origin and edge")),
                    (true, true) => stale.push(format!("{id} at origin and edge")),
                    _ => {}
                }
            }
        }
    }
    assert!(missing.is_empty(), "without a test: {}", missing.join(", "));
    assert!(stale.is_empty(), "tested by now, so to be taken off the lists of exceptions here: {}", stale.join(", "));
}
