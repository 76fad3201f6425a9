//! `lint`, through the real program; no server.

mod fixtures;
mod inputs;
mod outputs;

use crate::support::program::{Program, Run, creditdb};

/// `creditdb lint` with arguments, in a folder of its own choice.
fn lint<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Program {
    creditdb(["lint"]).args(arguments)
}

/// The rules of the findings of a JSON report, in order.
fn rules(run: &Run) -> Vec<String> {
    let json = run.json();
    let findings = json["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}
