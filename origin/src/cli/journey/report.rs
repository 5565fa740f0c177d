//! What an operator is told of a journey.

use std::process::ExitCode;

use countersign_journey::validate::{Problem, Report, Severity, Verdict};

use super::NOT_ALL_WELL;
use super::terminal::printable;

pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Runs => "runs",
        Verdict::Partial => "partial",
        Verdict::Refused => "refused",
    }
}

pub(super) fn exit_code(verdicts: impl IntoIterator<Item = Verdict>) -> ExitCode {
    if verdicts.into_iter().all(|verdict| verdict == Verdict::Runs) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_ALL_WELL)
    }
}

/// The verdict and its reasons; what is only to be looked at when it matters to whoever brings a journey, or `all`.
pub(super) fn print(report: &Report, all: bool) {
    println!("{:8} {}", verdict(report.verdict), line(&report.journey));
    for finding in &report.findings {
        let matters = matches!(
            finding.problem,
            Problem::LiteralSecret(_)
                | Problem::MissingVariable(_)
                | Problem::MissingTemplate(_)
                | Problem::Stubbed(_)
                | Problem::Ignored(_)
                | Problem::Needs(_)
        );
        if finding.severity == Severity::Warns && !all && !matters {
            continue;
        }
        let word = if finding.severity == Severity::Warns { "note" } else { "why" };
        let place = match &finding.node {
            Some((id, kind, name)) if name.is_empty() => format!("{kind} {id}: "),
            Some((id, kind, name)) => format!("{name:?} ({kind} {id}): "),
            None => String::new(),
        };
        println!("  {}", line(&format!("{word:5} {place}{}", finding.problem)));
    }
}

/// What an export says, on one line and without what would steer the terminal.
pub(super) fn line(text: &str) -> String {
    printable(text).replace('\n', " ")
}
