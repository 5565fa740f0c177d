//! How figures are summed up and printed.

use serde_json::{Value, json};

/// What a figure is held against.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

pub(crate) fn figure(name: &str, value: f64, unit: &str, goal: Option<Goal>, detail: Value) {
    let mut line = json!({ "figure": name, "value": rounded(value), "unit": unit });
    if let Some(goal) = goal {
        let (text, met) = match goal {
            Goal::AtLeast(bound) => (format!(">= {bound}"), value >= bound),
            Goal::AtMost(bound) => (format!("<= {bound}"), value <= bound),
        };
        line["goal"] = text.into();
        line["met"] = met.into();
    }
    line["detail"] = detail;
    println!("{line}");
}

/// Four significant digits: more are noise. What was counted stays as it is.
pub(crate) fn rounded(value: f64) -> f64 {
    if value.fract() == 0.0 { value } else { format!("{value:.3e}").parse().unwrap_or(value) }
}

pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Quartiles {
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let quarter = |number: usize| {
            // Between the two samples nearest to the quarter.
            let place = number * sorted.len().saturating_sub(1);
            let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
            let part = [0.0, 0.25, 0.5, 0.75][place % 4];
            at(place / 4) * (1.0 - part) + at(place.div_ceil(4)) * part
        };
        Self { low: quarter(1), median: quarter(2), high: quarter(3) }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!([rounded(self.low), rounded(self.high)])
    }
}
