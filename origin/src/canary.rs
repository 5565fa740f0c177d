//! What the canary makes of its probes: when an edge began to refuse, and whether it accepted after the bound.
//!
//! All times count from the moment at which the acknowledgement of the logout was in hand. The origin gave it before,
//! so that what is late by this clock is late by any.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::metrics::{metric, sample};

/// What an edge answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It let the request through.
    Accepted,
    Refused,
    /// It could not decide, or could not be asked. No accept, and no refusal either.
    Unavailable,
}

impl Answer {
    pub(crate) const fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Accepted,
            // 302 is for navigations, and an application behind the edge may answer anything else: that is no refusal.
            Some(301..=303 | 307 | 401 | 403) => Self::Refused,
            _ => Self::Unavailable,
        }
    }
}

/// The probes of one edge after one logout.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Course {
    /// It accepted the session before the logout: else its refusal says nothing.
    seen: bool,
    probes: u32,
    last_accepted: Option<Duration>,
    /// The first refusal that no accept followed, and any refusal at all.
    refused: Option<Duration>,
    unavailable: u32,
}

impl Course {
    pub(crate) fn new(seen: bool) -> Self {
        Self { seen, ..Self::default() }
    }

    /// Notes the answer to a probe that began at `began` and ended at `ended`.
    pub(crate) fn note(&mut self, began: Duration, ended: Duration, answer: Answer) {
        self.probes += 1;
        match answer {
            Answer::Accepted => {
                // Behind one address there may be isolates that have heard and such that have not.
                self.last_accepted = self.last_accepted.max(Some(began));
                self.refused = None;
            }
            Answer::Refused => self.refused = self.refused.or(Some(ended)),
            Answer::Unavailable => self.unavailable += 1,
        }
    }

    pub(crate) const fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub(crate) fn outcome(&self, bound: Duration) -> Outcome {
        if self.last_accepted.is_some_and(|at| at > bound) {
            Outcome::Late
        } else if self.seen && self.refused.is_some() {
            Outcome::Refused
        } else {
            Outcome::Unavailable
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Refused,
    /// A probe that began after the bound was accepted: the promise is broken.
    Late,
    /// It did not accept, before the logout already, or said nothing else either.
    Unavailable,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Late => "late",
            Self::Unavailable => "unavailable",
        }
    }
}

fn millis(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into())
}

/// One line of the report.
pub(crate) fn line(at: &str, round: u64, edge: &str, course: &Course, bound: Duration) -> Value {
    json!({
        "at": at,
        "round": round,
        "edge": edge,
        "outcome": course.outcome(bound).name(),
        "refused_ms": millis(course.refused),
        "last_accepted_ms": millis(course.last_accepted),
        "bound_ms": millis(Some(bound)),
        "probes": course.probes,
        "unavailable": course.unavailable,
    })
}

/// All rounds so far, for Prometheus.
#[derive(Default)]
pub(crate) struct Tally {
    rounds: u64,
    failed: u64,
    edges: BTreeMap<String, Edge>,
}

#[derive(Default)]
struct Edge {
    refused: u64,
    late: u64,
    unavailable: u64,
    last: Duration,
    longest: Duration,
}

impl Tally {
    /// A round in which no session could be ended: the origin could not be asked, or said no.
    pub(crate) fn failed(&mut self) {
        self.failed += 1;
    }

    pub(crate) fn round(&mut self) {
        self.rounds += 1;
    }

    pub(crate) fn note(&mut self, edge: &str, course: &Course, bound: Duration) {
        let tally = self.edges.entry(edge.to_owned()).or_default();
        match course.outcome(bound) {
            Outcome::Refused => tally.refused += 1,
            Outcome::Late => tally.late += 1,
            Outcome::Unavailable => tally.unavailable += 1,
        }
        if let Some(refused) = course.refused {
            tally.last = refused;
            tally.longest = tally.longest.max(refused);
        }
    }

    pub(crate) fn is_late(&self) -> bool {
        self.edges.values().any(|edge| edge.late > 0)
    }

    /// Whether it has shown nothing of some edge, or of any.
    pub(crate) fn is_blind(&self) -> bool {
        self.rounds == 0 || self.edges.values().any(|edge| edge.refused == 0)
    }

    /// `edges` are URLs as `url` writes them, so that there is nothing in them to escape.
    pub(crate) fn text(&self, bound: Duration) -> String {
        let mut out = String::with_capacity(1024);
        metric(&mut out, "countersign_canary_bound_seconds", "gauge", "After this no edge may accept.");
        sample(&mut out, "countersign_canary_bound_seconds", "", bound.as_secs_f64());
        metric(&mut out, "countersign_canary_rounds_total", "counter", "Sessions that were ended.");
        sample(&mut out, "countersign_canary_rounds_total", "", self.rounds);
        metric(&mut out, "countersign_canary_failed_total", "counter", "Sessions that could not be ended.");
        sample(&mut out, "countersign_canary_failed_total", "", self.failed);
        let name = "countersign_canary_outcomes_total";
        metric(&mut out, name, "counter", "How the edges took the ends of sessions.");
        for (edge, tally) in &self.edges {
            for (outcome, count) in [
                (Outcome::Refused, tally.refused),
                (Outcome::Late, tally.late),
                (Outcome::Unavailable, tally.unavailable),
            ] {
                sample(&mut out, name, &format!("{{edge=\"{edge}\",outcome=\"{}\"}}", outcome.name()), count);
            }
        }
        let (last, longest) = ("countersign_canary_refusal_last_seconds", "countersign_canary_refusal_max_seconds");
        metric(&mut out, last, "gauge", "From the acknowledgement to the refusal, the last one.");
        for (edge, tally) in &self.edges {
            sample(&mut out, last, &format!("{{edge=\"{edge}\"}}"), tally.last.as_secs_f64());
        }
        metric(&mut out, longest, "gauge", "From the acknowledgement to the refusal, the longest.");
        for (edge, tally) in &self.edges {
            sample(&mut out, longest, &format!("{{edge=\"{edge}\"}}"), tally.longest.as_secs_f64());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn course(probes: &[(u64, u64, Answer)]) -> Course {
        let mut course = Course::new(true);
        for (began, ended, answer) in probes {
            course.note(Duration::from_millis(*began), Duration::from_millis(*ended), *answer);
        }
        course
    }

    #[test]
    fn the_refusal_counts_that_no_accept_follows() {
        use Answer::{Accepted, Refused, Unavailable};
        let told = |course: &Course| {
            let line = line("now", 1, "http://e", course, BOUND);
            (
                line["outcome"].as_str().unwrap().to_owned(),
                line["refused_ms"].as_u64(),
                line["last_accepted_ms"].as_u64(),
            )
        };
        let mut seen = course(&[(5, 8, Accepted), (10, 12, Refused), (20, 22, Accepted), (30, 33, Refused)]);
        assert_eq!(told(&seen), ("refused".to_owned(), Some(33), Some(20)), "two isolates behind one address");
        seen.note(BOUND, BOUND + Duration::from_millis(3), Accepted);
        assert_eq!(told(&seen).0, "unavailable", "accepted at the bound, and nothing after it");
        seen.note(Duration::from_millis(10_001), Duration::from_millis(10_002), Accepted);
        assert_eq!(told(&seen).0, "late");
        seen.note(Duration::from_millis(10_010), Duration::from_millis(10_011), Refused);
        assert_eq!(told(&seen), ("late".to_owned(), Some(10_011), Some(10_001)), "late stays late");
        assert_eq!(told(&course(&[(1, 2, Unavailable)])), ("unavailable".to_owned(), None, None));
        let mut never = Course::new(false);
        never.note(Duration::ZERO, Duration::ZERO, Refused);
        assert_eq!(never.outcome(BOUND), Outcome::Unavailable, "it refuses whatever it is shown");
    }

    #[test]
    fn answers_are_what_they_say() {
        for (status, answer) in [
            (Some(204), Answer::Accepted),
            (Some(200), Answer::Accepted),
            (Some(401), Answer::Refused),
            (Some(302), Answer::Refused),
            (Some(403), Answer::Refused),
            (Some(503), Answer::Unavailable),
            (Some(404), Answer::Unavailable),
            (None, Answer::Unavailable),
        ] {
            assert_eq!(Answer::of(status), answer, "{status:?}");
        }
    }

    #[test]
    fn the_tally_is_told_to_prometheus() {
        let mut tally = Tally::default();
        assert!(tally.is_blind() && !tally.is_late());
        tally.round();
        tally.note("http://e", &course(&[(30, 33, Answer::Refused)]), BOUND);
        tally.note("http://f", &course(&[(1, 2, Answer::Unavailable)]), BOUND);
        assert!(tally.is_blind(), "of f nothing is known");
        tally.round();
        tally.note("http://f", &course(&[(10_001, 10_002, Answer::Accepted)]), BOUND);
        assert!(tally.is_late());
        let text = tally.text(BOUND);
        for line in [
            "countersign_canary_bound_seconds 10\n",
            "countersign_canary_rounds_total 2\n",
            "countersign_canary_outcomes_total{edge=\"http://e\",outcome=\"refused\"} 1\n",
            "countersign_canary_outcomes_total{edge=\"http://f\",outcome=\"late\"} 1\n",
            "countersign_canary_refusal_last_seconds{edge=\"http://e\"} 0.033\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
