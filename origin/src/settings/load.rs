use std::path::{Path, PathBuf};

use toml::Value;

use super::sections::Document;
use super::session::AM_NAMES;

const PREFIX: &str = "COUNTERSIGN__";
const MAX_FILE: u64 = 1 << 20;

/// Why the settings are refused. The fault is with the operator; each text is one line that says where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingsError {
    Read {
        path: PathBuf,
        detail: String,
    },
    /// The file is not TOML, has an unknown key or a value of a wrong type.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
        what: String,
    },
    /// The same, in an environment variable.
    Variable {
        name: String,
        what: String,
    },
    /// A value breaks a rule.
    Rule {
        key: String,
        rule: String,
    },
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read { path, detail } => write!(f, "cannot read {}: {detail}", path.display()),
            Self::File { path, line, column, what } => write!(f, "{}:{line}:{column}: {what}", path.display()),
            Self::Variable { name, what } => write!(f, "environment variable {name}: {what}"),
            Self::Rule { key, rule } => write!(f, "setting {key} {rule}"),
        }
    }
}

impl std::error::Error for SettingsError {}

pub(super) fn document(
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Document, SettingsError> {
    overridden(&read(path)?, path, environment)
}

pub(super) fn overridden(
    text: &str,
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Document, SettingsError> {
    let mut document = parse(text, path)?;

    // One variable at a time, so that an error has its name; in their order, so that it is always the same one.
    let mut overrides: Vec<_> = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    overrides.sort();
    let mut table: toml::Table = toml::from_str(text).unwrap_or_default();
    for (name, text) in overrides {
        let refused = |what: String| SettingsError::Variable { name: name.clone(), what };
        let path = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
        let (section, key) =
            path.split_once("__").ok_or_else(|| refused("must be COUNTERSIGN__SECTION__KEY".to_owned()))?;
        let section = table.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
        let section = section.as_table_mut().ok_or_else(|| refused("is not a section".to_owned()))?;
        // Case is lost in the environment, and dots and hyphens cannot be there.
        let known = AM_NAMES.iter().find(|name| name.replace(['.', '-'], "_").eq_ignore_ascii_case(key));
        section.insert(known.map_or(key, |name| *name).to_owned(), value(&text));
        document =
            Value::Table(table.clone()).try_into().map_err(|e: toml::de::Error| refused(explain(e.message())))?;
    }
    Ok(document)
}

fn parse(text: &str, path: &Path) -> Result<Document, SettingsError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        SettingsError::File { path: path.to_owned(), line, column, what: explain(error.message()) }
    })
}

fn read(path: &Path) -> Result<String, SettingsError> {
    let refused = |detail: String| SettingsError::Read { path: path.to_owned(), detail };
    let size = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(refused("it is larger than 1 MiB".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))
}

/// A TOML value (`10`, `true`, `"x"`, `["a"]`) where the text is one, else the text itself.
fn value(text: &str) -> Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    // One entry: a text with a line break must not smuggle in more than a value.
    let parsed = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    parsed.filter(|value| !value.is_table() && !value.is_datetime()).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

/// The parser's message in one line; for an unknown key with the nearest known one instead of all.
fn explain(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    if (message.starts_with("unknown field") || message.starts_with("unknown variant"))
        && let Some(unknown) = names.next()
    {
        let what = if message.starts_with("unknown field") { "unknown key" } else { "unknown value" };
        let known: Vec<&str> = names.collect();
        let nearest = known.iter().max_by(|a, b| likeness(unknown, a).total_cmp(&likeness(unknown, b)));
        return match nearest {
            Some(nearest) if likeness(unknown, nearest) > 0.6 => {
                format!("{what} `{unknown}`; did you mean `{nearest}`?")
            }
            _ => format!("{what} `{unknown}`; known are {}", known.join(", ")),
        };
    }
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}
