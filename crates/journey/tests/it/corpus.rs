//! The exports of real realms in `../shared/journeys`, beside the workspace; where they are not, the tests say so and
//! pass. What becomes of each is in `JOURNEYS.md`, which `COUNTERSIGN_WRITE=1` writes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use countersign_journey::validate::{Verdict, scripts, validate};
use countersign_journey::{Export, FAILURE_NODE, Journey, Library, SUCCESS_NODE, Variables, import};
use serde_json::Value;

use crate::driver::{self, Driven};

struct File {
    name: String,
    text: String,
    export: Export,
}

/// The files, or nothing with a message.
fn corpus() -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/journeys");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there are no exports in ../shared/journeys");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let wanted = |path: &PathBuf| path.to_string_lossy().contains("--");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let export = import::from_json(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        File { name, text, export }
    };
    paths.into_iter().filter(wanted).map(read).collect()
}

/// A realm with the journeys of one repository, where those of `file` go before others of the same name.
fn library(files: &[File], file: &File) -> Library {
    let repository = |file: &File| file.name.split("--").next().unwrap().to_owned();
    let mut library = Library::new();
    for other in files.iter().filter(|other| repository(other) == repository(file)) {
        library.add(&other.export, &Variables::default());
    }
    library.add(&file.export, &Variables::default());
    library
}

#[test]
fn every_export_comes_out_as_it_went_in() {
    for file in corpus() {
        let original: Value = serde_json::from_str(&file.text).unwrap();
        let written = file.export.to_value();
        if original["nodes"].is_array() {
            assert!(written["trees"].is_object(), "{}", file.name);
        } else {
            assert!(written == original, "{} changed", file.name);
        }
        let again = import::from_json(&written.to_string()).unwrap();
        assert!(again == file.export, "{} cannot be read again", file.name);
    }
}

#[test]
fn outcomes_are_those_that_am_has_written() {
    let mut compared = 0;
    for file in corpus() {
        let library = library(&[], &file);
        for journey in library.journeys() {
            for node in journey.nodes.values().flat_map(|node| node.with_children()) {
                let Some(Value::Array(written)) = node.config.get("_outcomes") else { continue };
                let ids = |list: &[Value]| -> BTreeSet<String> {
                    list.iter().map(|outcome| outcome["id"].as_str().unwrap().to_owned()).collect()
                };
                let Some(own) = node.outcomes() else { continue };
                let own: BTreeSet<String> = own.into_iter().collect();
                assert_eq!(own, ids(written), "{}: {} {}", file.name, node.type_id, node.id);
                compared += 1;
            }
        }
    }
    eprintln!("{compared} nodes compared");
}

#[test]
fn every_journey_can_be_drawn() {
    for file in corpus() {
        for journey in library(&[], &file).journeys() {
            let svg = countersign_journey::graph::svg(journey);
            let boxes = journey.reachable(&journey.entry).len();
            assert!(svg.matches("<rect").count() >= boxes, "{}", file.name);
            assert!(countersign_journey::graph::dot(journey).ends_with("}\n"));
        }
    }
}

/// Whether some way along the edges leads there.
fn leads_to(journey: &Journey, end: &str) -> bool {
    journey.entry == end
        || journey
            .reachable(&journey.entry)
            .iter()
            .any(|id| journey.nodes[*id].connections.values().any(|to| to == end))
}

struct Row {
    file: String,
    journey: String,
    verdict: Verdict,
    driven: Option<Driven>,
    scripts: (usize, usize),
    reasons: Vec<String>,
}

fn row(files: &[File], file: &File, name: &str) -> Row {
    let library = library(files, file);
    let Some(journey) = library.journey(name) else {
        return Row {
            file: file.name.clone(),
            journey: name.to_owned(),
            verdict: Verdict::Refused,
            driven: None,
            scripts: (0, 0),
            reasons: vec!["it has no entry".to_owned()],
        };
    };
    let report = validate(&library, journey);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for finding in report.reasons() {
        *reasons.entry(finding.problem.to_string()).or_default() += 1;
    }
    let reasons = reasons.into_iter().map(|(reason, count)| match count {
        1 => reason,
        count => format!("{reason} ({count} nodes)"),
    });
    let reasons = reasons.collect();
    let scripts = scripts(&library, journey);
    let driven = (report.verdict != Verdict::Refused)
        .then(|| driver::explore(&library, journey, report.verdict == Verdict::Runs));
    Row { file: file.name.clone(), journey: name.to_owned(), verdict: report.verdict, driven, scripts, reasons }
}

fn table(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let mut out = format!(
        "# What becomes of the exported journeys\n\n\
         Generated and checked by `tests/it/corpus.rs`; `COUNTERSIGN_WRITE=1 cargo nextest run -p countersign-journey` \
         writes it anew.\n\n\
         * **runs**: every node that can be reached is supported, inner journeys included. **partial**: it starts, and \
         ends with an exception at the nodes named. **refused**: it cannot be started.\n\
         * *driven*: a client with scripted answers has walked it in memory: to the success node, to the failure node \
         (`–`: no edge leads there), and over so many of its edges. Scripts are stood in for: each of a node's outcomes \
         is taken in turn.\n\
         * *scripts*: legacy + next-generation.\n\n\
         {} runs, {} partial, {} refused.\n\n\
         | export | journey | verdict | success | failure | edges | scripts | why not |\n\
         |---|---|---|---|---|---|---|---|\n",
        count(Verdict::Runs),
        count(Verdict::Partial),
        count(Verdict::Refused),
    );
    for row in rows {
        let verdict = match row.verdict {
            Verdict::Runs => "runs",
            Verdict::Partial => "partial",
            Verdict::Refused => "refused",
        };
        let mark = |reached: Option<bool>| match reached {
            None => "–",
            Some(true) => "yes",
            Some(false) => "no",
        };
        let (success, failure, edges) = row.driven.as_ref().map_or(("–", "–", String::new()), |driven| {
            (mark(driven.success), mark(driven.failure), format!("{}/{}", driven.edges.0, driven.edges.1))
        });
        let scripts = match row.scripts {
            (0, 0) => String::new(),
            (legacy, next) => format!("{legacy}+{next}"),
        };
        let reasons = row.reasons.join("; ").replace('|', "\\|");
        let _ = writeln!(
            out,
            "| {} | {} | {verdict} | {success} | {failure} | {edges} | {scripts} | {reasons} |",
            row.file, row.journey
        );
    }
    out
}

#[test]
fn the_table_of_journeys_is_true() {
    let files = corpus();
    if files.is_empty() {
        return;
    }
    let mut rows = Vec::new();
    for file in &files {
        for name in file.export.journeys.keys() {
            rows.push(row(&files, file, name));
        }
    }
    let written = table(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("JOURNEYS.md");
    if std::env::var_os("COUNTERSIGN_WRITE").is_some() {
        #[allow(clippy::disallowed_methods)]
        std::fs::write(&path, &written).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == written, "JOURNEYS.md is not up to date; see the head of tests/it/corpus.rs");

    for row in rows.iter().filter(|row| row.verdict == Verdict::Runs) {
        let driven = row.driven.as_ref().unwrap();
        assert_ne!(driven.success, Some(false), "{}: no success", row.file);
        assert_ne!(driven.failure, Some(false), "{}: no failure", row.file);
    }
}

pub(crate) fn ends(journey: &Journey) -> (bool, bool) {
    (leads_to(journey, SUCCESS_NODE), leads_to(journey, FAILURE_NODE))
}
