//! Doing a job: what is asked of the server for it.

use std::collections::BTreeMap;

use postgres::Transaction;

use super::{Board, Done, Job};
use crate::error::{Error, Result};
use crate::invariants::catalogue::Check;
use crate::invariants::contract::Kind;
use crate::invariants::evidence::Violations;
use crate::invariants::relations::Relation;
use crate::invariants::{query, row};

impl Board<'_> {
    /// Does a job.
    pub fn perform(&self, snapshot: &mut Transaction<'_>, job: &Job) -> Result<Done> {
        let (relations, limit) = (&self.plan.relations, self.limit);
        let violations = match job {
            Job::Range { scan, range } => {
                let (so_far, given_up) = {
                    let state = self.state();
                    (state.tallies[*scan].clone(), state.broken[*scan])
                };
                if given_up {
                    return Ok(Done::default());
                }
                let tally = self.scans[*scan].read(snapshot, *range, &so_far)?;
                return Ok(Done {
                    rows: tally.rows,
                    tally: Some(tally),
                    ..Done::default()
                });
            }
            Job::Content { pass, range } => {
                let (rows, contents) = self.sealed.passes[*pass].read(snapshot, *range)?;
                return Ok(Done {
                    rows,
                    contents: Some(contents),
                    ..Done::default()
                });
            }
            Job::Suspects(place) => {
                let check = self.plan.steps[*place].0;
                let since = self.sealed.since;
                let question = since.and_then(|since| since.suspects(check));
                let question = question.unwrap_or_else(|| "SELECT".to_owned());
                let row = snapshot
                    .query_one(&format!("SELECT count(*) > 0 FROM ({question}) AS q"), &[])?;
                if row.get(0) {
                    evaluate(snapshot, check, relations, limit)
                } else {
                    Ok(Violations::default())
                }
            }
            Job::Check(place) => {
                let check = self.plan.steps[*place].0;
                evaluate(snapshot, check, relations, limit)
            }
            Job::Evidence(place) => {
                let contract = &self.plan.steps[*place].0.contract;
                row::judge(snapshot, contract, relations, limit, &self.counts(*place))
            }
        };
        Ok(Done {
            violations: Some(violations?),
            ..Done::default()
        })
    }
}

fn evaluate(
    snapshot: &mut Transaction<'_>,
    check: &Check,
    relations: &BTreeMap<String, Relation>,
    limit: u32,
) -> Result<Violations> {
    let contract = &check.contract;
    match (contract.kind, check.native) {
        (Kind::Row, _) => row::run(snapshot, contract, relations, limit),
        (Kind::Query, _) => query::run(snapshot, contract, limit),
        (Kind::Native, Some(native)) => native(snapshot, contract, limit),
        (Kind::Native, None) => Err(Error::undecided("a native check without its function")),
        (Kind::Sealed, _) => Err(Error::undecided("a check of sealed rows without a state")),
    }
}
