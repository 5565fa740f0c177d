//! What an operator is told of a journey.

use std::process::ExitCode;

use countersign_journey::validate::{Problem, Report, Severity, Verdict};

use super::NOT_ALL_WELL;

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
    println!("{:8} {}", verdict(report.verdict), report.journey);
    for finding in &report.findings {
        let matters = matches!(
            finding.problem,
            Problem::LiteralSecret(_) | Problem::MissingVariable(_) | Problem::MissingTemplate(_) | Problem::Stubbed(_)
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
        println!("  {word:5} {place}{}", finding.problem);
    }
}
