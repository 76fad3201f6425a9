//! `creditdb demo`: the whole tour on a private throw-away server.

use postgres::Client;

use super::Outcome;
use crate::cli::DemoArgs;
use crate::db::throwaway::{Options, Throwaway};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::invariants::{self, Catalogue};
use crate::migrations::{self, Set};
use crate::output::progress::Terminal;
use crate::report::{Audit, Progress, Report, TourStep, Verdict};
use crate::sample;

/// What is broken: the SQL (its first line says in words what happens) and the check that must
/// find it.
const DAMAGE: &[(&str, &str)] = &[
    (
        include_str!("demo/edit_balance_after.sql"),
        "chain-continuity",
    ),
    (
        include_str!("demo/repeat_request.sql"),
        "request-id-duplicate",
    ),
    (
        include_str!("demo/delete_balance_row.sql"),
        "balance-row-missing",
    ),
];

/// The schema forbids all of it, so somebody who may do anything makes room first, as a hotfix
/// does. The audit believes no guard that is not there.
const DROP_GUARDS: &str = include_str!("demo/drop_guards.sql");

/// In the text and in the JSON of the tour this many violations of a check are enough.
const EVIDENCE: u32 = 5;

pub(super) fn run(args: &DemoArgs) -> Result<Outcome> {
    let progress = Terminal::default();
    progress.remark("starting a private throw-away server");
    let server = Throwaway::start(&Options::default())?;
    let target = server.target("postgres")?;
    let mut steps = Vec::new();

    let options = migrations::Options::default();
    let deployment = migrations::migrate(&target, || Ok(Set::embedded()), &options, &progress)?;
    steps.push(TourStep::new(
        "creditdb migrate",
        Report::Deployment(deployment),
    ));

    let mut client = target.connect()?;
    let filled = sample::fill(&mut client, super::sample::size(args.size), &progress)?;
    steps.push(TourStep::new("creditdb sample", Report::Sample(filled)));

    let clean = audit(&mut client, &progress)?;
    let clean_verdict = clean.verdict;
    steps.push(TourStep::new("creditdb verify", Report::Audit(clean)));

    let mut told = TourStep::new("damage is done", Report::Nothing);
    client.batch_execute(DROP_GUARDS)?;
    told.notes.push(story(DROP_GUARDS));
    for (sql, _) in DAMAGE {
        plant(&mut client, sql)?;
        told.notes.push(story(sql));
    }
    client.batch_execute("RESET session_replication_role")?;
    steps.push(told);

    let damaged = audit(&mut client, &progress)?;
    let missed = missed(&damaged);
    steps.push(TourStep::new("creditdb verify", Report::Audit(damaged)));
    drop(client);
    drop(server);

    if clean_verdict != Verdict::Clean || !missed.is_empty() {
        return Err(Error::undecided("the demo did not go as it should")
            .detail(format!(
                "first verdict: {clean_verdict:?}; not found: {}",
                missed.join(", ")
            ))
            .hint("creditdb demo --format json shows both audits"));
    }
    Ok(Outcome {
        report: Report::Tour(steps),
        exit: Exit::Done,
    })
}

fn audit(client: &mut Client, progress: &dyn Progress) -> Result<Audit> {
    let catalogue = Catalogue::load(None)?;
    let checks = catalogue.select(&[], &[], false)?;
    let options = invariants::Options {
        evidence: EVIDENCE,
        ..invariants::Options::default()
    };
    let connections = invariants::Connections::one(client);
    invariants::audit(connections, &checks, &options, None, progress)
}

/// Damage that hits no row would prove nothing.
fn plant(client: &mut Client, sql: &str) -> Result<()> {
    match client.execute(sql, &[])? {
        0 => Err(
            Error::usage("the sample is too small for the demo: there is nothing to damage")
                .hint("creditdb demo --users 20 --requests 1000"),
        ),
        _ => Ok(()),
    }
}

fn story(sql: &str) -> String {
    sql.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("-- ")
        .to_owned()
}

/// The planted damage that the audit does not report.
fn missed(audit: &Audit) -> Vec<&'static str> {
    let found = |id: &str| {
        audit
            .checks
            .iter()
            .any(|c| c.check.id == id && c.violations > 0)
    };
    DAMAGE
        .iter()
        .map(|(_, id)| *id)
        .filter(|id| !found(id))
        .collect()
}
