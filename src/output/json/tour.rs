//! The demo as JSON: each step holds the document of its own report.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::report::TourStep;

#[derive(Serialize)]
pub(super) struct Tour<'a> {
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    title: &'a str,
    notes: &'a [String],
    report: Option<Box<RawValue>>,
}

impl<'a> From<&'a [TourStep]> for Tour<'a> {
    fn from(steps: &'a [TourStep]) -> Self {
        let step = |step: &'a TourStep| Step {
            title: &step.title,
            notes: &step.notes,
            report: nested(step),
        };
        Self {
            steps: steps.iter().map(step).collect(),
        }
    }
}

/// The report as its own command would print it; nothing for a step without one.
fn nested(step: &TourStep) -> Option<Box<RawValue>> {
    let mut text = Vec::new();
    super::write(&step.report, &mut text).ok()?;
    RawValue::from_string(String::from_utf8(text).ok()?).ok()
}
