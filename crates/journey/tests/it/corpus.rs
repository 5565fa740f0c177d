//! The exports of real realms in `../shared/journeys`, beside the workspace; where they are not, the tests say so and
//! pass. What becomes of each is in `JOURNEYS.md`, which `COUNTERSIGN_WRITE=1` writes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_journey::validate::{Problem, Verdict, scripts, validate};
use countersign_journey::{Export, FAILURE_NODE, Journey, Language, Library, SUCCESS_NODE, Variables, import};
use serde_json::Value;

use crate::driver::{self, Driven};
use crate::scripts::{Scripts, Seen, script_of};

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

/// Exports that somebody has cut, pasted into or mistyped: whatever comes of them, it is not a panic.
#[test]
fn damaged_exports_do_no_harm() {
    let mut dice = 1_u64;
    let mut throw = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % sides.max(1)
    };
    for file in corpus() {
        let original: Value = serde_json::from_str(&file.text).unwrap();
        for _ in 0..4 {
            let mut damaged = original.clone();
            for _ in 0..=throw(6) {
                damage(&mut damaged, &mut throw, 0);
            }
            let Ok(export) = import::from_json(&damaged.to_string()) else { continue };
            let mut library = Library::new();
            library.add(&export, &Variables::default());
            let journeys: Vec<_> = library.journeys().cloned().collect();
            for journey in journeys {
                validate(&library, &journey);
                countersign_journey::graph::svg(&journey);
                driver::explore_some(&library, &journey, 3);
            }
        }
    }
}

/// Changes one value somewhere.
fn damage(value: &mut Value, throw: &mut impl FnMut(usize) -> usize, depth: usize) {
    let inside = match value {
        Value::Array(list) if !list.is_empty() => {
            let index = throw(list.len());
            list.get_mut(index)
        }
        Value::Object(map) if !map.is_empty() => {
            let index = throw(map.len());
            map.values_mut().nth(index)
        }
        _ => None,
    };
    match inside {
        Some(inside) if depth < 4 || throw(4) > 0 => damage(inside, throw, depth + 1),
        _ => {
            let others = [
                Value::Null,
                Value::from(true),
                Value::from(-1),
                Value::from(i64::MAX),
                Value::from(0.5),
                Value::from(""),
                Value::from("\u{1F600} &{esv.x}{{"),
                Value::from(vec![1, 2]),
                serde_json::json!({"a": {"b": []}}),
            ];
            *value = others[throw(others.len())].clone();
        }
    }
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

/// Types of marketplace and partner nodes, and of those that tenants made themselves: all others come with the product.
const FOREIGN: &[&str] = &[
    "AddAttributesToObjectAttributesNode",
    "EmailNotifyNode",
    "GeoLocationNode",
    "HTMLMessageNode",
    "HaveIBeenPwnedPasswordNode",
    "IPAddressDecisionNode",
    "InputCollectorNode",
    "LegacyFRCreateForgeRockUser",
    "LegacyFRLogin",
    "LegacyFRValidateToken",
    "LegacyORACreateForgeRockUser",
    "LegacyORALogin",
    "LegacyORAValidateToken",
    "LegacySMCreateForgeRockUser",
    "LegacySMLogin",
    "LegacySMValidateToken",
    "ProfileAttributeToStateNode",
    "QRCodeNode",
    "RESTNode",
    "SearchForUserNode",
    "SetProfilePropertyNode",
    "ThemeNode",
    "TrusonaDecisionNode",
    "YubicoOTPIsRegisteredNode",
    "YubicoOTPRegisterNode",
    "YubicoOTPValidateNode",
];

/// A prefix of types, by partner.
const PARTNERS: &[&str] =
    &["FingerprintP", "FingerprintR", "OS_", "TypingDNA", "VerifyAuth", "designer-", "iProov", "onfido"];

fn is_product(type_id: &str) -> bool {
    !FOREIGN.contains(&type_id) && !PARTNERS.iter().any(|prefix| type_id.starts_with(prefix))
}

/// Whether it looks like somebody's journey: fixtures of test suites say so, or come from iot-edge, where all are.
fn is_real(file: &str, journey: &str) -> bool {
    let says_so = |text: &str| text.to_lowercase().contains("test");
    !file.starts_with("iot-edge--") && !says_so(file) && !says_so(journey)
}

struct Row {
    file: String,
    journey: String,
    verdict: Verdict,
    real: bool,
    /// Every node that can be reached comes with the product.
    product: bool,
    /// Nothing is missing in the export that the journey needs: scripts, inner journeys, targets of edges.
    complete: bool,
    driven: Option<Driven>,
    scripts: (usize, usize),
    /// What came of each of its scripts when it was run.
    ran: Vec<Seen>,
    reasons: Vec<String>,
}

fn row(files: &[File], file: &File, name: &str) -> Row {
    let library = library(files, file);
    let Some(journey) = library.journey(name) else {
        return Row {
            file: file.name.clone(),
            journey: name.to_owned(),
            verdict: Verdict::Refused,
            real: is_real(&file.name, name),
            product: false,
            complete: false,
            driven: None,
            scripts: (0, 0),
            ran: Vec::new(),
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
    let parts = journey.reachable(&journey.entry);
    let mut parts = parts.iter().flat_map(|id| journey.nodes.get(*id)).flat_map(|node| node.with_children());
    let lacks = |problem: &Problem| {
        matches!(problem, Problem::MissingScript(_) | Problem::MissingJourney(_) | Problem::DanglingOutcome(_))
    };
    Row {
        file: file.name.clone(),
        journey: name.to_owned(),
        verdict: report.verdict,
        real: is_real(&file.name, name),
        product: parts.all(|part| is_product(&part.type_id)),
        complete: !report.reasons().any(|finding| lacks(&finding.problem)),
        driven,
        ran: if scripts == (0, 0) { Vec::new() } else { run_scripts(&library, journey) },
        scripts,
        reasons,
    }
}

/// Runs the journey's own scripts; those of journeys that it calls are in their own row.
fn run_scripts(library: &Library, journey: &Journey) -> Vec<Seen> {
    let reachable = journey.reachable(&journey.entry);
    let parts = reachable.iter().flat_map(|id| journey.nodes.get(*id)).flat_map(|node| node.with_children());
    let ids: BTreeSet<&str> = parts.filter_map(script_of).collect();
    let known = ids.into_iter().filter_map(|id| library.script(id));
    let known: Vec<_> = known.filter(|script| script.language == Language::JavaScript).collect();
    let wanted = known.iter().map(|script| script.id.clone()).collect();
    let scripts = Arc::new(Scripts::new(library, wanted));
    driver::explore_scripts(library, journey, &scripts);
    let mut seen = scripts.seen();
    let never = |name: &String| Seen { name: name.clone(), ..Seen::default() };
    known.iter().map(|script| seen.remove(&script.id).unwrap_or_else(|| never(&script.name))).collect()
}

impl Row {
    /// How many of its scripts came to an outcome without a fault of the sandbox's.
    fn sound(&self) -> usize {
        self.ran.iter().filter(|script| script.decided && script.fault.is_none()).count()
    }
}

/// `12 of 34 (35 %)`.
fn share(rows: &[Row], of: impl Fn(&Row) -> bool) -> String {
    let all: Vec<&Row> = rows.iter().filter(|row| of(row)).collect();
    let run = all.iter().filter(|row| row.verdict == Verdict::Runs).count();
    format!("{run} of {} ({} %)", all.len(), run * 100 / all.len().max(1))
}

fn table(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let mut out = format!(
        "# What becomes of the exported journeys\n\n\
         Generated and checked by `tests/it/corpus.rs`; `COUNTERSIGN_WRITE=1 cargo nextest run -p countersign-journey` \
         writes it anew, where the exports are: they are read from `../shared/journeys`, beside the workspace. They are \
         the journeys in public repositories with an open licence (companieshouse/forgerock-cloud-config, \
         ForgeRock/{{forgeops,iot-edge,modernize-accelerators,ping-android-sdk}}, ForgeRock/platform-ui, \
         rockcarver/{{frodo-cli,frodo-lib}}, vscheuber/forgerock-pde, TypingDNA/TypingDNA-ForgeRock-Authentication-Nodes), one file for each graph, with \
         personal data and secrets replaced; the part before `--` says which repository.\n\n\
         * **runs**: every node that can be reached is supported, inner journeys included. **partial**: it starts, and \
         ends with an exception at the nodes named. **refused**: it cannot be started.\n\
         * *driven*: a client with scripted answers has walked it in memory: to the success node, to the failure node \
         (`–`: no edge leads there), and over so many of its edges. Scripts are stood in for: each of a node's outcomes \
         is taken in turn, so of a journey with scripts this proves the way and not the scripts.\n\
         * *scripts*: legacy + next-generation. *run*: so many of its decision scripts were run in the sandbox of the \
         origin, within the journey (from its entry, or from the script's node on where that is not reached), and came to an outcome of their node without an exception of the sandbox's making: \
         none in any of their runs about a class, a function or a name that is not there. Users, servers, secrets and \
         variables are scripted and answer in every way in turn. The others are named below the table.\n\n\
         {} runs, {} partial, {} refused; {} of {} scripts run.\n\n\
         | | run |\n|---|---|\n\
         | all | {} |\n\
         | real: neither file nor journey is called a test, and it is not one of iot-edge's, which all are | {} |\n\
         | real, and every node that can be reached comes with the product (not a marketplace's, a partner's or a \
         tenant's own) | {} |\n\
         | of those, the ones whose export has all scripts, inner journeys and nodes that they refer to | {} |\n\n\
         | export | journey | verdict | success | failure | edges | scripts | run | why not |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        count(Verdict::Runs),
        count(Verdict::Partial),
        count(Verdict::Refused),
        rows.iter().map(Row::sound).sum::<usize>(),
        rows.iter().map(|row| row.ran.len()).sum::<usize>(),
        share(rows, |_| true),
        share(rows, |row| row.real),
        share(rows, |row| row.real && row.product),
        share(rows, |row| row.real && row.product && row.complete),
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
        let ran = if row.ran.is_empty() { String::new() } else { format!("{} of {}", row.sound(), row.ran.len()) };
        let _ = writeln!(
            out,
            "| {} | {} | {verdict} | {success} | {failure} | {edges} | {scripts} | {ran} | {reasons} |",
            row.file, row.journey
        );
    }
    out.push_str("\n## Scripts that were not seen to decide\n\n");
    for row in rows {
        for script in row.ran.iter().filter(|script| !script.decided || script.fault.is_some()) {
            let none = || "it was not reached, or asked without end".to_owned();
            let why = match &script.fault {
                Some(fault) => format!("of the sandbox: {fault}"),
                None => script.own.clone().map_or_else(none, |own| format!("of its own: {own}")),
            };
            let why: String = why.lines().next().unwrap_or_default().chars().take(160).collect();
            let _ = writeln!(out, "* {}, {:?}: {why}", row.file, script.name);
        }
    }
    out
}

#[test]
fn the_table_of_journeys_is_true() {
    let files = corpus();
    if files.is_empty() {
        return;
    }
    let names: Vec<(&File, &String)> =
        files.iter().flat_map(|file| file.export.journeys.keys().map(move |name| (file, name))).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let files = &files;
        let run = move |part: &[(&File, &String)]| -> Vec<Row> {
            part.iter().map(|(file, name)| row(files, file, name)).collect()
        };
        let parts = names.chunks(names.len().div_ceil(workers));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || run(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let written = table(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("JOURNEYS.md");
    if std::env::var_os("COUNTERSIGN_WRITE").is_some() {
        #[allow(clippy::disallowed_methods, reason = "asked for by name, beside the sources")]
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
