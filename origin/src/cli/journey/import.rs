use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use countersign_journey::node_type;
use countersign_journey::validate::{Surroundings, Verdict, validate_in};
use countersign_store::DocumentKind;
use serde_json::Value;

use super::super::realm::RealmArg;
use super::super::{Failure, Outcome};
use super::{Around, files, report};
use crate::journey::documents::{Change, Plan, key};
use crate::journey::library::{Editor, RealmJourneys};

/// Letters of a name that are shown.
const MAX_SHOWN: usize = 80;

#[derive(Args)]
pub(in super::super) struct Import {
    /// Files and folders; `-` for one export on standard input.
    #[arg(required_unless_present_any = ["variable", "variables", "stub"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) realm: RealmArg,
    /// Says what would come of it.
    #[arg(long)]
    dry_run: bool,
    /// Leaves journeys, scripts and mail templates alone that are there already.
    #[arg(long)]
    no_replace: bool,
    /// The value of a variable (ESV), for the whole realm; without a value it is forgotten. Others may see arguments:
    /// secrets are better in a file.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    variable: Vec<(String, String)>,
    /// Variables from a file: lines of NAME=VALUE, or JSON.
    #[arg(long, value_name = "FILE")]
    variables: Option<PathBuf>,
    /// Has nodes of a type that is not known here do nothing and be left by this outcome; without an outcome no longer.
    #[arg(long, value_name = "TYPE=OUTCOME", value_parser = pair)]
    stub: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

impl Import {
    pub(super) async fn run(self, editor: &Editor<'_>, around: &Around) -> Outcome {
        let export = files::read(&self.paths)?;
        let variables = self.all_variables()?;
        if let Some((name, _)) = self.stub.iter().find(|(name, _)| node_type(name).is_some()) {
            return Err(Failure(format!("{name} is known here; a stub for it would not be used")));
        }
        let own: Vec<Change> = variables
            .into_iter()
            // One name, however it is written.
            .map(|(name, value)| (DocumentKind::Variable, name.replace('.', "-"), value))
            .chain(self.stub.iter().map(|(name, outcome)| (DocumentKind::Stub, name.clone(), outcome.clone())))
            .map(|(kind, id, value)| (key(kind, "", &id), (!value.is_empty()).then(|| Value::String(value))))
            .collect();
        let decide = |current: &RealmJourneys| {
            let mut plan = current.documents.plan(&export, !self.no_replace);
            plan.changes.extend(own.iter().cloned());
            let after = RealmJourneys::new(current.documents.with(&plan.changes), current.default.clone());
            let changes = std::mem::take(&mut plan.changes);
            Ok::<_, Failure>((changes, (plan, after)))
        };
        // What cannot be written is told by its name, whether it was to be written or not.
        let (changes, (plan, after)) = decide(&*editor.journeys().await?)?;
        if let Some(name) = plan.unnameable.first() {
            let name: String = name.chars().take(MAX_SHOWN).collect();
            return Err(Failure(format!("nothing was imported: no journey may have the name {name:?}")));
        }
        editor.rehearse(&changes).await.map_err(|what| Failure(format!("nothing was imported: {what}")))?;
        let (plan, after) = if self.dry_run { (plan, after) } else { editor.change(decide).await? };
        Ok(around.seen(|seen| self.told(editor.realm, &plan, &after, seen)))
    }

    fn all_variables(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut all = match &self.variables {
            Some(path) => {
                let cannot = |what| Failure(format!("{}: {what}", path.display()));
                let text = std::fs::File::open(path).map_err(Failure::from).and_then(files::limited);
                from_text(&text.map_err(|Failure(what)| cannot(what))?).map_err(cannot)?
            }
            None => BTreeMap::new(),
        };
        all.extend(self.variable.iter().cloned());
        Ok(all)
    }

    fn told(&self, realm: &str, plan: &Plan, after: &RealmJourneys, around: Surroundings<'_>) -> ExitCode {
        let mut verdicts = Vec::new();
        for name in &plan.imported {
            match after.library.journey(name) {
                Some(journey) => {
                    let report = validate_in(&after.library, journey, around);
                    report::print(&report, false);
                    verdicts.push(report.verdict);
                }
                None => {
                    println!("refused  {}\n  why   its tree names no entry node", report::line(name));
                    verdicts.push(Verdict::Refused);
                }
            }
        }
        for name in &plan.treeless {
            println!("refused  {}\n  why   the export has no tree for it; nothing of it was taken", report::line(name));
            verdicts.push(Verdict::Refused);
        }
        plan.kept.iter().for_each(|name| println!("kept     {}: it is there already", report::line(name)));
        for (what, users) in &plan.shared {
            let note = format!("note     {what} becomes another one, which changes {} too", users.join(", "));
            println!("{}", report::line(&note));
        }
        let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
        let [runs, partial, refused] = [Verdict::Runs, Verdict::Partial, Verdict::Refused].map(count);
        println!("{runs} run, {partial} partial, {refused} refused; realm {realm}.");
        if self.dry_run {
            println!("Nothing was changed.");
        }
        report::exit_code(verdicts)
    }
}

/// `NAME=VALUE` in each line, or a JSON object of texts, or frodo's export of variables.
fn from_text(text: &str) -> Result<BTreeMap<String, String>, String> {
    if !text.trim_start().starts_with('{') {
        let lines = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        return lines.map(|(number, line)| pair(line).map_err(|what| format!("line {}: {what}", number + 1))).collect();
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let members = value.get("variable").or_else(|| value.get("variables")).unwrap_or(&value);
    let members = members.as_object().ok_or("must be an object")?;
    let read = |name: &String, value: &Value| {
        let own = value.as_str().or_else(|| value.get("value").and_then(Value::as_str)).map(str::to_owned);
        let packed = || {
            let bytes = BASE64_STANDARD.decode(value.get("valueBase64")?.as_str()?).ok()?;
            String::from_utf8(bytes).ok()
        };
        let value = own.or_else(packed).ok_or_else(|| format!("{name} has no text for a value"))?;
        Ok((name.clone(), value))
    };
    members.iter().filter(|(name, _)| *name != "meta").map(|(name, value)| read(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_all_forms() {
        let two = BTreeMap::from([("esv-a", "1"), ("esv.b", "x=y")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        for text in [
            "# of the test\nesv-a=1\n\n esv.b=x=y\n",
            r#"{"esv-a": "1", "esv.b": {"value": "x=y"}}"#,
            r#"{"meta": {}, "variable": {"esv-a": {"valueBase64": "MQ=="}, "esv.b": {"valueBase64": "eD15"}}}"#,
        ] {
            assert_eq!(from_text(text).as_ref(), Ok(&two), "{text}");
        }
        for bad in ["a", "=b", "{", r#"{"a": 1}"#, r#"{"a": {"valueBase64": "?"}}"#, r#"{"variable": []}"#] {
            assert!(from_text(bad).is_err(), "{bad}");
        }
    }
}
